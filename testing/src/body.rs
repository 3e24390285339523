//! `Script` and `Feed`: bodies that a test controls. `read`: reads a body and records its frames
//! and its end.

use std::{
    collections::VecDeque,
    convert::Infallible,
    error::Error,
    fmt,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tower_mirror::BoxError;

/// The reaction of a scripted body to one poll.
#[derive(Clone, Debug)]
pub enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    /// Returns `Pending` once, and wakes the task immediately.
    Pending,
    /// Always returns `Pending`.
    Hang,
    Error,
}

/// A body that follows a script. By default it reports neither its length nor its end.
#[derive(Clone, Debug, Default)]
pub struct Script {
    steps: VecDeque<Step>,
    knows_length: bool,
    knows_end: bool,
}

impl Script {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Creates a body with data frames of these lengths.
    pub fn chunks(lengths: impl IntoIterator<Item = usize>) -> Self {
        Self::new(
            lengths
                .into_iter()
                .map(|length| Step::Data(pattern(length))),
        )
    }

    pub fn then(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }

    /// The body reports the number of remaining bytes.
    pub fn knowing_length(mut self) -> Self {
        self.knows_length = true;
        self
    }

    /// The body reports its end after the last step.
    pub fn knowing_end(mut self) -> Self {
        self.knows_end = true;
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Poll::Ready(match self.steps.pop_front() {
            None => None,
            Some(Step::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Step::Error) => Some(Err(Broken)),
            Some(Step::Pending) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Step::Hang) => {
                self.steps.push_front(Step::Hang);
                return Poll::Pending;
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.knows_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if !self.knows_length {
            return SizeHint::new();
        }
        let length = |step: &Step| match step {
            Step::Data(data) => data.len() as u64,
            _ => 0,
        };
        SizeHint::with_exact(self.steps.iter().map(length).sum())
    }
}

/// A body whose frames the test sends, one by one, through a channel.
#[derive(Debug)]
pub struct Feed(mpsc::UnboundedReceiver<Bytes>);

impl Feed {
    pub fn new() -> (mpsc::UnboundedSender<Bytes>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Self(receiver))
    }
}

impl Body for Feed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.0.poll_recv(cx);
        next.map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}

/// The error of a scripted body that breaks.
#[derive(Clone, Copy, Debug)]
pub struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken as scripted")
    }
}

impl Error for Broken {}

/// The recorded frames and the end of a body.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    pub pieces: Vec<Piece>,
    pub end: End,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

#[derive(Clone, Debug, PartialEq)]
pub enum End {
    Whole,
    Error(String),
    /// The reader stopped before the end.
    LetGo,
}

impl Stream {
    pub fn bytes(&self) -> Bytes {
        let data = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Data(data) => Some(data.as_ref()),
            Piece::Trailers(_) => None,
        });
        Bytes::from(data.collect::<Vec<_>>().concat())
    }

    /// Removes the empty frames, which contain nothing.
    pub fn without_empty(mut self) -> Self {
        self.pieces
            .retain(|piece| !matches!(piece, Piece::Data(data) if data.is_empty()));
        self
    }
}

/// Reads a body until it has ended, or until `is_enough` returns `true` for the numbers of bytes
/// and frames.
pub async fn read<B>(body: B, is_enough: impl Fn(usize, usize) -> bool) -> Stream
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    let (mut pieces, mut bytes) = (Vec::new(), 0);
    let end = loop {
        if is_enough(bytes, pieces.len()) {
            break End::LetGo;
        }
        match body.frame().await {
            None => break End::Whole,
            Some(Err(error)) => break End::Error(error.into().to_string()),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    bytes += data.len();
                    pieces.push(Piece::Data(data));
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().ok();
                    pieces.push(Piece::Trailers(trailers.expect("a frame of a known kind")));
                }
            },
        }
    };
    Stream { pieces, end }
}

/// Returns bytes of which neighbours differ.
pub fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| (at % 251) as u8).collect()
}

pub fn trailers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let field = |&(name, value)| {
        let name = HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    };
    fields.iter().map(field).collect()
}

/// The content of a frame, whose destructor may be code of the user that panics.
#[derive(Debug)]
pub struct DataThatPanics(pub Vec<u8>);

impl AsRef<[u8]> for DataThatPanics {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for DataThatPanics {
    fn drop(&mut self) {
        panic!("a deliberate panic");
    }
}
