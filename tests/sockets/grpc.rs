//! gRPC over real sockets: a tonic client, a tonic primary behind the mirror, a tonic shadow. Each
//! kind of call is mirrored as documented, and the client sees the same as without the layer.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, future::BoxFuture, stream};
use http::{
    HeaderMap, Request, Response,
    header::{CONTENT_LENGTH, TE},
    request::Parts,
    uri::PathAndQuery,
};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc, watch},
};
use tonic::{
    Code, Status, Streaming,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::{MetadataMap, MetadataValue},
    server::NamedService,
    service::{LayerExt, Routes},
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_client::HealthClient},
    server::{HealthReporter, health_reporter},
};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_mirror::{
    BodyMode, HttpTarget, MirrorBuilder, MirrorHandle, MirrorLayer, Outcome, ShadowBody, sample,
};
use tower_mirror_testing::{
    RecordingObserver, assert_only,
    server::{Clock, HANG, within},
    settled,
};

const UNARY: &str = "/test.Echo/Unary";
const COLLECT: &str = "/test.Echo/Collect";
const COUNT: &str = "/test.Echo/Count";
const TALK: &str = "/test.Echo/Talk";

/// A codec whose messages are bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(message);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

/// A service with one method for each kind of call. Each method fails if the request asks for it.
#[derive(Clone, Debug)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

/// Makes a status that uses all its fields.
fn refusal(of: &[u8]) -> Option<Status> {
    let mut metadata = MetadataMap::new();
    metadata.insert("x-reason", MetadataValue::from_static("it said so"));
    metadata.insert_bin("x-more-bin", MetadataValue::from_bytes(b"\0\xff"));
    (of == b"fail").then(|| {
        Status::with_details_and_metadata(
            Code::FailedPrecondition,
            "a configured error: \u{e9}",
            Bytes::from_static(b"details"),
            metadata,
        )
    })
}

async fn unary(request: tonic::Request<Bytes>) -> Result<tonic::Response<Bytes>, Status> {
    let message = request.into_inner();
    match refusal(&message) {
        Some(refusal) => Err(refusal),
        None => Ok(tonic::Response::new(message)),
    }
}

/// Answers with the number of messages and their contents.
async fn collect(
    request: tonic::Request<Streaming<Bytes>>,
) -> Result<tonic::Response<Bytes>, Status> {
    let mut messages = request.into_inner();
    let (mut count, mut all) = (0, BytesMut::new());
    while let Some(message) = messages.next().await {
        let message = message?;
        if let Some(refusal) = refusal(&message) {
            return Err(refusal);
        }
        count += 1;
        all.extend_from_slice(&message);
    }
    let answer = [format!("{count}:").as_bytes(), &all].concat();
    Ok(tonic::Response::new(answer.into()))
}

/// Counts up to the number in the request. It then fails if the request contains more than a
/// number.
async fn count(request: tonic::Request<Bytes>) -> Result<tonic::Response<Answers>, Status> {
    let message = String::from_utf8(request.into_inner().to_vec()).expect("text");
    let (number, rest) = message.split_once(' ').unwrap_or((&message, ""));
    let number: u32 = number.parse().expect("a number");
    let end = refusal(rest.as_bytes()).map(Err);
    let counted = (0..number).map(|n| Ok(format!("number {n}").into()));
    let answers = stream::iter(counted.chain(end));
    Ok(tonic::Response::new(Box::pin(answers)))
}

/// Answers each message immediately.
async fn talk(
    request: tonic::Request<Streaming<Bytes>>,
) -> Result<tonic::Response<Answers>, Status> {
    let answers = request.into_inner().map(|message| {
        let message = message?;
        match refusal(&message) {
            Some(refusal) => Err(refusal),
            None => Ok([b"heard ", &message[..]].concat().into()),
        }
    });
    Ok(tonic::Response::new(Box::pin(answers)))
}

impl<B> Service<Request<B>> for Echo
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<BoxError> + Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Plain);
            Ok(match request.uri().path() {
                UNARY => grpc.unary(service_fn(unary), request).await,
                COLLECT => grpc.client_streaming(service_fn(collect), request).await,
                COUNT => grpc.server_streaming(service_fn(count), request).await,
                TALK => grpc.streaming(service_fn(talk), request).await,
                other => panic!("unknown method: {other}"),
            })
        })
    }
}

