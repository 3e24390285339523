//! Row 10: response heads that are larger than the default limits of hyper.

use axum::{Router, http::HeaderMap};
use http::{HeaderName, HeaderValue, Version};

use crate::{
    clients::{both, get},
    compare,
    servers::listen,
};

#[tokio::test]
async fn a_large_head_arrives() {
    let long = HeaderMap::from_iter([(
        HeaderName::from_static("x-long"),
        HeaderValue::from_str(&"x".repeat(17_000)).unwrap(),
    )]);
    let many = HeaderMap::from_iter((0..110).map(|number| {
        let name = HeaderName::try_from(format!("x-{number}")).unwrap();
        (name, HeaderValue::from_static("1"))
    }));
    for (name, version, head) in [
        ("a head of 17 kB over HTTP/2", Version::HTTP_2, long),
        ("110 fields over HTTP/1.1", Version::HTTP_11, many),
    ] {
        let (listener, address) = listen().await;
        let answer = head.clone();
        let app = Router::new().fallback(move || std::future::ready((answer.clone(), "whole")));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let mut lost = [0; 2];
        for (client, lost) in both(address, version).iter().zip(&mut lost) {
            match client.head(get(address, "/")).await {
                Ok(response) => {
                    for (field, value) in &head {
                        assert_eq!(response.headers().get(field), Some(value), "{name}");
                    }
                }
                Err(_) => *lost = 1,
            }
        }
        compare(name, lost);
        assert_eq!(lost[0], 0, "{name}");
    }
}
