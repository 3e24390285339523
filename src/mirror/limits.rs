//! What one mirror may use.

use std::time::Duration;

use crate::body::Live;

/// Defaults as the builder documents them.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) max_body_bytes: u64,
    pub(super) max_buffered_bytes: usize,
    pub(super) max_in_flight: usize,
    pub(super) capture_timeout: Duration,
    pub(super) timeout: Duration,
    pub(super) max_response_bytes: u64,
    pub(super) lag_bytes: usize,
    pub(super) lag_frames: usize,
}

impl Limits {
    /// For a body that is relayed live, of a length that is declared or not.
    pub(super) fn live(&self, declared: Option<u64>) -> Live {
        Live {
            max_bytes: self.lag_bytes,
            max_frames: self.lag_frames,
            declared,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 2 << 20,
            max_buffered_bytes: 16 << 20,
            max_in_flight: 128,
            capture_timeout: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            max_response_bytes: 1 << 20,
            lag_bytes: 1 << 20,
            lag_frames: 256,
        }
    }
}
