//! Cases of the weighted split that no other test covers.

use std::time::Duration;

use http::{HeaderValue, Request, Response, StatusCode, header::HOST};
use tower::{Service, ServiceBuilder, util::BoxCloneSyncService};
use tower_mirror::{Draw, WeightedSplit, split::Reason};

use tower_mirror_testing::split::{
    Readiness, Strict, answer, builder, counts, next, served, split,
};

/// Sixteen, of weights from 0 to a million; what is not listed has no share.
#[test]
fn gateway_3_sixteen_subsets() {
    const NAMES: [&str; 16] = [
        "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14",
        "v15", "v16",
    ];
    let mut weights = NAMES.map(|name| (name, 1));
    let mut alike = split(&weights, Draw::even());
    let found = counts(&mut alike, 1600);
    assert!(
        NAMES.iter().all(|name| found[name].abs_diff(100) <= 8),
        "{found:?}"
    );

    weights[0].1 = 1_000_000;
    weights[15].1 = 0;
    let found = counts(&mut split(&weights, Draw::even()), 1600);
    assert!(found["v1"] >= 1598, "{found:?}");
    assert!(!found.contains_key("v16"), "{found:?}");
}

/// The source's null route: no subset is called, and a later weight takes effect.
#[test]
fn envoy_6_zeros_at_runtime() {
    let mut split = split(&[("v1", 30), ("v2", 30), ("v3", 40)], Draw::even());
    let handle = split.handle();
    handle
        .set_weights([("v1", 0), ("v2", 0), ("v3", 0)])
        .unwrap();
    for _ in 0..10 {
        let refused = answer(&mut split, Request::new(String::new()));
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert!(
        handle
            .stats()
            .subsets
            .iter()
            .all(|subset| subset.served() == 0)
    );
    handle.set_weight("v2", 1).unwrap();
    assert_eq!(next(&mut split), "v2");
}

/// Fields added to requests, added to and removed from answers, and the host, each by one subset's own layers.
#[test]
fn envoy_10_mutations_of_one_subset() {
    let subset = |name: &'static str, host: &'static str| {
        let named = tower::service_fn(move |request: Request<String>| async move {
            let mut answer = Response::new(name);
            let fields = answer.headers_mut();
            let host = request.headers()[HOST].clone();
            fields.insert("seen-host", host);
            let marks = request.headers().get_all("x-marks").iter().count();
            fields.insert("seen-marks", HeaderValue::from(marks));
            fields.insert("x-remove", HeaderValue::from_static("1"));
            Ok::<_, std::convert::Infallible>(answer)
        });
        let mutated = ServiceBuilder::new()
            .map_request(move |mut request: Request<String>| {
                let fields = request.headers_mut();
                fields.append("x-marks", HeaderValue::from_static(name));
                fields.insert(HOST, HeaderValue::from_static(host));
                request
            })
            .map_response(move |mut answer: Response<&'static str>| {
                let fields = answer.headers_mut();
                fields.append("x-by", HeaderValue::from_static(name));
                fields.remove("x-remove");
                answer
            });
        BoxCloneSyncService::new(mutated.service(named))
    };
    // Envoy's selection values 0 and 55 of 30 + 30 + 40, the third left out.
    let mut split = WeightedSplit::builder("catalog")
        .subset("v1", 50, subset("v1", "one.example"))
        .subset("v2", 50, subset("v2", "two.example"))
        .draw(Draw::sequence([0, 1 << 63]))
        .build()
        .unwrap();
    for (name, host) in [("v1", "one.example"), ("v2", "two.example")] {
        let request = Request::builder().header(HOST, "catalog");
        let answer = answer(&mut split, request.body(String::new()).unwrap());
        assert_eq!(*answer.body(), name);
        assert_eq!(answer.headers()["seen-host"], host);
        assert_eq!(answer.headers()["seen-marks"], "1");
        assert_eq!(answer.headers()["x-by"], name);
        assert!(!answer.headers().contains_key("x-remove"));
    }
}

#[test]
fn envoy_12_twenty_requests() {
    let found = counts(&mut split(&[("v1", 50), ("v2", 50)], Draw::even()), 20);
    assert!(
        ["v1", "v2"].iter().all(|name| found[name] >= 1),
        "{found:?}"
    );
}

/// Weights are relative to their sum, which can have any value. Not even one subset of weight 0 is served, where the source gives it
/// all; a negative weight has no way to be written.
#[test]
fn istio_weights() {
    let cases: [(&[_], &[_]); 6] = [
        (&[("v1", 25), ("v2", 75)], &["v1", "v2"]),
        (&[("v1", 550), ("v2", 500)], &["v1", "v2"]),
        (&[("v1", 49), ("v2", 50)], &["v1", "v2"]),
        (&[("v1", 100), ("v2", 0)], &["v1"]),
        (&[("v1", 0), ("v2", 0)], &[""]),
        (&[("v1", 0)], &[""]),
    ];
    for (weights, expected) in cases {
        let built = builder("catalog", weights, Draw::even()).build();
        // Who refuses answers with an empty body.
        let found = counts(&mut built.unwrap(), 100);
        assert!(found.keys().eq(expected), "{weights:?}: {found:?}");
    }
}

/// Exact over each four there; here each prefix is near its share, wherever it begins.
#[test]
fn traefik_three_to_one() {
    let mut split = split(&[("v1", 3), ("v2", 1), ("v3", 0)], Draw::even());
    let (mut v1, mut v2) = (0_usize, 0_usize);
    for requests in 1..=400_usize {
        match next(&mut split) {
            "v1" => v1 += 1,
            "v2" => v2 += 1,
            other => panic!("{other} has no weight"),
        }
        assert!((4 * v2).abs_diff(requests) <= 16, "{v1} and {v2}");
    }
}

/// One down, all to the other; up again, its share again; none up, an error for each.
#[tokio::test(start_paused = true)]
async fn traefik_down_and_up() {
    let share = async |of_v1, of_v2| {
        let mut split = WeightedSplit::builder("catalog")
            .subset("v1", 1, Strict::new("v1", of_v1))
            .subset("v2", 1, Strict::new("v2", of_v2))
            .fallback("v2", "v1")
            .ready_timeout(Duration::from_millis(10))
            .build()
            .unwrap();
        let (mut by_v1, mut by_v2, mut moved) = (0_usize, 0_usize, 0_usize);
        for _ in 0..100 {
            let answered = split.call(Request::new(String::new())).await;
            let Ok(answer) = answered else { continue };
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                continue;
            }
            let is_moved = matches!(served(&answer).reason, Reason::Fallback { .. });
            moved += usize::from(is_moved);
            *(if *answer.body() == "v1" {
                &mut by_v1
            } else {
                &mut by_v2
            }) += 1;
        }
        (by_v1, by_v2, moved)
    };
    let (by_v1, by_v2, moved) = share(Readiness::AtOnce, Readiness::Fails).await;
    assert_eq!((by_v1, by_v2), (100, 0));
    assert!(moved.abs_diff(50) <= 8, "{moved}");
    let (by_v1, by_v2, moved) = share(Readiness::AtOnce, Readiness::AtOnce).await;
    assert!(by_v1.abs_diff(50) <= 8 && by_v1 + by_v2 == 100, "{by_v1}");
    assert_eq!(moved, 0);
    for down in [Readiness::Fails, Readiness::Never] {
        assert_eq!(share(down, down).await, (0, 0, 0));
    }
}
