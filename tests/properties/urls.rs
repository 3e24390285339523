//! URLs of targets: random texts, and valid URLs with one mistake.

use proptest::{prelude::*, sample::Index};
use tower_mirror::HttpTarget;

use crate::config;

const SECRET: &str = "q9secretq9";

fn valid() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        "[a-z0-9]([a-z0-9.-]{0,12}[a-z0-9])?",
        "(25[0-5]|1?[0-9]{1,2})\\.1\\.2\\.3",
        Just("[::1]".to_owned()),
        Just("[fe80::a:1]".to_owned()),
    ];
    let port = prop_oneof![
        Just(String::new()),
        (1..=u16::MAX).prop_map(|port| format!(":{port}"))
    ];
    ("(http|HTTP|Http)://", host, port, "/?")
        .prop_map(|(scheme, host, port, slash)| [scheme, host, port, slash].concat())
}

/// The conditions that every accepted URL must fulfil.
fn is_plain(url: &str, authority: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, "80"),
    };
    scheme.eq_ignore_ascii_case("http")
        && rest.strip_suffix('/').unwrap_or(rest) == authority
        && !authority
            .contains(|c: char| "@/?#\\".contains(c) || c.is_whitespace() || c.is_control())
        && !host.is_empty()
        && (host.starts_with('[') || !host.contains(['[', ']']))
        && port.bytes().all(|digit| digit.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port > 0)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_plain_url_is_a_target_with_its_authority_as_written(url in valid()) {
        let target = HttpTarget::new(&url);
        let authority = target.as_ref().map(|target| target.authority().as_str());
        let written = url[7..].trim_end_matches('/');
        prop_assert_eq!(authority, Ok(written));
        prop_assert!(is_plain(&url, written));
    }

    #[test]
    fn any_text_is_a_plain_url_or_an_error(
        text in prop_oneof![
            "\\PC{0,24}",
            "(http://)?[a-z:/@?#\\[\\]. 0-9%\\\\]{0,16}",
            "http://\\[[0-9a-f:.%]{0,12}\\](:[0-9]{0,6})?",
            "http://[a-z]{1,3}:[0-9+-]{0,7}/?",
        ],
    ) {
        if let Ok(target) = HttpTarget::new(&text) {
            prop_assert!(is_plain(&text, target.authority().as_str()), "{text:?} {target:?}");
        }
    }

    #[test]
    fn one_mistake_makes_it_an_error_or_another_plain_url(url in valid(), at in any::<Index>(), with in prop_oneof!["[a-z0-9:/@?#\\[\\] %\\\\.-]?", "\\PC"], replaces in any::<bool>()) {
        let at = at.index(url.len());
        let mut changed = url;
        changed.replace_range(at..at + usize::from(replaces), &with);
        if let Ok(target) = HttpTarget::new(&changed) {
            prop_assert!(is_plain(&changed, target.authority().as_str()), "{changed:?} {target:?}");
        }
    }

    /// Errors are written to logs, so no error may contain the password, for any mistake in the
    /// URL.
    #[test]
    fn no_error_shows_a_password(
        scheme in "(http|https|ftp|)(://|:/|//|:|)",
        user in "[a-z]{0,3}:?",
        host in "[a-z]{0,5}(:[0-9]{0,6})?",
        tail in "[/?#]?[a-z@/ ]{0,6}",
    ) {
        let url = format!("{scheme}{user}{SECRET}@{host}{tail}");
        let error = HttpTarget::new(&url).unwrap_err();
        let shown = format!("{error} {error:?}");
        prop_assert!(!shown.contains(SECRET), "{url:?}: {shown}");
    }
}
