//! Property tests with any bytes: the code that reads hosts, headers, rates, weights and URLs has
//! the same results as a slow and simple implementation of its rule, and never panics.
//! `PROPTEST_CASES=100000 cargo test --test properties` runs more cases.

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

/// Returns the number of cases. `PROPTEST_CASES` overrides it.
fn config() -> Config {
    Config {
        failure_persistence: None,
        ..Config::default()
    }
}

/// Generates a header's value from all permitted bytes. These bytes are more frequent.
fn value(likely: &'static [u8], most: usize) -> impl Strategy<Value = HeaderValue> {
    let byte = prop_oneof![4 => prop::sample::select(likely), 1 => any::<u8>()];
    prop::collection::vec(byte, 0..=most).prop_filter_map("no header's value", |bytes| {
        HeaderValue::from_bytes(&bytes).ok()
    })
}

/// Makes a request with these headers.
fn with(headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Request<String> {
    let mut request = Request::new(String::new());
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, value);
    }
    *request.headers_mut() = map;
    request
}
