//! Fuzz target for one request through the mirror, with any head, any body, and any behaviour of
//! the primary and the shadow.
#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version};
use libfuzzer_sys::fuzz_target;
use tower::ServiceExt;
use tower_mirror::{BodyMode, MirrorLayer, Outcome};
use tower_mirror_testing::{
    Act, Copy, End, Piece, Primary, Reads, Script, Step, Stream, TestShadow, Then, pattern, serve,
    settled, trailers,
};

const CAP: usize = 100_000;
const NAMES: [&str; 18] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "expect",
    "host",
    "content-length",
    "content-type",
    "cookie",
    "x-a",
    "x-b",
    "upgrade",
    "authorization",
    "accept",
    "via",
    "x-mirrored-by",
];
const VALUES: [&str; 16] = [
    "x-a",
    "X-B, host",
    "close",
    "trailers",
    "trailers, deflate;q=0.5",
    "keep-alive, x-c",
    "chunked",
    "gzip, chunked",
    "100-continue",
    "5",
    "0",
    "a, ,;=",
    "content-length",
    "catalog:8080",
    "h2c",
    "",
];
const TARGETS: [&str; 6] = [
    "/",
    "/a?b",
    "http://user@catalog:80/a",
    "http://catalog",
    "*",
    "catalog:443",
];

#[derive(Arbitrary, Debug)]
enum Value<'a> {
    Known(u8),
    Length,
    Any(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
enum Move {
    Data(u8),
    Long(u32),
    Trailers { is_sendable: bool },
    Pending,
    Hang,
    Error,
}

#[derive(Arbitrary, Debug)]
enum Serves {
    All,
    Frames(u8),
    Bytes(u16),
}

#[derive(Arbitrary, Debug)]
enum Ends {
    Answers(u8),
    AnswersAfter(u16),
    Fails,
    Hangs,
}

#[derive(Arbitrary, Debug)]
enum Shadows {
    Answers(u8),
    AnswersAfter(u16),
    AnswersAtLength(u32),
    Hangs,
    KeepsBody,
}

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    method: u8,
    target: u8,
    is_http2: bool,
    fields: Vec<(u8, Value<'a>)>,
    moves: Vec<Move>,
    knows_length: bool,
    knows_end: bool,
    mode: u8,
    serves: Serves,
    ends: Ends,
    shadow: Shadows,
}

fuzz_target!(|input: Input<'_>| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(check(&input));
});

const STATUSES: [u16; 6] = [200, 204, 302, 401, 404, 500];

fn status(at: u8) -> u16 {
    STATUSES[usize::from(at) % STATUSES.len()]
}

fn mode(at: u8) -> BodyMode {
    [BodyMode::Buffered, BodyMode::Streaming, BodyMode::HeadOnly][usize::from(at) % 3]
}

impl Input<'_> {
    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for one in self.moves.iter().take(40) {
            steps.push(match one {
                Move::Data(length) => Step::Data(pattern(usize::from(*length))),
                Move::Long(length) => Step::Data(pattern(*length as usize % 140_000)),
                Move::Trailers { is_sendable: true } => Step::Trailers(trailers(&[("x-sum", "1")])),
                Move::Trailers { is_sendable: false } => {
                    Step::Trailers(trailers(&[("cache-control", "no-store")]))
                }
                Move::Pending => Step::Pending,
                Move::Hang => Step::Hang,
                Move::Error => Step::Error,
            });
            // HTTP lets nothing follow them.
            if let Some(Step::Trailers(_) | Step::Error) = steps.last() {
                break;
            }
        }
        steps
    }

    fn request(&self, steps: &[Step], total: u64) -> Request<Script> {
        let mut script = Script::new(steps.to_vec());
        if self.knows_length {
            script = script.knowing_length();
        }
        if self.knows_end {
            script = script.knowing_end();
        }
        let mut request = Request::new(script);
        let methods = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::DELETE,
            Method::CONNECT,
        ];
        *request.method_mut() = methods[usize::from(self.method) % methods.len()].clone();
        if let Ok(target) = TARGETS[usize::from(self.target) % TARGETS.len()].parse() {
            *request.uri_mut() = target;
        }
        if self.is_http2 {
            *request.version_mut() = Version::HTTP_2;
        }
        for (name, value) in self.fields.iter().take(16) {
            let name = HeaderName::from_static(NAMES[usize::from(*name) % NAMES.len()]);
            let value = match value {
                Value::Known(at) => {
                    HeaderValue::from_static(VALUES[usize::from(*at) % VALUES.len()])
                }
                Value::Length => HeaderValue::from(total),
                Value::Any(bytes) => match HeaderValue::from_bytes(bytes) {
                    Ok(value) => value,
                    Err(_) => continue,
                },
            };
            request.headers_mut().append(name, value);
        }
        request
    }

    fn primary(&self) -> Primary {
        let reads = match self.serves {
            Serves::All => Reads::All,
            Serves::Frames(frames) => Reads::Frames(usize::from(frames)),
            Serves::Bytes(bytes) => Reads::Bytes(usize::from(bytes)),
        };
        let then = match self.ends {
            Ends::Answers(at) => Then::Answers(status(at)),
            Ends::AnswersAfter(time) => Then::AnswersAfter(Duration::from_millis(time.into())),
            Ends::Fails => Then::Fails,
            Ends::Hangs => Then::Hangs,
        };
        Primary::new(reads, then)
    }

    fn shadow(&self) -> TestShadow {
        TestShadow::new(match self.shadow {
            Shadows::Answers(at) => Act::Answers(status(at)),
            Shadows::AnswersAfter(time) => Act::AnswersAfter(Duration::from_millis(time.into())),
            Shadows::AnswersAtLength(length) => Act::AnswersAtLength(length as usize % 3_000_000),
            Shadows::Hangs => Act::Hangs(tower_mirror_testing::Place::Future),
            Shadows::KeepsBody => Act::KeepsBody,
        })
    }
}

