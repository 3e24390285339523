//! Subsets instead of a primary, and the choice between them.

use http::{Request, Response};
use http_body_util::Full;
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    child::Proxy,
    client::{Answer, Client, raw},
    upstream::Upstream,
};

/// A proxy with these as its subsets v1 and v2.
pub(crate) async fn split(weights: [u32; 2], [v1, v2]: [&Upstream; 2], more: &[&str]) -> Proxy {
    of_urls(weights, [&v1.url(), &v2.url()], more).await
}

pub(crate) async fn of_urls(weights: [u32; 2], [v1, v2]: [&str; 2], more: &[&str]) -> Proxy {
    let v1 = format!("v1={}={v1}", weights[0]);
    let v2 = format!("v2={}={v2}", weights[1]);
    let subsets = ["--subset", &v1, "--subset", &v2];
    Proxy::start(&[&subsets[..], more].concat()).await
}

impl Proxy {
    /// The subset that a request with these headers goes to.
    pub(crate) async fn subset_of(&self, client: &Client, headers: &[(&str, &str)]) -> String {
        let mut request = Request::post(self.url("/"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from("hello")).unwrap();
        let answer = client.send(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body, "hello");
        served_by(&answer).unwrap()
    }

    pub(crate) async fn split(&self) -> Value {
        let answer = self.get("/split").await;
        assert_eq!(answer.status, 200);
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// What both have under this name.
    pub(crate) async fn counts(&self, name: &str) -> [u64; 2] {
        let split = self.split().await;
        [0, 1].map(|subset| split["subsets"][subset][name].as_u64().unwrap())
    }
}

pub(crate) fn served_by(answer: &Answer) -> Option<String> {
    let names: Vec<_> = answer.headers.get_all("x-served-by").iter().collect();
    assert!(names.len() <= 1, "{names:?}");
    names.first().map(|name| name.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn shares_are_even() {
    // Which subset it was is not theirs to say.
    let lying = async |_| {
        let answer = Response::builder().header("x-served-by", "v3");
        answer.body(Full::from("hello")).unwrap()
    };
    let (v1, v2) = (
        Upstream::answering(lying).await,
        Upstream::answering(lying).await,
    );
    let mut proxy = split([90, 10], [&v1, &v2], &[]).await;
    let client = Client::http1();
    let mut counts = [0, 0];
    for _ in 0..100 {
        match &*proxy.subset_of(&client, &[]).await {
            "v1" => counts[0] += 1,
            "v2" => counts[1] += 1,
            other => panic!("{other}"),
        }
    }
    assert!((7..=13).contains(&counts[1]), "{counts:?}");
    assert_eq!([v1.unread(), v2.unread()], counts);
    assert_eq!(proxy.counts("weighted").await, counts.map(|n| n as u64));

    proxy.signal(Signal::TERM);
    proxy.says("draining ").await;
    assert_eq!(
        proxy.says("served ").await,
        format!("100 requests: v1 {}, v2 {}", counts[0], counts[1])
    );
    assert_eq!(proxy.exit_code().await, Some(0));
}

#[tokio::test]
async fn users_stay_where_they_are() {
    let (v1, v2) = (Upstream::echo().await, Upstream::echo().await);
    let sticky = ["--sticky-header", "x-user", "--sticky-cookie", "uid"];
    let both = split([50, 50], [&v1, &v2], &sticky).await;
    let header_alone = split([50, 50], [&v1, &v2], &sticky[..2]).await;
    let cookie_alone = split([50, 50], [&v1, &v2], &sticky[2..]).await;
    let client = Client::http1();

    let mut users = [0, 0];
    for user in 0..20 {
        let (user, cookie) = (format!("u{user}"), format!("a=b; uid=u{user}"));
        let home = both.subset_of(&client, &[("x-user", &user)]).await;
        users[usize::from(home == "v2")] += 1;
        for other in 0..20 {
            // The header has precedence over the cookie.
            let other = format!("uid=u{other}");
            let headers = [("cookie", &*other), ("x-user", &*user)];
            assert_eq!(both.subset_of(&client, &headers).await, home);
        }
        for (proxy, headers) in [
            (&both, ("cookie", &*cookie)),
            (&header_alone, ("x-user", &*user)),
            (&cookie_alone, ("cookie", &*cookie)),
        ] {
            assert_eq!(proxy.subset_of(&client, &[headers]).await, home);
        }
        // Without a key, by weight.
        both.subset_of(&client, &[("cookie", "UID=1")]).await;
        header_alone
            .subset_of(&client, &[("cookie", &cookie)])
            .await;
        cookie_alone.subset_of(&client, &[("x-user", &user)]).await;
    }
    // 20 users are not all of one half; the names are fixed, so this is not left to chance.
    assert!(users.iter().all(|n| *n >= 5), "{users:?}");
    assert_eq!(both.counts("keyed").await, users.map(|n| n * 22));
    assert_eq!(header_alone.counts("keyed").await, users);
    assert_eq!(cookie_alone.counts("keyed").await, users);
    for proxy in [&both, &header_alone, &cookie_alone] {
        let weighted = proxy.counts("weighted").await;
        assert_eq!(weighted.iter().sum::<u64>(), 20);
        assert!(
            weighted.iter().all(|n| (8..=12).contains(n)),
            "{weighted:?}"
        );
    }
}

#[tokio::test]
async fn a_header_can_force_a_subset() {
    let (v1, v2) = (Upstream::echo().await, Upstream::echo().await);
    let options = ["--force-header", "x-version", "--sticky-header", "x-user"];
    let proxy = split([1, 0], [&v1, &v2], &options).await;
    let client = Client::http1();
    for (version, subset) in [("v2", "v2"), ("v1", "v1"), ("V2", "v1"), ("v3", "v1")] {
        let headers = [("x-version", version), ("x-user", "ada")];
        assert_eq!(
            proxy.subset_of(&client, &headers).await,
            subset,
            "{version}"
        );
    }
    assert_eq!(proxy.subset_of(&client, &[]).await, "v1");
    assert_eq!(proxy.counts("forced").await, [1, 1]);
    assert_eq!(proxy.counts("keyed").await, [2, 0]);
    assert_eq!(proxy.split().await["unknown_forced"], 2);
    assert_eq!([v1.unread(), v2.unread()], [4, 1]);

    // It must be asked for.
    let proxy = split([1, 0], [&v1, &v2], &options[2..]).await;
    let subset = proxy.subset_of(&client, &[("x-version", "v2")]).await;
    assert_eq!(subset, "v1");
}

#[tokio::test]
async fn what_a_plain_proxy_refuses_and_removes_holds_for_subsets() {
    let (mut v1, v2) = (Upstream::echo().await, Upstream::echo().await);
    let proxy = split([1, 0], [&v1, &v2], &["--force-header", "x-version"]).await;
    let tunnel = "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nConnection: close\r\n\r\n";
    let answer = raw(proxy.address, tunnel).await;
    assert!(answer.starts_with("HTTP/1.1 501 "), "{answer}");
    // A field that is meant for this connection only does not select a subset.
    let hop = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: x-version, close\r\nX-Version: v2\r\n\r\n";
    let answer = raw(proxy.address, hop).await;
    assert!(answer.contains("\r\nx-served-by: v1\r\n"), "{answer}");
    let seen = v1.seen().await;
    assert_eq!(seen.uri, "/a");
    assert_eq!(seen.host(), "a");
    assert!(!seen.headers.contains_key("x-version"));
}