/// One request that a server has received.
#[derive(Clone, Debug)]
struct Call {
    head: Parts,
    data: Bytes,
    trailers: Option<HeaderMap>,
    /// The body was read to its end.
    is_whole: bool,
    /// The body was dropped.
    is_over: bool,
}

/// Records the requests that pass through it.
#[derive(Clone, Debug, Default)]
struct Recorder(watch::Sender<Vec<Call>>);

impl Recorder {
    fn calls(&self) -> Vec<Call> {
        self.0.borrow().clone()
    }

    fn one(&self) -> Call {
        let mut calls = self.calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls.remove(0)
    }

    /// Waits until this number of bytes of the first call was received.
    async fn heard(&self, bytes: usize) {
        let mut calls = self.0.subscribe();
        let has = |calls: &Vec<Call>| calls.first().is_some_and(|call| call.data.len() >= bytes);
        within(calls.wait_for(has)).await.unwrap();
    }

    /// Waits until all bodies were dropped, and asserts that no call was complete.
    async fn assert_none_is_whole(&self) {
        let mut calls = self.0.subscribe();
        let are_over = |calls: &Vec<Call>| calls.iter().all(|call| call.is_over);
        within(calls.wait_for(are_over)).await.unwrap();
        assert!(self.calls().iter().all(|call| !call.is_whole));
    }
}

impl<S> Layer<S> for Recorder {
    type Service = Recording<S>;

    fn layer(&self, inner: S) -> Recording<S> {
        Recording(self.clone(), inner)
    }
}

#[derive(Clone, Debug)]
struct Recording<S>(Recorder, S);

impl<S: Service<Request<Body>>> Service<Request<Body>> for Recording<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.1.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> S::Future {
        let (head, inner) = request.into_parts();
        let mut place = 0;
        self.0.0.send_modify(|calls| {
            place = calls.len();
            calls.push(Call {
                head: head.clone(),
                data: Bytes::new(),
                trailers: None,
                is_whole: inner.is_end_stream(),
                is_over: false,
            });
        });
        let calls = self.0.0.clone();
        let body = Body::new(Tap {
            inner,
            calls,
            place,
        });
        self.1.call(Request::from_parts(head, body))
    }
}

struct Tap {
    inner: Body,
    calls: watch::Sender<Vec<Call>>,
    place: usize,
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.calls
            .send_modify(|calls| calls[self.place].is_over = true);
    }
}

impl http_body::Body for Tap {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let is_last = self.inner.is_end_stream();
        self.calls.send_modify(|calls| {
            let call = &mut calls[self.place];
            match &polled {
                None => call.is_whole = true,
                Some(Err(_)) => {}
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        call.data = [&call.data[..], data].concat().into();
                    }
                    call.trailers = frame.trailers_ref().cloned();
                    call.is_whole |= is_last || frame.is_trailers();
                }
            }
        });
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Starts a tonic server and returns its address. It runs as long as the test's runtime.
async fn serve<L, R>(layer: L, routes: Routes) -> String
where
    L: Layer<Routes> + Clone + Send + 'static,
    L::Service: Service<Request<Body>, Response = Response<R>, Error: Into<BoxError> + Send, Future: Send>
        + Clone
        + Send
        + 'static,
    R: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder().layer(layer).add_routes(routes);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    format!("http://{address}")
}

async fn connect(url: String) -> Channel {
    within(Endpoint::from_shared(url).unwrap().connect())
        .await
        .unwrap()
}

async fn routes() -> (Routes, HealthReporter) {
    let (reporter, health) = health_reporter();
    reporter
        .set_service_status("test.Echo", ServingStatus::Serving)
        .await;
    (Routes::new(Echo).add_service(health), reporter)
}

