//! `--compare`: v1, a second v1 and v2 are servers of their own, and the admin address says whether v2 is right.

use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::Value;

use crate::{
    child::Proxy,
    client::{Answer, Client},
    upstream::{Seen, Upstream},
    within,
};

/// More requests than any verdict here needs.
const BOUND: usize = 6_000;

/// A few dozen requests decide. A block of 1 ms is shorter than most requests take, so that the number of requests
/// decides and not the time.
const SOON: [&str; 6] = [
    "--warm-up",
    "0",
    "--accept-excess",
    "0.1",
    "--compare-block-ms",
    "1",
];

/// Answers with JSON. `{n}` in it is a number that is another one in each answer of each server.
pub(crate) async fn app(
    answer: impl Fn(&Seen) -> (u16, &'static str) + Send + Sync + 'static,
) -> Upstream {
    Upstream::answering(move |seen| {
        let (status, text) = answer(&seen);
        let text = text.replace("{n}", &rand().to_string());
        let answer = Response::builder()
            .status(status)
            .header("content-type", "application/json");
        std::future::ready(answer.body(Full::new(text.into())).unwrap())
    })
    .await
}

fn rand() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) >> 12
}

pub(crate) const ITEMS: &str = r#"{"id": {n}, "items": [{"name": "a", "tags": ["x", "y"]}]}"#;
pub(crate) const WITH_IMAGES: &str =
    r#"{"id": {n}, "items": [{"name": "a", "tags": ["x", "y"], "imageUrl": "a.png"}]}"#;
const WITH_OTHER_ORDER: &str = r#"{"id": {n}, "items": [{"name": "a", "tags": ["y", "x"]}]}"#;

/// The proxy before three servers, the third of which is v2.
pub(crate) struct Compared {
    pub(crate) proxy: Proxy,
    pub(crate) client: Client,
    _servers: [Upstream; 3],
}

impl Compared {
    pub(crate) async fn with(v2: Upstream, args: &[&str]) -> Self {
        Self::with_all(v2, &[&SOON, args].concat()).await
    }

    /// Without anything decided but these arguments.
    async fn with_all(v2: Upstream, args: &[&str]) -> Self {
        let [v1, second_v1] = [app(|_| (200, ITEMS)).await, app(|_| (200, ITEMS)).await];
        let (primary, baseline, shadow) = (v1.url(), second_v1.url(), v2.url());
        let servers = [
            "--primary",
            &primary,
            "--baseline",
            &baseline,
            "--shadow",
            &shadow,
            "--compare",
        ];
        let proxy = Proxy::start(&[&servers[..], args].concat()).await;
        Self {
            proxy,
            client: Client::http1(),
            _servers: [v1, second_v1, v2],
        }
    }

    async fn ask(&self, method: Method, path: &str) {
        let request = Request::builder().method(method).uri(self.proxy.url(path));
        let answer = self
            .client
            .send(request.body(Full::default()).unwrap())
            .await;
        assert_eq!(answer.status, StatusCode::OK);
    }

    pub(crate) async fn ask_items(&self) {
        self.ask(Method::GET, "/items").await;
    }

    /// The verdict once no request is under way.
    pub(crate) async fn settled(&self) -> Value {
        within("the requests under way", async {
            loop {
                let verdict = self.verdict().await;
                if verdict["open"] == 0 {
                    return verdict;
                }
            }
        })
        .await
    }

    async fn admin(&self, method: Method, path: &str, accept: &str) -> Answer {
        let url = format!("http://{}{path}", self.proxy.admin());
        let request = Request::builder().method(method).uri(url);
        let request = request.header("accept", accept);
        self.client
            .send(request.body(Full::default()).unwrap())
            .await
    }

