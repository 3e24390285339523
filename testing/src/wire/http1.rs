//! Readers and writers of HTTP/1.1 messages, without a library.

use std::io::{self, ErrorKind};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

pub(crate) type Fields = Vec<(String, String)>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    /// The request line or the status line.
    pub(crate) first: String,
    /// The fields in their order, with names in lower case.
    pub(crate) fields: Fields,
}

impl Head {
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(other, _)| other == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// Returns all values of a field as one list.
    pub(crate) fn joined(&self, name: &str) -> String {
        self.values(name).join(", ")
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        !self.values(name).is_empty()
    }

    /// Returns the second word of the first line. It is the target of a request, or the status of a
    /// response.
    pub(crate) fn second(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    /// Returns the framing of the body that follows. A message without framing fields has no body.
    pub(crate) fn framing(&self) -> Framing {
        if self.joined("transfer-encoding").ends_with("chunked") {
            return Framing::Chunked;
        }
        let length = self.values("content-length");
        let length = length.first().and_then(|length| length.parse().ok());
        length.map_or(Framing::None, Framing::Length)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Framing {
    None,
    Length(usize),
    Chunked,
}

/// One end of a connection.
pub(crate) struct Io(BufReader<TcpStream>);

impl Io {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::with_capacity(64 * 1024, stream)))
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await
    }

    /// Closes the connection with a reset.
    pub(crate) fn reset(self) -> io::Result<()> {
        self.0.get_ref().set_zero_linger()
    }

    /// Reads the next head. Returns `None` if the peer closes the connection before the head.
    pub(crate) async fn head(&mut self) -> io::Result<Option<Head>> {
        let mut head = Head::default();
        while head.first.is_empty() {
            match self.line().await? {
                Some(line) => head.first = line,
                None => return Ok(None),
            }
        }
        head.fields = self.fields().await?;
        Ok(Some(head))
    }

    /// Reads a body, and passes each part to the closure when it arrives. Returns the trailers.
    pub(crate) async fn body(
        &mut self,
        framing: Framing,
        mut told: impl FnMut(&[u8]),
    ) -> io::Result<Fields> {
        match framing {
            Framing::None => Ok(Fields::new()),
            Framing::Length(length) => {
                self.exactly(length, &mut told).await?;
                Ok(Fields::new())
            }
            Framing::Chunked => loop {
                let line = self.line().await?.ok_or(ErrorKind::UnexpectedEof)?;
                let size = line.split(';').next().unwrap_or_default();
                let size = usize::from_str_radix(size.trim(), 16);
                let size = size.map_err(|_| bad(format!("no size of a chunk: {line:?}")))?;
                if size == 0 {
                    return self.fields().await;
                }
                self.exactly(size, &mut told).await?;
                self.line().await?;
            },
        }
    }

    /// Reads fields up to an empty line.
    async fn fields(&mut self) -> io::Result<Fields> {
        let mut fields = Fields::new();
        loop {
            let line = self.line().await?.ok_or(ErrorKind::UnexpectedEof)?;
            if line.is_empty() {
                return Ok(fields);
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| bad(format!("no field: {line:?}")))?;
            fields.push((name.to_lowercase(), value.trim().to_owned()));
        }
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        if self.0.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        if line.pop() != Some(b'\n') {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&line);
        Ok(Some(line.trim_end_matches('\r').to_owned()))
    }

    async fn exactly(&mut self, mut left: usize, told: &mut impl FnMut(&[u8])) -> io::Result<()> {
        while left > 0 {
            let there = self.0.fill_buf().await?;
            if there.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let length = there.len().min(left);
            told(&there[..length]);
            self.0.consume(length);
            left -= length;
        }
        Ok(())
    }
}

fn bad(why: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}
