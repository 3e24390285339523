//! A hash of a value that equal values share: key order, escapes, white space and the notation of numbers do not matter.

use std::hash::Hasher as _;

use super::{
    cursor::{Cursor, Type},
    number,
    walk::{Place, Stop, Walk},
};

impl Walk<'_, '_> {
    /// The hash of the next value. Rules for ignored paths and shapes apply; a tolerance cannot.
    ///
    /// The hash has a random key and lives until the two arrays are compared.
    pub(super) fn canonical(
        &mut self,
        cursor: &mut Cursor<'_>,
        place: &Place<'_>,
    ) -> Result<u64, Stop> {
        let mut hasher = self.found.names().hasher();
        let kind = cursor.kind()?;
        if place.is_ignored() {
            self.skip(cursor, place)?;
            return Ok(hasher.finish());
        }
        hasher.write_u8(kind as u8);
        let start = cursor.at();
        match kind {
            Type::Object => {
                let sum = self.canonical_object(cursor, &place.deeper()?)?;
                hasher.write_u64(sum);
                return Ok(hasher.finish());
            }
            Type::Array => {
                let place = place.deeper()?;
                let child = place.element();
                let (mut is_first, mut sum) = (true, 0_u64);
                while cursor.element(is_first)? {
                    self.fuel.spend(1)?;
                    is_first = false;
                    let element = self.canonical(cursor, &child)?;
                    if place.is_unordered() {
                        sum = sum.wrapping_add(element);
                    } else if !place.is_shape {
                        hasher.write_u64(element);
                    }
                }
                hasher.write_u64(sum);
                return Ok(hasher.finish());
            }
            Type::String => {
                let string = cursor.string()?;
                if !place.is_shape {
                    hasher.write(&string.decoded());
                }
            }
            Type::Number => {
                let text = cursor.number()?;
                if !place.is_shape {
                    number::hash(text, &mut hasher);
                }
            }
            Type::Bool | Type::Null => {
                let literal = cursor.literal()?;
                if !place.is_shape {
                    hasher.write(literal);
                }
            }
        }
        self.fuel.spend(2 * (cursor.at() - start))?;
        Ok(hasher.finish())
    }

    /// A sum over the members, which does not depend on their order.
    fn canonical_object(
        &mut self,
        cursor: &mut Cursor<'_>,
        place: &Place<'_>,
    ) -> Result<u64, Stop> {
        let (mut sum, mut is_first, mut start) = (0_u64, true, cursor.at());
        while let Some(key) = cursor.key(is_first)? {
            self.fuel.spend(2 * (cursor.at() - start))?;
            is_first = false;
            let child = place.key(key);
            let value = self.canonical(cursor, &child)?;
            if !child.is_ignored() {
                let mut member = self.found.names().hasher();
                member.write(&key.decoded());
                member.write_u64(value);
                sum = sum.wrapping_add(member.finish());
            }
            start = cursor.at();
        }
        Ok(sum)
    }
}
