//! S2, S3: weights, and the even selection by weight.

use std::{collections::BTreeMap, sync::LazyLock};

use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tower::{Service, ServiceBuilder, util::BoxCloneSyncService};
use tower_mirror::{BoxError, Draw, Key, ServedBy, WeightedSplit};
use tower_mirror_testing::split::{Named, Readiness, Strict, answer, counts, next, served, split};

const TENTH: [(&str, u32); 2] = [("v1", 90), ("v2", 10)];
const ROUND: u128 = 1 << 64;

/// Returns the first and the last point of the circle that belong to one of `total` values.
fn points(value: u32, total: u64) -> [u64; 2] {
    let first = |value: u128| (value * ROUND).div_ceil(total.into());
    let value = u128::from(value) % u128::from(total);
    [first(value), first(value + 1) - 1].map(|point| u64::try_from(point).expect("on the circle"))
}

#[test]
fn the_intervals_are_those_of_envoy() {
    type Case = (&'static [u32], &'static [(u32, &'static str)]);
    // These cases are from Envoy's config_impl_test.cc. Its values are taken modulo the sum.
    let cases: [Case; 9] = [
        (&[30, 30, 40], &[(115, "v1"), (445, "v2"), (560, "v3")]),
        (
            &[2000, 3000, 5000],
            &[(1150, "v1"), (4500, "v2"), (8900, "v3")],
        ),
        (&[80, 10, 10], &[(45, "v1"), (82, "v2"), (92, "v3")]),
        (&[10, 120, 10], &[(1005, "v2"), (82, "v2"), (92, "v2")]),
        (&[1, 2, 3], &[(1005, "v3"), (82, "v3"), (92, "v2")]),
        (
            &[8000, 1000, 1000],
            &[(1150, "v1"), (8100, "v2"), (9200, "v3")],
        ),
        (
            &[1000, 12_000, 1000],
            &[(500, "v1"), (1500, "v2"), (9999, "v2")],
        ),
        (
            &[20, 30, 0],
            &[(0, "v1"), (19, "v1"), (20, "v2"), (49, "v2")],
        ),
        (
            &[0, 20, 30],
            &[(0, "v2"), (19, "v2"), (20, "v3"), (49, "v3")],
        ),
    ];
    for (weights, values) in cases {
        let total = weights.iter().map(|&weight| u64::from(weight)).sum();
        for &(value, expected) in values {
            // As in that test, these weights are set at runtime and replace other static weights.
            let names = ["v1", "v2", "v3"];
            let start = names.map(|name| (name, 7));
            let mut split = split(&start, Draw::sequence(points(value, total)));
            let change = names.into_iter().zip(weights.iter().copied());
            split.handle().set_weights(change).unwrap();
            assert_eq!(
                [next(&mut split), next(&mut split)],
                [expected; 2],
                "{value}"
            );
        }
    }
}

#[test]
fn weights_at_their_ends() {
    const MAX: u32 = u32::MAX;
    type Case = (&'static [(&'static str, u32)], u64, &'static str);
    let cases: [Case; 14] = [
        (&[("v1", 1)], 0, "v1"),
        (&[("v1", 1)], u64::MAX, "v1"),
        (&[("v1", 0)], 0, ""),
        (&[("v1", 0)], u64::MAX, ""),
        (&[("v1", 0), ("v2", 0)], 1 << 63, ""),
        (&[("v1", 0), ("v2", 1), ("v3", 0)], 0, "v2"),
        (&[("v1", 0), ("v2", 1), ("v3", 0)], u64::MAX, "v2"),
        (&[("v1", 49), ("v2", 50)], u64::MAX, "v2"), // the sum is not 100
        (&[("v1", 550), ("v2", 500)], 1 << 63, "v1"), // the sum is not 100 here either
        (&[("v1", MAX), ("v2", MAX), ("v3", 2)], u64::MAX, "v3"), // the sum has more than 32 bits
        (&[("v1", MAX), ("v2", MAX)], (1 << 63) - 1, "v1"),
        (&[("v1", MAX), ("v2", MAX)], 1 << 63, "v2"),
        (&[("v1", 1), ("v2", MAX)], (1 << 32) - 1, "v1"), // the last point of the least weight
        (&[("v1", 1), ("v2", MAX)], 1 << 32, "v2"),
    ];
    for (weights, point, expected) in cases {
        let mut split = split(weights, Draw::sequence([point]));
        assert_eq!(next(&mut split), expected, "{weights:?} at {point}");
    }
    let mut middle = split(&[("v1", 1), ("v2", 99_998), ("v3", 1)], Draw::even());
    assert!(counts(&mut middle, 1000)["v2"] >= 999);
}

#[test]
fn where_all_weights_are_zero_no_subset_is_called() {
    for draw in [
        Draw::even(),
        Draw::random(),
        Draw::key(Key::header("x-user")),
    ] {
        let mut split = split(&[("v1", 0), ("v2", 0)], draw);
        for _ in 0..10 {
            let request = Request::builder().header("x-user", "ada");
            let answer = answer(&mut split, request.body(String::new()).unwrap());
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(*answer.body(), "");
            assert_eq!(answer.extensions().get::<ServedBy>(), None);
        }
        let handle = split.handle();
        let stats = handle.stats();
        assert_eq!(stats.no_weight, 10);
        assert!(
            stats.subsets.iter().all(|subset| subset.served() == 0),
            "{stats}"
        );
        handle.set_weight("v2", 1).unwrap();
        assert_eq!(next(&mut split), "v2");
    }
}

/// For each start of the draw: whether each of 100 000 requests at 90/10 is served by the smaller
/// subset.
static RUNS: LazyLock<Vec<Vec<bool>>> = LazyLock::new(|| {
    let starts = (0..5).map(Draw::even_seeded).chain([Draw::even()]);
    let run = |draw| {
        let mut split = split(&TENTH, draw);
        (0..100_000).map(|_| next(&mut split) == "v2").collect()
    };
    starts.map(run).collect()
});

fn count(run: &[bool]) -> usize {
    run.iter().filter(|is_canary| **is_canary).count()
}

#[test]
fn every_prefix_is_within_eight_of_its_share_and_every_window_holds_its_own() {
    for run in &*RUNS {
        let mut canary = 0;
        for (at, is_canary) in run.iter().enumerate() {
            canary += usize::from(*is_canary);
            assert!((10 * canary).abs_diff(at + 1) <= 80, "{canary} of {at}");
        }
        for window in run.windows(100) {
            assert!((7..=13).contains(&count(window)), "{}", count(window));
        }
    }
}

#[test]
fn requests_that_repeat_are_not_aliased() {
    for run in &*RUNS {
        for period in 2..=20 {
            for kind in 0..period {
                let of_kind: Vec<_> = run.iter().skip(kind).step_by(period).copied().collect();
                let share = 100.0 * count(&of_kind) as f64 / of_kind.len() as f64;
                assert!((share - 10.0).abs() <= 0.4, "period {period}: {share} %");
            }
        }
    }
}

#[test]
fn three_subsets_are_as_even_and_random_ones_are_not() {
    let weights = [("v1", 50), ("v2", 30), ("v3", 20)];
    let far = |draw| {
        let found = counts(&mut split(&weights, draw), 50_000);
        let far = |&(name, weight): &(_, u32)| found[name].abs_diff(weight as usize * 500);
        weights.iter().map(far).max().unwrap()
    };
    assert!((0..3).all(|seed| far(Draw::even_seeded(seed)) <= 8));
    // The limit is six standard deviations. It is about equally unlikely that three random draws
    // are even.
    let random = [(); 3].map(|()| far(Draw::random()));
    assert!(random.iter().all(|&far| far <= 670), "{random:?}");
    assert!(random.iter().any(|&far| far > 8), "{random:?}");
}

#[test]
fn fresh_replicas_do_not_begin_alike() {
    let canary = |draw| {
        let mut replica = split(&[("v1", 95), ("v2", 5)], draw);
        counts(&mut replica, 9)
            .get("v2")
            .copied()
            .unwrap_or_default()
    };
    // The share is 90 of 1800 requests. The draw of each replica starts at random, so the limit is
    // seven standard deviations.
    let by_chance: usize = (0..200).map(|_| canary(Draw::even())).sum();
    assert!((40..=140).contains(&by_chance), "{by_chance}");
    let first = |_: &_| next(&mut split(&[("v1", 1), ("v2", 1)], Draw::even())) == "v2";
    let by_chance = (0..200).filter(first).count();
    assert!((50..=150).contains(&by_chance), "{by_chance}");
    let seeded: usize = (0..200).map(|seed| canary(Draw::even_seeded(seed))).sum();
    assert!((75..=105).contains(&seeded), "{seeded}");
}

#[test]
fn a_clone_for_each_request_draws_from_the_same_counter() {
    let split = split(&TENTH, Draw::even());
    let canary = (0..1000)
        .filter(|_| next(&mut split.clone()) == "v2")
        .count();
    assert!(canary.abs_diff(100) <= 8, "{canary}");
}

#[test]
fn a_change_of_weights_does_not_start_the_draw_anew() {
    let mut undisturbed = split(&TENTH, Draw::even_seeded(3));
    let mut changed = split(&TENTH, Draw::even_seeded(3));
    let handle = changed.handle();
    for turn in 0..1000 {
        if turn % 9 == 0 {
            let scale = 1 + turn as u32;
            handle
                .set_weights(TENTH.map(|(name, weight)| (name, weight * scale)))
                .unwrap();
        }
        assert_eq!(next(&mut changed), next(&mut undisturbed));
    }
}

/// Gateway API's conformance test permits ten attempts. This test has one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway_weights_are_met_at_once_by_ten_at_a_time() {
    let split = split(&[("v1", 70), ("v2", 30), ("v3", 0)], Draw::even());
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            tokio::spawn({
                let mut split = split.clone();
                async move { counts(&mut split, 50) }
            })
        })
        .collect();
    let mut found = BTreeMap::new();
    for task in tasks {
        for (name, count) in task.await.unwrap() {
            *found.entry(name).or_insert(0) += count;
        }
    }
    let expected = BTreeMap::from([("v1", 350_usize), ("v2", 150)]);
    assert!(found.keys().eq(expected.keys()), "{found:?}");
    assert!(
        expected
            .iter()
            .all(|(name, count)| found[name].abs_diff(*count) <= 8),
        "{found:?}"
    );
}

