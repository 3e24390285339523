//! Random header maps through the mirror: forbidden fields are removed, the framing describes the
//! body, and all other fields are equal.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use proptest::prelude::*;
use tower_mirror::{BodyMode, MirrorLayer, Outcome};

use crate::{config, value};
use tower_mirror_testing::{Primary, Script, Step, TestShadow, pattern, serve, settled, trailers};

const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];
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
    "x-c",
    "authorization",
    "proxy-authorization",
    "accept",
    "via",
];
const TOKENS: [&str; 14] = [
    "x-a",
    "X-B, host",
    "close",
    "trailers",
    "trailers, deflate;q=0.5",
    "keep-alive, x-c",
    "chunked",
    "100-continue",
    "5",
    "a, ,;=",
    "content-length",
    " , te ,\tcookie",
    "x-mirrored-by",
    "",
];

pub(crate) fn run(check: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(check);
}

fn field() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
    let name = prop::sample::select(&NAMES[..]).prop_map(HeaderName::from_static);
    let token = prop::sample::select(&TOKENS[..]).prop_map(HeaderValue::from_static);
    (name, prop_oneof![3 => token, 1 => value(b"ax-, ", 6)])
}

#[derive(Clone, Debug)]
struct Case {
    method: Method,
    target: &'static str,
    headers: HeaderMap,
    lengths: Vec<usize>,
    knows: bool,
    has_trailers: bool,
    mode: BodyMode,
}

fn case() -> impl Strategy<Value = Case> {
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
    ];
    let modes = [BodyMode::Buffered, BodyMode::Streaming, BodyMode::HeadOnly];
    (
        prop::sample::select(methods.to_vec()),
        prop::sample::select(
            &[
                "/",
                "/a?b",
                "http://user@catalog:80/a",
                "http://catalog",
                "*",
            ][..],
        ),
        prop::collection::vec(field(), 0..8),
        prop::collection::vec(0..30_usize, 0..3),
        any::<(bool, bool)>(),
        prop::sample::select(modes.to_vec()),
    )
        .prop_map(
            |(method, target, fields, lengths, (knows, has_trailers), mode)| {
                let mut headers = HeaderMap::new();
                for (name, value) in fields {
                    headers.append(name, value);
                }
                Case {
                    method,
                    target,
                    headers,
                    lengths,
                    knows,
                    has_trailers,
                    mode,
                }
            },
        )
}

impl Case {
    fn body(&self) -> Script {
        let mut steps: Vec<_> = self
            .lengths
            .iter()
            .map(|&it| Step::Data(pattern(it)))
            .collect();
        if self.has_trailers {
            steps.push(Step::Trailers(trailers(&[("x-sum", "1")])));
        }
        match self.knows {
            true => Script::new(steps).knowing_length().knowing_end(),
            false => Script::new(steps),
        }
    }
}

fn codings_are_absent(headers: &HeaderMap) -> bool {
    !headers.contains_key("transfer-encoding")
}

/// Returns the tokens of all headers with this name, in lower case.
fn tokens(headers: &HeaderMap, name: &str) -> Vec<Vec<u8>> {
    let values = headers.get_all(name).iter();
    let tokens = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    tokens
        .map(|token| token.trim_ascii().to_ascii_lowercase())
        .collect()
}

