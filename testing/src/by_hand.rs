//! Clients for HTTP/2 and HTTP/1.1 that write each byte without a library, and record the answers.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::frames::*;

pub const NO_ERROR: u32 = 0;
pub const CANCEL: u32 = 8;

/// What a client receives on its only stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Head { status: u16, is_last: bool },
    Data { bytes: usize, is_last: bool },
    Reset(u32),
    GoAway,
    Closed,
}

struct Frame {
    kind: u8,
    is_last: bool,
    payload: Vec<u8>,
}

/// A client's HTTP/2 connection with one request.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings(&[])[..]].concat();
        stream.write_all(&preface).await.unwrap();
        let mut client = Self { stream };
        // Before the server's settings arrive, its windows are small.
        while client.frame().await.unwrap().kind != SETTINGS {}
        client
    }

    /// Reads the next frame of any kind. Settings and pings are acknowledged.
    async fn frame(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await?;
        let [a, b, c, kind, flags, ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload).await?;
        if matches!(kind, SETTINGS | PING) && flags & 1 == 0 {
            let payload = if kind == PING { &payload[..] } else { &[] };
            self.write(&[frame(kind, 1, 0, payload)]).await;
        }
        Ok(Frame {
            kind,
            is_last: flags & END_STREAM != 0,
            payload,
        })
    }

    /// Writes all these frames at once, so that they arrive together.
    pub async fn write(&mut self, frames: &[Vec<u8>]) {
        // The server may already have closed the connection. The events show this.
        let _ = self.stream.write_all(&frames.concat()).await;
    }

    /// Waits for the next event. Window updates are ignored, because they depend on how a body is
    /// read.
    pub async fn event(&mut self) -> Event {
        loop {
            let Ok(frame) = self.frame().await else {
                return Event::Closed;
            };
            let is_last = frame.is_last;
            match frame.kind {
                HEADERS => {
                    let status = status(&frame.payload);
                    return Event::Head { status, is_last };
                }
                DATA => {
                    let bytes = frame.payload.len();
                    return Event::Data { bytes, is_last };
                }
                RST_STREAM => {
                    let reason = frame.payload.try_into().expect("four bytes");
                    return Event::Reset(u32::from_be_bytes(reason));
                }
                GOAWAY => return Event::GoAway,
                _ => {}
            }
        }
    }

    /// Returns the status of the response, or the event that arrived instead.
    pub async fn status(&mut self) -> Result<u16, Event> {
        match self.event().await {
            Event::Head { status, .. } => Ok(status),
            other => Err(other),
        }
    }

    /// Returns all events up to the last one of the stream.
    pub async fn events_to_the_reset(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.event().await;
            let is_over = matches!(event, Event::Reset(_) | Event::GoAway | Event::Closed);
            events.push(event);
            if is_over {
                return events;
            }
        }
    }

    /// Waits until the server has closed the connection.
    pub async fn closed(mut self) {
        self.stream.shutdown().await.unwrap();
        while self.event().await != Event::Closed {}
    }
}

/// Decodes `:status`, which is the first field. It is an entry of HPACK's static table, or a
/// literal in Huffman's code.
fn status(block: &[u8]) -> u16 {
    match *block {
        [entry @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][entry as usize - 0x88],
        [_, length, ref text @ ..] if length & 0x80 != 0 => {
            let bits = text[..usize::from(length & 0x7f)].iter();
            let bits: Vec<u16> = bits
                .flat_map(|byte| (0..8).rev().map(move |bit| u16::from(byte >> bit & 1)))
                .collect();
            let number = |bits: &[u16]| bits.iter().fold(0, |sum, bit| sum * 2 + bit);
            let mut place = 0;
            (0..3).fold(0, |status, _| {
                // The digits 0 to 2 have codes of five bits, and the other digits have codes of six
                // bits.
                let short = number(&bits[place..place + 5]);
                let digit = if short <= 2 {
                    place += 5;
                    short
                } else {
                    place += 6;
                    number(&bits[place - 6..place]) - 22
                };
                status * 10 + digit
            })
        }
        [_, 3, a, b, c, ..] => [a, b, c]
            .iter()
            .fold(0, |status, digit| status * 10 + u16::from(digit - b'0')),
        _ => panic!("no status: {block:?}"),
    }
}

/// Encodes fields as a block in which each field is a literal.
pub fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(
                u8::try_from(text.len())
                    .ok()
                    .filter(|it| *it < 127)
                    .unwrap(),
            );
            block.extend(text.as_bytes());
        }
    }
    block
}

/// Encodes the head of a request with a body.
pub fn head(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [
        (":method", method),
        (":scheme", "http"),
        (":authority", "catalog"),
        (":path", path),
    ];
    whole_head(&fields(&[&pseudo, more].concat()))
}

/// Encodes a head that consists of this block of fields.
pub fn whole_head(block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, block)
}

pub fn data(bytes: &[u8]) -> Vec<u8> {
    frame(DATA, NOTHING, 1, bytes)
}

pub fn last(bytes: &[u8]) -> Vec<u8> {
    frame(DATA, END_STREAM, 1, bytes)
}

/// Encodes the end of a body as a separate frame without data.
pub fn end() -> Vec<u8> {
    last(b"")
}

pub fn trailers(named: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(named))
}

pub fn reset(reason: u32) -> Vec<u8> {
    frame(RST_STREAM, NOTHING, 1, &reason.to_be_bytes())
}

/// A client's HTTP/1.1 connection.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    seen: Vec<u8>,
}

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let seen = Vec::new();
        Self { stream, seen }
    }

    /// Writes these bytes as one packet.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Reads up to the end of this text, or until the server closes the connection.
    pub async fn until(&mut self, text: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let found = self
                .seen
                .windows(text.len())
                .position(|it| it == text.as_bytes());
            if let Some(place) = found {
                let rest = self.seen.split_off(place + text.len());
                let seen = std::mem::replace(&mut self.seen, rest);
                return String::from_utf8(seen).unwrap();
            }
            match self.stream.read(&mut buffer).await {
                Ok(read) if read > 0 => self.seen.extend_from_slice(&buffer[..read]),
                _ => return String::from_utf8(std::mem::take(&mut self.seen)).unwrap(),
            }
        }
    }

    /// Reads until the server closes the connection. The date is removed.
    pub async fn rest(&mut self) -> String {
        let seen = self.until("\0").await;
        let lines = seen.lines().filter(|line| !line.starts_with("date:"));
        lines.collect::<Vec<_>>().join("\n")
    }
}
