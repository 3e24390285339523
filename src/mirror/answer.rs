//! Where the shadow's answer goes: received whole, counted, dropped.

use bytes::Buf;
use http::response;
use http_body::Frame;
use tokio::time::Instant;

use crate::observe::{Outcome, ShadowReport};

/// Is given the head, the frames and the end of one answer. Whatever is to look at
/// answers one day, looks here.
pub(super) struct Answer<'a> {
    report: &'a mut ShadowReport,
    sent: Instant,
    max_bytes: u64,
}

impl<'a> Answer<'a> {
    pub(super) fn new(report: &'a mut ShadowReport, sent: Instant, max_bytes: u64) -> Self {
        Self {
            report,
            sent,
            max_bytes,
        }
    }

    pub(super) fn head(&mut self, head: &response::Parts) {
        self.report.status = Some(head.status);
        self.report.latency = Some(self.sent.elapsed());
    }

    /// `Err`: it is enough.
    pub(super) fn frame<D: Buf>(&mut self, frame: &Frame<D>) -> Result<(), Outcome> {
        let length = frame.data_ref().map_or(0, D::remaining);
        self.report.response_bytes += length as u64;
        if self.report.response_bytes > self.max_bytes {
            return Err(Outcome::CompletedTruncated);
        }
        Ok(())
    }

    pub(super) fn end(self) -> Outcome {
        Outcome::Completed
    }
}