/// A client, a primary with a mirror, and a shadow that is a second server.
struct Rig {
    /// This belongs to the primary.
    url: String,
    channel: Channel,
    /// The requests that reached the primary's mirror.
    asked: Recorder,
    /// The requests that reached the shadow.
    copied: Recorder,
    handle: MirrorHandle,
    target: HttpTarget,
    observer: RecordingObserver,
    /// Is notified when the shadow's client has received the head of a response.
    shadow_answered: Arc<Notify>,
    /// This belongs to the primary.
    reporter: HealthReporter,
}

async fn rig(configure: impl FnOnce(MirrorBuilder) -> MirrorBuilder) -> Rig {
    let (shadows, _) = routes().await;
    rig_to(shadows, configure).await
}

async fn rig_to(shadow: Routes, configure: impl FnOnce(MirrorBuilder) -> MirrorBuilder) -> Rig {
    let (asked, copied) = (Recorder::default(), Recorder::default());
    let observer = RecordingObserver::default();
    let shadow = serve(copied.clone(), shadow).await;
    let target = HttpTarget::builder(&shadow).http2().build().unwrap();
    let shadow_answered = Arc::new(Notify::new());
    let answered = Arc::clone(&shadow_answered);
    let shadow = ServiceExt::<Request<ShadowBody>>::map_response(target.clone(), move |response| {
        answered.notify_one();
        response
    });
    let builder = MirrorLayer::builder(shadow).name("v2");
    let mirror = configure(builder.timeout(HANG).observe_with(observer.clone())).build();
    let handle = mirror.handle();
    let (routes, reporter) = routes().await;
    let layers = tower::ServiceBuilder::new()
        .layer(asked.clone())
        .layer(mirror);
    let url = serve(layers.into_inner(), routes).await;
    let channel = connect(url.clone()).await;
    Rig {
        url,
        channel,
        asked,
        copied,
        handle,
        target,
        observer,
        shadow_answered,
        reporter,
    }
}

impl Rig {
    async fn only(&self, outcome: Outcome) {
        assert_only(&within(settled(&self.handle, 1)).await, outcome);
    }

    /// Asserts that the only request and its only copy differ only in the documented fields.
    fn assert_exact(&self, mode: BodyMode) {
        let (asked, copy) = (self.asked.one(), self.copied.one());
        assert_eq!(copy.head.method, asked.head.method);
        assert_eq!(copy.head.uri.path(), asked.head.uri.path());
        // An IP address has no suffix.
        assert_eq!(copy.head.uri.authority(), asked.head.uri.authority());

        let mut headers = copy.head.headers;
        assert_eq!(headers[TE], "trailers");
        assert_eq!(headers["content-type"], "application/grpc");
        assert_eq!(headers.remove("x-mirrored-by").unwrap(), "v2");
        let length = headers.remove(CONTENT_LENGTH);
        let length = length.map(|length| length.to_str().unwrap().to_owned());
        match mode {
            BodyMode::Buffered => assert_eq!(length, Some(asked.data.len().to_string())),
            BodyMode::HeadOnly => assert_eq!(length.as_deref(), Some("0")),
            _ => assert_eq!(length, None),
        }
        assert_eq!(headers, asked.head.headers);

        assert!(copy.is_whole);
        if mode == BodyMode::HeadOnly {
            assert!(copy.data.is_empty());
        } else {
            assert!(copy.data == asked.data, "the messages differ");
            assert_eq!(copy.trailers, asked.trailers);
        }
    }

    async fn grpc(&self) -> tonic::client::Grpc<Channel> {
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        within(grpc.ready()).await.unwrap();
        grpc
    }
}

/// Makes a request with metadata that contains text and bytes.
fn asking<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let metadata = request.metadata_mut();
    metadata.append("x-user", MetadataValue::from_static("ada"));
    metadata.append("x-user", MetadataValue::from_static("eve"));
    metadata.insert_bin("x-trace-bin", MetadataValue::from_bytes(b"\0\x01\xff"));
    request.set_timeout(HANG);
    request
}

fn path(path: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(path)
}

fn messages(lengths: &[usize]) -> Vec<Bytes> {
    lengths
        .iter()
        .map(|length| tower_mirror_testing::pattern(*length))
        .collect()
}

const MODES: [BodyMode; 3] = [BodyMode::Buffered, BodyMode::Streaming, BodyMode::HeadOnly];

