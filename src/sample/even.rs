//! The even draw: one counter that walks the circle in steps of an irrational number.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use siphasher::sip::SipHasher24;

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

/// On a cache line of its own: every request of the process writes to it.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Even {
    position: AtomicU64,
    step: u64,
}

impl Even {
    /// The next unused step of this process, from a random start.
    pub(super) fn new() -> Self {
        static NEXT: OnceLock<AtomicUsize> = OnceLock::new();
        let turn = NEXT
            .get_or_init(|| AtomicUsize::new(fastrand::usize(..STEPS.len())))
            .fetch_add(1, Relaxed);
        Self::at(turn, fastrand::u64(..))
    }

    /// Step and start from `seed` alone.
    pub(super) fn seeded(seed: u64) -> Self {
        // The remainder is below ten.
        let turn = (seed % STEPS.len() as u64) as usize;
        Self::at(turn, SipHasher24::new().hash(&seed.to_le_bytes()))
    }

    fn at(turn: usize, start: u64) -> Self {
        Self {
            position: AtomicU64::new(start),
            step: STEPS[turn % STEPS.len()],
        }
    }

    pub(super) fn next(&self) -> u64 {
        self.position.fetch_add(self.step, Relaxed)
    }
}
