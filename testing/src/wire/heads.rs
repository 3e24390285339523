//! Cases about methods, targets, hosts and fields.

use super::{
    bench::{Bench, from_primary},
    case::{Checked, Verdict},
    client::request,
};

cases! {
    ($) head_cases;

    gateway_01_mirror(All): "Gateway API, HTTPRouteRequestMirror",
    gateway_03_multiple_mirrors(Two): "Gateway API, HTTPRouteRequestMultipleMirrors",
    envoy_31_suffix(All): "Envoy, ClusterMirroring tests: the mirror sees the suffix",
    envoy_2595_suffix_before_port(All): "Envoy issue 2595",
    envoy_35_suffix_disabled(Keep): "Envoy, ClusterMirroringWithSuffixDisabled",
    envoy_9326_literal_host(Literal): "Envoy issue 9326, host_rewrite_literal",
    rfc3986_raw_target(All): "APISIX: path kept with its arguments; RFC 3986, 6.2.2",
    rfc9110_9_methods(All): "RFC 9110, 9: methods are not rewritten",
    rfc9110_5_3_repeated_fields(All): "RFC 9110, 5.3: order of repeated fields",
    parapet_47_hop_by_hop(All): "parapet: hop-by-hop fields stripped; RFC 9110, 7.6.1",
    parapet_47_marked(All): "parapet: the copy is marked",
    pingap_48_marked_on_arrival(All): "pingap: marked on arrival, not mirrored",
    autumn_49_head(All): "autumn-web: HEAD",
}

async fn gateway_01_mirror(bench: &Bench) -> Checked {
    let path = bench.path();
    bench.get(&format!("{path}/mirror?id={path}")).await?;
    let copy = bench.shadow.gets(&path).await?;
    same!(
        copy.head.first,
        format!("GET {path}/mirror?id={path} HTTP/1.1"),
        "the copy"
    );
    same!(
        bench.primary.seen(&path).len(),
        1,
        "requests to the primary"
    );
    bench.settle().await?;
    same!(bench.shadow.seen(&path).len(), 1, "copies");
    Ok(())
}

async fn gateway_03_multiple_mirrors(bench: &Bench) -> Checked {
    let path = bench.path();
    bench.get(&path).await?;
    bench.shadow.gets(&path).await?;
    bench.second.gets(&path).await?;
    same!(
        bench.primary.seen(&path).len(),
        1,
        "requests to the primary"
    );
    Ok(())
}

/// Returns the `Host` that the primary and the shadow receive for this host.
async fn hosts(bench: &Bench, host: &str) -> Checked<(String, String)> {
    let path = bench.path();
    let get = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    from_primary(&bench.exchange(get.as_bytes()).await?)?;
    let copy = bench.shadow.gets(&path).await?.head;
    let original = bench.primary.gets(&path).await?.head;
    Ok((original.joined("host"), copy.joined("host")))
}

async fn leads(bench: &Bench, cases: &[(&str, &str)]) -> Checked {
    for (host, expected) in cases {
        let (original, copy) = hosts(bench, host).await?;
        same!(original.as_str(), *host, "the primary's host");
        same!(copy.as_str(), *expected, "the copy's host");
    }
    Ok(())
}

async fn envoy_31_suffix(bench: &Bench) -> Checked {
    leads(bench, &[("sni.lyft.com", "sni.lyft.com-shadow")]).await
}

async fn envoy_2595_suffix_before_port(bench: &Bench) -> Checked {
    leads(bench, &[("cluster1:8000", "cluster1-shadow:8000")]).await
}

async fn envoy_35_suffix_disabled(bench: &Bench) -> Checked {
    leads(
        bench,
        &[
            ("sni.lyft.com", "sni.lyft.com"),
            ("cluster1:8000", "cluster1:8000"),
        ],
    )
    .await
}

async fn envoy_9326_literal_host(bench: &Bench) -> Checked {
    leads(
        bench,
        &[
            ("sni.lyft.com", "v2.internal:80"),
            ("cluster1:8000", "v2.internal:80"),
        ],
    )
    .await
}

