//! What a case is, and what comes of it.

use std::{fmt, io};

use futures_util::future::BoxFuture;

use super::Bench;

/// How the proxy that a case is put to must be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// Mirrors every request, because no share is named, and puts `-shadow` after the name in `Host`.
    All,
    /// Mirrors 0, 10, 20, 35 and 50 % of the requests.
    None,
    Tenth,
    Fifth,
    Third,
    Half,
    /// Leaves `Host` as it is, on the copies too.
    Keep,
    /// Sends `Host: v2.internal:80` on all copies.
    Literal,
    /// Copies bodies of up to 64 KiB.
    Limit,
    /// Copies no bodies.
    Omit,
    /// Mirrors to two shadows.
    Two,
    /// Mirrors to an address where nobody listens.
    Dead,
}

impl Setting {
    pub const EVERY: [Self; 12] = [
        Self::All,
        Self::None,
        Self::Tenth,
        Self::Fifth,
        Self::Third,
        Self::Half,
        Self::Keep,
        Self::Literal,
        Self::Limit,
        Self::Omit,
        Self::Two,
        Self::Dead,
    ];

    /// As it is named on a command line.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// Anything but a pass.
#[derive(Debug)]
pub enum Verdict {
    Fails(String),
    DoesNotApply(String),
}

impl From<io::Error> for Verdict {
    fn from(error: io::Error) -> Self {
        Self::Fails(error.to_string())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fails(why) => write!(f, "fails: {why}"),
            Self::DoesNotApply(why) => write!(f, "n/a: {why}"),
        }
    }
}

pub(crate) type Checked<T = ()> = Result<T, Verdict>;

pub struct Case {
    /// Its source and its number there, and what it is about.
    pub name: &'static str,
    /// Who says what is right.
    pub source: &'static str,
    pub setting: Setting,
    pub run: for<'a> fn(&'a Bench) -> BoxFuture<'a, Checked>,
}

/// The cases of a file, and a macro that hands the name of each to a macro, which can so make a test of each.
macro_rules! cases {
    (($dollar:tt) $each:ident; $($name:ident($setting:ident): $source:literal,)*) => {
        pub(crate) const CASES: &[crate::wire::Case] = &[$(
            crate::wire::Case {
                name: stringify!($name),
                source: $source,
                setting: crate::wire::Setting::$setting,
                run: |bench| Box::pin($name(bench)),
            },
        )*];

        #[macro_export]
        macro_rules! $each {
            ($dollar test:ident) => { $($dollar test!($name);)* };
        }
    };
}

/// Fails the case unless this holds.
macro_rules! ensure {
    ($holds:expr, $($why:tt)+) => {
        match $holds {
            true => {}
            false => return Err($crate::wire::Verdict::Fails(format!($($why)+))),
        }
    };
}

/// Fails the case unless both are equal.
macro_rules! same {
    ($found:expr, $expected:expr, $($what:tt)+) => {
        match (&$found, &$expected) {
            (found, expected) => ensure!(
                found == expected,
                "{}: {found:?}, not {expected:?}",
                format!($($what)+)
            ),
        }
    };
}
