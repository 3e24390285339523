//! The outcomes that the errors of a shadow have.

use std::{
    error::Error,
    io::{self, ErrorKind},
};

use crate::{error::chain, marker::OversizedHead, observe::Outcome};

/// The outcome of a copy that was not sent, because the shadow's service did not become ready.
pub(super) fn of_readiness(error: &(dyn Error + 'static)) -> Outcome {
    match io_error(error) {
        Some(_) => Outcome::FailedConnect,
        None => Outcome::FailedService,
    }
}

/// The outcome of a copy whose call has failed. All sources of the error are examined, so that this
/// works for every HTTP client.
pub(super) fn of_call(error: &(dyn Error + 'static)) -> Outcome {
    if is_of_a_head(error) {
        return Outcome::ResponseHeadTooLarge;
    }
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

fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    chain(error).find_map(|error| error.downcast_ref())
}

fn is_of_a_head(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| {
        #[cfg(feature = "client")]
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            return error.is_parse_too_large();
        }
        error.is::<OversizedHead>()
    })
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
