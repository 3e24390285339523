//! Cases about shadows that are slow, hung or down: the client does not wait for them.

use super::{
    bench::{Bench, from_primary},
    case::Checked,
    client::request,
    upstream::{Plan, State, When},
};

cases! {
    ($) isolation_cases;

    parapet_47_slow_mirror(All): "parapet: a slow mirror never blocks; Envoy, ShadowOnlyTimeout",
    apisix_6536_hung_shadow_keep_alive(All): "APISIX issue 6536, ingress-nginx issue 10116: a hung mirror stalls the connection",
    haproxy_2457_dead_shadow(Dead): "HAProxy issue 2457, spoa-mirror issue 26: a dead mirror delays the primary",
}

async fn parapet_47_slow_mirror(bench: &Bench) -> Checked {
    for when in [When::End, When::BeforeBody] {
        let path = bench.path();
        let (held, gate) = Plan::answers(200, "", "v2").when(when).gated();
        bench.shadow.plans(&path, held);
        let answer = bench
            .exchange(&request(&format!("POST {path}"), "", b"hello"))
            .await?;
        from_primary(&answer)?;
        // The client's response has arrived while the shadow has not answered yet.
        let copy = bench.shadow.begins(&path).await?;
        ensure!(copy.state != State::Answered, "the shadow answered first");
        drop(gate);
        same!(
            bench.shadow.gets(&path).await?.body,
            b"hello",
            "the copy's body"
        );
    }
    Ok(())
}

async fn apisix_6536_hung_shadow_keep_alive(bench: &Bench) -> Checked {
    let mut client = bench.connect().await?;
    let mut gates = Vec::new();
    for turn in 0..20 {
        let path = bench.path();
        let (held, gate) = Plan::answers(200, "", "v2").gated();
        bench.shadow.plans(&path, held);
        gates.push(gate);
        let body: &[u8] = if turn % 2 == 0 { b"" } else { b"hello" };
        let answer = client
            .exchanges(&request(&format!("POST {path}"), "", body))
            .await?;
        from_primary(&answer)?;
        let copy = bench.shadow.gets(&path).await?;
        ensure!(copy.state != State::Answered, "the shadow answered");
    }
    Ok(())
}

async fn haproxy_2457_dead_shadow(bench: &Bench) -> Checked {
    let mut client = bench.connect().await?;
    for turn in 0..20 {
        let path = bench.path();
        let body: &[u8] = if turn % 2 == 0 { b"" } else { b"hello" };
        let answer = client
            .exchanges(&request(&format!("POST {path}"), "", body))
            .await?;
        from_primary(&answer)?;
        same!(
            bench.primary.gets(&path).await?.body,
            body,
            "the primary's body"
        );
    }
    Ok(())
}