/// Half of the requests are equal, and half have a header that differs.
#[test]
fn gateway_requests_that_are_alike_are_split_as_those_that_are_not() {
    let jitter = HeaderName::from_static("x-jitter");
    for draw in [Draw::even(), Draw::key(Key::header(&jitter))] {
        let is_keyed = format!("{draw:?}").contains("Header");
        let mut split = split(&[("v1", 70), ("v2", 30)], draw);
        let mut canary = [0; 2];
        for turn in 0..500_usize {
            let mut request = Request::new(String::new());
            if turn % 2 == 1 {
                request
                    .headers_mut()
                    .insert(&jitter, HeaderValue::from(turn * 7919 % 10_000));
            }
            canary[turn % 2] += usize::from(answer(&mut split, request).into_body() == "v2");
        }
        assert!(
            canary[0].abs_diff(75) <= 8,
            "the equal requests: {canary:?}"
        );
        // 15 of 250 would be two standard deviations of a hash. The headers are fixed.
        assert!(
            canary[1].abs_diff(75) <= if is_keyed { 15 } else { 8 },
            "{canary:?}"
        );
        assert!((canary[0] + canary[1]).abs_diff(150) <= 25, "{canary:?}");
    }
}

#[test]
fn gateway_filters_of_one_subset_touch_no_other() {
    let marked = |name: &'static str| {
        let mark = move |mut answer: Response<&'static str>| {
            let here = HeaderValue::from_static("here");
            answer.headers_mut().insert(name, here);
            answer
        };
        let filtered = ServiceBuilder::new().map_response(mark);
        BoxCloneSyncService::new(filtered.service(Named(name)))
    };
    let mut split = WeightedSplit::builder("catalog")
        .subset("v1", 10, marked("v1"))
        .subset("v2", 10, marked("v2"))
        .build()
        .unwrap();
    for _ in 0..100 {
        let answer = answer(&mut split, Request::new(String::new()));
        let markers: Vec<_> = answer.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(markers, [&*served(&answer).subset]);
    }
}

/// The requests for an invalid subset fail, and no others.
#[tokio::test(start_paused = true)]
async fn gateway_shares_of_an_invalid_subset_are_not_redistributed() {
    let mut split = WeightedSplit::builder("catalog")
        .subset("v1", 50, Strict::new("v1", Readiness::AtOnce))
        .subset("v2", 50, Strict::new("v2", Readiness::Fails))
        .build()
        .unwrap();
    let (mut served, mut failed) = (0_usize, 0_usize);
    for _ in 0..500 {
        let answered: Result<Response<&str>, BoxError> =
            split.call(Request::new(String::new())).await;
        match answered {
            Ok(answer) => served += usize::from(answer.into_body() == "v1"),
            Err(error) => failed += usize::from(error.is::<tower_mirror_testing::Broken>()),
        }
    }
    assert_eq!(served + failed, 500);
    assert!(failed.abs_diff(250) <= 8, "{failed}");
}
