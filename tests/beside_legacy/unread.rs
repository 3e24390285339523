//! Row 9: responses over HTTP/2 that stay unread.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, routing::get as route};
use http::Version;

use crate::{
    clients::{Client, both, get},
    servers::listen,
};

async fn large_responses() -> SocketAddr {
    let (listener, address) = listen().await;
    let app = Router::new()
        .route("/", route(async || "whole"))
        .route("/large", route(async || vec![b'x'; 16 << 20]));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Bodies that stay unread, whose heads have arrived.
async fn unread(client: &Client, address: SocketAddr, count: usize) -> Vec<crate::clients::Body> {
    let mut unread = Vec::new();
    for _ in 0..count {
        let large = client.head(get(address, "/large")).await.unwrap();
        unread.push(large.into_body());
    }
    unread
}

#[tokio::test]
async fn responses_that_are_not_read_hold_up_no_other() {
    for count in [3, 8, 32] {
        let address = large_responses().await;
        let [ours, legacy] = both(address, Version::HTTP_2);
        let _unread = unread(&ours, address, count).await;
        let lost = usize::from(!ours.is_answered(get(address, "/")).await);
        let _unread_too = unread(&legacy, address, count.min(3)).await;
        // Legacy waits until the others are read. Neither outcome fails the test.
        let answer = legacy.is_answered(get(address, "/"));
        let answer = tokio::time::timeout(Duration::from_millis(500), answer).await;
        let by_legacy = usize::from(answer != Ok(true));
        println!("lost, beside {count} unread responses: {lost}; by legacy: {by_legacy}");
        assert_eq!(lost, 0);
    }
}
