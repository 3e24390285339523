//! S2: changes of weights while requests run, and the counters.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use http::Request;
use tower_mirror::{
    Draw, Key,
    split::{InvalidWeights, SplitHandle},
};
use tower_mirror_testing::split::{answer, counts, next, served, split};

const TENTH: [(&str, u32); 2] = [("v1", 90), ("v2", 10)];

fn table(handle: &SplitHandle) -> (u64, Vec<(String, u32)>) {
    let table = handle.weights();
    let weights = table.weights.iter();
    let weights = weights.map(|(name, weight)| (name.to_string(), *weight));
    (table.generation, weights.collect())
}

#[test]
fn a_change_is_made_whole_or_not_at_all() {
    let mut split = split(&TENTH, Draw::sequence([u64::MAX]));
    let handle = split.handle();
    assert_eq!(handle.name(), "catalog");
    let expected = |generation, v1, v2| {
        let weights = vec![("v1".to_owned(), v1), ("v2".to_owned(), v2)];
        (generation, weights)
    };
    assert_eq!(table(&handle), expected(0, 90, 10));

    // Names may be owned and in any order, an omitted subset keeps its weight, and an empty change
    // also counts as a change.
    let change = vec![("v2".to_owned(), 30), ("v1".to_owned(), 70)];
    assert_eq!(handle.set_weights(change), Ok(1));
    assert_eq!(handle.set_weights([("v2", 20)]), Ok(2));
    assert_eq!(table(&handle), expected(2, 70, 20));
    assert_eq!(handle.set_weights([("v1", 1)].into_iter().take(0)), Ok(3));
    assert_eq!(handle.set_weight("v2", 0), Ok(4));
    assert_eq!(table(&handle), expected(4, 70, 0));
    assert_eq!(next(&mut split), "v1");

    // The first half of a refused change is also not made.
    let error = handle.set_weights([("v1", 1), ("v3", 2)]).unwrap_err();
    assert_eq!(error.to_string(), "no subset is named \"v3\"");
    let error = handle
        .set_weights([("v1", 1), ("v2", 2), ("v1", 1)])
        .unwrap_err();
    assert_eq!(error.to_string(), "\"v1\" is given two weights");
    assert!(matches!(
        handle.set_weight("V1", 1),
        Err(InvalidWeights::Unknown { .. })
    ));
    assert_eq!(table(&handle), expected(4, 70, 0));

    assert_eq!(handle.set_weights_if(4, [("v2", 5)]), Ok(5));
    let error = handle.set_weights_if(4, [("v2", 6)]).unwrap_err();
    assert!(matches!(
        error,
        InvalidWeights::Conflict {
            expected: 4,
            current: 5,
            ..
        }
    ));
    assert!(
        error.to_string().contains("of generation 5, not 4"),
        "{error}"
    );
    let error = handle.set_weights_if(5, [("v3", 6)]).unwrap_err();
    assert!(matches!(error, InvalidWeights::Unknown { name, .. } if name == "v3"));
    assert_eq!(table(&handle), expected(5, 70, 5));

    // All clones share the same table.
    let answer = answer(&mut split.clone(), Request::new(String::new()));
    assert_eq!((served(&answer).generation, answer.into_body()), (5, "v2"));
    let stats = handle.clone().stats();
    assert_eq!(
        (stats.generation, stats.subset("v2").unwrap().weight),
        (5, 5)
    );
}

#[test]
fn of_two_controllers_one_wins_each_generation() {
    const WINS: u32 = 20_000;
    let handle = split(&[("v1", 0)], Draw::even()).handle();
    let controller = |handle: SplitHandle| {
        std::thread::spawn(move || {
            let mut won = 0_u32;
            while won < WINS {
                let now = handle.weights();
                let sum = now.weights[0].1 + 1;
                won += u32::from(handle.set_weights_if(now.generation, [("v1", sum)]).is_ok());
            }
        })
    };
    let controllers = [(); 2].map(|()| controller(handle.clone()));
    for controller in controllers {
        controller.join().unwrap();
    }
    assert_eq!(
        table(&handle),
        (2 * u64::from(WINS), vec![("v1".to_owned(), 2 * WINS)])
    );
}

