//! The line that a program prints when it starts.

use std::time::Duration;

use axum::Router;
use tower_mirror::{BodyMode, HostRewrite, MirrorBuilder, MirrorLayer, SampleRate, sample};

fn line(change: impl FnOnce(MirrorBuilder) -> MirrorBuilder) -> String {
    let shadow: Router = Router::new();
    change(MirrorLayer::builder(shadow)).build().to_string()
}

#[test]
fn it_begins_with_what_deserves_a_second_look() {
    let all = line(|mirror| mirror.name("v2"));
    assert!(
        all.starts_with("mirror \"v2\": all methods, credentials included, 100 % of requests; "),
        "{all}"
    );
    let safe = line(|mirror| {
        mirror
            .filter(sample::safe_methods())
            .filter(sample::skip_paths(["/health"]))
            .sample_rate(SampleRate::NONE)
    });
    assert!(
        safe.contains("requests that pass 2 filters, credentials included, 0 % of these requests;"),
        "{safe}"
    );
}

#[test]
fn it_shows_the_host_and_the_limits() {
    let hosts = [
        (HostRewrite::preserve(), "; Host unchanged; "),
        (HostRewrite::literal("v2:80").unwrap(), "; Host v2:80; "),
        (HostRewrite::map(str::to_owned), "; Host from a closure; "),
        (
            HostRewrite::suffix("-v2"),
            "; Host with the suffix \"-v2\"; ",
        ),
    ];
    for (host, expected) in hosts {
        let shown = line(|mirror| mirror.host_rewrite(host));
        assert!(shown.contains(expected), "{shown}");
    }
    let limits = line(|mirror| {
        mirror
            .max_body_bytes(3000)
            .max_in_flight(7)
            .max_buffered_bytes(5 << 10)
            .timeout(Duration::from_millis(1500))
    });
    let expected =
        "; bodies up to 3000 bytes; at most 7 copies and 5 KiB at a time; 1.5 s for each answer";
    assert!(limits.ends_with(expected), "{limits}");
}

#[test]
fn it_shows_the_body_mode() {
    let streamed = line(|mirror| mirror.body_mode(BodyMode::Streaming));
    assert!(streamed.contains("; bodies are streamed; "), "{streamed}");
    let none = line(|mirror| {
        mirror
            .body_mode(BodyMode::HeadOnly)
            .max_body_bytes(u64::MAX)
    });
    assert!(none.contains("; no bodies; "), "{none}");
    let any = line(|mirror| mirror.max_body_bytes(u64::MAX));
    assert!(
        any.contains("; bodies up to any number of bytes; "),
        "{any}"
    );
}
