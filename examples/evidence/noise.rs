//! Kinds of noise: whether the answers of two processes differ from the primary's.

use fastrand::Rng;

/// How often the answer of a correct process differs from that of another.
#[derive(Clone, Copy)]
pub(crate) enum Noise {
    /// With this probability, each request by itself.
    Constant(f64),
    /// Not at all and with this probability, in turns of 5000 requests.
    Turns(f64),
    /// From 0 to this probability and back, once a day of 20 000 requests.
    Day(f64),
    /// From 0 to this probability over the run of so many requests.
    Grows(f64, u64),
    /// Bursts of 50 requests, 2 % of the time, in which half of the answers differ: both processes at the same time.
    BurstsOfBoth,
    /// The same, but each process has bursts of its own.
    BurstsOfOne,
}

const IN_A_BURST: f64 = 0.5;
const END_OF_BURST: f64 = 1.0 / 50.0;
const SHARE_OF_BURSTS: f64 = 0.02;

/// The answers of shadow and baseline to one request after the other.
pub(crate) struct Pairs {
    noise: Noise,
    /// The probability with which the shadow has an error of its own.
    extra: f64,
    at: u64,
    shadow_burst: bool,
    baseline_burst: bool,
}

/// Which answers differ from the primary's.
#[derive(Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) shadow: bool,
    pub(crate) baseline: bool,
}

impl Pairs {
    pub(crate) fn new(noise: Noise, extra: f64) -> Self {
        Self {
            noise,
            extra,
            at: 0,
            shadow_burst: false,
            baseline_burst: false,
        }
    }

    pub(crate) fn next(&mut self, random: &mut Rng) -> Pair {
        let (shadow, baseline) = self.shares(random);
        self.at += 1;
        Pair {
            shadow: is(shadow, random) || is(self.extra, random),
            baseline: is(baseline, random),
        }
    }

    fn shares(&mut self, random: &mut Rng) -> (f64, f64) {
        let at = self.at as f64;
        let both = match self.noise {
            Noise::Constant(share) => share,
            Noise::Turns(share) if (self.at / 5_000) % 2 == 1 => share,
            Noise::Turns(_) => 0.0,
            Noise::Day(most) => {
                let angle = std::f64::consts::TAU * at / 20_000.0;
                most * (1.0 - angle.cos()) / 2.0
            }
            Noise::Grows(most, over) => most * at / over as f64,
            Noise::BurstsOfBoth => {
                turn(&mut self.shadow_burst, random);
                in_burst(self.shadow_burst)
            }
            Noise::BurstsOfOne => {
                turn(&mut self.shadow_burst, random);
                turn(&mut self.baseline_burst, random);
                return (in_burst(self.shadow_burst), in_burst(self.baseline_burst));
            }
        };
        (both, both)
    }
}

fn turn(burst: &mut bool, random: &mut Rng) {
    let start = END_OF_BURST * SHARE_OF_BURSTS / (1.0 - SHARE_OF_BURSTS);
    if is(if *burst { END_OF_BURST } else { start }, random) {
        *burst = !*burst;
    }
}

fn in_burst(burst: bool) -> f64 {
    if burst { IN_A_BURST } else { 0.0 }
}

pub(crate) fn is(share: f64, random: &mut Rng) -> bool {
    share > 0.0 && random.f64() < share
}