#[tokio::test]
async fn unary_calls_are_mirrored_exactly() {
    for mode in MODES {
        // The messages are empty, small, or consist of many frames.
        for length in [0, 5, 300_000] {
            let rig = rig(|mirror| mirror.body_mode(mode)).await;
            let message = tower_mirror_testing::pattern(length);
            let call = asking(message.clone());
            let answer = within(rig.grpc().await.unary(call, path(UNARY), Plain)).await;
            assert_eq!(answer.unwrap().into_inner(), message);
            rig.only(Outcome::Completed).await;
            rig.assert_exact(mode);
        }
    }
}

#[tokio::test]
async fn client_streaming_calls_are_mirrored_exactly() {
    for mode in MODES {
        for lengths in [
            &[][..],
            &[0],
            &[1, 0, 5],
            &[1000; 50],
            &[100_000, 3, 70_000],
        ] {
            let rig = rig(|mirror| mirror.body_mode(mode)).await;
            let messages = messages(lengths);
            let call = asking(stream::iter(messages.clone()));
            let mut grpc = rig.grpc().await;
            let answer = within(grpc.client_streaming(call, path(COLLECT), Plain)).await;
            let expected = [format!("{}:", lengths.len()).into(), messages.concat()].concat();
            assert!(answer.unwrap().into_inner() == expected, "{mode:?}");
            rig.only(Outcome::Completed).await;
            rig.assert_exact(mode);
        }
    }
}

#[tokio::test]
async fn the_answers_of_a_server_stream_are_read_to_their_end() {
    for mode in [BodyMode::Buffered, BodyMode::Streaming] {
        for (message, answers, bytes) in [("1000", 1000, 1000 * 12 + 2890), ("3 fail", 3, 3 * 13)] {
            let rig = rig(|mirror| mirror.body_mode(mode)).await;
            let call = asking(Bytes::from(message));
            let answer = within(rig.grpc().await.server_streaming(call, path(COUNT), Plain)).await;
            let heard: Vec<_> = within(answer.unwrap().into_inner().collect()).await;
            let numbers = heard.iter().filter(|answer| answer.is_ok()).count();
            assert_eq!(numbers, answers);
            let code = heard.last().unwrap().as_ref().err().map(Status::code);
            assert_eq!(
                code,
                refusal(&message.as_bytes()[2.min(message.len())..]).map(|s| s.code())
            );

            rig.only(Outcome::Completed).await;
            rig.assert_exact(mode);
            assert_eq!(
                rig.observer.report().shadow.response_bytes,
                bytes,
                "{message}"
            );
            // Nothing was reset: the only connection is still used.
            assert_eq!(rig.target.connections(), 1);
        }
    }
}

/// A conversation in which each message is sent after the answer to the previous message. Code on
/// the primary's path that waits for the end of the body would hang.
async fn converse(rig: &Rig, after_each: impl AsyncFn(usize)) {
    let (say, mut said) = mpsc::unbounded_channel();
    let saying = stream::poll_fn(move |cx| said.poll_recv(cx));
    let mut grpc = rig.grpc().await;
    let answer = within(grpc.streaming(asking(saying), path(TALK), Plain)).await;
    let mut answers = answer.unwrap().into_inner();
    let mut bytes = 0;
    for message in messages(&[5, 0, 20_000, 7]) {
        bytes += 5 + message.len();
        say.send(message.clone()).unwrap();
        let answer = within(answers.next()).await.unwrap().unwrap();
        assert!(answer == [b"heard ", &message[..]].concat());
        after_each(bytes).await;
    }
    drop(say);
    assert!(within(answers.next()).await.is_none());
    let trailers = within(answers.trailers()).await.unwrap().unwrap();
    assert_eq!(trailers.get("grpc-status").unwrap(), "0");
}

#[tokio::test]
async fn a_conversation_is_relayed_live_by_stream() {
    let rig = rig(|mirror| mirror.body_mode(BodyMode::Streaming)).await;
    // The shadow receives each message before the next message is sent.
    converse(&rig, async |bytes| rig.copied.heard(bytes).await).await;
    rig.only(Outcome::Completed).await;
    rig.assert_exact(BodyMode::Streaming);
}

