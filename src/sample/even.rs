//! `Even`: a counter that advances in steps of an irrational fraction, so that its values are evenly spread.

use std::sync::{
    Mutex, OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use siphasher::sip::SipHasher24;

use crate::guard::unpoisoned;

/// Fractions of 2^64 whose continued fractions hold only 1 and 2 for their first
/// 30 places, each pair without a small integer relation. A badly approximable
/// step keeps any window even; unrelated steps keep two draws of one stack
/// independent of each other.
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

/// How many draws that live in this process use each step. No request locks it, except the first of a draw that is in
/// no layer.
static USERS: Mutex<[usize; STEPS.len()]> = Mutex::new([0; STEPS.len()]);

/// On a cache line of its own: every request of the process writes to it.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Even {
    position: AtomicU64,
    /// Empty until the draw is part of a layer or is drawn from: one that is never used takes no step from the others.
    step: OnceLock<Step>,
}

/// The use of one step, which ends with it. A count of the draws that were ever made would do for as long as none of
/// them is dropped; afterwards it would give two living draws the same step while others are free.
#[derive(Debug)]
pub(super) struct Step {
    size: u64,
    turn: usize,
}

impl Even {
    /// From a random start; [`settle`](Self::settle) gives it its step.
    pub(super) fn new() -> Self {
        Self {
            position: AtomicU64::new(fastrand::u64(..)),
            step: OnceLock::new(),
        }
    }

    /// Step and start depend only on `seed`.
    pub(super) fn seeded(seed: u64) -> Self {
        // The remainder is below ten.
        let turn = (seed % STEPS.len() as u64) as usize;
        Self {
            position: AtomicU64::new(SipHasher24::new().hash(&seed.to_le_bytes())),
            step: OnceLock::from(Step::of(turn)),
        }
    }

    /// Takes one of the steps that the fewest living draws use, unless it has one.
    pub(super) fn settle(&self) -> &Step {
        self.step.get_or_init(Step::least_used)
    }

    pub(super) fn next(&self) -> u64 {
        self.position.fetch_add(self.settle().size, Relaxed)
    }
}

impl Step {
    /// Ties are broken at random, so that replicas of a service differ in their steps.
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

    /// Chosen and counted at once, lest two threads choose the same.
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
