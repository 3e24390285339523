//! `Answer`: receives the shadow's response, counts its bytes, shows it to the follower, and drops it.

use bytes::Buf;
use http::Response;
use http_body::Frame;
use tokio::time::Instant;

use super::{follow::Side, span::CopySpan};
use crate::observe::{Outcome, ShadowReport};

/// Receives the head, the frames and the end of one response, and passes them to the code that
/// follows the copy.
pub(super) struct Answer<'a> {
    report: &'a mut ShadowReport,
    side: Option<&'a mut Box<dyn Side>>,
    max_bytes: u64,
}

impl<'a> Answer<'a> {
    /// Records the head in the report, and returns the body.
    pub(super) fn begin<R>(
        answer: Response<R>,
        report: &'a mut ShadowReport,
        mut side: Option<&'a mut Box<dyn Side>>,
        span: &CopySpan,
        sent: Instant,
        max_bytes: u64,
    ) -> (Self, R) {
        let (head, body) = answer.into_parts();
        report.status = Some(head.status);
        report.latency = Some(sent.elapsed());
        span.answered(&head);
        if let Some(side) = &mut side {
            side.head(&head);
        }
        let answer = Self {
            report,
            side,
            max_bytes,
        };
        (answer, body)
    }

    /// Returns `Err` once `max_response_bytes` is exceeded. The caller then stops reading.
    pub(super) fn frame<D: Buf>(&mut self, frame: Frame<D>) -> Result<(), Outcome> {
        let length = frame.data_ref().map_or(0, D::remaining);
        self.report.response_bytes += length as u64;
        if self.report.response_bytes > self.max_bytes {
            return Err(Outcome::CompletedTruncated);
        }
        if let Some(side) = &mut self.side {
            match frame.into_data() {
                // For `Bytes`, this increments a reference count and copies nothing.
                Ok(mut data) => side.data(data.copy_to_bytes(data.remaining())),
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        side.trailers(trailers);
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn end(self) -> Outcome {
        Outcome::Completed
    }
}
