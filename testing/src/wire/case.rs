//! `Case`, its `Setting` and its `Verdict`, and the macros for cases.

use std::{fmt, io};

use futures_util::future::BoxFuture;

use super::Bench;

/// The configuration of the proxy that a case needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// Mirrors every request, because no share is configured, and appends `-shadow` to the name in
    /// `Host`.
    All,
    /// Mirrors 0, 10, 20, 35 and 50 % of the requests.
    None,
    Tenth,
    Fifth,
    Third,
    Half,
    /// Does not change `Host`, and not on the copies either.
    Keep,
    /// Sends `Host: v2.internal:80` on all copies.
    Literal,
    /// Copies bodies of up to 64 KiB.
    Limit,
    /// Copies heads without bodies.
    Heads,
    /// Mirrors to two shadows.
    Two,
    /// Mirrors to an address where no server listens.
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
        Self::Heads,
        Self::Two,
        Self::Dead,
    ];

    /// Returns the name of the setting on a command line.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// The result of a case that does not pass.
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
    /// The source of the case, its number there, and its subject.
    pub name: &'static str,
    /// The document that defines the correct behaviour.
    pub source: &'static str,
    pub setting: Setting,
    pub run: for<'a> fn(&'a Bench) -> BoxFuture<'a, Checked>,
}

/// Defines the cases of a file. It also defines a macro that calls another macro with the name of
/// each case, for example to make a test of each case.
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

/// Fails the case if the condition is false.
macro_rules! ensure {
    ($holds:expr, $($why:tt)+) => {
        match $holds {
            true => {}
            false => return Err($crate::wire::Verdict::Fails(format!($($why)+))),
        }
    };
}

/// Fails the case if the two values differ.
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
