//! Two arrays: by index, or as multisets.

use super::{
    cursor::Cursor,
    walk::{Place, Stop, Walk},
};
use crate::compare::answers::kind::Kind;

impl Walk<'_, '_> {
    /// Compares by index. Arrays of different lengths have the single difference [`Kind::Length`], because an index
    /// does not say which element was inserted.
    pub(super) fn arrays<'t>(
        &mut self,
        a: &mut Cursor<'t>,
        b: &mut Cursor<'t>,
        place: &Place<'_>,
    ) -> Result<(), Stop> {
        let starts = [*a, *b];
        let mark = self.found.mark();
        let child = place.element();
        let (mut is_first, mut differing) = (true, 0);
        loop {
            self.fuel.spend(2)?;
            match (a.element(is_first)?, b.element(is_first)?) {
                (true, true) => {
                    let reports = self.found.reports();
                    self.values(a, b, &child)?;
                    differing += usize::from(self.found.reports() != reports);
                }
                (false, false) if is_first => {
                    self.found.equal();
                    break;
                }
                (false, false) => break,
                (has_more, _) => {
                    self.rest(if has_more { a } else { b }, &child)?;
                    if !place.is_shape {
                        self.found.take_back(mark);
                        self.found.report(&place.path, Kind::Length);
                    }
                    return Ok(());
                }
            }
            is_first = false;
        }
        let lengths = [a.since(starts[0].at()).len(), b.since(starts[1].at()).len()];
        // One element that differs is not an order. The texts of the same elements have the same length, as far as
        // both services write JSON in the same way; so most arrays do not pay for the hashes.
        if differing > 1 && lengths[0] == lengths[1] && self.is_permuted(starts, place)? {
            self.found.take_back(mark);
            self.found.equal();
            self.found.report(&place.path, Kind::Order);
        }
        Ok(())
    }

    /// Moves over the remaining elements. The cursor stands on the first of them.
    fn rest(&mut self, cursor: &mut Cursor<'_>, child: &Place<'_>) -> Result<(), Stop> {
        loop {
            self.skip(cursor, child)?;
            self.fuel.spend(1)?;
            if !cursor.element(false)? {
                return Ok(());
            }
        }
    }

    fn is_permuted(
        &mut self,
        [mut a, mut b]: [Cursor<'_>; 2],
        place: &Place<'_>,
    ) -> Result<bool, Stop> {
        let child = place.element();
        let first = self.hashes(&mut a, place)?;
        let mut second = Vec::new();
        while b.element(second.is_empty())? {
            let hash = self.canonical(&mut b, &child)?;
            if first.binary_search(&hash).is_err() {
                return Ok(false);
            }
            second.push(hash);
        }
        second.sort_unstable();
        Ok(first == second)
    }

    /// Compares without regard to the order.
    pub(super) fn multisets<'t>(
        &mut self,
        a: &mut Cursor<'t>,
        b: &mut Cursor<'t>,
        place: &Place<'_>,
    ) -> Result<(), Stop> {
        let (first, second) = (self.hashes(a, place)?, self.hashes(b, place)?);
        if first.len() != second.len() {
            if !place.is_shape {
                self.found.report(&place.path, Kind::Length);
            }
        } else if first != second {
            self.found.report(&place.element().path, Kind::Value);
        } else {
            self.found.equal();
        }
        Ok(())
    }

    /// The hashes of the elements, sorted.
    fn hashes(&mut self, cursor: &mut Cursor<'_>, place: &Place<'_>) -> Result<Vec<u64>, Stop> {
        let child = place.element();
        let mut hashes = Vec::new();
        while cursor.element(hashes.is_empty())? {
            hashes.push(self.canonical(cursor, &child)?);
        }
        let bits = hashes.len().checked_ilog2().unwrap_or(0) as usize;
        self.fuel.spend(hashes.len() * bits / 4)?;
        hashes.sort_unstable();
        Ok(hashes)
    }
}