    pub(crate) async fn verdict(&self) -> Value {
        let answer = self.admin(Method::GET, "/verdict", "*/*").await;
        assert_eq!(answer.status, StatusCode::OK);
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Asks until it is this verdict, which must come within the bound and be the first that is not `inconclusive`.
    pub(crate) async fn ask_until(&self, wanted: &str) -> Value {
        for asked in 0..BOUND {
            self.ask(Method::GET, "/items").await;
            if asked % 20 == 19 {
                let verdict = self.verdict().await;
                if verdict["verdict"] == wanted {
                    return verdict;
                }
                assert_eq!(verdict["verdict"], "inconclusive", "{verdict}");
            }
        }
        panic!(
            "no {wanted} within {BOUND} requests: {}",
            self.verdict().await
        );
    }

    /// Asks until that many are compared.
    async fn ask_until_compared(&self, compared: u64) -> Value {
        for _ in 0..BOUND {
            self.ask(Method::GET, "/items").await;
            let verdict = self.verdict().await;
            if verdict["compared"].as_u64().unwrap() >= compared {
                return verdict;
            }
        }
        panic!("{compared} requests were not compared");
    }

    /// The statuses of GET and POST.
    async fn status(&self, path: &str) -> [u16; 2] {
        let get = self.admin(Method::GET, path, "*/*").await;
        let post = self.admin(Method::POST, path, "*/*").await;
        [get.status.as_u16(), post.status.as_u16()]
    }
}

/// `path kind` of each path with differences that only the shadow has.
fn differing(verdict: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let routes = verdict["routes"].as_array().unwrap();
    let paths = routes
        .iter()
        .flat_map(|route| route["paths"].as_array().unwrap());
    let of_shadow = paths.filter(|path| path["shadow_only"].as_u64().unwrap() > 0);
    let mut names: Vec<_> = of_shadow
        .map(|path| format!("{} {}", text(&path["path"]), text(&path["kind"])))
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_v2_that_is_v1_passes_and_never_fails() {
    let compared = Compared::with(app(|_| (200, ITEMS)).await, &[]).await;
    assert_eq!(compared.verdict().await["verdict"], "inconclusive");
    assert_eq!(compared.status("/verdict/pass").await, [425, 425]);
    assert_eq!(compared.status("/verdict/fail").await, [409, 409]);

    let verdict = compared.ask_until("pass").await;
    assert_eq!(verdict["schema"], "tower-mirror/verdict/1");
    assert_eq!(verdict["baseline"], "service");
    assert!(verdict["compared"].is_u64(), "{verdict}");
    assert_eq!(differing(&verdict), Vec::<String>::new());
    assert_eq!(compared.status("/verdict").await, [200, 200]);
    assert_eq!(compared.status("/verdict/pass").await, [200, 200]);
    assert_eq!(compared.status("/verdict/fail").await, [409, 409]);
    // It stays so.
    let compared_until_now = verdict["compared"].as_u64().unwrap();
    let verdict = compared.ask_until_compared(2 * compared_until_now).await;
    assert_eq!(verdict["verdict"], "pass", "{verdict}");
}

#[tokio::test]
async fn a_v2_that_adds_a_field_fails_and_both_formats_name_it() {
    let compared = Compared::with(app(|_| (203, WITH_IMAGES)).await, &[]).await;
    let verdict = compared.ask_until("fail").await;
    let expected = ["/items/*/imageUrl added", ":status value"];
    assert_eq!(differing(&verdict), expected);
    assert_eq!(compared.status("/verdict").await, [200, 200]);
    assert_eq!(compared.status("/verdict/pass").await, [409, 409]);
    assert_eq!(compared.status("/verdict/fail").await, [200, 200]);

    assert!(verdict["since"].is_f64(), "{verdict}");
    let route = &verdict["routes"][0];
    for (of, fields) in [
        (
            &verdict,
            "schema mirror verdict inconclusive_because since tolerated confidence compared missing dropped routes not_judged",
        ),
        (
            route,
            "route n v2_only baseline_only both excess low high evidence verdict missing paths",
        ),
        (&route["paths"][0], "path kind v2_only baseline_only"),
        (&verdict["not_judged"][0], "route path kind share"),
    ] {
        let object = of.as_object().unwrap();
        for field in fields.split(' ') {
            assert!(object.contains_key(field), "{field}: {of}");
        }
    }
    for route in verdict["routes"].as_array().unwrap() {
        assert_eq!(route["n"], route["compared"]);
        assert_eq!(route["v2_only"], route["shadow_only"]);
    }

    let text = compared.admin(Method::GET, "/compare", "*/*").await;
    assert_eq!(text.headers["content-type"], "text/plain; charset=utf-8");
    let text = String::from_utf8(text.body.to_vec()).unwrap();
    for part in expected.into_iter().chain(["FAIL", "GET *", "/id value"]) {
        assert!(text.contains(part), "{part}: {text}");
    }
    let json = compared
        .admin(Method::GET, "/compare", "application/json")
        .await;
    assert_eq!(json.headers["content-type"], "application/json");
    let json: Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(differing(&json), expected);

    // Another v2.
    let reset = compared.admin(Method::DELETE, "/compare", "*/*").await;
    assert_eq!(reset.status, StatusCode::NO_CONTENT);
    let verdict = compared.verdict().await;
    assert_eq!(
        (&verdict["verdict"], &verdict["compared"]),
        (&"inconclusive".into(), &0.into())
    );
}

#[tokio::test]
async fn what_is_wanted_ignored_or_unordered_does_not_fail() {
    let image = "/items/*/imageUrl=added";
    let status = ":status=value";
    for (v2, args) in [
        (
            (203, WITH_IMAGES),
            &["--compare-expect", image, "--compare-expect", status][..],
        ),
        (
            (200, WITH_IMAGES),
            &["--compare-ignore", "/items/*/imageUrl"],
        ),
        (
            (200, WITH_OTHER_ORDER),
            &["--compare-unordered", "/items/*/tags"],
        ),
    ] {
        let compared = Compared::with(app(move |_| v2).await, args).await;
        let verdict = compared.ask_until("pass").await;
        assert_eq!(differing(&verdict), Vec::<String>::new(), "{args:?}");
    }
    let compared = Compared::with(app(|_| (200, WITH_OTHER_ORDER)).await, &[]).await;
    compared.ask_until("fail").await;
}

#[tokio::test]
async fn without_a_baseline_all_noise_counts() {
    let (v1, v2) = (app(|_| (200, ITEMS)).await, app(|_| (200, ITEMS)).await);
    let proxy = Proxy::start(&[
        "--primary",
        &v1.url(),
        "--shadow",
        &v2.url(),
        "--compare",
        "--warm-up",
        "0",
        "--accept-excess",
        "0.1",
    ])
    .await;
    let compared = Compared {
        proxy,
        client: Client::http1(),
        _servers: [v1, v2, Upstream::echo().await],
    };
    let verdict = compared.ask_until("fail").await;
    assert_eq!(differing(&verdict), ["/id value"]);
    assert_eq!(verdict["baseline"], "none");
    assert!(verdict["warning"].is_string(), "{verdict}");
}

#[tokio::test]
async fn methods_that_write_are_compared_only_when_they_are_named() {
    for (args, reason) in [
        (&[][..], Some(1)),
        (&["--compare-methods", "PUT,POST"], None),
    ] {
        let compared = Compared::with(app(|_| (200, ITEMS)).await, args).await;
        compared.ask(Method::POST, "/items").await;
        // Later requests are compared later.
        let verdict = compared.ask_until_compared(5).await;
        assert_eq!(verdict["dropped"]["method"].as_u64(), reason, "{verdict}");
        let routes = verdict["routes"].as_array().unwrap();
        let is_compared = routes.iter().any(|route| route["route"] == "POST *");
        assert_eq!(is_compared, reason.is_none(), "{verdict}");
    }
}

#[tokio::test]
async fn what_is_accepted_and_the_warm_up_are_as_the_options_say() {
    let v2 = || app(|_| (200, ITEMS));
    let usual = Compared::with_all(v2().await, &[]).await.verdict().await;
    assert_eq!(usual["tolerated"], serde_json::json!({"excess": 0.001}));

    let args = [
        "--accept-excess",
        "0.05",
        "--accept-latency-p99",
        "1.5",
        "--warm-up",
        "3",
    ];
    let compared = Compared::with_all(v2().await, &args).await;
    let verdict = compared.ask_until_compared(2).await;
    let tolerated = serde_json::json!({"excess": 0.05, "latency": {"p99": 1.5}});
    assert_eq!(verdict["tolerated"], tolerated);
    assert_eq!(verdict["warm_up"], 3);
}

#[tokio::test]
async fn json_and_text_are_chosen_by_accept() {
    let compared = Compared::with(app(|_| (200, ITEMS)).await, &[]).await;
    for (accept, is_json) in [
        ("*/*", false),
        ("", false),
        ("text/html, */*;q=0.8", false),
        ("application/json", true),
        ("Application/JSON", true),
        ("application/*, text/*;q=0.5", true),
        ("text/plain, application/json", false),
        ("text/plain;q=0.4, application/json; q=0.5", true),
        ("application/json;q=0, */*", false),
    ] {
        let answer = compared.admin(Method::GET, "/compare", accept).await;
        let kind = match is_json {
            true => "application/json",
            false => "text/plain; charset=utf-8",
        };
        assert_eq!(answer.headers["content-type"], kind, "{accept:?}");
        assert_eq!(answer.headers["vary"], "accept");
        let is_read_as_json = serde_json::from_slice::<Value>(&answer.body).is_ok();
        assert_eq!(is_read_as_json, is_json, "{accept:?}");
    }
    let answer = compared.admin(Method::PUT, "/compare", "*/*").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    let answer = compared.admin(Method::DELETE, "/verdict", "*/*").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn without_compare_there_is_no_verdict() {
    let (v1, v2) = (Upstream::echo().await, Upstream::echo().await);
    let proxy = Proxy::start(&["--primary", &v1.url(), "--shadow", &v2.url()]).await;
    for path in [
        "/compare",
        "/compare/reset",
        "/verdict",
        "/verdict/pass",
        "/verdict/fail",
    ] {
        let answer = proxy.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.body, "nothing is compared without --compare\n");
    }
}
