//! Subsets that are dead, or have no weight.

use http::Response;
use http_body_util::Full;
use tokio::net::TcpSocket;

use crate::{
    client::{Answer, Client},
    split::{of_urls, served_by, split},
    upstream::Upstream,
};

/// An address where no process listens while this value lives.
struct Dead(TcpSocket);

impl Dead {
    fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }
}

fn is_one_line(answer: &Answer, beginning: &str) {
    let text = std::str::from_utf8(&answer.body).unwrap();
    assert!(text.starts_with(beginning), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.ends_with('\n'), "{text}");
    assert_eq!(served_by(answer), None);
}

#[tokio::test]
async fn a_dead_subset_falls_back() {
    let v1 = Upstream::echo().await;
    let fallback = ["--fallback", "v2=v1"];
    let v2 = Dead::new();
    let proxy = of_urls([50, 50], [&v1.url(), &v2.url()], &fallback).await;
    let client = Client::http1();
    let body = vec![b'x'; 300_000];
    for _ in 0..20 {
        let answer = client.post(&proxy.url("/"), body.clone()).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, body);
        assert_eq!(served_by(&answer).as_deref(), Some("v1"));
    }
    let [fallen, none] = proxy.counts("fallback").await;
    assert!((8..=12).contains(&fallen), "{fallen}");
    assert_eq!(none, 0);
    assert_eq!(proxy.counts("unready").await, [0, fallen]);
    assert_eq!(proxy.counts("weighted").await, [20 - fallen, 0]);
    assert_eq!(v1.unread(), 20);
}

#[tokio::test]
async fn a_dead_subset_without_a_fallback_is_a_502_of_one_line() {
    let v1 = Upstream::echo().await;
    // One in the other direction does not help.
    for more in [&[][..], &["--fallback", "v1=v2"]] {
        let v2 = Dead::new();
        let proxy = of_urls([0, 1], [&v1.url(), &v2.url()], more).await;
        let answer = Client::http1().get(&proxy.url("/")).await;
        assert_eq!(answer.status, 502);
        is_one_line(&answer, "no answer from the primary: cannot connect ");
        assert_eq!(proxy.counts("unready").await, [0, 1]);
        assert_eq!(proxy.counts("fallback").await, [0, 0]);
    }
    assert_eq!(v1.unread(), 0);
}

#[tokio::test]
async fn without_weight_it_is_a_503_of_one_line() {
    let (v1, v2) = (Upstream::echo().await, Upstream::echo().await);
    let proxy = split([0, 0], [&v1, &v2], &["--fallback", "v1=v2"]).await;
    for n in 1..=2 {
        let answer = Client::http1().post(&proxy.url("/"), "hello").await;
        assert_eq!(answer.status, 503);
        is_one_line(&answer, "no subset can answer: all weights are zero");
        assert_eq!(proxy.split().await["no_weight"], n);
    }
    assert_eq!([v1.unread(), v2.unread()], [0, 0]);
}

#[tokio::test]
async fn a_503_of_a_subset_is_its_own() {
    let overloaded = Upstream::answering(async |_| {
        let answer = Response::builder().status(503).header("retry-after", "7");
        answer.body(Full::from("busy")).unwrap()
    });
    let (v1, v2) = (overloaded.await, Upstream::echo().await);
    let proxy = split([1, 0], [&v1, &v2], &["--fallback", "v1=v2"]).await;
    let answer = Client::http1().get(&proxy.url("/")).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["retry-after"], "7");
    assert_eq!(answer.body, "busy");
    assert_eq!(served_by(&answer).as_deref(), Some("v1"));
    assert_eq!(v2.unread(), 0);
}