#[tokio::test]
async fn a_conversation_is_sent_whole_by_tee_and_without_messages_by_omit() {
    for mode in [BodyMode::Buffered, BodyMode::HeadOnly] {
        let rig = rig(|mirror| mirror.body_mode(mode)).await;
        let is_sent = mode == BodyMode::HeadOnly;
        converse(&rig, async |_| {
            assert!(is_sent || rig.copied.calls().is_empty());
        })
        .await;
        rig.only(Outcome::Completed).await;
        rig.assert_exact(mode);
    }
}

/// The shadow does not know the method. It answers this before it has read a message.
#[tokio::test]
async fn a_shadow_that_refuses_early_does_not_end_the_conversation() {
    for mode in MODES {
        let (_, health) = health_reporter();
        let rig = rig_to(Routes::new(health), |mirror| mirror.body_mode(mode)).await;
        converse(&rig, async |_| ()).await;
        rig.only(Outcome::Completed).await;
        // The error is in `grpc-status`. The HTTP status reports success.
        assert_eq!(rig.observer.report().shadow.status.unwrap(), 200);
    }
}

/// The primary does not read the rest, so there is no complete call to copy.
#[tokio::test]
async fn a_stream_that_the_primary_refuses_half_way_is_no_whole_call() {
    for mode in [BodyMode::Buffered, BodyMode::Streaming] {
        let rig = rig(|mirror| mirror.body_mode(mode)).await;
        let saying = stream::iter([Bytes::from_static(b"fail")]).chain(stream::pending());
        let mut grpc = rig.grpc().await;
        let refused = within(grpc.client_streaming(asking(saying), path(COLLECT), Plain)).await;
        assert_status(&refused.unwrap_err());
        rig.only(Outcome::Unread).await;
        rig.copied.assert_none_is_whole().await;
        assert!(mode == BodyMode::Streaming || rig.copied.calls().is_empty());
    }
}

#[tokio::test]
async fn a_conversation_that_the_client_cancels_is_no_whole_call() {
    for mode in [BodyMode::Buffered, BodyMode::Streaming] {
        let rig = rig(|mirror| mirror.body_mode(mode)).await;
        let address = rig.url.strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut client = client.ready().await.unwrap();
        let request = Request::post(format!("{}{TALK}", rig.url))
            .header("content-type", "application/grpc")
            .body(())
            .unwrap();
        let (answer, mut upload) = client.send_request(request, false).unwrap();
        upload.send_data(framed(&[b"hello"]), false).unwrap();
        let mut answers = within(answer).await.unwrap().into_body();
        within(answers.data()).await.unwrap().unwrap();
        if mode == BodyMode::Streaming {
            rig.copied.heard(5 + 5).await;
        }
        upload.send_reset(h2::Reason::CANCEL);
        // The outcome depends on what the primary's server notices first.
        assert_only(
            &within(settled(&rig.handle, 1)).await,
            Outcome::ClientAborted,
        );
        rig.copied.assert_none_is_whole().await;
    }
}

#[tokio::test]
async fn a_server_stream_over_the_cap_is_cut_off_for_the_mirror_alone() {
    for mode in [BodyMode::Buffered, BodyMode::Streaming] {
        let rig = rig(|mirror| mirror.body_mode(mode).max_response_bytes(1000)).await;
        for round in 1..3 {
            let call = asking(Bytes::from("1000"));
            let answer = within(rig.grpc().await.server_streaming(call, path(COUNT), Plain)).await;
            assert_eq!(within(answer.unwrap().into_inner().count()).await, 1000);
            let stats = within(settled(&rig.handle, round)).await;
            assert_eq!(stats.outcome(Outcome::CompletedTruncated), round, "{stats}");
            assert_eq!(rig.target.connections(), 1);
        }
    }
}

