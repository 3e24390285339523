//! Cases about responses: the client receives the primary's response, and the shadow's response has
//! no influence.

use super::{
    bench::Bench,
    case::Checked,
    client::request,
    upstream::{Plan, Then, When},
};

cases! {
    ($) answer_cases;

    gateway_spec_answers_are_ignored(All): "Gateway API, HTTPRequestMirrorFilter: responses from the mirror are ignored",
    envoy_29_primary_refuses(All): "Envoy, OriginalClusterWithLocalReply",
    envoy_30_mirror_refuses(All): "Envoy, MirrorClusterWithLocalReply",
    envoy_40_failures_are_swallowed(All): "Envoy, ShadowWriterImpl: success and failure both go nowhere",
    envoy_34523_endless_answer(All): "Envoy pull request 34523, CVE-2024-34364",
}

async fn gateway_spec_answers_are_ignored(bench: &Bench) -> Checked {
    for (status, fields) in [
        (200, "x-version: v2\r\nset-cookie: v2=1\r\n"),
        (301, "location: /elsewhere\r\n"),
        (401, "www-authenticate: Basic\r\n"),
        (503, "retry-after: 100\r\nconnection: close\r\n"),
    ] {
        let path = bench.path();
        bench
            .shadow
            .plans(&path, Plan::answers(status, fields, "not for the client"));
        bench
            .primary
            .plans(&path, Plan::answers(200, "x-version: v1\r\n", "v1"));
        let answer = bench.get(&path).await?;
        same!(
            answer.head.values("x-version"),
            ["v1"],
            "the client's field"
        );
        let shadows = ["set-cookie", "location", "www-authenticate", "retry-after"];
        let shadows = shadows.iter().find(|name| answer.head.has(name));
        same!(shadows, None, "a field of the shadow's");
        bench.shadow.answers(&path).await?;
        same!(
            bench.primary.seen("/elsewhere").len(),
            0,
            "redirects followed"
        );
    }
    Ok(())
}

async fn envoy_29_primary_refuses(bench: &Bench) -> Checked {
    for status in [400, 404, 500, 503] {
        let path = bench.path();
        bench.primary.plans(&path, Plan::answers(status, "", "no"));
        let answer = bench
            .exchange(&request(&format!("GET {path}"), "", b""))
            .await?;
        same!(answer.status, status, "the client's status");
        same!(answer.body, b"no", "the client's body");
        bench.shadow.gets(&path).await?;
    }
    Ok(())
}

async fn envoy_30_mirror_refuses(bench: &Bench) -> Checked {
    let path = bench.path();
    bench.shadow.plans(&path, Plan::answers(400, "", "no"));
    bench.get(&path).await?;
    bench.shadow.answers(&path).await?;
    Ok(())
}

async fn envoy_40_failures_are_swallowed(bench: &Bench) -> Checked {
    let mut client = bench.connect().await?;
    for plan in [
        Plan::writes("", Then::Closes),
        Plan::writes("", Then::Resets),
        Plan::writes("SSH-2.0-OpenSSH_9.2\r\n", Then::Closes),
        Plan::writes(
            "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
            Then::Closes,
        ),
        Plan::writes(
            "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
            Then::Resets,
        ),
        Plan::writes(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            Then::Closes,
        ),
    ] {
        let path = bench.path();
        bench.shadow.plans(&path, plan.when(When::End));
        let answer = client
            .exchanges(&request(&format!("POST {path}"), "", b"hello"))
            .await?;
        super::bench::from_primary(&answer)?;
        bench.shadow.answers(&path).await?;
        // The next request works as if the failure had not happened.
        let path = bench.path();
        let answer = client
            .exchanges(&request(&format!("GET {path}"), "", b""))
            .await?;
        super::bench::from_primary(&answer)?;
        bench.shadow.gets(&path).await?;
    }
    Ok(())
}

async fn envoy_34523_endless_answer(bench: &Bench) -> Checked {
    let path = bench.path();
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    bench.shadow.plans(&path, Plan::writes(head, Then::Endless));
    let mut client = bench.connect().await?;
    let answer = client
        .exchanges(&request(&format!("GET {path}"), "", b""))
        .await?;
    super::bench::from_primary(&answer)?;
    bench.shadow.answers(&path).await?;
    for _ in 0..20 {
        let path = bench.path();
        let answer = client
            .exchanges(&request(&format!("GET {path}"), "", b""))
            .await?;
        super::bench::from_primary(&answer)?;
    }
    Ok(())
}
