//! Command lines that the proxy refuses.

use tokio::net::TcpListener;

use crate::child::run;

const PRIMARY: [&str; 4] = ["--listen", "127.0.0.1:0", "--primary", "http://127.0.0.1:9"];
const SHADOW: [&str; 2] = ["--shadow", "http://127.0.0.1:9"];

#[tokio::test]
async fn bad_arguments_are_named() {
    let with_shadow = [&PRIMARY[..], &SHADOW].concat();
    for (base, more, reasons) in [
        (&[][..], &[][..], &["--listen", "--primary"][..]),
        (&PRIMARY[..2], &[], &["--primary", "--subset"]),
        (
            &PRIMARY[..2],
            &["--primary", "nonsense"],
            &["nonsense", "http://"],
        ),
        (&PRIMARY[..2], &["--primary", "https://a/b"], &["https"]),
        (&PRIMARY[..2], &["--primary", "http://a/path"], &["path"]),
        (&PRIMARY[2..], &["--listen", "here"], &["here", "--listen"]),
        (&PRIMARY, &["--workers", "0"], &["--workers", "0"]),
        (
            &PRIMARY,
            &["--drain-timeout-ms", "soon"],
            &["--drain-timeout-ms", "soon"],
        ),
        (&PRIMARY, &["--shadow", "ftp://a"], &["--shadow", "ftp"]),
        (&PRIMARY, &["--percent", "10"], &["--shadow"]),
        (&PRIMARY, &["--host-suffix", "-x"], &["--shadow"]),
        (&PRIMARY, &["--host", "x"], &["--shadow"]),
        (&PRIMARY, &["--preserve-host"], &["--shadow"]),
        (&PRIMARY, &["--body", "head-only"], &["--shadow"]),
        (&PRIMARY, &["--shadow-http2"], &["--shadow"]),
        (&PRIMARY, &["--max-body-bytes", "1"], &["--shadow"]),
        (&PRIMARY, &["--max-in-flight", "1"], &["--shadow"]),
        (&PRIMARY, &["--max-buffered-bytes", "1"], &["--shadow"]),
        (&PRIMARY, &["--timeout-ms", "1"], &["--shadow"]),
        (
            &PRIMARY,
            &["--admin", "127.0.0.1:0"],
            &["--shadow", "--subset"],
        ),
        (
            &with_shadow,
            &["--percent", "101"],
            &["--percent", "101", "from 0 to 100"],
        ),
        (
            &with_shadow,
            &["--percent", "-1"],
            &["--percent", "from 0 to 100"],
        ),
        (&with_shadow, &["--percent", "NaN"], &["--percent", "NaN"]),
        (
            &with_shadow,
            &["--percent", "half"],
            &["--percent", "half", "number"],
        ),
        (
            &with_shadow,
            &["--host-suffix", "/x"],
            &["--host-suffix", "/x", "suffix"],
        ),
        (&with_shadow, &["--host-suffix", ""], &["--host-suffix"]),
        (&with_shadow, &["--host", "a b"], &["--host", "a b", "host"]),
        (
            &with_shadow,
            &["--host", "a", "--preserve-host"],
            &["--host", "--preserve-host"],
        ),
        (
            &with_shadow,
            &["--host", "a", "--host-suffix", "b"],
            &["--host", "--host-suffix"],
        ),
        (
            &with_shadow,
            &["--body", "half"],
            &["--body", "half", "buffered", "head-only"],
        ),
        (&with_shadow, &["--max-in-flight", "-1"], &["-1"]),
        (&with_shadow, &["--speed", "1"], &["--speed"]),
    ] {
        is_refused(&[base, more].concat(), reasons).await;
    }
}

/// With exit status 2, and these words.
async fn is_refused(args: &[&str], reasons: &[&str]) {
    let (code, said) = run(args).await;
    assert_eq!(code, Some(2), "{args:?}: {said}");
    for reason in reasons {
        assert!(said.contains(reason), "{args:?}: {said}");
    }
}

