//! What arrived: one line of JSON for each request, written once its body was read or dropped.

use std::{
    fs::File,
    io::Write,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, header::CONTENT_LENGTH, request},
};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use serde_json::{Value, json};

/// Writes the lines. All clones write to one file.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    file: Arc<Mutex<File>>,
}

impl Recorder {
    pub(crate) fn new(file: File) -> Self {
        Self {
            file: Arc::new(Mutex::new(file)),
        }
    }

    /// The request, whose body is recorded from now on.
    pub(crate) fn watch(&self, request: Request) -> Request {
        let (head, body) = request.into_parts();
        let length = head.headers.get(CONTENT_LENGTH);
        let declared = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let watched = Watched {
            body,
            head: describe(&head),
            declared,
            bytes: 0,
            crc: 0,
            trailers: None,
            end: None,
            recorder: self.clone(),
        };
        Request::from_parts(head, Body::new(watched))
    }

    fn write(&self, line: &Value) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // The lines that are missing show.
        let _ = writeln!(file, "{line}");
    }
}

fn describe(head: &request::Parts) -> Value {
    json!({
        "method": head.method.as_str(),
        "target": head.uri.path_and_query().map(ToString::to_string),
        "version": format!("{:?}", head.version),
        "headers": pairs(&head.headers),
    })
}

fn pairs(headers: &HeaderMap) -> Vec<[String; 2]> {
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        [name.as_str().to_owned(), value]
    };
    headers.iter().map(pair).collect()
}

/// A body that is counted as it is read. It says of itself what the inner one says.
struct Watched {
    body: Body,
    head: Value,
    declared: Option<u64>,
    bytes: u64,
    crc: u32,
    trailers: Option<Vec<[String; 2]>>,
    end: Option<String>,
    recorder: Recorder,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            None => self.end = Some("whole".to_owned()),
            Some(Err(error)) => self.end = Some(format!("aborted: {error}")),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.bytes += data.len() as u64;
                    self.crc = crc32(self.crc, data);
                }
                if let Some(trailers) = frame.trailers_ref() {
                    self.trailers = Some(pairs(trailers));
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let is_whole = http_body::Body::is_end_stream(&self.body)
            || self.trailers.is_some()
            || self.declared == Some(self.bytes);
        let end = self.end.take().unwrap_or_else(|| match is_whole {
            true => "whole".to_owned(),
            false => "left".to_owned(),
        });
        let mut line = self.head.take();
        line["bytes"] = self.bytes.into();
        line["crc"] = self.crc.into();
        line["trailers"] = json!(self.trailers);
        line["end"] = end.into();
        self.recorder.write(&line);
    }
}

/// The CRC-32 of zlib, to go on from that of what came before; every client and server here can compute it.
pub(crate) fn crc32(before: u32, data: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let crc = crc ^ u32::from(*byte);
        (0..8).fold(crc, |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(crc & 1))
        })
    };
    !data.iter().fold(!before, step)
}
