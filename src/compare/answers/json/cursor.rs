//! A place in a JSON text, which moves by tokens and refuses what RFC 8259 refuses.

use super::raw::Raw;

/// The text is not JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotJson;

/// The type of a value, from its first byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// A place in a text that is valid UTF-8.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'t> {
    text: &'t [u8],
    at: usize,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

impl<'t> Cursor<'t> {
    pub(super) const fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0 }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The text from an earlier place of the same cursor up to this one.
    pub(super) fn since(&self, start: usize) -> &'t [u8] {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Moves over the bytes, if they come next.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        let is_next = self.text[self.at..].starts_with(bytes);
        if is_next {
            self.at += bytes.len();
        }
        is_next
    }

    /// The next byte that is not white space; the cursor stands on it then.
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    pub(super) fn kind(&mut self) -> Result<Type, NotJson> {
        Ok(match self.peek() {
            Some(b'{') => Type::Object,
            Some(b'[') => Type::Array,
            Some(b'"') => Type::String,
            Some(b'-' | b'0'..=b'9') => Type::Number,
            Some(b't' | b'f') => Type::Bool,
            Some(b'n') => Type::Null,
            _ => return Err(NotJson),
        })
    }

    fn byte(&mut self) -> Result<u8, NotJson> {
        let byte = *self.text.get(self.at).ok_or(NotJson)?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn string(&mut self) -> Result<Raw<'t>, NotJson> {
        if self.byte()? != b'"' {
            return Err(NotJson);
        }
        let start = self.at;
        let mut has_escapes = false;
        loop {
            self.at += plain_bytes(&self.text[self.at..]);
            match self.byte()? {
                b'"' => break,
                b'\\' => {
                    has_escapes = true;
                    self.escape()?;
                }
                _ => return Err(NotJson),
            }
        }
        Ok(Raw {
            text: &self.text[start..self.at - 1],
            has_escapes,
        })
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        match self.byte()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4).ok_or(NotJson)?;
                self.at += 4;
                let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
                is_hex.then_some(()).ok_or(NotJson)
            }
            _ => Err(NotJson),
        }
    }

    pub(super) fn number(&mut self) -> Result<&'t [u8], NotJson> {
        let start = self.at;
        self.take(b"-");
        if !self.take(b"0") {
            self.digits()?;
        }
        if self.take(b".") {
            self.digits()?;
        }
        if self.take(b"e") || self.take(b"E") {
            let _sign = self.take(b"+") || self.take(b"-");
            self.digits()?;
        }
        Ok(self.since(start))
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let rest = &self.text[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(NotJson) } else { Ok(()) }
    }

    /// `true`, `false` or `null`.
    pub(super) fn literal(&mut self) -> Result<&'t [u8], NotJson> {
        let start = self.at;
        if self.take(b"true") || self.take(b"false") || self.take(b"null") {
            return Ok(self.since(start));
        }
        Err(NotJson)
    }

    /// The next key of an object, with the colon behind it. The cursor stands on the brace if this is the first key,
    /// and behind a value otherwise.
    pub(super) fn key(&mut self, is_first: bool) -> Result<Option<Raw<'t>>, NotJson> {
        if !self.more(is_first, b'{', b'}')? {
            return Ok(None);
        }
        if self.peek() != Some(b'"') {
            return Err(NotJson);
        }
        let key = self.string()?;
        match (self.peek(), self.byte()?) {
            (_, b':') => Ok(Some(key)),
            _ => Err(NotJson),
        }
    }

    /// Whether another element of an array follows. The cursor stands on the bracket if this is the first element,
    /// and behind an element otherwise.
    pub(super) fn element(&mut self, is_first: bool) -> Result<bool, NotJson> {
        self.more(is_first, b'[', b']')
    }

    fn more(&mut self, is_first: bool, open: u8, close: u8) -> Result<bool, NotJson> {
        self.peek();
        match self.byte()? {
            byte if is_first && byte == open => {
                let is_empty = self.peek() == Some(close);
                self.at += usize::from(is_empty);
                Ok(!is_empty)
            }
            b',' if !is_first => Ok(true),
            byte if !is_first && byte == close => Ok(false),
            _ => Err(NotJson),
        }
    }

    /// Moves over a value, and checks it.
    pub(super) fn skip(&mut self, depth: usize) -> Result<(), NotJson> {
        match self.kind()? {
            Type::String => self.string().map(drop),
            Type::Number => self.number().map(drop),
            Type::Bool | Type::Null => self.literal().map(drop),
            Type::Object => {
                let depth = depth.checked_sub(1).ok_or(NotJson)?;
                let mut is_first = true;
                while self.key(is_first)?.is_some() {
                    self.skip(depth)?;
                    is_first = false;
                }
                Ok(())
            }
            Type::Array => {
                let depth = depth.checked_sub(1).ok_or(NotJson)?;
                let mut is_first = true;
                while self.element(is_first)? {
                    self.skip(depth)?;
                    is_first = false;
                }
                Ok(())
            }
        }
    }
}

/// The number of bytes before the first quote, backslash or control character. It looks at eight bytes at a time.
fn plain_bytes(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(Ok(word)) = text.get(at..at + 8).map(<[u8; 8]>::try_from) {
        let word = u64::from_le_bytes(word);
        // The lowest high bit that is set belongs to the first such byte.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let found = zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c)) | control;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    let rest = &text[at..];
    at + rest.iter().position(is_special).unwrap_or(rest.len())
}
