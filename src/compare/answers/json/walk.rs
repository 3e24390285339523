//! The walker: two values in step.

use super::{
    cursor::{Cursor, NotJson, Type},
    number,
    raw::Raw,
    rules::Node,
};
use crate::compare::answers::{
    found::Found,
    kind::Kind,
    path::{Path, Step},
};

/// Deeper nesting is not accepted.
const MOST_DEPTH: usize = 128;
/// The work that a byte of the two texts pays for. Equal texts need 1, reversed keys some more.
const FUEL_PER_BYTE: u64 = 16;
/// So that a small text pays for its constant costs.
const FUEL_BASE: u64 = 4096;

/// The work of a comparison would exceed a fixed multiple of the size of the answers.
#[derive(Clone, Copy, Debug)]
pub(in crate::compare::answers) struct TooCostly;

/// The work that a comparison may still cost, in bytes read.
#[derive(Debug)]
pub(in crate::compare::answers) struct Fuel(u64);

impl Fuel {
    /// For texts with so many bytes together.
    pub(in crate::compare::answers) const fn for_bytes(bytes: usize) -> Self {
        Self(
            (bytes as u64)
                .saturating_mul(FUEL_PER_BYTE)
                .saturating_add(FUEL_BASE),
        )
    }

    pub(super) fn spend(&mut self, work: usize) -> Result<(), TooCostly> {
        self.0 = self.0.checked_sub(work as u64).ok_or(TooCostly)?;
        Ok(())
    }
}

/// Why a walk ends early.
pub(super) enum Stop {
    NotJson,
    TooCostly,
}

impl From<NotJson> for Stop {
    fn from(_: NotJson) -> Self {
        Self::NotJson
    }
}

impl From<TooCostly> for Stop {
    fn from(_: TooCostly) -> Self {
        Self::TooCostly
    }
}

/// Where the walk is, and which rules are valid there.
#[derive(Clone)]
pub(super) struct Place<'p> {
    pub(super) path: Path<'p>,
    pub(super) rule: Option<&'p Node>,
    /// Only presence and types are compared from here on.
    pub(super) is_shape: bool,
    /// How many levels may still follow.
    pub(super) depth: usize,
}

impl<'p> Place<'p> {
    pub(super) fn key<'c>(&'c self, key: Raw<'c>) -> Place<'c>
    where
        'p: 'c,
    {
        self.child(Step::Key(key), self.rule.and_then(|rule| rule.key(key)))
    }

    pub(super) fn element<'c>(&'c self) -> Place<'c>
    where
        'p: 'c,
    {
        self.child(Step::Element, self.rule.and_then(Node::element))
    }

    fn child<'c>(&'c self, step: Step<'c>, rule: Option<&'c Node>) -> Place<'c>
    where
        'p: 'c,
    {
        Place {
            path: self.path.then(step),
            rule,
            is_shape: self.is_shape || rule.is_some_and(|rule| rule.is_shape),
            depth: self.depth,
        }
    }

    /// The same place with one level less to go. It fails at the limit.
    pub(super) fn deeper(&self) -> Result<Self, NotJson> {
        let depth = self.depth.checked_sub(1).ok_or(NotJson)?;
        Ok(Self {
            depth,
            ..self.clone()
        })
    }

    pub(super) fn is_ignored(&self) -> bool {
        self.rule.is_some_and(|rule| rule.is_ignored)
    }

    pub(super) fn is_unordered(&self) -> bool {
        self.rule.is_some_and(|rule| rule.is_unordered)
    }
}

/// A pair of texts on its way.
pub(super) struct Walk<'w, 'n> {
    pub(super) found: &'w mut Found<'n>,
    pub(super) fuel: &'w mut Fuel,
}

