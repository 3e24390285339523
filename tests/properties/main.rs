//! Whatever bytes come: what reads hosts, headers, rates, weights and URLs says the same as a slow and simple reading of
//! its rule, and never panics. More cases by `PROPTEST_CASES=100000 cargo test --test properties`.

mod draws;
mod force;
mod heads;
mod hosts;
mod keys;
mod rates;
mod threads;
mod urls;
mod weights;

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use proptest::{prelude::*, test_runner::Config};

/// `PROPTEST_CASES` has the last word.
fn config() -> Config {
    Config {
        failure_persistence: None,
        ..Config::default()
    }
}

/// A header's value of any bytes that may be in one, these more often.
fn value(likely: &'static [u8], most: usize) -> impl Strategy<Value = HeaderValue> {
    let byte = prop_oneof![4 => prop::sample::select(likely), 1 => any::<u8>()];
    prop::collection::vec(byte, 0..=most).prop_filter_map("no header's value", |bytes| {
        HeaderValue::from_bytes(&bytes).ok()
    })
}

/// A request with these headers.
fn with(headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Request<String> {
    let mut request = Request::new(String::new());
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, value);
    }
    *request.headers_mut() = map;
    request
}
