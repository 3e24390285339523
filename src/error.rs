//! The type of any error, and an error with its sources.

use std::{error::Error, iter};

/// Any error, as tower and hyper have it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The error, its source, the source of that, and so on.
pub(crate) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// An error and its sources in one line.
pub(crate) fn describe(error: &(dyn Error + 'static)) -> String {
    let parts: Vec<String> = chain(error).map(ToString::to_string).collect();
    parts.join(": ").replace(char::is_control, " ")
}