/// TW8: each request is served according to the table that its `ServedBy` names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_change_under_a_hundred_thousand_requests() {
    // The weight of one subset is always zero.
    let weights = |generation: u64| match generation % 3 {
        0 => [("v1", 90), ("v2", 10), ("v3", 0)],
        1 => [("v1", 0), ("v2", 7), ("v3", 1)],
        _ => [("v1", 1), ("v2", 0), ("v3", u32::MAX)],
    };
    for draw in [
        Draw::even(),
        Draw::key(Key::from_fn(|_| Some(fastrand::u64(..).to_le_bytes()))),
    ] {
        let split = split(&weights(0), draw);
        let handle = split.handle();
        let is_done = Arc::new(AtomicBool::new(false));
        let changes = tokio::spawn({
            let (is_done, handle) = (Arc::clone(&is_done), handle.clone());
            async move {
                while !is_done.load(SeqCst) || handle.weights().generation < 1000 {
                    let change = weights(handle.weights().generation + 1);
                    handle.set_weights(change).unwrap();
                    tokio::task::yield_now().await;
                }
            }
        });
        let requests = (0..4).map(|_| {
            let mut split = split.clone();
            tokio::spawn(async move {
                let mut last = 0;
                for turn in 0..25_000 {
                    let answer = answer(&mut split, Request::new(String::new()));
                    let generation = served(&answer).generation;
                    assert!(generation >= last, "no earlier table is used again");
                    last = generation;
                    let subset = answer.into_body();
                    let is_in = |&(name, weight): &(&str, u32)| name == subset && weight > 0;
                    assert!(
                        weights(generation).iter().any(is_in),
                        "{subset} in {generation}"
                    );
                    if turn % 16 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                last
            })
        });
        let mut seen = 0;
        for request in requests.collect::<Vec<_>>() {
            seen = request.await.unwrap().max(seen);
        }
        is_done.store(true, SeqCst);
        changes.await.unwrap();
        assert!(seen > 10, "the weights changed while requests ran: {seen}");
        let served: u64 = handle
            .stats()
            .subsets
            .iter()
            .map(|subset| subset.served())
            .sum();
        assert_eq!(served, 100_000);
    }
}

#[test]
fn two_snapshots_tell_what_happened_between_them() {
    let mut split = split(&[("v1", 1), ("v2", 0)], Draw::even_seeded(0));
    let handle = split.handle();
    counts(&mut split, 300);
    let before = handle.stats();
    handle.set_weights([("v1", 1), ("v2", 3)]).unwrap();
    counts(&mut split, 400);
    let since = handle.stats().since(&before);
    for (name, configured) in [("v1", 0.25), ("v2", 0.75)] {
        let subset = since.subset(name).unwrap();
        assert_eq!(subset.configured, configured);
        assert!((subset.observed - configured).abs() < 0.02, "{since}");
    }
    let served: u64 = since.subsets.iter().map(|subset| subset.served()).sum();
    assert_eq!(served, 400);
    assert_eq!(
        handle.stats().since(&handle.stats()).subsets[0].observed,
        0.0
    );
}

#[test]
fn stats_hold_what_was_observed_against_what_was_configured() {
    let mut split = split(&TENTH, Draw::even_seeded(0));
    let handle = split.handle();
    let stats = handle.stats();
    assert!(stats.subsets.iter().all(|subset| subset.observed == 0.0));
    let found = counts(&mut split, 1000);
    let stats = handle.stats();
    for (subset, (name, configured)) in stats.subsets.iter().zip([("v1", 0.9), ("v2", 0.1)]) {
        assert_eq!((&*subset.name, subset.configured), (name, configured));
        assert_eq!(subset.observed, found[name] as f64 / 1000.0);
        assert_eq!(subset.served(), found[name] as u64);
    }
    assert!(stats.subset("v3").is_none());
    handle.set_weights([("v1", 0), ("v2", 0)]).unwrap();
    assert_eq!(next(&mut split), "");
    let stats = handle.stats();
    assert!(stats.subsets.iter().all(|subset| subset.configured == 0.0));
    assert_eq!(stats.no_weight, 1);
    let table = stats.to_string();
    for part in ["configured", "v2", "0.0%", "refused: all weights were zero"] {
        assert!(table.contains(part), "{table}");
    }
    assert!(!table.contains("panics"), "{table}");
}
