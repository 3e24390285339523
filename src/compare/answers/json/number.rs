//! Whether two texts are the same JSON number, exactly and without a limit on the digits.

use std::{cmp::Ordering, hash::Hasher};

/// `0.DIGITS * 10^exponent`, where the first and the last digit are not zero; zero has no digits.
struct Decimal<'t> {
    is_negative: bool,
    /// The digits before the point and those behind it.
    parts: [&'t [u8]; 2],
    first: usize,
    count: usize,
    exponent: i64,
}

impl<'t> Decimal<'t> {
    /// `None`: the exponent is too large for 64 bits.
    fn read(text: &'t [u8]) -> Option<Self> {
        let (is_negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let split = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
        let (mantissa, exponent) = match split {
            Some(at) => (&text[..at], exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let point = mantissa.iter().position(|byte| *byte == b'.');
        let parts = match point {
            Some(at) => [&mantissa[..at], &mantissa[at + 1..]],
            None => [mantissa, b"".as_slice()],
        };
        let digits = || parts[0].iter().chain(parts[1]);
        let Some(first) = digits().position(|digit| *digit != b'0') else {
            return Some(Self {
                is_negative: false,
                parts,
                first: 0,
                count: 0,
                exponent: 0,
            });
        };
        let zeros = digits().rev().take_while(|digit| **digit == b'0').count();
        let before = i64::try_from(parts[0].len()).ok()?;
        Some(Self {
            is_negative,
            parts,
            first,
            count: parts[0].len() + parts[1].len() - first - zeros,
            exponent: before
                .checked_sub(i64::try_from(first).ok()?)?
                .checked_add(exponent)?,
        })
    }

    fn digits(&self) -> impl Iterator<Item = &'t u8> {
        let all = self.parts[0].iter().chain(self.parts[1]);
        all.skip(self.first).take(self.count)
    }
}

fn exponent(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    digits.iter().try_fold(0_i64, |sum, digit| {
        let digit = i64::from(digit.wrapping_sub(b'0'));
        sum.checked_mul(10)?.checked_add(sign * digit)
    })
}

/// Whether two valid numbers are equal, as `1.0`, `1` and `10e-1` are.
pub(super) fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    let (Some(a), Some(b)) = (Decimal::read(a), Decimal::read(b)) else {
        return false;
    };
    a.is_negative == b.is_negative
        && a.exponent == b.exponent
        && a.digits().cmp(b.digits()) == Ordering::Equal
}

/// Equal numbers have equal hashes.
pub(super) fn hash(text: &[u8], hasher: &mut impl Hasher) {
    let Some(number) = Decimal::read(text) else {
        hasher.write(text);
        return;
    };
    hasher.write_u8(u8::from(number.is_negative));
    hasher.write_i64(number.exponent);
    for digit in number.digits() {
        hasher.write_u8(*digit);
    }
}

/// How far two numbers may lie apart.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tolerance {
    pub(crate) absolute: f64,
    pub(crate) relative: f64,
}

impl Tolerance {
    /// Whether both are finite as 64-bit numbers, and near enough to each other.
    pub(super) fn takes(self, a: &[u8], b: &[u8]) -> bool {
        let number = |text| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
        let (Some(a), Some(b)) = (number(a), number(b)) else {
            return false;
        };
        if !a.is_finite() || !b.is_finite() {
            return false;
        }
        let room = self.absolute.max(self.relative * a.abs().max(b.abs()));
        // `1.005 - 1.0` is a little more than `0.005`: the last bits are an error of the representation.
        (a - b).abs() <= room + 4.0 * f64::EPSILON * a.abs().max(b.abs())
    }
}