fn assert_status(status: &Status) {
    let expected = refusal(b"fail").unwrap();
    assert_eq!(status.code(), expected.code());
    assert_eq!(status.message(), expected.message());
    assert_eq!(status.details(), expected.details());
    assert_eq!(status.metadata().get("x-reason").unwrap(), "it said so");
    let more = status.metadata().get_bin("x-more-bin").unwrap();
    assert_eq!(more.to_bytes().unwrap(), &b"\0\xff"[..]);
}

#[tokio::test]
async fn an_error_status_reaches_the_client_as_it_is() {
    for mode in MODES {
        let rig = rig(|mirror| mirror.body_mode(mode)).await;
        let fail = Bytes::from_static(b"fail");
        let refused = within(rig.grpc().await.unary(asking(fail), path(UNARY), Plain)).await;
        assert_status(&refused.unwrap_err());
        rig.only(Outcome::Completed).await;
        rig.assert_exact(mode);
    }
}

/// Returns everything that HTTP shows of a response, except `date`.
#[derive(Debug, PartialEq)]
struct Raw {
    status: u16,
    headers: BTreeMap<String, Vec<u8>>,
    data: Bytes,
    trailers: Option<BTreeMap<String, Vec<u8>>>,
}

fn fields(headers: &HeaderMap) -> BTreeMap<String, Vec<u8>> {
    let fields = headers.iter().filter(|(name, _)| *name != "date");
    fields
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect()
}

/// Encodes messages in gRPC frames: each follows its length, and is not compressed.
fn framed(messages: &[&[u8]]) -> Bytes {
    let mut body = BytesMut::new();
    for message in messages {
        body.put_u8(0);
        body.put_u32(message.len() as u32);
        body.put_slice(message);
    }
    body.freeze()
}

async fn raw(channel: &Channel, path: &str, messages: &[&[u8]]) -> Raw {
    let request = Request::post(path)
        .header("content-type", "application/grpc")
        .header(TE, "trailers")
        .body(Body::new(Full::new(framed(messages))))
        .unwrap();
    let answer = within(channel.clone().oneshot(request)).await.unwrap();
    let (head, body) = answer.into_parts();
    let body = within(body.collect()).await.unwrap();
    let trailers = body.trailers().map(fields);
    Raw {
        status: head.status.as_u16(),
        headers: fields(&head.headers),
        data: body.to_bytes(),
        trailers,
    }
}

#[tokio::test]
async fn answers_and_their_trailers_are_those_without_the_layer() {
    let calls: [(&str, &[&[u8]], &str); 10] = [
        (UNARY, &[b"hello"], "0"),
        (UNARY, &[b"fail"], "9"),
        (UNARY, &[], "13"),
        (COLLECT, &[], "0"),
        (COLLECT, &[b"a", b"b"], "0"),
        (COLLECT, &[b"a", b"fail", b"b"], "9"),
        (COUNT, &[b"3"], "0"),
        (COUNT, &[b"3 fail"], "9"),
        (TALK, &[b"a", b"fail"], "9"),
        ("/no.Such/Method", &[b"a"], "12"),
    ];
    let bare = connect(serve(tower::layer::util::Identity::new(), routes().await.0).await).await;
    for mode in MODES {
        let rig = rig(|mirror| mirror.body_mode(mode)).await;
        for (path, messages, grpc_status) in calls {
            let without = raw(&bare, path, messages).await;
            let with = raw(&rig.channel, path, messages).await;
            assert_eq!(with, without, "{path} {mode:?}");
            // The status is in the trailers, or in the headers if the response has no body.
            let last = with.trailers.as_ref().unwrap_or(&with.headers);
            assert_eq!(last["grpc-status"], grpc_status.as_bytes(), "{path}");
        }
        within(settled(&rig.handle, calls.len() as u64)).await;
    }
}

