//! What a shadow's error means.

use std::{
    error::Error,
    io::{self, ErrorKind},
    iter,
};

use crate::observe::Outcome;

/// Before the copy was handed over: the shadow's service did not become ready.
pub(super) fn of_readiness(error: &(dyn Error + 'static)) -> Outcome {
    match io_error(error) {
        Some(_) => Outcome::FailedConnect,
        None => Outcome::FailedService,
    }
}

/// After it: the call failed. Told by what lies at the bottom of the error, so that
/// every HTTP client can be told apart without knowing any.
pub(super) fn of_call(error: &(dyn Error + 'static)) -> Outcome {
    match io_error(error).map(io::Error::kind) {
        Some(
            ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::AddrNotAvailable
            | ErrorKind::NotFound,
        ) => Outcome::FailedConnect,
        Some(_) => Outcome::FailedTransport,
        None if is_from_hyper(error) => Outcome::FailedTransport,
        None => Outcome::FailedService,
    }
}

/// An error and its sources in one line.
pub(super) fn describe(error: &(dyn Error + 'static)) -> String {
    let parts: Vec<String> = chain(error).map(ToString::to_string).collect();
    parts.join(": ")
}

fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    chain(error).find_map(|error| error.downcast_ref())
}

fn is_from_hyper(error: &(dyn Error + 'static)) -> bool {
    #[cfg(feature = "client")]
    let found = chain(error).any(|error| error.is::<hyper::Error>());
    #[cfg(not(feature = "client"))]
    let found = {
        let _ = error;
        false
    };
    found
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}
