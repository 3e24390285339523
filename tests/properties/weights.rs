//! Random sequences of changes of weights, compared with a model that is a list of numbers.

use proptest::{prelude::*, sample::Index};
use tower_mirror::{Draw, split::InvalidWeights};

use crate::config;
use tower_mirror_testing::split::{builder, next};

const NAMES: [&str; 5] = ["v1", "v2", "v3", "v4", "nobody"];
const POINTS: usize = 7;

#[derive(Clone, Debug)]
enum Step {
    Set(Vec<(usize, u32)>),
    SetOne(usize, u32),
    /// The difference between this generation and the one in force.
    CompareAndSet(i64, Vec<(usize, u32)>),
    Preview(Vec<(usize, u32)>),
    Send,
}

fn weight() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), 0..4_u32, Just(u32::MAX), any::<u32>()]
}

fn step() -> impl Strategy<Value = Step> {
    let changes =
        || prop::collection::vec((prop_oneof![9 => 0..4_usize, 1 => Just(4)], weight()), 0..4);
    prop_oneof![
        4 => changes().prop_map(Step::Set),
        2 => (0..5_usize, weight()).prop_map(|(name, weight)| Step::SetOne(name, weight)),
        3 => (prop_oneof![3 => Just(0), 1 => -2..3_i64], changes())
            .prop_map(|(off, changes)| Step::CompareAndSet(off, changes)),
        // A preview computes 65 536 users, so it is not called often.
        1 => changes().prop_map(Step::Preview),
        20 => Just(Step::Send),
    ]
}

struct Model {
    weights: Vec<u32>,
    generation: u64,
}

#[derive(Debug, PartialEq)]
enum Refused {
    Unknown,
    Duplicate,
    Conflict,
}

impl Model {
    fn changed(&self, changes: &[(usize, u32)]) -> Result<Vec<u32>, Refused> {
        let mut weights = self.weights.clone();
        for (at, &(name, weight)) in changes.iter().enumerate() {
            *weights.get_mut(name).ok_or(Refused::Unknown)? = weight;
            if changes[..at].iter().any(|(before, _)| *before == name) {
                return Err(Refused::Duplicate);
            }
        }
        Ok(weights)
    }

    fn change(&mut self, changes: &[(usize, u32)]) -> Result<u64, Refused> {
        self.weights = self.changed(changes)?;
        self.generation += 1;
        Ok(self.generation)
    }

    /// Returns the subset whose part of the circle contains a point.
    fn at(&self, point: u64) -> &'static str {
        let total: u128 = self.weights.iter().map(|&weight| u128::from(weight)).sum();
        let mut end = 0_u128;
        let ends = self.weights.iter().map(|&weight| {
            end += u128::from(weight);
            end
        });
        let mut ends = ends.zip(NAMES);
        let found = ends.find(|(end, _)| u128::from(point) * total < end << 64);
        found.map_or("", |(_, name)| name)
    }
}

fn refused(error: InvalidWeights) -> Refused {
    match error {
        InvalidWeights::Unknown { .. } => Refused::Unknown,
        InvalidWeights::Duplicate { .. } => Refused::Duplicate,
        InvalidWeights::Conflict { .. } => Refused::Conflict,
        other => panic!("an error of a new kind: {other}"),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_split_does_what_a_list_of_numbers_does(
        weights in prop::collection::vec(weight(), 1..=4),
        points in prop::array::uniform::<_, POINTS>(prop_oneof![any::<u64>(), Just(0), Just(u64::MAX)]),
        steps in prop::collection::vec(step(), 0..40),
        at in any::<Index>(),
    ) {
        let declared: Vec<_> = NAMES.into_iter().zip(weights.iter().copied()).collect();
        let mut split = builder("catalog", &declared, Draw::sequence(points)).build().unwrap();
        let handle = split.handle();
        let mut model = Model { weights, generation: 0 };
        let named = |changes: &[(usize, u32)]| -> Vec<_> {
            changes.iter().map(|&(name, weight)| (NAMES[name], weight)).collect()
        };
        let mut turn = 0;
        let previewed = at.index(40);
        for (place, step) in steps.into_iter().enumerate() {
            match step {
                Step::Set(changes) => {
                    let found = handle.set_weights(named(&changes)).map_err(refused);
                    // The names of subsets that this split does not have are also unknown.
                    prop_assert_eq!(found, model.change(&changes));
                }
                Step::SetOne(name, weight) => {
                    let found = handle.set_weight(NAMES[name], weight).map_err(refused);
                    prop_assert_eq!(found, model.change(&[(name, weight)]));
                }
                Step::CompareAndSet(off, changes) => {
                    let generation = model.generation.wrapping_add_signed(off);
                    let found = handle.set_weights_if(generation, named(&changes)).map_err(refused);
                    let expected = match off {
                        0 => model.change(&changes),
                        _ => Err(Refused::Conflict),
                    };
                    prop_assert_eq!(found, expected);
                }
                Step::Preview(changes) if place == previewed => {
                    let found = handle.preview(named(&changes)).map(|_| ()).map_err(refused);
                    prop_assert_eq!(found, model.changed(&changes).map(|_| ()));
                }
                Step::Preview(_) => {}
                Step::Send => {
                    prop_assert_eq!(next(&mut split), model.at(points[turn % POINTS]));
                    turn += 1;
                }
            }
            let table = handle.weights();
            prop_assert_eq!(table.generation, model.generation);
            let found: Vec<_> = table.weights.iter().map(|(_, weight)| *weight).collect();
            prop_assert_eq!(&found, &model.weights);
        }
        let served: u64 = handle.stats().subsets.iter().map(|subset| subset.served()).sum();
        prop_assert_eq!(served + handle.stats().no_weight, turn as u64);
    }
}
