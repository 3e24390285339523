//! Handlers that stop at their own end marker, and handlers that refuse a body after they have
//! begun to read it.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Multipart, State},
    routing::post,
};
use tokio::sync::{
    Notify,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use tower_mirror::{BodyMode, Outcome};

use super::{
    primary::{Event as Read, primary},
    rig::{Rig, WAYS, all, tapped, upstream_of_none, way},
};
use tower_mirror_testing::{
    by_hand::*,
    server::{Clock, within},
};

const TYPE: (&str, &str) = ("content-type", "multipart/form-data; boundary=X");
/// The body without the bytes that follow its end marker.
const FORM: &str = "--X\r\ncontent-disposition: form-data; name=\"film\"\r\n\r\nAlien\r\n--X--";
const AFTER: &str = "\r\n";

/// The handler's events, and the permission that it waits for.
#[derive(Clone, Debug)]
struct Gate {
    read: UnboundedSender<()>,
    goes_on: Arc<Notify>,
}

/// Reads the form, reports this, and answers when the test permits it.
async fn upload(State(gate): State<Gate>, mut form: Multipart) -> String {
    let mut fields = Vec::new();
    while let Some(field) = form.next_field().await.unwrap() {
        let name = field.name().unwrap().to_owned();
        fields.push(format!("{name}={}", field.text().await.unwrap()));
    }
    let _ = gate.read.send(());
    gate.goes_on.notified().await;
    fields.join(" ")
}

fn app() -> (Router, UnboundedReceiver<()>, Arc<Notify>) {
    let (read, reads) = unbounded_channel();
    let goes_on = Arc::new(Notify::new());
    let gate = Gate {
        read,
        goes_on: goes_on.clone(),
    };
    let app = Router::new().route("/", post(upload).with_state(gate));
    (app, reads, goes_on)
}

/// The time at which the client sends the bytes that the handler does not read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rest {
    AtOnce,
    /// After the handler has read the form, and before it answers.
    BeforeAnswer,
    AfterAnswer,
}

