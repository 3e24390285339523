//! Fuzz target for settings from text and numbers: hosts, URLs and rates. An invalid value must be
//! refused with an error, and an accepted value must be valid.
#![no_main]

use arbitrary::Arbitrary;
use http::{HeaderValue, uri::Authority};
use libfuzzer_sys::fuzz_target;
use tower_mirror::{HostRewrite, HttpTarget, SampleRate};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    host: &'a str,
    suffix: &'a str,
    url: &'a str,
    percent: f64,
    fraction: (u32, u32),
    per_million: u32,
    point: u64,
}

fuzz_target!(|input: Input<'_>| {
    hosts(input.host, input.suffix);
    url(input.url);
    url(&format!("http://{}", input.url));
    rates(&input);
});

fn is_host(host: &str) -> bool {
    let is_authority = host
        .parse::<Authority>()
        .is_ok_and(|it| !it.host().is_empty());
    is_authority && !host.contains('@')
}

fn hosts(host: &str, text: &str) {
    assert_eq!(HostRewrite::preserve().apply(host), host);
    if let Ok(literal) = HostRewrite::literal(text) {
        assert!(is_host(text), "{text:?}");
        assert_eq!(literal.apply(host), text);
    }
    let made = text.to_owned();
    let mapped = HostRewrite::map(move |_| made.clone());
    let found = mapped.apply(host);
    assert!(
        found == host || (found == text && is_host(text)),
        "{found:?}"
    );

    let Ok(suffix) = HostRewrite::try_suffix(text.to_owned()) else {
        return;
    };
    let found = suffix.apply(host);
    if found == host {
        // If the suffix was not inserted, the result would not have been a valid host.
        let is_name = host.bytes().all(|byte| byte.is_ascii_lowercase()) && !host.is_empty();
        assert!(
            !is_name || !is_host(&format!("{host}{text}")),
            "{host:?} {text:?}"
        );
        return;
    }
    assert!(
        is_host(host) && is_host(&found),
        "{host:?} became {found:?}"
    );
    assert!(HeaderValue::from_str(&found).is_ok());
    let port = |host: &str| {
        host.parse::<Authority>()
            .ok()
            .map(|it| it.port().map(|port| port.to_string()))
    };
    assert_eq!(port(&found), port(host), "{host:?} became {found:?}");
    // The original host must be preserved, with the suffix between its name and its port.
    assert_eq!(found.len(), host.len() + text.len());
    assert_eq!(found.replacen(text, "", 1).len(), host.len());
}

fn url(url: &str) {
    let Ok(target) = HttpTarget::new(url) else {
        return;
    };
    let authority = target.authority();
    assert!(
        is_host(authority.as_str()),
        "{url:?} has the authority {authority:?}"
    );
    assert_ne!(authority.port_u16(), Some(0), "{url:?}");
    let prefix = url.get(..7).unwrap_or_default();
    assert!(prefix.eq_ignore_ascii_case("http://"), "{url:?}");
    // The target's authority must lead to the same target, and must be a valid host of a copy.
    let again = HttpTarget::new(&format!("http://{authority}"));
    assert_eq!(
        again.map(|it| it.authority().clone()).ok().as_ref(),
        Some(authority)
    );
    assert!(
        HostRewrite::literal(authority).is_ok(),
        "{url:?} has the authority {authority:?}"
    );
    assert_eq!(target.connections(), 0);
}

fn rates(input: &Input<'_>) {
    let (numerator, denominator) = input.fraction;
    // A rate that would be rounded to 0 % or 100 % without being equal to it must be refused.
    let percent = SampleRate::percent(input.percent);
    let is_share = (0.0..=100.0).contains(&input.percent);
    let is_fine = |parts: u64, is_end: bool| is_end || (parts > 0 && parts < 1_000_000);
    let parts = (input.percent * 10_000.0).round() as u64;
    let is_end = input.percent == 0.0 || input.percent == 100.0;
    assert_eq!(percent.is_ok(), is_share && is_fine(parts, is_end));
    let fraction = SampleRate::fraction(numerator, denominator);
    let is_share = denominator > 0 && numerator <= denominator;
    let (numerator, denominator) = (u64::from(numerator), u64::from(denominator.max(1)));
    let parts = (numerator * 1_000_000 + denominator / 2) / denominator;
    let is_end = numerator == 0 || numerator == denominator;
    assert_eq!(fraction.is_ok(), is_share && is_fine(parts, is_end));
    let per_million = SampleRate::per_million(input.per_million);
    assert_eq!(per_million.is_ok(), input.per_million <= 1_000_000);
    for rate in [percent.ok(), fraction.ok(), per_million.ok()]
        .into_iter()
        .flatten()
    {
        let parts = rate.as_per_million();
        assert!(parts <= 1_000_000);
        assert_eq!(SampleRate::per_million(parts).ok(), Some(rate));
        assert_eq!(SampleRate::percent(rate.as_percent()).ok(), Some(rate));
        // The share of points that are taken must be the rate, and a greater rate must take them
        // too.
        let bound = u128::from(parts) << 64;
        assert_eq!(
            rate.takes(input.point),
            u128::from(input.point) * 1_000_000 < bound
        );
        assert_eq!(rate.takes(u64::MAX), parts == 1_000_000);
        assert_eq!(rate.takes(0), parts > 0);
    }
}
