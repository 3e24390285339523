//! Cases about the bodies of requests, with all kinds of framing.

use super::{
    bench::{Bench, from_primary},
    case::{Checked, Verdict},
    client::{chunked, pattern, request},
    upstream::Seen,
};

cases! {
    ($) body_cases;

    traefik_46_equal_bodies(All): "Traefik: body equal on both sides",
    traefik_46_chunked_bodies(All): "Traefik: bodies of unknown length; parapet: re-framed",
    traefik_8045_empty_of_unknown_length(All): "Traefik issues 8045 and 12079",
    traefik_46_at_the_limit(Limit): "Traefik, parapet: a body of exactly the limit is mirrored",
    envoy_19_over_the_limit(Limit): "Envoy, ShadowRequestOverBufferLimit; Traefik: limit + 1",
    traefik_46_omitted(Heads): "Traefik, mirrorBody=false; issue 13292: framing of a body that is left out",
    envoy_43_trailers(All): "Envoy: trailers are copied",
    rfc9110_10_1_1_expect(All): "RFC 9110, 10.1.1; parapet drops Expect",
}

const TE: &str = "transfer-encoding: chunked\r\n";

/// Returns both sides of a request that the primary has answered.
async fn both(bench: &Bench, path: &str, request: &[u8]) -> Checked<[Seen; 2]> {
    from_primary(&bench.exchange(request).await?)?;
    Ok([
        bench.primary.gets(path).await?,
        bench.shadow.gets(path).await?,
    ])
}

async fn are(bench: &Bench, path: &str, request: &[u8], body: &[u8]) -> Checked {
    for side in both(bench, path, request).await? {
        let length = side.body.len();
        ensure!(
            side.body == body,
            "{length} bytes are not the {} sent",
            body.len()
        );
    }
    Ok(())
}

async fn traefik_46_equal_bodies(bench: &Bench) -> Checked {
    for length in [0, 1, 1000, 64 << 10, 1 << 20] {
        let (path, body) = (bench.path(), pattern(length));
        // The length 0 has the header `content-length: 0`.
        let fields = if length == 0 {
            "content-length: 0\r\n"
        } else {
            ""
        };
        are(
            bench,
            &path,
            &request(&format!("POST {path}"), fields, &body),
            &body,
        )
        .await?;
    }
    Ok(())
}

async fn traefik_46_chunked_bodies(bench: &Bench) -> Checked {
    for length in [1, 1000, 64 << 10, 1 << 20] {
        let (path, body) = (bench.path(), pattern(length));
        let head = request(&format!("POST {path}"), TE, b"");
        are(bench, &path, &[head, chunked(&body, "")].concat(), &body).await?;
    }
    Ok(())
}

async fn traefik_8045_empty_of_unknown_length(bench: &Bench) -> Checked {
    for method in ["GET", "POST"] {
        let path = bench.path();
        let head = request(&format!("{method} {path}"), TE, b"");
        are(bench, &path, &[head, chunked(b"", "")].concat(), b"").await?;
    }
    Ok(())
}

const LIMIT: usize = 64 << 10;

async fn traefik_46_at_the_limit(bench: &Bench) -> Checked {
    let (path, body) = (bench.path(), pattern(LIMIT));
    are(
        bench,
        &path,
        &request(&format!("POST {path}"), "", &body),
        &body,
    )
    .await
}

async fn envoy_19_over_the_limit(bench: &Bench) -> Checked {
    let body = pattern(LIMIT + 1);
    for is_chunked in [false, true] {
        let path = bench.path();
        let line = format!("POST {path}");
        let sent = if is_chunked {
            [request(&line, TE, b""), chunked(&body, "")].concat()
        } else {
            request(&line, "", &body)
        };
        from_primary(&bench.exchange(&sent).await?)?;
        ensure!(
            bench.primary.gets(&path).await?.body == body,
            "the primary's body is another"
        );
        bench.no_whole_copy(&path).await?;
    }
    Ok(())
}

async fn traefik_46_omitted(bench: &Bench) -> Checked {
    let body = pattern(1000);
    for is_chunked in [false, true] {
        let path = bench.path();
        let line = format!("POST {path}");
        let sent = if is_chunked {
            [request(&line, TE, b""), chunked(&body, "")].concat()
        } else {
            request(&line, "", &body)
        };
        // A copy that announces a body but omits it would never be complete.
        let [original, copy] = both(bench, &path, &sent).await?;
        ensure!(original.body == body, "the primary's body is another");
        ensure!(
            copy.body.is_empty(),
            "the copy has {} bytes",
            copy.body.len()
        );
    }
    Ok(())
}

async fn envoy_43_trailers(bench: &Bench) -> Checked {
    let (path, body) = (bench.path(), pattern(1000));
    let fields = format!("{TE}te: trailers\r\ntrailer: x-sum\r\n");
    let head = request(&format!("POST {path}"), &fields, b"");
    let sent = [head, chunked(&body, "x-sum: 1\r\n")].concat();
    let [original, copy] = both(bench, &path, &sent).await?;
    let sum = [("x-sum".to_owned(), "1".to_owned())];
    if original.trailers.is_empty() {
        let none = "its primary gets no trailers either";
        return Err(Verdict::DoesNotApply(none.to_owned()));
    }
    same!(original.trailers, sum, "the primary's trailers");
    same!(copy.trailers, sum, "the copy's trailers");
    ensure!(copy.body == body, "the copy's body is another");
    Ok(())
}

async fn rfc9110_10_1_1_expect(bench: &Bench) -> Checked {
    let (path, body) = (bench.path(), b"hello");
    let fields = "expect: 100-continue\r\ncontent-length: 5\r\n";
    let mut client = bench.connect().await?;
    client
        .writes(&request(&format!("POST {path}"), fields, b""))
        .await?;
    let sent_on = async {
        // The client waits for `100 Continue` from the primary or the proxy. It must not wait for
        // the shadow.
        client.continues().await?;
        client.exchanges(body).await
    };
    from_primary(&sent_on.await?)?;
    let copy = bench.shadow.gets(&path).await?;
    same!(copy.body, body, "the copy's body");
    ensure!(
        !copy.head.has("expect"),
        "the copy expects an answer to its head"
    );
    Ok(())
}
