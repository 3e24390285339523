//! `Kind`: in which way two answers differ at a path.

use std::{error::Error, fmt, str::FromStr};

/// In which way two answers differ at one path.
///
/// The first answer is the primary's, the second answer is the shadow's (or the baseline's).
///
/// # Example
///
/// ```
/// use tower_mirror::compare::Kind;
///
/// assert_eq!("added".parse(), Ok(Kind::Added));
/// assert_eq!(Kind::DuplicateKey.to_string(), "duplicate_key");
/// assert!("changed".parse::<Kind>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// Only the second answer has it.
    Added,
    /// Only the first answer has it.
    Removed,
    /// Both have it, with different JSON types or different formats of the body.
    Type,
    /// Both have it, with the same type and different values.
    Value,
    /// Two arrays with different numbers of elements, or two texts whose lengths differ by more than a tenth.
    Length,
    /// Two arrays with the same elements in a different order.
    Order,
    /// A key of a JSON object occurs more often in one of the two answers.
    DuplicateKey,
    /// One of the two bodies does not follow the syntax of its content type.
    Syntax,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Added,
        Self::Removed,
        Self::Type,
        Self::Value,
        Self::Length,
        Self::Order,
        Self::DuplicateKey,
        Self::Syntax,
    ];

    /// The name of the kind in reports, metrics and options.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Type => "type",
            Self::Value => "value",
            Self::Length => "length",
            Self::Order => "order",
            Self::DuplicateKey => "duplicate_key",
            Self::Syntax => "syntax",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == name);
        found.ok_or_else(|| UnknownKind { name: name.into() })
    }
}

/// A text that does not name a [`Kind`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownKind {
    /// The text.
    pub name: String,
}

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} does not name a kind of difference; the kinds are",
            self.name
        )?;
        for (at, kind) in Kind::ALL.iter().enumerate() {
            write!(f, "{} {kind}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl Error for UnknownKind {}