/// What a request announces about its body.
struct Announced {
    length: Option<u64>,
    trailers: bool,
}

impl Announced {
    fn of(request: &Request<Script>) -> Self {
        let headers = request.headers();
        let lengths: Vec<Option<u64>> = headers
            .get_all("content-length")
            .iter()
            .map(|value| {
                let text = value
                    .to_str()
                    .ok()
                    .filter(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
                text.and_then(|text| text.parse().ok())
            })
            .collect();
        let declared = match lengths[..] {
            [Some(first), ref others @ ..] if others.iter().all(|it| *it == Some(first)) => {
                Some(first).filter(|_| !headers.contains_key("transfer-encoding"))
            }
            _ => None,
        };
        Self {
            length: http_body::Body::size_hint(request.body())
                .exact()
                .or(declared),
            trailers: headers.contains_key("trailer"),
        }
    }
}

async fn check(input: &Input<'_>) {
    let steps = input.steps();
    let data: Vec<&Bytes> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Data(data) => Some(data),
            _ => None,
        })
        .collect();
    let total = data.iter().map(|data| data.len() as u64).sum();
    let request = || input.request(&steps, total);
    let (sent, announced) = (request(), Announced::of(&request()));
    let mode = mode(input.mode);
    let limit = Duration::from_secs(5);

    // The mirror must not change what the primary sees or answers.
    let (with, without) = (input.primary(), input.primary());
    let bare = tokio::time::timeout(limit, without.clone().oneshot(request())).await;
    let shadow = input.shadow();
    let mirror = MirrorLayer::builder(shadow.share())
        .body_mode(mode)
        .name("m")
        .max_body_bytes(CAP as u64)
        .build();
    let started = tokio::time::Instant::now();
    let mirrored = tokio::time::timeout(limit, serve(&mirror, &with, request())).await;
    assert!(started.elapsed() <= limit + Duration::from_millis(1));
    let status = |answer: &Result<Result<http::Response<_>, _>, _>| match answer {
        Ok(Ok(answer)) => Some(http::Response::<http_body_util::Full<Bytes>>::status(
            answer,
        )),
        _ => None,
    };
    assert_eq!(
        (bare.is_ok(), status(&bare)),
        (mirrored.is_ok(), status(&mirrored))
    );
    let seen = |primary: &Primary| -> Vec<(HeaderMap, Stream)> {
        primary
            .seen()
            .into_iter()
            .map(|(head, stream)| (head.headers, stream))
            .collect()
    };
    assert_eq!(seen(&with), seen(&without));

    // There must be exactly one outcome, and no memory may remain charged.
    let handle = mirror.handle();
    let stats = settled(&handle, 1).await;
    let outcome = stats
        .outcomes()
        .find(|(_, count)| *count == 1)
        .map(|(outcome, _)| outcome);
    let outcome = outcome.expect("one outcome should be counted");
    drop(shadow.take_kept());
    assert_eq!(handle.stats().buffered_bytes(), 0);

    let copies = shadow.copies();
    assert!(copies.len() <= 1);
    for copy in &copies {
        check_head(&sent, copy);
        check_body(&steps, &announced, mode, copy);
    }
    if outcome == Outcome::Completed && matches!(input.shadow, Shadows::Answers(_)) {
        assert_eq!(copies.len(), 1);
        assert_eq!(copies[0].stream.end, End::Whole, "{outcome:?}");
    }
    if is_plain(input, &sent, &announced, &steps, total)
        && seen(&with).iter().all(|(_, it)| it.end == End::Whole)
    {
        assert!(
            seen(&with).is_empty() || outcome == Outcome::Completed,
            "{stats}"
        );
    }
}

