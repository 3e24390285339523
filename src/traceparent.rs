//! The `traceparent` header, as the W3C Recommendation Trace Context has it (section 3.2.2).

/// The parts that matter here of a valid one, in lower-case hexadecimal digits.
pub(crate) struct Traceparent<'a> {
    /// 32 of them, not all zero.
    pub(crate) trace: &'a [u8],
    /// 2 of them.
    pub(crate) flags: &'a [u8],
}

impl<'a> Traceparent<'a> {
    pub(crate) fn of(value: &'a [u8]) -> Option<Self> {
        let mut fields = value.split(|byte| *byte == b'-');
        let version = hex(fields.next()?, 2)?;
        let trace = hex(fields.next()?, 32)?;
        let parent = hex(fields.next()?, 16)?;
        let flags = hex(fields.next()?, 2)?;
        let is_zero = |id: &[u8]| id.iter().all(|digit| *digit == b'0');
        // Later versions may append fields; version 00 may not.
        let is_known = version != b"ff" && (version != b"00" || fields.next().is_none());
        let is_valid = is_known && !is_zero(trace) && !is_zero(parent);
        is_valid.then_some(Self { trace, flags })
    }

    /// Whether the caller may have recorded the trace: the lowest bit of the flags.
    pub(crate) fn is_sampled(&self) -> bool {
        self.flags.last().is_some_and(|digit| match digit {
            b'0'..=b'9' => (digit - b'0') & 1 == 1,
            _ => (digit - b'a') & 1 == 1,
        })
    }
}

fn hex(field: &[u8], digits: usize) -> Option<&[u8]> {
    let is_lower_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (field.len() == digits && field.iter().all(is_lower_hex)).then_some(field)
}
