//! `BoxError`, and functions for an error with its sources.

use std::{error::Error, iter};

/// An error of any type, as in tower and hyper.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Iterates over the error, its source, the source of its source, and so on.
pub(crate) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// Writes an error and its sources as one line.
pub(crate) fn describe(error: &(dyn Error + 'static)) -> String {
    let parts: Vec<String> = chain(error).map(ToString::to_string).collect();
    parts.join(": ").replace(char::is_control, " ")
}