fn check(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

#[tokio::test]
async fn tonics_health_service_is_mirrored_like_any_other() {
    for mode in [BodyMode::Buffered, BodyMode::Streaming] {
        let rig = rig(|mirror| mirror.body_mode(mode)).await;
        let mut client = HealthClient::new(rig.channel.clone());
        let answer = within(client.check(asking(check("test.Echo")))).await;
        assert_eq!(answer.unwrap().into_inner().status, 1);
        rig.only(Outcome::Completed).await;
        rig.assert_exact(mode);

        let unknown = within(client.check(asking(check("unknown")))).await;
        assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
        let stats = within(settled(&rig.handle, 2)).await;
        assert_eq!(stats.outcome(Outcome::Completed), 2, "{stats}");
    }
}

/// The responses of the method never end, so the copy ends at its deadline, but the client's stream
/// does not.
///
/// The clock is paused, and is held until the shadow has answered, so that this does not depend on the
/// speed of the machine.
#[tokio::test(start_paused = true)]
async fn a_watch_outlives_its_copy() {
    for mode in [BodyMode::Buffered, BodyMode::Streaming] {
        let clock = Clock::held();
        let rig = rig(|mirror| mirror.body_mode(mode).timeout(Duration::from_millis(50))).await;
        let mut client = HealthClient::new(rig.channel.clone());
        let watch = within(client.watch(asking(check("test.Echo")))).await;
        let mut watch = watch.unwrap().into_inner();
        assert_eq!(within(watch.message()).await.unwrap().unwrap().status, 1);
        within(rig.shadow_answered.notified()).await;
        drop(clock);
        rig.only(Outcome::TimedOut).await;
        let _clock = Clock::held();
        rig.assert_exact(mode);
        assert_eq!(rig.observer.report().shadow.status.unwrap(), 200);

        let status = ServingStatus::NotServing;
        rig.reporter.set_service_status("test.Echo", status).await;
        assert_eq!(within(watch.message()).await.unwrap().unwrap().status, 2);
    }
}

#[tokio::test]
async fn health_and_reflection_calls_are_left_out() {
    let rig = rig(|mirror| {
        mirror.filter(sample::skip_paths([
            "/grpc.health.v1.Health",
            "/grpc.reflection.v1.ServerReflection",
            "/grpc.reflection.v1alpha.ServerReflection",
        ]))
    })
    .await;
    let mut client = HealthClient::new(rig.channel.clone());
    within(client.check(check("test.Echo"))).await.unwrap();
    let _watch = within(client.watch(check("test.Echo"))).await.unwrap();
    for version in ["v1", "v1alpha"] {
        let method = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        raw(&rig.channel, &method, &[b"list"]).await;
    }
    raw(&rig.channel, UNARY, &[b"hello"]).await;
    // A service whose name only has the same beginning is another service.
    raw(&rig.channel, "/grpc.health.v1.HealthCare/Check", &[]).await;

    let stats = within(settled(&rig.handle, 6)).await;
    assert_eq!(stats.outcome(Outcome::Filtered), 4, "{stats}");
    assert_eq!(stats.outcome(Outcome::Completed), 2, "{stats}");
    let paths: Vec<_> = rig
        .copied
        .calls()
        .iter()
        .map(|call| call.head.uri.path().to_owned())
        .collect();
    assert_eq!(paths, [UNARY, "/grpc.health.v1.HealthCare/Check"]);
}

/// The mirror is around only one service, or around the routes of an axum application.
#[tokio::test]
async fn the_layer_fits_wherever_tonic_takes_one() {
    let copied = Recorder::default();
    let shadow = serve(copied.clone(), routes().await.0).await;
    let mirror = MirrorLayer::new(HttpTarget::builder(&shadow).http2().build().unwrap());
    let (_, health) = health_reporter();
    let one = Routes::new(mirror.named_layer(Echo)).add_service(health);
    let all = Routes::from(routes().await.0.into_axum_router().layer(mirror.clone()));

    for (routes, copies) in [(one, 1), (all, 3)] {
        let bare = tower::layer::util::Identity::new();
        let channel = connect(serve(bare, routes).await).await;
        assert_eq!(
            raw(&channel, UNARY, &[b"hello"]).await.data,
            b"\0\0\0\0\x05hello"[..]
        );
        let mut client = HealthClient::new(channel);
        within(client.check(check(""))).await.unwrap();
        within(mirror.handle().wait_idle()).await;
        assert_eq!(copied.calls().len(), copies);
    }
    let stats = within(settled(&mirror.handle(), 3)).await;
    assert_eq!(stats.outcome(Outcome::Completed), 3, "{stats}");
}
