//! `Client`: writes the bytes of a case, and reads the responses.

use std::{io, net::SocketAddr};

use tokio::net::TcpStream;

use super::{
    bench::within,
    case::{Checked, Verdict},
    http1::{Head, Io},
};

pub(crate) const HOST: &str = "catalog:8000";

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Client(Io);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Checked<Self> {
        let stream = TcpStream::connect(address).await;
        let io = stream.and_then(Io::new);
        let said = |error: io::Error| Verdict::Fails(format!("no proxy at {address}: {error}"));
        io.map(Self).map_err(said)
    }

    pub(crate) async fn writes(&mut self, bytes: &[u8]) -> Checked {
        within("the proxy to take a request", self.0.write(bytes)).await??;
        Ok(())
    }

    pub(crate) async fn reads(&mut self) -> Checked<Answer> {
        within("an answer", self.answer(false)).await?
    }

    /// Reads the response to a HEAD. It has no body, even if its fields announce one.
    pub(crate) async fn reads_head(&mut self) -> Checked<Answer> {
        within("an answer", self.answer(true)).await?
    }

    pub(crate) async fn exchanges(&mut self, request: &[u8]) -> Checked<Answer> {
        self.writes(request).await?;
        self.reads().await
    }

    /// Waits for `100 Continue`.
    pub(crate) async fn continues(&mut self) -> Checked {
        let head = within("100 Continue", self.0.head()).await??;
        let status = head.unwrap_or_default();
        same!(status.second(), "100", "the interim answer");
        Ok(())
    }

    async fn answer(&mut self, to_head: bool) -> Checked<Answer> {
        loop {
            let closed = || Verdict::Fails("the proxy closed without an answer".to_owned());
            let head = self.0.head().await?.ok_or_else(closed)?;
            let status = head.second().parse().unwrap_or_default();
            if (100..200).contains(&status) && status != 101 {
                continue;
            }
            let mut body = Vec::new();
            if !to_head {
                let read = self
                    .0
                    .body(head.framing(), |data| body.extend_from_slice(data));
                read.await?;
            }
            return Ok(Answer { status, head, body });
        }
    }
}

/// Writes a request for [`HOST`]. `line` is its method and its target. A body that is not empty has
/// a `content-length`.
pub(crate) fn request(line: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!("{line} HTTP/1.1\r\nhost: {HOST}\r\n{fields}");
    if !body.is_empty() {
        request += &format!("content-length: {}\r\n", body.len());
    }
    request += "\r\n";
    [request.as_bytes(), body].concat()
}

/// Encodes a body in chunks, followed by its trailers.
pub(crate) fn chunked(body: &[u8], trailers: &str) -> Vec<u8> {
    let mut coded = Vec::new();
    for chunk in body.chunks(10_000) {
        coded.extend(format!("{:x}\r\n", chunk.len()).bytes());
        coded.extend(chunk);
        coded.extend(b"\r\n");
    }
    coded.extend(format!("0\r\n{trailers}\r\n").bytes());
    coded
}

/// Returns a body whose parts all differ.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at % 251) as u8 ^ (at / 251 % 256) as u8)
        .collect()
}
