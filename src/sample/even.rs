//! `Even`: a counter that advances in steps of an irrational fraction, so that its values are
//! evenly spread.

use std::sync::{
    Mutex, OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use siphasher::sip::SipHasher24;

use crate::guard::unpoisoned;

/// The steps, as fractions of 2^64. Their continued fractions contain only 1 and 2 in the first 30
/// places, and no two steps have a small integer relation. A badly approximable step makes every
/// window even, and unrelated steps make two draws of one stack independent of each other.
const STEPS: [u64; 10] = [
    0x9cff_b584_3390_564b,
    0x61b6_fdb1_83a6_7777,
    0x94c7_dda9_bc00_7571,
    0x5dc5_962e_b117_cc0f,
    0xb927_0866_93e2_1b95,
    0xb451_be83_40b2_b2f3,
    0x69d3_fa76_f611_b265,
    0xb51e_94bf_ae85_9055,
    0x6c0c_0052_3976_681d,
    0x5eb6_6d05_83e0_3b47,
];

/// For each step, the number of draws in this process that use it. Requests do not lock it, with
/// one exception: the first request of a draw that is not part of a layer.
static USERS: Mutex<[usize; STEPS.len()]> = Mutex::new([0; STEPS.len()]);

/// A draw's counter. It has its own cache line, because every request writes to it.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Even {
    position: AtomicU64,
    /// Empty until the draw becomes part of a layer or is drawn from, so that an unused draw does
    /// not take a step from the others.
    step: OnceLock<Step>,
}

/// One draw's use of a step, which ends when this value is dropped. A counter of all draws ever
/// created would be sufficient only as long as none of them is dropped; after that, two existing
/// draws could have the same step while other steps are free.
#[derive(Debug)]
pub(super) struct Step {
    size: u64,
    turn: usize,
}

impl Even {
    /// Creates a counter that starts at a random value. [`settle`](Self::settle) assigns its step.
    pub(super) fn new() -> Self {
        Self {
            position: AtomicU64::new(fastrand::u64(..)),
            step: OnceLock::new(),
        }
    }

    /// Creates a counter whose step and start depend only on `seed`.
    pub(super) fn seeded(seed: u64) -> Self {
        // The remainder is less than the number of steps.
        let turn = (seed % STEPS.len() as u64) as usize;
        Self {
            position: AtomicU64::new(SipHasher24::new().hash(&seed.to_le_bytes())),
            step: OnceLock::from(Step::of(turn)),
        }
    }

    /// Assigns one of the steps that the fewest draws use, unless the counter already has a step.
    pub(super) fn settle(&self) -> &Step {
        self.step.get_or_init(Step::least_used)
    }

    pub(super) fn next(&self) -> u64 {
        self.position.fetch_add(self.settle().size, Relaxed)
    }
}

impl Step {
    /// Chooses a step that the fewest draws use. If there are several, it chooses one at random, so
    /// that replicas of a service have different steps.
    fn least_used() -> Self {
        let first = fastrand::usize(..STEPS.len());
        Self::used(|users| {
            let turns = (0..STEPS.len()).map(|ahead| (first + ahead) % STEPS.len());
            turns.min_by_key(|turn| users[*turn]).unwrap_or(first)
        })
    }

    fn of(turn: usize) -> Self {
        Self::used(|_| turn)
    }

    /// Chooses a step and counts its use under one lock, so that two threads do not choose the same
    /// free step.
    fn used(choose: impl FnOnce(&[usize; STEPS.len()]) -> usize) -> Self {
        let mut users = unpoisoned(USERS.lock());
        let turn = choose(&users);
        users[turn] += 1;
        Self {
            size: STEPS[turn],
            turn,
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        unpoisoned(USERS.lock())[self.turn] -= 1;
    }
}
