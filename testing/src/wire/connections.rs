//! Cases about the connections on all three sides.

use super::{
    bench::{Bench, from_primary},
    case::Checked,
    client::request,
    upstream::Plan,
};

cases! {
    ($) connection_cases;

    envoy_10_basic(All): "Envoy, Basic: the connection to the mirror is used again",
    agentgateway_reuse_after_a_large_answer(All): "agentgateway, grapsus: an answer that is not read costs its connection",
    rfc9112_9_3_2_pipelining(All): "RFC 9112, 9.3.2",
}

/// Sends requests one after the other, each after the previous copy was answered. They must share a
/// connection.
async fn reuse(bench: &Bench, body: &str) -> Checked {
    let mut client = bench.connect().await?;
    let mut connections = Vec::new();
    for _ in 0..3 {
        let path = bench.path();
        bench.shadow.plans(&path, Plan::answers(200, "", body));
        from_primary(
            &client
                .exchanges(&request(&format!("GET {path}"), "", b""))
                .await?,
        )?;
        let copy = bench.shadow.answers(&path).await?;
        let original = bench.primary.answers(&path).await?;
        connections.push((original.connection, copy.connection));
        bench.settle().await?;
    }
    // The first copy may still have been in flight when the second request was sent.
    same!(
        connections[1],
        connections[2],
        "connections to primary and shadow"
    );
    Ok(())
}

async fn envoy_10_basic(bench: &Bench) -> Checked {
    reuse(bench, "v2").await
}

async fn agentgateway_reuse_after_a_large_answer(bench: &Bench) -> Checked {
    reuse(bench, &"v2".repeat(32 << 10)).await
}

async fn rfc9112_9_3_2_pipelining(bench: &Bench) -> Checked {
    let paths = [bench.path(), bench.path(), bench.path()];
    let mut sent = Vec::new();
    for (path, body) in paths.iter().zip([&b"one"[..], b"", b"three"]) {
        bench.primary.plans(path, Plan::answers(200, "", path));
        sent.extend(request(&format!("POST {path}"), "", body));
    }
    let mut client = bench.connect().await?;
    client.writes(&sent).await?;
    for path in &paths {
        same!(
            client.reads().await?.body,
            path.as_bytes(),
            "the answer in turn"
        );
    }
    for (path, body) in paths.iter().zip([&b"one"[..], b"", b"three"]) {
        same!(bench.shadow.gets(path).await?.body, body, "the copy's body");
    }
    Ok(())
}