fn all<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h [u8]> {
    headers
        .get_all(name)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_head_is_copied_by_the_rules(case in case()) {
        let (shadow, primary) = (TestShadow::recording(), Primary::reading());
        let mirror = MirrorLayer::builder(shadow.share()).body_mode(case.mode).name("m").build();
        let handle = mirror.handle();
        let mut request = Request::new(case.body());
        *request.method_mut() = case.method.clone();
        *request.uri_mut() = case.target.parse().unwrap();
        *request.headers_mut() = case.headers.clone();
        run(async {
            serve(&mirror, &primary, request).await.unwrap();
            settled(&handle, 1).await;
        });
        let stats = handle.stats();
        prop_assert_eq!(&primary.one().0.headers, &case.headers);
        let codings = tokens(&case.headers, "transfer-encoding");
        let codings: Vec<_> = codings.iter().filter(|it| !it.is_empty()).collect();
        if case.mode != BodyMode::HeadOnly && !codings.is_empty() && codings != [b"chunked"] {
            prop_assert_eq!(stats.outcome(Outcome::TransferCoding), 1, "{}", stats);
            return Ok(());
        }
        // The declared length applies, unless the body reports another length.
        let declared = all(&case.headers, "content-length");
        let declared = declared.iter().map(|length| std::str::from_utf8(length).ok()?.parse().ok());
        let declared: Option<Vec<u64>> = declared.collect();
        let length: u64 = case.lengths.iter().map(|it| *it as u64).sum();
        if let Some([first, rest @ ..]) = declared.as_deref() {
            let is_declared = !case.knows && codings_are_absent(&case.headers) && rest.iter().all(|it| it == first);
            if is_declared && case.mode != BodyMode::HeadOnly && *first != length {
                let aborted = stats.outcome(Outcome::ClientAborted) + stats.outcome(Outcome::BodyError);
                prop_assert_eq!(aborted, 1, "{}", stats);
                return Ok(());
            }
        }
        prop_assert_eq!(stats.outcome(Outcome::Completed), 1, "{}", stats);

        let copy = shadow.one();
        let (sent, found) = (&case.headers, &copy.head.headers);
        let bytes = copy.stream.bytes().len();
        let omits = case.mode == BodyMode::HeadOnly;
        prop_assert_eq!(bytes, if omits { 0 } else { case.lengths.iter().sum() });
        prop_assert_eq!(&copy.head.method, case.method);
        prop_assert!(copy.head.uri.authority().is_none() && copy.head.uri.scheme().is_none());

        // There is one host, if there was any host.
        let has_host = sent.contains_key("host") || case.target.starts_with("http");
        prop_assert_eq!(all(found, "host").len(), usize::from(has_host));
        if case.target.starts_with("http://user") {
            prop_assert_eq!(all(found, "host"), [b"catalog-shadow:80"]);
        }

        // Exactly one field describes the end of the body, and it is correct.
        let lengths = all(found, "content-length");
        let is_chunked = found.contains_key("transfer-encoding");
        prop_assert!(lengths.len() + usize::from(is_chunked) <= 1, "{found:?}");
        if let [length] = lengths[..] {
            let expected = bytes.to_string();
            prop_assert_eq!(length, expected.as_bytes());
        }
        prop_assert!(bytes == 0 || is_chunked || !lengths.is_empty(), "{found:?}");
        if is_chunked {
            prop_assert_eq!(all(found, "transfer-encoding"), [b"chunked"]);
            prop_assert!(!omits && (case.has_trailers || case.mode == BodyMode::Streaming));
        }
        prop_assert!(is_chunked || !found.contains_key("trailer"));

        // These fields are only for this hop.
        let wants_trailers = tokens(sent, "te").contains(&b"trailers".to_vec());
        prop_assert_eq!(all(found, "te"), vec![&b"trailers"[..]; usize::from(wants_trailers)]);
        for name in ["connection", "keep-alive", "proxy-connection", "upgrade", "expect"] {
            prop_assert!(!found.contains_key(name), "{name}");
        }
        prop_assert_eq!(all(found, "x-mirrored-by"), [b"m"]);

        // All other fields are equal, with the values of each name in their order.
        let named = tokens(sent, "connection");
        let ours = ["host", "content-length", "x-mirrored-by"];
        let is_others = |name: &str| !ours.contains(&name) && !HOP_BY_HOP.contains(&name);
        for name in sent.keys().chain(found.keys()).map(HeaderName::as_str).filter(|it| is_others(it)) {
            let is_named = named.iter().any(|it| it == name.as_bytes());
            let expected = if is_named { Vec::new() } else { all(sent, name) };
            prop_assert_eq!(all(found, name), expected, "{} of {:?}", name, sent);
        }
    }
}
