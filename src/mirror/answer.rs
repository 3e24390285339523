//! `Answer`: receives the shadow's response, counts its bytes, and drops it.

use bytes::Buf;
use http::Response;
use http_body::Frame;
use tokio::time::Instant;

use super::span::CopySpan;
use crate::observe::{Outcome, ShadowReport};

/// Receives the head, the frames and the end of one response.
pub(super) struct Answer<'a> {
    report: &'a mut ShadowReport,
    max_bytes: u64,
}

impl<'a> Answer<'a> {
    /// Records the head in the report, and returns the body.
    pub(super) fn begin<R>(
        answer: Response<R>,
        report: &'a mut ShadowReport,
        span: &CopySpan,
        sent: Instant,
        max_bytes: u64,
    ) -> (Self, R) {
        let (head, body) = answer.into_parts();
        report.status = Some(head.status);
        report.latency = Some(sent.elapsed());
        span.answered(&head);
        (Self { report, max_bytes }, body)
    }

    /// Returns `Err` once `max_response_bytes` is exceeded. The caller then stops reading.
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
