//! The host of a copy: the suffix, the other rules, and invalid values.

use std::panic::catch_unwind;

use http::uri::Authority;
use proptest::prelude::*;
use tower_mirror::HostRewrite;

fn suffixed(host: &str) -> String {
    HostRewrite::default().apply(host).into_owned()
}

/// If Envoy's rule makes an invalid authority, the mirror does not change the host.
const LEFT: &str = "left as it is";

#[test]
fn the_suffix_goes_on_the_name_before_the_port() {
    // The first rows are from Envoy's own tests. The comments show where Envoy's result differs.
    let table = [
        ("cluster1", "cluster1-shadow"),
        ("cluster1:8000", "cluster1-shadow:8000"),
        ("cluster1:80", "cluster1-shadow:80"),
        ("sni.lyft.com", "sni.lyft.com-shadow"),
        ("localhost:443", "localhost-shadow:443"),
        // Envoy makes 192.168.1.1-shadow, which is not the name of a host.
        ("192.168.1.1", LEFT),
        ("192.168.1.1:443", LEFT),
        ("127.0.0.1.", LEFT),
        // These are names, although they look like addresses.
        ("192.168.1.256", "192.168.1.256-shadow"),
        ("192.168.1", "192.168.1-shadow"),
        ("192.168.1.1.example:443", "192.168.1.1.example-shadow:443"),
        ("localhost:", "localhost-shadow:"),
        ("h-shadow:80", "h-shadow-shadow:80"),
        ("UPPER.example:1", "UPPER.example-shadow:1"),
        ("under_score", "under_score-shadow"),
        ("a:0", "a-shadow:0"),
        ("a:65535", "a-shadow:65535"),
        // Envoy makes [fc00::1]-shadow, which is not an authority.
        ("[fc00::1]", LEFT),
        ("[fc00::1]:443", LEFT),
        ("[::ffff:1.2.3.4]:1", LEFT),
        // Envoy makes fc00:-shadow:1.
        ("fc00::1", LEFT),
        // Envoy makes -shadow:443, -shadow, -shadow:.
        (":443", LEFT),
        ("", LEFT),
        (":", LEFT),
        // Envoy makes localhost-shadow:abc, ]-shadow:, -shadow:abc.
        ("localhost:abc", LEFT),
        ("]:", LEFT),
        (":abc", LEFT),
        // Envoy appends the suffix after the final dot.
        ("www.example.com.", "www.example.com-shadow."),
        ("www.example.com.:8443", "www.example.com-shadow.:8443"),
        (".", LEFT),
        (".:80", LEFT),
        // These are neither a host nor a host with a port.
        ("user@host", LEFT),
        ("user:secret@host:80", LEFT),
        ("a:65536", LEFT),
        ("a:99999999999999999999", LEFT),
        ("a:-1", LEFT),
        ("a:+1", LEFT),
        ("a:1:2", LEFT),
        ("a b", LEFT),
        ("a/b", LEFT),
        ("a?b", LEFT),
        ("a#b", LEFT),
        ("a\\b", LEFT),
        ("h\u{f6}st", LEFT),
        ("a\u{0}", LEFT),
        (" a", LEFT),
        ("[fc00::1", LEFT),
        ("[]", LEFT),
    ];
    for (host, expected) in table {
        let expected = if expected == LEFT { host } else { expected };
        assert_eq!(suffixed(host), expected, "{host:?}");
    }
}

#[test]
fn another_suffix_and_its_form() {
    let cases = [
        ("-v2", "a:1", "a-v2:1"),
        (".shadow", "a.example", "a.example.shadow"),
        (".shadow.internal", "a.:1", "a.shadow.internal.:1"),
        ("2", "a", "a2"),
    ];
    for (suffix, host, expected) in cases {
        assert_eq!(HostRewrite::suffix(suffix).apply(host), expected);
        let owned = HostRewrite::try_suffix(suffix.to_owned()).unwrap();
        assert_eq!(owned.apply(host), expected);
    }
    assert_eq!(
        HostRewrite::default().apply("a"),
        HostRewrite::suffix("-shadow").apply("a")
    );
}

const BAD_SUFFIXES: [&str; 11] = [
    "", "/x", ":80", "-x:80", "@", "@evil", " ", "?", "#", "[", "h\u{f6}",
];

#[test]
fn a_bad_suffix_is_an_error_that_names_it_and_the_rule() {
    for bad in BAD_SUFFIXES {
        let error = HostRewrite::try_suffix(bad).unwrap_err().to_string();
        assert!(error.contains(&format!("{bad:?}")), "{error}");
        assert!(
            error.contains("suffix of a host must not be empty"),
            "{error}"
        );
        let literal_in_source = catch_unwind(|| HostRewrite::suffix(bad));
        assert!(literal_in_source.is_err(), "{bad:?}");
    }
}