/// Compares two texts. If exactly one of them is not JSON, the difference is [`Kind::Syntax`]; if both are not, their bytes are compared.
pub(in crate::compare::answers) fn compare(
    [a, b]: [&[u8]; 2],
    path: Path<'_>,
    rule: Option<&Node>,
    found: &mut Found<'_>,
    fuel: &mut Fuel,
) -> Result<(), TooCostly> {
    let place = Place {
        path,
        rule,
        is_shape: rule.is_some_and(|rule| rule.is_shape),
        depth: MOST_DEPTH,
    };
    if place.is_ignored() {
        return Ok(());
    }
    if a == b {
        if !place.is_shape {
            found.equal();
        }
        return Ok(());
    }
    let mark = found.mark();
    let walked = match is_utf8(a) && is_utf8(b) {
        true => Walk { found, fuel }.texts(a, b, &place),
        false => Err(Stop::NotJson),
    };
    match walked {
        Ok(()) => return Ok(()),
        Err(Stop::TooCostly) => return Err(TooCostly),
        Err(Stop::NotJson) => found.take_back(mark),
    }
    fuel.spend(a.len() + b.len())?;
    let is_one_json = is_json(a) != is_json(b);
    found.report(
        &place.path,
        if is_one_json {
            Kind::Syntax
        } else {
            Kind::Value
        },
    );
    Ok(())
}

fn is_utf8(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok()
}

fn is_json(text: &[u8]) -> bool {
    let mut cursor = Cursor::new(text);
    is_utf8(text) && cursor.skip(MOST_DEPTH).is_ok() && cursor.peek().is_none()
}

impl Walk<'_, '_> {
    fn texts(&mut self, a: &[u8], b: &[u8], place: &Place<'_>) -> Result<(), Stop> {
        let (mut a, mut b) = (Cursor::new(a), Cursor::new(b));
        self.values(&mut a, &mut b, place)?;
        match (a.peek(), b.peek()) {
            (None, None) => Ok(()),
            _ => Err(Stop::NotJson),
        }
    }

    pub(super) fn values<'t>(
        &mut self,
        a: &mut Cursor<'t>,
        b: &mut Cursor<'t>,
        place: &Place<'_>,
    ) -> Result<(), Stop> {
        let kinds = [a.kind()?, b.kind()?];
        if place.is_ignored() || kinds[0] != kinds[1] {
            self.skip(a, place)?;
            self.skip(b, place)?;
            if !place.is_ignored() {
                self.found.report(&place.path, Kind::Type);
            }
            return Ok(());
        }
        let start = a.at() + b.at();
        let is_same = match kinds[0] {
            Type::Object => return self.objects(a, b, &place.deeper()?),
            Type::Array if place.is_unordered() => {
                return self.multisets(a, b, &place.deeper()?);
            }
            Type::Array => return self.arrays(a, b, &place.deeper()?),
            Type::String => strings(a, b)?,
            Type::Number => numbers(a, b, place)?,
            Type::Bool | Type::Null => a.literal()? == b.literal()?,
        };
        self.fuel.spend(a.at() + b.at() - start)?;
        match (place.is_shape, is_same) {
            (true, _) => {}
            (false, true) => self.found.equal(),
            (false, false) => self.found.report(&place.path, Kind::Value),
        }
        Ok(())
    }

    /// Moves over a value, and pays for it.
    pub(super) fn skip(&mut self, cursor: &mut Cursor<'_>, place: &Place<'_>) -> Result<(), Stop> {
        let start = cursor.at();
        cursor.skip(place.depth)?;
        self.fuel.spend(cursor.at() - start)?;
        Ok(())
    }
}

fn strings(a: &mut Cursor<'_>, b: &mut Cursor<'_>) -> Result<bool, NotJson> {
    let start = a.at();
    let string = a.string()?;
    // The same bytes with both quotes are the same token.
    if b.take(a.since(start)) {
        return Ok(true);
    }
    Ok(string.is_same(b.string()?))
}

fn numbers(a: &mut Cursor<'_>, b: &mut Cursor<'_>, place: &Place<'_>) -> Result<bool, NotJson> {
    let (a, b) = (a.number()?, b.number()?);
    let tolerance = place.rule.and_then(|rule| rule.tolerance);
    Ok(number::is_same(a, b) || tolerance.is_some_and(|tolerance| tolerance.takes(a, b)))
}
