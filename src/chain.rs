//! An error and its sources.

use std::{error::Error, iter};

pub(crate) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// In one line.
pub(crate) fn describe(error: &(dyn Error + 'static)) -> String {
    let parts: Vec<String> = chain(error).map(ToString::to_string).collect();
    parts.join(": ").replace(char::is_control, " ")
}