#[tokio::test]
async fn bad_subsets_are_named() {
    let v1 = ["--subset", "v1=9=http://127.0.0.1:9"];
    let v2 = ["--subset", "v2=0=http://127.0.0.1:9"];
    let one = [&PRIMARY[..2], &v1].concat();
    let two = [&one[..], &v2].concat();
    let (v1_to_v2, v2_to_v1) = (["--fallback", "v1=v2"], ["--fallback", "v2=v1"]);
    for (subset, reason) in [
        ("v1", "NAME=WEIGHT=URL"),
        ("v1=9", "NAME=WEIGHT=URL"),
        ("v1=http://127.0.0.1:9", "NAME=WEIGHT=URL"),
        ("v1=9=", "URL"),
        ("v1=9=https://a/b", "https"),
        ("v1==http://a", "whole number from 0 to 4294967295"),
        ("v1=-1=http://a", "whole number from 0 to 4294967295"),
        ("v1=0.5=http://a", "whole number from 0 to 4294967295"),
        ("v1=half=http://a", "whole number from 0 to 4294967295"),
        (
            "v1=4294967296=http://a",
            "whole number from 0 to 4294967295",
        ),
    ] {
        let args = [&PRIMARY[..2], &["--subset", subset]].concat();
        is_refused(&args, &["'--subset", &format!("'{subset}'"), reason]).await;
    }
    for (base, more, reasons) in [
        (
            &PRIMARY[..2],
            &["--subset", "=9=http://a"][..],
            &[r#"invalid subset name """#][..],
        ),
        (
            &PRIMARY[..2],
            &["--subset", "v 1=9=http://a"],
            &[r#"invalid subset name "v 1""#],
        ),
        (&one, &v1, &[r#"two subsets are named "v1""#]),
        (
            &one,
            &["--primary", "http://a"],
            &["'--primary", "'--subset"],
        ),
        (
            &two,
            &["--fallback", "v1"],
            &["'--fallback", "'v1'", "FROM=TO"],
        ),
        (
            &two,
            &["--fallback", "v1=v3"],
            &[r#""v3", but no subset has this name"#],
        ),
        (
            &two,
            &["--fallback", "v1=v1"],
            &[r#""v1" falls back to itself"#],
        ),
        (
            &two,
            &[v1_to_v2, v2_to_v1].concat(),
            &[r#""v1" falls back to itself"#],
        ),
        (
            &two,
            &[v1_to_v2, v1_to_v2].concat(),
            &[r#""v1" has two fallbacks"#],
        ),
        (
            &one,
            &["--sticky-header", "a b"],
            &["'--sticky-header", "'a b'"],
        ),
        (&one, &["--sticky-header", ""], &["'--sticky-header", "''"]),
        (
            &one,
            &["--sticky-cookie", "a;b"],
            &["'--sticky-cookie", "'a;b'"],
        ),
        (
            &one,
            &["--force-header", "a:"],
            &["'--force-header", "'a:'"],
        ),
        (
            &PRIMARY,
            &["--sticky-header", "x"],
            &["'--sticky-header", "'--primary"],
        ),
        (
            &PRIMARY,
            &["--sticky-cookie", "x"],
            &["'--sticky-cookie", "'--primary"],
        ),
        (
            &PRIMARY,
            &["--force-header", "x"],
            &["'--force-header", "'--primary"],
        ),
        (&PRIMARY, &v1_to_v2, &["'--fallback", "'--primary"]),
        (&PRIMARY[..2], &v1_to_v2, &["--subset"]),
        (&one, &["--percent", "10"], &["--shadow"]),
    ] {
        is_refused(&[base, more].concat(), reasons).await;
    }
}

#[tokio::test]
async fn bad_comparisons_are_named() {
    let with_shadow = [&PRIMARY[..], &SHADOW].concat();
    let alone = [&with_shadow[..], &["--compare"]].concat();
    let baseline = ["--baseline", "http://127.0.0.1:9"];
    let compared = [&alone[..], &baseline].concat();
    let zero = ["--accept-excess", "0"];
    for (base, more, reasons) in [
        (&PRIMARY[..], &["--compare"][..], &["--shadow"][..]),
        (&with_shadow, &baseline, &["--compare"]),
        (&with_shadow, &["--compare-ignore", "/a"], &["--compare"]),
        (
            &with_shadow,
            &["--compare-expect", "/a=added"],
            &["--compare"],
        ),
        (&with_shadow, &["--compare-unordered", "/a"], &["--compare"]),
        (&with_shadow, &["--compare-methods", "POST"], &["--compare"]),
        (&with_shadow, &["--accept-excess", "0.1"], &["--compare"]),
        (&with_shadow, &["--warm-up", "1"], &["--compare"]),
        (&alone, &["--accept-latency-p99", "2"], &["--baseline"]),
        (&alone, &["--compare-block-ms", "2"], &["--baseline"]),
        (
            &alone,
            &zero,
            &["without a baseline the tolerated excess must be above 0"],
        ),
        (&alone, &["--baseline", "ftp://a"], &["'--baseline", "ftp"]),
        (
            &compared,
            &["--compare-ignore", "items"],
            &["'--compare-ignore", "\"items\"", "begins with `/`"],
        ),
        (
            &compared,
            &["--compare-ignore", "/items/0"],
            &["'--compare-ignore", "\"/items/0\"", "`*`"],
        ),
        (
            &compared,
            &["--compare-unordered", "/a~b"],
            &["'--compare-unordered", "\"/a~b\"", "`~0`"],
        ),
        (
            &compared,
            &["--compare-expect", "/a"],
            &["'--compare-expect", "'/a'", "PATH=KIND"],
        ),
        (
            &compared,
            &["--compare-expect", "/a=new"],
            &["'--compare-expect", "\"new\"", "added, removed"],
        ),
        (
            &compared,
            &["--compare-expect", ":statu=value"],
            &["\":statu\"", "no place of an answer"],
        ),
        (
            &compared,
            &["--accept-excess", "1"],
            &["'--accept-excess", "'1'", "at least 0 and below 1"],
        ),
        (
            &compared,
            &["--accept-excess", "-0.1"],
            &["'--accept-excess", "-0.1", "at least 0"],
        ),
        (
            &compared,
            &["--accept-excess", "few"],
            &["'--accept-excess", "'few'", "number"],
        ),
        (
            &compared,
            &["--accept-latency-p99", "0.9"],
            &["'--accept-latency-p99", "'0.9'", "from 1 to 1000"],
        ),
        (
            &compared,
            &["--accept-latency-p99", "25%"],
            &["'--accept-latency-p99", "'25%'", "number"],
        ),
        (
            &compared,
            &["--compare-methods", "post"],
            &["'--compare-methods", "'post'", "capital letters"],
        ),
        (
            &compared,
            &["--compare-methods", "POST,"],
            &["'--compare-methods", "''"],
        ),
        (&compared, &["--warm-up", "-1"], &["-1"]),
        (
            &compared,
            &["--compare-block-ms", "0"],
            &["'--compare-block-ms", "0", "1..=3600000"],
        ),
        (
            &compared,
            &["--body", "streaming"],
            &["streams request bodies", "buffered"],
        ),
        (
            &compared,
            &["--safe-methods", "--compare-methods", "GET,PUT"],
            &["PUT", "--safe-methods"],
        ),
    ] {
        is_refused(&[base, more].concat(), reasons).await;
    }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let sides = [&PRIMARY[2..], &SHADOW].concat();
    for args in [
        ["--listen", &taken, "--admin", "127.0.0.1:0"],
        ["--listen", "127.0.0.1:0", "--admin", &taken],
    ] {
        let (code, said) = run(&[&sides[..], &args].concat()).await;
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(&taken), "{said}");
        assert!(said.contains("in use"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