#[test]
#[should_panic(expected = "\"/x\" is not a valid host")]
fn a_bad_suffix_in_the_source_panics() {
    let _ = HostRewrite::suffix("/x");
}

#[test]
fn preserve_leaves_every_host() {
    for host in ["a", "a:1", "[::1]:1", "", "no host", "localhost:abc"] {
        assert_eq!(HostRewrite::preserve().apply(host), host);
    }
}

#[test]
fn a_literal_replaces_every_host() {
    for literal in [
        "v2.internal",
        "v2.internal:8443",
        "127.0.0.1:9002",
        "[::1]:9002",
        "[::1]",
    ] {
        let rewrite = HostRewrite::literal(literal).unwrap();
        for host in ["a", "a:1", "[fc00::1]", "", "no host"] {
            assert_eq!(rewrite.apply(host), literal);
        }
    }
}

#[test]
fn a_bad_literal_is_an_error_that_names_it_and_the_rule() {
    let bad = [
        "", ":80", "a b", "a/", "http://a", "user@a", "a:65536", "a:abc", "a:+1", "::1", "a:1:2",
        "?",
    ];
    for bad in bad {
        let error = HostRewrite::literal(bad).unwrap_err().to_string();
        assert!(error.contains(&format!("{bad:?}")), "{error}");
        assert!(error.contains("host with an optional port"), "{error}");
    }
}

#[test]
fn a_map_decides_unless_its_result_is_no_host() {
    let reverse = HostRewrite::map(|host| host.chars().rev().collect());
    assert_eq!(reverse.apply("abc"), "cba");
    // The reversed host, `1:a`, has a port that is not a number.
    assert_eq!(reverse.apply("a:1"), "a:1");

    for bad in ["", ":80", "no host", "a/b", "user@a", "a:65536", "\r\n"] {
        let rewrite = HostRewrite::map(move |_| bad.to_owned());
        assert_eq!(rewrite.apply("kept:1"), "kept:1", "{bad:?}");
    }
    // A closure may repair hosts that the other rules do not change.
    let mend = HostRewrite::map(|_| "mended".to_owned());
    assert_eq!(mend.apply("no host"), "mended");
}

#[test]
fn its_debug_form_shows_the_rule() {
    let shown = [
        (HostRewrite::default(), "Suffix(\"-shadow\")"),
        (HostRewrite::preserve(), "Preserve"),
        (HostRewrite::literal("a:1").unwrap(), "Literal(a:1)"),
        (HostRewrite::map(str::to_owned), "Map"),
    ];
    for (rewrite, expected) in shown {
        assert_eq!(format!("{rewrite:?}"), expected);
    }
}

/// Whether this is a host with an optional port that a server would accept.
fn is_valid(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let has_port = authority.as_str().len() > authority.host().len() + 1;
    !authority.host().is_empty()
        && !host.contains('@')
        && (!has_port || authority.port_u16().is_some())
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9.-]{0,12}(:[0-9]{0,6})?",
        "[a-z0-9:@\\[\\]./ -]{0,16}",
        "\\PC{0,16}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_suffix_never_makes_an_invalid_host(host in host(), suffix in "[a-z0-9.:@\\[\\]/_~%-]{1,6}") {
        if let Ok(rewrite) = HostRewrite::try_suffix(suffix.clone()) {
            let made = rewrite.apply(&host);
            prop_assert!(made == host || is_valid(&made), "{host:?} {suffix:?} {made:?}");
            // A suffix is always appended to a valid name.
            if is_valid(&host) && host.starts_with(|first: char| first.is_ascii_alphanumeric()) {
                prop_assert!(made.len() == host.len() + suffix.len(), "{host:?} {made:?}");
            }
        }
    }

    #[test]
    fn what_is_left_is_left_again(host in host()) {
        let once = suffixed(&host);
        if once == host {
            prop_assert_eq!(suffixed(&once), once);
        } else {
            prop_assert_eq!(once.replacen("-shadow", "", 1), host);
        }
    }

    #[test]
    fn a_map_never_makes_an_invalid_host(host in host(), made in host()) {
        let rewrite = { let made = made.clone(); HostRewrite::map(move |_| made.clone()) };
        let applied = rewrite.apply(&host);
        prop_assert!(applied == host || (applied == made && is_valid(&made)), "{applied:?}");
    }
}
