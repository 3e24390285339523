//! `CopySide`: what the mirror says about one copy goes into the triple of its request.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header::ACCEPT_ENCODING, request, response};
use tokio::time::Instant;

use super::{
    drop_reason::DropReason,
    features::Features,
    tape::{Full, Tape},
    triple::{CopyAnswer, CopyEnd, Triple},
    turn::Which,
};
use crate::{mirror::Side, observe::Outcome};

/// One of the two copies. If it is dropped without an end, it was aborted.
#[derive(Debug)]
pub(super) struct CopySide {
    triple: Arc<Triple>,
    which: Which,
    /// The copy is complete, so what happens from now on is the doing of its service.
    is_prepared: bool,
    has_second: bool,
    called: Option<Instant>,
    tape: Option<Tape>,
    is_too_long: bool,
    is_ended: bool,
}

impl CopySide {
    pub(super) fn shadow(triple: Arc<Triple>) -> Self {
        let has_second = !triple.core().settings.is_alone();
        Self::new(triple, Which::Shadow, has_second)
    }

    fn new(triple: Arc<Triple>, which: Which, has_second: bool) -> Self {
        Self {
            triple,
            which,
            is_prepared: false,
            has_second,
            called: None,
            tape: None,
            is_too_long: false,
            is_ended: false,
        }
    }

    /// Whether the frames of this answer are kept.
    fn keeps(&mut self) -> bool {
        if self.triple.is_dropped() {
            self.tape = None;
            return false;
        }
        !self.is_too_long
    }

    fn full(&mut self, full: Full) {
        match full {
            Full::Answer => {
                self.is_too_long = true;
                if let Some(tape) = &mut self.tape {
                    tape.forget_body();
                }
            }
            Full::Budget => self.triple.discard(DropReason::HeldBytes),
        }
    }

    /// How the answer ended, or why the service is not responsible.
    fn end_of(&self, outcome: Outcome) -> Result<CopyEnd, DropReason> {
        let by_the_service = |end| match self.is_prepared {
            true => Ok(end),
            false => Err(DropReason::RequestLost),
        };
        let has_head = self.tape.is_some();
        match outcome {
            Outcome::Completed if self.is_too_long => Ok(CopyEnd::TooLong),
            Outcome::Completed => Ok(CopyEnd::Whole),
            Outcome::CompletedTruncated => Ok(CopyEnd::TooLong),
            Outcome::TimedOut if has_head => by_the_service(CopyEnd::TimedOut),
            Outcome::FailedConnect
            | Outcome::FailedTransport
            | Outcome::ResponseHeadTooLarge
            | Outcome::FailedService
            | Outcome::TimedOut
            | Outcome::Lagged
            | Outcome::Panicked => by_the_service(match has_head {
                true => CopyEnd::Cut,
                false => CopyEnd::NoAnswer,
            }),
            Outcome::Unread
            | Outcome::ClientAborted
            | Outcome::BodyError
            | Outcome::TooLarge
            | Outcome::BufferLimit
                if self.which == Which::Shadow =>
            {
                Err(DropReason::RequestLost)
            }
            Outcome::InFlightLimit | Outcome::BufferLimit => Err(DropReason::CopyLimit),
            Outcome::Upgrade => Err(DropReason::Upgrade),
            _ => Err(DropReason::Aborted),
        }
    }
}

impl Side for CopySide {
    fn prepare(&mut self, head: &mut request::Parts) {
        self.is_prepared = true;
        if self.which == Which::Shadow {
            self.triple.set_features(Features::of(head));
        }
        // What is compressed cannot be compared, and the layers that compress for the client are outside of this one.
        if head.headers.contains_key(ACCEPT_ENCODING) {
            let identity = HeaderValue::from_static("identity");
            head.headers.insert(ACCEPT_ENCODING, identity);
        }
    }

    fn second(&mut self) -> Option<Box<dyn Side>> {
        if !std::mem::take(&mut self.has_second) {
            return None;
        }
        let triple = Arc::clone(&self.triple);
        Some(Box::new(Self::new(triple, Which::Baseline, false)))
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.triple.turn().poll(self.which, cx)
    }

    fn called(&mut self) {
        self.called = Some(Instant::now());
        self.triple.turn().leave(self.which);
    }

    fn head(&mut self, head: &response::Parts) {
        if !self.keeps() {
            return;
        }
        let budget = self.triple.core().budget();
        self.tape = Tape::begin(budget, head.status, crate::detached::headers(&head.headers));
        if self.tape.is_none() {
            self.full(Full::Budget);
        }
    }

    fn data(&mut self, data: Bytes) {
        let max_bytes = self.triple.core().settings.max_answer_bytes;
        let has_body = self.triple.facts().method != Method::HEAD;
        if !has_body || data.is_empty() || !self.keeps() {
            return;
        }
        let Some(tape) = &mut self.tape else {
            return;
        };
        if let Err(full) = tape.push_copy(&data, max_bytes) {
            self.full(full);
        }
    }

    fn trailers(&mut self, trailers: HeaderMap) {
        if !self.keeps() {
            return;
        }
        let trailers = crate::detached::headers(&trailers);
        if let Some(Err(full)) = self.tape.as_mut().map(|tape| tape.end_with(trailers)) {
            self.full(full);
        }
    }

    fn ended(mut self: Box<Self>, outcome: Outcome) {
        self.is_ended = true;
        match self.end_of(outcome) {
            Err(reason) => self.triple.discard(reason),
            Ok(end) => {
                let latency = self.called.map(|called| called.elapsed());
                let answer = CopyAnswer {
                    end,
                    tape: self.tape.take(),
                    latency: latency.unwrap_or_default(),
                };
                self.triple.copy_ended(self.which, answer);
            }
        }
    }
}

impl Drop for CopySide {
    fn drop(&mut self) {
        // The other copy does not wait for this one.
        self.triple.turn().leave(self.which);
        if !self.is_ended {
            self.triple.discard(DropReason::Aborted);
        }
    }
}