/// Returns whether the request must be copied once the primary has read the whole body.
fn is_plain(
    input: &Input<'_>,
    sent: &Request<Script>,
    announced: &Announced,
    steps: &[Step],
    total: u64,
) -> bool {
    let headers = sent.headers();
    let is_refused = ["transfer-encoding", "upgrade", "x-mirrored-by"]
        .iter()
        .any(|it| headers.contains_key(*it));
    let has_bad_trailers = steps
        .iter()
        .any(|step| matches!(step, Step::Trailers(fields) if fields.contains_key("cache-control")));
    matches!(
        (&input.serves, &input.shadow),
        (Serves::All, Shadows::Answers(_))
    ) && !is_refused
        && !has_bad_trailers
        && sent.method() != Method::CONNECT
        && announced.length.is_none_or(|length| length == total)
        && total <= CAP as u64
}

fn check_body(steps: &[Step], announced: &Announced, mode: BodyMode, copy: &Copy) {
    let (found, end) = (copy.stream.bytes(), &copy.stream.end);
    if mode == BodyMode::HeadOnly {
        assert_eq!((found.len(), end), (0, &End::Whole));
        return;
    }
    let (mut sent, mut fields, mut is_whole) = (Vec::new(), None, true);
    for step in steps {
        match step {
            Step::Data(data) => sent.extend_from_slice(data),
            Step::Trailers(trailers) => fields = Some(trailers),
            Step::Pending => {}
            Step::Hang | Step::Error => {
                is_whole = false;
                break;
            }
        }
    }
    assert!(sent.starts_with(&found), "the copy has other bytes");
    if *end != End::Whole {
        return;
    }
    let found_fields = copy.stream.pieces.iter().find_map(|piece| match piece {
        Piece::Trailers(trailers) => Some(trailers),
        Piece::Data(_) => None,
    });
    let length = found.len() as u64;
    assert!(
        announced.length.is_none_or(|declared| declared == length),
        "the copy does not have the declared length"
    );
    let is_exact = is_whole && found.len() == sent.len() && found_fields == fields;
    // A body is complete if the request announced nothing further.
    let is_declared =
        announced.length == Some(length) && !announced.trailers && found_fields.is_none();
    assert!(is_exact || is_declared, "an incomplete copy looks complete");
}

fn check_head(request: &Request<Script>, copy: &Copy) {
    let (sent, found) = (request.headers(), &copy.head.headers);
    let all = |headers: &HeaderMap, name: &str| -> Vec<Vec<u8>> {
        headers
            .get_all(name)
            .iter()
            .map(|value| value.as_bytes().to_vec())
            .collect()
    };
    assert_eq!(copy.head.method, request.method());
    assert_eq!(copy.head.version, Version::HTTP_11);
    assert!(copy.head.uri.authority().is_none() && copy.head.uri.scheme().is_none());
    let has_host = sent.contains_key("host") || request.uri().authority().is_some();
    assert_eq!(all(found, "host").len(), usize::from(has_host));

    let (lengths, codings) = (
        all(found, "content-length"),
        all(found, "transfer-encoding"),
    );
    assert!(lengths.len() + codings.len() <= 1, "{found:?}");
    let bytes = copy.stream.bytes().len();
    // A correct length is kept in its original form, which may have leading zeros.
    let says = |length: &Vec<u8>| String::from_utf8_lossy(length).parse() == Ok(bytes);
    assert!(
        copy.stream.end != End::Whole || lengths.first().is_none_or(says),
        "{found:?}"
    );
    assert!(codings.first().is_none_or(|it| it == b"chunked"));
    assert!(
        bytes == 0 || lengths.len() + codings.len() == 1,
        "{found:?}"
    );

    for name in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "upgrade",
        "expect",
    ] {
        assert!(!found.contains_key(name), "{name}");
    }
    assert!(!found.contains_key("trailer") || !codings.is_empty());
    assert!(found.get("te").is_none_or(|it| it == "trailers"));
    assert_eq!(all(found, "x-mirrored-by"), [b"m"]);
    let named: Vec<Vec<u8>> = all(sent, "connection")
        .iter()
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(|name| name.trim_ascii().to_ascii_lowercase())
        .collect();
    for name in [
        "content-type",
        "cookie",
        "x-a",
        "x-b",
        "authorization",
        "accept",
        "via",
    ] {
        let is_named = named.iter().any(|it| it == name.as_bytes());
        let expected = if is_named {
            Vec::new()
        } else {
            all(sent, name)
        };
        assert_eq!(all(found, name), expected, "{name}");
    }
}
