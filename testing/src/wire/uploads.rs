//! Cases about uploads that are slow, or that break on one of the sides.

use super::{
    bench::{Bench, from_primary},
    case::{Checked, Verdict},
    client::{Client, pattern, request},
    upstream::{Plan, Seen, Then, When},
};

cases! {
    ($) upload_cases;

    ingress_10116_primary_reads_as_it_comes(All): "ingress-nginx issue 10116, nginx docs: the copy holds no upload back",
    envoy_12_downstream_reset(All): "Envoy, DownstreamReset",
    envoy_13_main_upstream_reset(All): "Envoy, MainUpstreamReset",
    envoy_14_shadow_upstream_reset(All): "Envoy, ShadowUpstreamReset",
    envoy_21_backed_up_shadow(All): "Envoy, BackedUpConnectionBeforeShadowBegins, inverted: the client is not paused",
    envoy_22_shadow_backpressure(All): "Envoy, RequestsWithShadowBackpressure, inverted: the client is not paused",
    parapet_47_client_cancel(All): "parapet: a client that leaves after its request does not cancel the copy",
    autumn_49_early_refusal(All): "autumn-web: what the primary refuses is not replayed",
}

/// Sends the head of an upload of 1000 bytes, and the first half of its body.
async fn half(bench: &Bench, path: &str) -> Checked<(Client, Vec<u8>)> {
    let body = pattern(1000);
    let sent = request(&format!("POST {path}"), "content-length: 1000\r\n", b"");
    let mut client = bench.connect().await?;
    client.writes(&[&sent[..], &body[..500]].concat()).await?;
    Ok((client, body[500..].to_vec()))
}

async fn half_arrives(bench: &Bench, path: &str) -> Checked {
    let is_half = |seen: &Seen| seen.body.len() == 500;
    bench
        .primary
        .sees(path, "the first half of an upload", is_half)
        .await?;
    Ok(())
}

async fn ingress_10116_primary_reads_as_it_comes(bench: &Bench) -> Checked {
    let path = bench.path();
    let (mut client, rest) = half(bench, &path).await?;
    half_arrives(bench, &path).await?;
    from_primary(&client.exchanges(&rest).await?)?;
    same!(
        bench.shadow.gets(&path).await?.body,
        pattern(1000),
        "the copy's body"
    );
    Ok(())
}

async fn envoy_12_downstream_reset(bench: &Bench) -> Checked {
    let path = bench.path();
    let (client, _) = half(bench, &path).await?;
    drop(client);
    // A later request shows that the proxy has noticed that the client has disconnected.
    bench.get(&bench.path()).await?;
    bench.no_whole_copy(&path).await
}

/// If a proxy reads the whole request before it forwards it, the primary cannot act in the middle
/// of the body.
async fn half_arrives_or_does_not_apply(bench: &Bench, path: &str) -> Checked {
    let held_back =
        |_| Verdict::DoesNotApply("the primary gets no request before it is whole".to_owned());
    half_arrives(bench, path).await.map_err(held_back)
}

async fn envoy_13_main_upstream_reset(bench: &Bench) -> Checked {
    let path = bench.path();
    let reset = Plan::writes("", Then::Resets).when(When::Head);
    let (reset, gate) = reset.gated();
    bench.primary.plans(&path, reset);
    let (mut client, _) = half(bench, &path).await?;
    let held_back =
        |_| Verdict::DoesNotApply("the primary gets no request before it is whole".to_owned());
    bench.primary.begins(&path).await.map_err(held_back)?;
    drop(gate);
    let answer = client.reads().await?;
    ensure!(
        answer.status >= 500,
        "the client's status is {}",
        answer.status
    );
    drop(client);
    bench.no_whole_copy(&path).await
}

async fn envoy_14_shadow_upstream_reset(bench: &Bench) -> Checked {
    let path = bench.path();
    bench
        .shadow
        .plans(&path, Plan::writes("", Then::Resets).when(When::Head));
    let (mut client, rest) = half(bench, &path).await?;
    half_arrives_or_does_not_apply(bench, &path).await?;
    from_primary(&client.exchanges(&rest).await?)?;
    same!(
        bench.primary.gets(&path).await?.body,
        pattern(1000),
        "the primary's body"
    );
    bench.shadow.begins(&path).await?;
    Ok(())
}

/// The client sends uploads and receives the responses, while the shadow reads none of the bodies.
async fn unread(bench: &Bench, uploads: usize, length: usize) -> Checked {
    let mut client = bench.connect().await?;
    let mut gates = Vec::new();
    for _ in 0..uploads {
        let (path, body) = (bench.path(), pattern(length));
        let (plan, gate) = Plan::answers(200, "", "v2").when(When::BeforeBody).gated();
        bench.shadow.plans(&path, plan);
        gates.push(gate);
        from_primary(
            &client
                .exchanges(&request(&format!("POST {path}"), "", &body))
                .await?,
        )?;
        same!(
            bench.primary.gets(&path).await?.body.len(),
            length,
            "the primary's bytes"
        );
    }
    Ok(())
}

async fn envoy_21_backed_up_shadow(bench: &Bench) -> Checked {
    unread(bench, 1, 32 << 20).await
}

async fn envoy_22_shadow_backpressure(bench: &Bench) -> Checked {
    unread(bench, 12, 1 << 20).await
}

async fn parapet_47_client_cancel(bench: &Bench) -> Checked {
    let path = bench.path();
    let (held, gate) = Plan::answers(200, "", "v1").gated();
    bench.primary.plans(&path, held);
    let mut client = bench.connect().await?;
    client
        .writes(&request(&format!("POST {path}"), "", b"hello"))
        .await?;
    bench.primary.gets(&path).await?;
    drop(client);
    same!(
        bench.shadow.gets(&path).await?.body,
        b"hello",
        "the copy's body"
    );
    drop(gate);
    Ok(())
}

async fn autumn_49_early_refusal(bench: &Bench) -> Checked {
    let path = bench.path();
    bench
        .primary
        .plans(&path, Plan::answers(401, "", "who?").when(When::Head));
    let (mut client, _) = half(bench, &path).await?;
    let held_back =
        |_| Verdict::DoesNotApply("the primary gets no request before it is whole".to_owned());
    bench.primary.begins(&path).await.map_err(held_back)?;
    same!(client.reads().await?.status, 401, "the client's status");
    drop(client);
    bench.no_whole_copy(&path).await
}
