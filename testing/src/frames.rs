//! HTTP/2 frames without a library, so that a test can send them in any order and with any content.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const NOTHING: u8 = 0;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// `:status: 200`, an entry of HPACK's static table.
pub const STATUS_200: &[u8] = &[0x88];
/// `:status: 103`, as a literal for the name of entry 8.
pub const STATUS_103: &[u8] = b"\x08\x03103";

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `SETTINGS_MAX_CONCURRENT_STREAMS`
pub const MAX_STREAMS: u16 = 3;
/// `SETTINGS_INITIAL_WINDOW_SIZE`
pub const WINDOW: u16 = 4;

pub fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = settings
        .iter()
        .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(SETTINGS, NOTHING, 0, &payload)
}

/// The server's side of a connection. It does not enlarge the initial window.
#[derive(Debug)]
pub struct Peer {
    pub stream: TcpStream,
}

impl Peer {
    /// Reads the client's preface and sends these settings.
    pub async fn greet(mut stream: TcpStream, said: &[(u16, u32)]) -> io::Result<Self> {
        stream.write_all(&settings(said)).await?;
        stream.read_exact(&mut [0; 24]).await?;
        Ok(Self { stream })
    }

    /// Returns the kind, the flags, the stream and the length of the next frame. Settings are
    /// acknowledged.
    pub async fn next(&mut self) -> io::Result<(u8, u8, u32, usize)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await?;
        if kind == SETTINGS && flags == NOTHING {
            self.write(&frame(SETTINGS, 1, 0, &[])).await?;
        }
        Ok((kind, flags, u32::from_be_bytes(stream), length))
    }

    /// Returns the stream of the next request, and whether the request has ended.
    pub async fn request(&mut self) -> io::Result<(u32, bool)> {
        loop {
            if let (HEADERS, flags, stream, _) = self.next().await? {
                return Ok((stream, flags & END_STREAM != 0));
            }
        }
    }

    /// Reads a body to its end and opens the windows for it.
    pub async fn body(&mut self, stream: u32) -> io::Result<()> {
        loop {
            let (kind, flags, of, length) = self.next().await?;
            if length > 0 && kind == DATA {
                let more = (length as u32).to_be_bytes();
                self.write(&frame(WINDOW_UPDATE, NOTHING, 0, &more)).await?;
                if flags & END_STREAM == 0 {
                    self.write(&frame(WINDOW_UPDATE, NOTHING, stream, &more))
                        .await?;
                }
            }
            if of == stream && flags & END_STREAM != 0 && matches!(kind, DATA | HEADERS) {
                return Ok(());
            }
        }
    }

    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads until the client has closed the connection.
    pub async fn read_on(&mut self) -> io::Result<()> {
        loop {
            self.next().await?;
        }
    }
}