const RESTS: [Rest; 3] = [Rest::AtOnce, Rest::BeforeAnswer, Rest::AfterAnswer];

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// For each framing: the head of a form over HTTP/1.1, the part of its body that is read, and the
/// part that is not read.
fn forms() -> [(&'static str, String, String); 3] {
    let length = FORM.len() + AFTER.len();
    let head = "POST / HTTP/1.1\r\nhost: catalog\r\ncontent-type: multipart/form-data; boundary=X";
    let chunked = format!("{head}\r\ntransfer-encoding: chunked\r\n\r\n");
    let end = "0\r\n\r\n";
    [
        (
            "the last line break with the end",
            format!("{chunked}{}", chunk(FORM)),
            format!("{}{end}", chunk(AFTER)),
        ),
        (
            "the end by itself",
            format!("{chunked}{}{}", chunk(FORM), chunk(AFTER)),
            end.to_owned(),
        ),
        (
            "a declared length",
            format!("{head}\r\ncontent-length: {length}\r\n\r\n{FORM}"),
            AFTER.to_owned(),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn ten_of_ten_forms_are_copied_over_http1() {
    for way in WAYS {
        for (framing, begin, rest) in forms() {
            for when in RESTS {
                let case = format!("{framing}, {when:?}, {way:?}");
                let (app, mut reads, goes_on) = app();
                let rig = Rig::with(way, app).await;
                // The connection remains open for the next form.
                let mut client = Raw::connect(rig.primary.address).await;
                for n in 1..=10 {
                    match when {
                        Rest::AtOnce => client.write(format!("{begin}{rest}")).await,
                        _ => client.write(&begin).await,
                    }
                    within(reads.recv()).await.unwrap();
                    if when == Rest::BeforeAnswer {
                        client.write(&rest).await;
                    }
                    goes_on.notify_one();
                    let answer = within(client.until("film=Alien")).await;
                    assert!(answer.starts_with("HTTP/1.1 200 "), "{case}: {answer}");
                    if when == Rest::AfterAnswer {
                        client.write(&rest).await;
                    }
                    within(rig.handle.wait_idle()).await;
                    let stats = rig.handle.stats();
                    assert_eq!(stats.outcome(Outcome::Completed), n, "{case}: {stats}");
                }
                drop(client);
                let ended = rig.end().await;
                assert_eq!(ended.copies.len(), 10, "{case}");
                for copy in ended.copies {
                    assert!(copy.is_whole, "{case}");
                    assert_eq!(copy.bytes, [FORM, AFTER].concat().as_bytes(), "{case}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn forms_are_copied_over_http2() {
    for way in WAYS {
        let with_end = [last(AFTER.as_bytes())];
        let apart = [data(AFTER.as_bytes()), end()];
        for rest in [&with_end[..], &apart] {
            for when in RESTS {
                let case = format!("{} frames, {when:?}, {way:?}", rest.len());
                let (app, mut reads, goes_on) = app();
                let rig = Rig::with(way, app).await;
                let mut client = Client::connect(rig.primary.address).await;
                let mut frames = vec![head("POST", "/", &[TYPE]), data(FORM.as_bytes())];
                if when == Rest::AtOnce {
                    frames.extend_from_slice(rest);
                }
                client.write(&frames).await;
                within(reads.recv()).await.unwrap();
                if when == Rest::BeforeAnswer {
                    client.write(rest).await;
                }
                goes_on.notify_one();
                assert_eq!(within(client.status()).await, Ok(200), "{case}");
                if when == Rest::AfterAnswer {
                    client.write(rest).await;
                }
                within(rig.handle.wait_idle()).await;
                within(client.closed()).await;
                let copy = rig.end().await.completed(&case);
                assert_eq!(copy.bytes, [FORM, AFTER].concat().as_bytes(), "{case}");
            }
        }
    }
}

/// The client's view of an upload that ends early, and the events of the primary.
type Seen = (String, Vec<Read>);

async fn over_http1(address: std::net::SocketAddr, sent: &str) -> String {
    let mut client = Raw::connect(address).await;
    client.write(sent).await;
    within(client.rest()).await
}

async fn over_http2(address: std::net::SocketAddr, sent: &[Vec<u8>]) -> String {
    let mut client = Client::connect(address).await;
    client.write(sent).await;
    let events = within(client.events_to_the_reset()).await;
    within(client.closed()).await;
    format!("{events:?}")
}

/// Returns the client's view without the mirror.
async fn without(run: impl AsyncFn(std::net::SocketAddr) -> String) -> Seen {
    let _clock = Clock::held();
    let (server, events) = tapped(primary(upstream_of_none())).await;
    let seen = run(server.address).await;
    server.stop().await;
    (seen, all(events))
}

/// The clock is paused, so no part of the client's view can wait for a deadline of the mirror.
async fn is_unread_and_unnoticed(
    case: &str,
    reads_alike: bool,
    run: impl AsyncFn(std::net::SocketAddr) -> String,
) {
    let (seen, read) = without(&run).await;
    for way in WAYS {
        let rig = Rig::new(way).await;
        assert_eq!(run(rig.primary.address).await, seen, "{case} {way:?}");
        let ended = rig.end().await;
        if reads_alike {
            assert_eq!(ended.events, read, "{case} {way:?}");
        }
        ended.lost(Outcome::Unread, &format!("{case} {way:?}"));
    }
}

/// The primary refuses after ten bytes of a hundred.
#[tokio::test(start_paused = true)]
async fn of_a_refused_body_nothing_more_is_read() {
    let ten = "0123456789";
    for status in [401, 422, 500] {
        let path = format!("/refuse/{status}/10");
        let line = format!("POST {path} HTTP/1.1\r\nhost: catalog\r\n");
        for (framing, body) in [
            ("content-length: 100", ten.to_owned()),
            ("transfer-encoding: chunked", chunk(ten)),
            // More bytes are available, and are not read either.
            ("content-length: 100", ten.repeat(9)),
        ] {
            let sent = format!("{line}{framing}\r\n\r\n{body}");
            let case = format!("{status} {framing} {}", body.len());
            is_unread_and_unnoticed(&case, true, async |address| {
                over_http1(address, &sent).await
            })
            .await;
        }
        for declared in [&[("content-length", "100")][..], &[]] {
            let sent = [head("POST", &path, declared), data(ten.as_bytes())];
            let case = format!("{status} over HTTP/2, {declared:?}");
            is_unread_and_unnoticed(&case, true, async |address| {
                over_http2(address, &sent).await
            })
            .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_rest_is_left_after_success_too() {
    let chunks = chunk(&"x".repeat(8000)).repeat(100);
    let sent = format!(
        "POST /exact/5 HTTP/1.1\r\nhost: catalog\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"
    );
    is_unread_and_unnoticed("HTTP/1.1", false, async |address| {
        over_http1(address, &sent).await
    })
    .await;
    let mut sent = vec![head("POST", "/exact/5", &[])];
    sent.resize(60, data(&[b'x'; 16_000]));
    is_unread_and_unnoticed("HTTP/2", false, async |address| {
        over_http2(address, &sent).await
    })
    .await;
}

/// The server can soon use its connection again if the rest is small and does not arrive.
#[tokio::test(start_paused = true)]
async fn a_small_rest_is_not_waited_for_long() {
    let mut rig = Rig::new(way(BodyMode::Buffered, false)).await;
    let mut client = Raw::connect(rig.primary.address).await;
    let head = "POST /exact/5 HTTP/1.1\r\nhost: catalog\r\ntransfer-encoding: chunked\r\n\r\n";
    client.write(format!("{head}{}", chunk("hello"))).await;
    let answer = within(client.until("\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(rig.handle.stats().in_flight(), 1);
    tokio::time::advance(std::time::Duration::from_millis(251)).await;
    within(rig.body_dropped()).await;
    assert_eq!(within(client.rest()).await, "");
    rig.end().await.lost(Outcome::Unread, "");
}

/// A complete body, in one packet with its head, that a handler does not read.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_ignored_has_no_copy_in_either_protocol() {
    for way in WAYS {
        for path in ["/refuse/401/0", "/refuse/200/0"] {
            for (declared, frames) in [
                (&[("content-length", "5")][..], vec![last(b"hello")]),
                (&[("content-length", "5")], vec![data(b"hello"), end()]),
                (&[], vec![last(b"hello")]),
                (&[], vec![data(b"hello"), end()]),
            ] {
                let case = format!("{path} {declared:?} {way:?}");
                let rig = Rig::new(way).await;
                let mut client = Client::connect(rig.primary.address).await;
                let mut sent = vec![head("POST", path, declared)];
                sent.extend(frames);
                client.write(&sent).await;
                assert!(within(client.status()).await.is_ok(), "{case}");
                within(rig.handle.wait_idle()).await;
                within(client.closed()).await;
                rig.end().await.lost(Outcome::Unread, &case);
            }
            let case = format!("{path} {way:?} over HTTP/1.1");
            let rig = Rig::new(way).await;
            let mut client = Raw::connect(rig.primary.address).await;
            let head = format!("POST {path} HTTP/1.1\r\nhost: catalog\r\n");
            let length = "connection: close\r\ncontent-length: 5\r\n\r\n";
            client.write(format!("{head}{length}hello")).await;
            within(client.rest()).await;
            rig.end().await.lost(Outcome::Unread, &case);
        }
    }
}
