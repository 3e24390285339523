//! M7, S3: any ten layers of a process are jointly even, and the way in which they are built has no
//! influence. This binary has one test, because the whole process shares the steps, and draws of
//! other tests would also count as layers.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use tower::{Layer, Service};
use tower_mirror::{
    Draw, Key, MirrorLayer, Outcome, Report, RequestHead, SampleRate, WeightedSplit,
    WeightedSplitLayer, mirror::MirrorBuilder, observe::Observer,
};
use tower_mirror_testing::{
    Primary, TestShadow, get,
    split::{Named, builder, next},
};

/// A function that returns whether a layer selects the next request. It selects 10 %.
type Takes = Box<dyn FnMut() -> bool>;

const LAYERS: usize = 10;
const REQUESTS: usize = 20_000;
/// The permitted number of requests that two layers both select. Two independent layers share 1 %.
/// Over 2000 random starts of each pair of steps, both selected from 183 to 215 of 20 000 requests.
/// With independent random draws, the standard deviation would be 14.
const BOTH: std::ops::RangeInclusive<usize> = 160..=240;

/// Records whether the last request was selected.
#[derive(Clone, Default)]
struct Taken(Arc<AtomicBool>);

impl Observer for Taken {
    fn on_report(&self, _: &Report) {}

    fn on_skip(&self, outcome: Outcome, _: &RequestHead<'_>) {
        // There is no runtime, so no copy is sent.
        self.0.store(outcome == Outcome::NoRuntime, Relaxed);
    }
}

fn mirror(decide: impl FnOnce(MirrorBuilder) -> MirrorBuilder) -> Takes {
    let taken = Taken::default();
    let begun = MirrorLayer::builder(TestShadow::recording())
        .sample_rate(SampleRate::percent(10.0).unwrap())
        .observe_with(taken.clone());
    let mut service = decide(begun).build().layer(Primary::reading());
    Box::new(move || {
        drop(service.call(get()));
        taken.0.load(Relaxed)
    })
}

fn split(draw: Option<Draw>) -> Takes {
    let mut split = match draw {
        Some(draw) => builder("catalog", &[("v1", 90), ("v2", 10)], draw).build(),
        None => WeightedSplit::builder("catalog")
            .subset("v1", 90, Named("v1"))
            .subset("v2", 10, Named("v2"))
            .build(),
    }
    .unwrap();
    Box::new(move || next(&mut split) == "v2")
}

fn layered(draw: Option<Draw>) -> Takes {
    let begun = WeightedSplitLayer::builder("catalog")
        .inner("v1", 9)
        .subset("v2", 1, Named("v2"));
    let built = match draw {
        Some(draw) => begun.draw(draw).build(),
        None => begun.build(),
    };
    let mut split = built.unwrap().layer(Named("v1"));
    Box::new(move || next(&mut split) == "v2")
}

/// A key that no request of this test has.
fn keyed() -> Draw {
    Draw::key(Key::header("x-user"))
}

fn every_pair_is_even(how: &str, mut layers: Vec<Takes>) {
    assert_eq!(layers.len(), LAYERS, "{how}");
    let mut both = [[0_usize; LAYERS]; LAYERS];
    for _ in 0..REQUESTS {
        let taken: Vec<_> = layers.iter_mut().map(|takes| takes()).collect();
        for one in (0..LAYERS).filter(|one| taken[*one]) {
            for other in (0..LAYERS).filter(|other| taken[*other]) {
                both[one][other] += 1;
            }
        }
    }
    for one in 0..LAYERS {
        let own = both[one][one];
        assert!(own.abs_diff(REQUESTS / 10) <= 8, "{how}: {one} took {own}");
        for other in 0..one {
            let both = both[one][other];
            assert!(BOTH.contains(&both), "{how}: {other} and {one}: {both}");
        }
    }
}

fn ten(layer: impl Fn(usize) -> Takes) -> Vec<Takes> {
    (0..LAYERS).map(layer).collect()
}

#[test]
fn any_ten_layers_are_jointly_even() {
    every_pair_is_even("default draws", ten(|_| mirror(|mirror| mirror)));
    every_pair_is_even(
        "draws in place of the default",
        ten(|_| mirror(|mirror| mirror.draw(Draw::even()))),
    );
    every_pair_is_even(
        "draws that replace each other",
        ten(|at| {
            mirror(|mirror| {
                (0..at).fold(mirror.draw(keyed()), |mirror, _| mirror.draw(Draw::even()))
            })
        }),
    );
    every_pair_is_even(
        "keyed mirrors",
        ten(|_| mirror(|mirror| mirror.draw(keyed()))),
    );
    every_pair_is_even("splits", ten(|_| split(None)));
    every_pair_is_even("keyed splits", ten(|_| split(Some(keyed()))));
    every_pair_is_even(
        "all kinds",
        ten(|at| match at {
            0 | 7 => mirror(|mirror| mirror),
            1 | 8 => mirror(|mirror| mirror.draw(Draw::even())),
            2 => mirror(|mirror| mirror.draw(keyed())),
            3 => split(None),
            4 | 9 => split(Some(Draw::even())),
            5 => layered(None),
            _ => layered(Some(keyed())),
        }),
    );

    let draws: Vec<_> = (0..LAYERS).map(|_| Draw::even()).collect();
    let built = draws
        .into_iter()
        .enumerate()
        .map(|(at, draw)| match at % 3 {
            0 => mirror(|mirror| mirror.draw(draw)),
            1 => split(Some(draw)),
            _ => layered(Some(draw)),
        });
    every_pair_is_even("draws that are older than every builder", built.collect());

    let half = |layers: &mut Vec<Takes>| {
        let mut at = 0;
        layers.retain(|_| {
            at += 1;
            at % 2 == 0
        });
    };
    let mut layers = ten(|_| mirror(|mirror| mirror));
    for round in 0..7 {
        half(&mut layers);
        // Layers that are built and dropped in between have no effect.
        drop((0..round).map(|_| split(None)).collect::<Vec<_>>());
        while layers.len() < LAYERS {
            layers.push(match layers.len() % 2 {
                0 => split(None),
                _ => mirror(|mirror| mirror.draw(Draw::even())),
            });
        }
    }
    every_pair_is_even("layers in the place of dropped ones", layers);

    // A seeded draw keeps its step, so the other draws use other steps.
    let seeded = (0..5).map(|seed| split(Some(Draw::even_seeded(seed))));
    let beside = (0..5).map(|_| mirror(|mirror| mirror));
    every_pair_is_even("beside seeded draws", seeded.chain(beside).collect());

    // A draw that is not used does not count as a layer, and a builder that was not built yet does
    // not either.
    let unused: Vec<_> = (0..15).map(|_| (Draw::even(), keyed())).collect();
    let unbuilt: Vec<_> = (0..LAYERS)
        .map(|_| MirrorLayer::builder(TestShadow::recording()))
        .collect();
    every_pair_is_even("beside unused draws", ten(|_| mirror(|mirror| mirror)));
    drop((unused, unbuilt));

    let threads: Vec<_> = (0..LAYERS)
        .map(|_| std::thread::spawn(Draw::even))
        .collect();
    let draws = threads.into_iter().map(|thread| thread.join().unwrap());
    let layers = draws.map(|draw| split(Some(draw)));
    every_pair_is_even("draws of ten threads", layers.collect());
}
