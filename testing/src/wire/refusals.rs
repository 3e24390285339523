//! Cases about requests that have no copy.

use super::{bench::Bench, case::Checked, client::request};

cases! {
    ($) refusal_cases;

    envoy_42_connect(All): "Envoy, NoShadowForConnect",
    traefik_46_upgrade(All): "Traefik: a mirror cannot be hijacked; Envoy: upgrades are unsupported",
}

async fn envoy_42_connect(bench: &Bench) -> Checked {
    let mut client = bench.connect().await?;
    client
        .writes(b"CONNECT catalog:8000 HTTP/1.1\r\nhost: catalog:8000\r\n\r\n")
        .await?;
    // Any response of the proxy is permitted.
    let _ = client.reads_head().await;
    bench.settle().await?;
    let copies = bench.shadow.seen("");
    let copy = copies
        .iter()
        .find(|seen| seen.head.first.starts_with("CONNECT"));
    ensure!(copy.is_none(), "the shadow got {copy:?}");
    bench.get(&bench.path()).await?;
    Ok(())
}

async fn traefik_46_upgrade(bench: &Bench) -> Checked {
    let path = bench.path();
    let fields = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut client = bench.connect().await?;
    client
        .writes(&request(&format!("GET {path}"), fields, b""))
        .await?;
    let _ = client.reads_head().await;
    bench.settle().await?;
    // The primary does not switch protocols, so the request is an ordinary one, and its copy does
    // not offer an upgrade. A proxy may also refuse the request.
    let originals = bench.primary.seen(&path);
    if !originals.is_empty() {
        let copies = bench.shadow.seen(&path);
        same!(copies.len(), 1, "the number of copies");
        ensure!(!copies[0].head.has("upgrade"), "the copy offers an upgrade");
    } else {
        bench.no_copy(&path).await?;
    }
    bench.get(&bench.path()).await?;
    Ok(())
}
