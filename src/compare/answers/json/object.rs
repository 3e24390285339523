//! Compares two objects: in parallel while their keys have the same order, then by sorted keys.

use std::{borrow::Cow, cmp::Ordering};

use super::{
    cursor::Cursor,
    raw::Raw,
    walk::{Place, Stop, Walk},
};
use crate::compare::answers::kind::Kind;

/// A member of an object that is not walked yet.
struct Member<'t> {
    name: Cow<'t, [u8]>,
    key: Raw<'t>,
    index: usize,
    value: Cursor<'t>,
    text: &'t [u8],
}

/// The members with the same key: the last of them, which is valid, and how many there are.
struct Group<'m, 't> {
    last: &'m Member<'t>,
    count: usize,
}

impl Walk<'_, '_> {
    pub(super) fn objects<'t>(
        &mut self,
        a: &mut Cursor<'t>,
        b: &mut Cursor<'t>,
        place: &Place<'_>,
    ) -> Result<(), Stop> {
        let starts = [*a, *b];
        let (mark, reports) = (self.found.mark(), self.found.reports());
        let mut walked = 0;
        let is_in_step = loop {
            let start = a.at() + b.at();
            let is_first = walked == 0;
            let keys = (a.key(is_first)?, b.key(is_first)?);
            self.fuel.spend(a.at() + b.at() - start)?;
            match keys {
                (Some(key), Some(other)) if key.is_same(other) => {
                    self.values(a, b, &place.key(key))?;
                    walked += 1;
                }
                (None, None) => {
                    if is_first {
                        self.found.equal();
                    }
                    break true;
                }
                _ => break false,
            }
        };
        if is_in_step && self.found.reports() == reports {
            return Ok(());
        }
        // Only now it matters whether a key occurs twice: the last one is valid.
        let ends = [*a, *b];
        [*a, *b] = starts;
        let first = self.members(a, place)?;
        if is_in_step && !has_duplicates(&first) {
            [*a, *b] = ends;
            return Ok(());
        }
        let second = self.members(b, place)?;
        if has_duplicates(&first) || has_duplicates(&second) {
            self.found.take_back(mark);
            walked = 0;
        }
        self.sorted(&first, &second, walked, place)
    }

    /// All members, sorted by key and place.
    fn members<'t>(
        &mut self,
        cursor: &mut Cursor<'t>,
        place: &Place<'_>,
    ) -> Result<Vec<Member<'t>>, Stop> {
        let (mut members, mut names, start) = (Vec::new(), 0, cursor.at());
        while let Some(key) = cursor.key(members.is_empty())? {
            cursor.peek();
            let value = *cursor;
            cursor.skip(place.depth)?;
            let name = key.decoded();
            names += name.len() + 1;
            members.push(Member {
                name,
                key,
                index: members.len(),
                value,
                text: cursor.since(value.at()),
            });
        }
        self.fuel.spend(cursor.at() - start)?;
        // A sort compares each name about as often as the number of members has bits. Names mostly differ early.
        let bits = members.len().checked_ilog2().unwrap_or(0) as usize;
        self.fuel.spend(names.saturating_mul(bits) / 4)?;
        members.sort_unstable_by(|a, b| (&a.name, a.index).cmp(&(&b.name, b.index)));
        Ok(members)
    }

    fn sorted(
        &mut self,
        first: &[Member<'_>],
        second: &[Member<'_>],
        walked: usize,
        place: &Place<'_>,
    ) -> Result<(), Stop> {
        let (mut first, mut second) = (groups(first).peekable(), groups(second).peekable());
        loop {
            let order = match (first.peek(), second.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.last.name.cmp(&b.last.name),
            };
            let a = first.next_if(|_| order.is_le());
            let b = second.next_if(|_| order.is_ge());
            match (a, b) {
                (Some(a), Some(b)) => self.pair(&a, &b, walked, place)?,
                (Some(only), None) => self.one_sided(&only, Kind::Removed, place)?,
                (None, Some(only)) => self.one_sided(&only, Kind::Added, place)?,
                (None, None) => {}
            }
        }
    }

    fn pair(
        &mut self,
        a: &Group<'_, '_>,
        b: &Group<'_, '_>,
        walked: usize,
        place: &Place<'_>,
    ) -> Result<(), Stop> {
        let child = place.key(a.last.key);
        if a.count != b.count && !child.is_ignored() {
            self.found.report(&child.path, Kind::DuplicateKey);
        }
        let is_walked = a.last.index < walked && b.last.index < walked;
        if is_walked {
            return Ok(());
        }
        if a.last.text == b.last.text {
            if !child.is_shape && !child.is_ignored() {
                self.found.equal();
            }
            return Ok(());
        }
        self.values(&mut a.last.value.clone(), &mut b.last.value.clone(), &child)
    }

    fn one_sided(
        &mut self,
        only: &Group<'_, '_>,
        kind: Kind,
        place: &Place<'_>,
    ) -> Result<(), Stop> {
        let child = place.key(only.last.key);
        if !child.is_ignored() {
            self.found.report(&child.path, kind);
        }
        Ok(())
    }
}

fn has_duplicates(members: &[Member<'_>]) -> bool {
    members.windows(2).any(|pair| pair[0].name == pair[1].name)
}

fn groups<'m, 't>(members: &'m [Member<'t>]) -> impl Iterator<Item = Group<'m, 't>> {
    let groups = members.chunk_by(|a, b| a.name == b.name);
    groups.filter_map(|group| {
        Some(Group {
            last: group.last()?,
            count: group.len(),
        })
    })
}
