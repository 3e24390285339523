//! A body is complete when its declared length has been read. The end of its stream has no
//! influence.

use std::time::Duration;

use http::Version;
use tokio::time::advance;
use tower_mirror::{BodyMode, Outcome};

use super::rig::{Ended, Received, Rig, WAYS, Way};
use tower_mirror_testing::{by_hand::*, server::within};

/// Three primaries: one reads the whole body, one stops after five bytes, and one is an HTTP/1.1
/// client that stops at the declared length.
const READERS: [&str; 3] = ["/collect", "/exact/5", "/proxy"];
/// The same primaries, without the one that waits for the end.
const STOPPERS: [&str; 2] = ["/exact/5", "/proxy"];

const FIVE: (&str, &str) = ("content-length", "5");
const TRAILER: (&str, &str) = ("trailer", "x-sum");
const SUM: (&str, &str) = ("x-sum", "42");

/// Combines each way with each of these primaries.
async fn each(paths: &[&'static str], test: impl AsyncFn(Rig, Client, &str, Way, &str)) {
    for way in WAYS {
        for path in paths {
            let case = format!("{path} {way:?}");
            let rig = Rig::new(way).await;
            let client = Client::connect(rig.primary.address).await;
            within(test(rig, client, path, way, &case)).await;
        }
    }
}

/// Waits until no copy is in flight and the connection of the client is closed.
async fn ended(rig: Rig, client: Client) -> Ended {
    rig.handle.wait_idle().await;
    client.closed().await;
    rig.end().await
}

fn assert_has_the_sum(copy: &Received, case: &str) {
    assert_eq!(copy.bytes, b"hello", "{case}");
    assert_eq!(copy.trailer("x-sum"), Some("42"), "{case}");
}

/// The time at which the client sends the end of its body.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    WithData,
    AfterAnswer,
    Never,
}

async fn ends(ends: Ends, paths: &[&'static str]) {
    each(paths, async |rig, mut client, path, way, case| {
        let mut frames = vec![head("POST", path, &[FIVE]), data(b"hello")];
        if ends == Ends::WithData {
            frames.push(end());
        }
        client.write(&frames).await;
        assert_eq!(client.status().await, Ok(200), "{case}");
        if ends == Ends::AfterAnswer {
            client.write(&[end()]).await;
        }
        let ended = ended(rig, client).await;
        for forwarded in &ended.forwarded {
            assert_eq!(forwarded.bytes, b"hello", "{case}");
            assert!(forwarded.is_whole, "{case}");
        }
        let copy = ended.completed(case);
        assert_eq!(copy.version == Version::HTTP_2, way.is_http2, "{case}");
        assert_eq!(copy.bytes, b"hello", "{case}");
        assert_eq!(copy.header("content-length"), Some("5"), "{case}");
        assert_eq!(copy.trailers, None, "{case}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_end_comes_with_the_data_in_a_frame_of_its_own() {
    ends(Ends::WithData, &READERS).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_comes_after_the_answer() {
    ends(Ends::AfterAnswer, &STOPPERS).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_never_comes() {
    ends(Ends::Never, &STOPPERS).await;
}

#[tokio::test(start_paused = true)]
async fn announced_trailers_are_read_on_for() {
    each(&READERS, async |rig, mut client, path, _, case| {
        let head = head("POST", path, &[FIVE, TRAILER]);
        client
            .write(&[head, data(b"hello"), trailers(&[SUM])])
            .await;
        assert_eq!(client.status().await, Ok(200), "{case}");
        assert_has_the_sum(&ended(rig, client).await.completed(case), case);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn announced_trailers_that_come_after_the_answer_are_copied() {
    each(&STOPPERS, async |rig, mut client, path, _, case| {
        client
            .write(&[head("POST", path, &[FIVE, TRAILER]), data(b"hello")])
            .await;
        // The primary does not wait for the end.
        assert_eq!(client.status().await, Ok(200), "{case}");
        client.write(&[trailers(&[SUM])]).await;
        assert_has_the_sum(&ended(rig, client).await.completed(case), case);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn announced_trailers_that_do_not_come_are_no_obstacle_to_an_end() {
    each(&READERS, async |rig, mut client, path, _, case| {
        let head = head("POST", path, &[FIVE, TRAILER]);
        client.write(&[head, data(b"hello"), end()]).await;
        assert_eq!(client.status().await, Ok(200), "{case}");
        let copy = ended(rig, client).await.completed(case);
        assert_eq!(copy.bytes, b"hello", "{case}");
        assert_eq!(copy.trailers, None, "{case}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn announced_trailers_are_not_waited_for_long() {
    each(&STOPPERS, async |mut rig, mut client, path, way, case| {
        client
            .write(&[head("POST", path, &[FIVE, TRAILER]), data(b"hello")])
            .await;
        assert_eq!(client.status().await, Ok(200), "{case}");
        assert_eq!(rig.handle.stats().in_flight(), 1, "{case}");
        advance(Duration::from_millis(251)).await;
        rig.handle.wait_idle().await;
        // The server can use its stream again.
        rig.body_dropped().await;
        client.closed().await;
        let ended = rig.end().await;
        if way.mode == BodyMode::Buffered {
            assert!(ended.copies.is_empty(), "{case}: {:?}", ended.copies);
        }
        ended.lost(Outcome::Unread, case);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn trailers_that_nothing_announced_are_copied_or_follow_what_was_complete() {
    each(&READERS, async |rig, mut client, path, way, case| {
        let head = head("POST", path, &[FIVE]);
        client
            .write(&[head, data(b"hello"), trailers(&[SUM])])
            .await;
        assert_eq!(client.status().await, Ok(200), "{case}");
        let ended = ended(rig, client).await;
        if way.mode == BodyMode::Streaming && !way.is_http2 {
            // The copy's head was sent before the trailers arrived, and HTTP/1.1 has no trailers
            // after a body with a length.
            assert_eq!(ended.outcomes, [Outcome::FailedTransport], "{case}");
            return;
        }
        assert_has_the_sum(&ended.completed(case), case);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_declared_length_of_zero_is_complete_from_the_start() {
    for ends in [Ends::WithData, Ends::AfterAnswer, Ends::Never] {
        each(
            &["/ignore", "/exact/0", "/proxy"],
            async |rig, mut client, path, _, case| {
                let mut frames = vec![head("POST", path, &[("content-length", "0")])];
                if ends == Ends::WithData {
                    frames.push(end());
                }
                client.write(&frames).await;
                assert_eq!(client.status().await, Ok(200), "{case}");
                if ends == Ends::AfterAnswer {
                    client.write(&[end()]).await;
                }
                let copy = ended(rig, client).await.completed(case);
                assert_eq!(copy.bytes, b"", "{case} {ends:?}");
                assert_eq!(copy.header("content-length"), Some("0"), "{case} {ends:?}");
            },
        )
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_body_may_say_so_in_a_frame_of_its_own() {
    for method in ["GET", "HEAD", "DELETE"] {
        each(
            &["/ignore", "/collect"],
            async |rig, mut client, path, _, case| {
                client.write(&[head(method, path, &[]), end()]).await;
                assert_eq!(client.status().await, Ok(200), "{case}");
                let copy = ended(rig, client).await.completed(case);
                assert_eq!(
                    (&copy.method.as_str(), &copy.bytes[..]),
                    (&method, &b""[..]),
                    "{case}"
                );
            },
        )
        .await;
    }
}