async fn rfc3986_raw_target(bench: &Bench) -> Checked {
    let path = bench.path();
    let target = format!("{path}/a%2Fb/c;d=1/~x?q=1&q=2&empty=&s=%20+%C3%A9&t=/?");
    bench.get(&target).await?;
    same!(
        bench.primary.gets(&path).await?.head.second(),
        target,
        "the primary's target"
    );
    same!(
        bench.shadow.gets(&path).await?.head.second(),
        target,
        "the copy's target"
    );
    Ok(())
}

async fn rfc9110_9_methods(bench: &Bench) -> Checked {
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let path = bench.path();
        let body: &[u8] = if method.starts_with('P') {
            b"hello"
        } else {
            b""
        };
        let answer = bench
            .exchange(&request(&format!("{method} {path}"), "", body))
            .await?;
        from_primary(&answer)?;
        let copy = bench.shadow.gets(&path).await?;
        same!(
            copy.head.first,
            format!("{method} {path} HTTP/1.1"),
            "the copy"
        );
        same!(copy.body, body, "the copy's body");
    }
    Ok(())
}

async fn rfc9110_5_3_repeated_fields(bench: &Bench) -> Checked {
    let path = bench.path();
    let fields = "x-tag: one\r\nx-other: 1\r\nx-tag: two\r\nx-tag: \r\nx-tag: two\r\n";
    from_primary(
        &bench
            .exchange(&request(&format!("GET {path}"), fields, b""))
            .await?,
    )?;
    let copy = bench.shadow.gets(&path).await?;
    same!(
        copy.head.values("x-tag"),
        ["one", "two", "", "two"],
        "the copy's fields"
    );
    Ok(())
}

async fn parapet_47_hop_by_hop(bench: &Bench) -> Checked {
    let path = bench.path();
    let fields = "connection: keep-alive, x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n\
        te: gzip\r\nproxy-connection: keep-alive\r\nx-end: 1\r\n";
    from_primary(
        &bench
            .exchange(&request(&format!("GET {path}"), fields, b""))
            .await?,
    )?;
    let copy = bench.shadow.gets(&path).await?.head;
    for name in ["x-hop", "keep-alive", "proxy-connection", "te"] {
        ensure!(
            !copy.has(name),
            "the copy has {name}: {}",
            copy.joined(name)
        );
    }
    ensure!(
        copy.has("x-end"),
        "the copy has lost a field that is not hop-by-hop"
    );
    Ok(())
}

fn mark(bench: &Bench) -> Checked<&str> {
    let none = || Verdict::DoesNotApply("it marks no copies".to_owned());
    bench.mark.as_deref().ok_or_else(none)
}

async fn parapet_47_marked(bench: &Bench) -> Checked {
    let mark = mark(bench)?;
    let path = bench.path();
    bench.get(&path).await?;
    ensure!(
        bench.shadow.gets(&path).await?.head.has(mark),
        "the copy has no {mark}"
    );
    ensure!(
        !bench.primary.gets(&path).await?.head.has(mark),
        "the original has {mark}"
    );
    Ok(())
}

async fn pingap_48_marked_on_arrival(bench: &Bench) -> Checked {
    let fields = format!("{}: another\r\n", mark(bench)?);
    let path = bench.path();
    from_primary(
        &bench
            .exchange(&request(&format!("GET {path}"), &fields, b""))
            .await?,
    )?;
    bench.no_copy(&path).await
}

async fn autumn_49_head(bench: &Bench) -> Checked {
    let path = bench.path();
    let mut client = bench.connect().await?;
    client
        .writes(&request(&format!("HEAD {path}"), "", b""))
        .await?;
    let answer = client.reads_head().await?;
    same!(answer.status, 200, "the client's status");
    same!(
        answer.head.joined("content-length"),
        "2",
        "the length of what GET would have"
    );
    same!(
        bench.shadow.gets(&path).await?.head.first,
        format!("HEAD {path} HTTP/1.1"),
        "the copy"
    );
    // The next response on this connection begins directly after the head.
    let next = bench.path();
    from_primary(
        &client
            .exchanges(&request(&format!("GET {next}"), "", b""))
            .await?,
    )
}
