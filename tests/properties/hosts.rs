//! The host of a copy, compared with a second implementation of the rule.

use http::{HeaderValue, Request, header::HOST, uri::Authority};
use proptest::prelude::*;
use tower_mirror::{HostRewrite, MirrorLayer};

use crate::{config, value};
use tower_mirror_testing::{Primary, Script, TestShadow, serve, settled};

/// Returns the end of the name in a host with an optional port.
fn name_length(host: &str) -> Option<usize> {
    let authority: Authority = host.parse().ok()?;
    if host.contains('@') || authority.host().is_empty() {
        return None;
    }
    let length = authority.host().len();
    let port = &host[length..];
    let is_port = match port.strip_prefix(':') {
        None => port.is_empty(),
        Some("") => true,
        Some(digits) => {
            digits.bytes().all(|byte| byte.is_ascii_digit())
                && digits.trim_start_matches('0').len() <= 5
                && digits.parse::<u128>().is_ok_and(|port| port <= 65_535)
        }
    };
    is_port.then_some(length)
}

/// Whether the text is four decimal numbers from 0 to 255, without leading zeros.
fn is_ipv4(name: &str) -> bool {
    let is_number = |part: &str| {
        part.parse::<u8>()
            .is_ok_and(|number| number.to_string() == part)
    };
    name.split('.').count() == 4 && name.split('.').all(is_number)
}

/// A literal implementation of the rule for the suffix.
fn suffixed(host: &str, suffix: &str) -> String {
    let made = || {
        let (name, port) = host.split_at(name_length(host)?);
        if name.starts_with('[') || is_ipv4(name.strip_suffix('.').unwrap_or(name)) {
            return None;
        }
        let made = match name.strip_suffix('.') {
            Some("") => return None,
            Some(name) => format!("{name}{suffix}.{port}"),
            None => format!("{name}{suffix}{port}"),
        };
        name_length(&made).map(|_| made)
    };
    made().unwrap_or_else(|| host.to_owned())
}

/// Generates hosts. Most of them are valid, or almost valid.
fn host() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        6 => "[a-zA-Z0-9.-]{0,20}",
        2 => "[a-z0-9.-]{248,258}",
        2 => "(0|1|25|0?[12][0-9]{2})(\\.(0|1|255|256|[0-9]{1,2})){2,4}\\.?",
        1 => "[a-z.]{0,6}[_~!$&'()*+,;=%@\\[\\]:/?# \u{e9}\u{ff10}][a-z.]{0,6}",
        1 => "\\[[0-9a-f:.]{0,12}\\]?",
        1 => "\\PC{0,12}",
        1 => "\\.{1,2}",
    ];
    let port = prop_oneof![
        4 => Just(String::new()),
        4 => ":[0-9]{0,6}",
        2 => ":0{0,9}(0|1|65535|65536)",
        1 => ":[+ -]?[0-9]{1,3}[a-z .:\u{ff11}]?",
        1 => "[.:]{0,3}",
    ];
    (name, port).prop_map(|(name, port)| name + &port)
}

fn suffix() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("-shadow".to_owned()),
        4 => "[a-z0-9.-]{1,8}",
        2 => "[a-z0-9.:@\\[\\]/_~%!$&'()*+,;= -]{1,6}",
        1 => "[a-z]{200,300}",
        1 => "\\PC{0,6}",
    ]
}

#[derive(Clone, Debug)]
enum Rule {
    Preserve,
    Suffix(String),
    Literal(String),
    Map(String),
}

impl Rule {
    fn rewrite(&self) -> Option<HostRewrite> {
        Some(match self.clone() {
            Self::Preserve => HostRewrite::preserve(),
            Self::Suffix(suffix) => HostRewrite::try_suffix(suffix).ok()?,
            Self::Literal(literal) => HostRewrite::literal(literal).ok()?,
            Self::Map(made) => HostRewrite::map(move |host| made.replace('*', host)),
        })
    }

    fn apply(&self, host: &str) -> String {
        match self {
            Self::Preserve => host.to_owned(),
            Self::Suffix(suffix) => suffixed(host, suffix),
            Self::Literal(literal) => literal.clone(),
            Self::Map(made) => {
                let made = made.replace('*', host);
                name_length(&made).map_or_else(|| host.to_owned(), |_| made)
            }
        }
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    prop_oneof![
        Just(Rule::Preserve),
        suffix().prop_map(Rule::Suffix),
        host().prop_map(Rule::Literal),
        "[a-z.]{0,3}\\*?[a-z0-9.: ]{0,5}".prop_map(Rule::Map),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_suffix_follows_the_rule(host in host(), suffix in suffix()) {
        if let Ok(rewrite) = HostRewrite::try_suffix(suffix.clone()) {
            prop_assert_eq!(rewrite.apply(&host), suffixed(&host, &suffix));
        } else {
            let is_bad = suffix.is_empty() || suffix.contains([':', '[', ']']);
            let ended = format!("a{suffix}");
            prop_assert!(is_bad || name_length(&ended).is_none());
        }
    }

    #[test]
    fn every_rule_is_as_it_says(host in host(), rule in rule()) {
        match rule.rewrite() {
            Some(rewrite) => prop_assert_eq!(rewrite.apply(&host), rule.apply(&host)),
            None => {
                let is_bad = match &rule {
                    Rule::Literal(literal) => name_length(literal).is_none(),
                    Rule::Suffix(_) => true, // the other property checks the result
                    _ => false,
                };
                prop_assert!(is_bad);
            }
        }
    }

    /// A host that is not text is treated as if `Host` were missing. If the rule has no result for
    /// it, it is not changed.
    #[test]
    fn any_host_goes_through_the_mirror(
        hosts in prop::collection::vec(value(b"a1.-:[]@", 12), 0..3),
        rule in rule(),
    ) {
        let Some(rewrite) = rule.rewrite() else { return Ok(()) };
        let (shadow, primary) = (TestShadow::recording(), Primary::reading());
        let mirror = MirrorLayer::builder(shadow.share()).host_rewrite(rewrite).build();
        let mut request = Request::get("/").body(Script::default().knowing_end()).unwrap();
        for host in &hosts {
            request.headers_mut().append(HOST, host.clone());
        }
        crate::heads::run(async {
            serve(&mirror, &primary, request).await.unwrap();
            settled(&mirror.handle(), 1).await;
        });
        let text = hosts.first().and_then(|host| host.to_str().ok());
        let made = rule.apply(text.unwrap_or(""));
        let expected = match HeaderValue::try_from(made) {
            Ok(made) if !made.is_empty() || text.is_some() => Some(made),
            _ => hosts.first().cloned(),
        };
        let found: Vec<_> = shadow.one().head.headers.get_all(HOST).iter().cloned().collect();
        prop_assert_eq!(found, Vec::from_iter(expected));
        let untouched: Vec<_> = primary.one().0.headers.get_all(HOST).iter().cloned().collect();
        prop_assert_eq!(untouched, hosts);
    }
}
