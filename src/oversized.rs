//! A response whose head is too large.

use std::{error::Error, fmt};

/// Among the sources of an error it says that the server answered, with a head that is above the limit, so that `mirror`
/// can tell this from a connection that failed without knowing the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OversizedHead;

impl fmt::Display for OversizedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its size exceeds the limit")
    }
}

impl Error for OversizedHead {}
