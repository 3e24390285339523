//! Switches the faults of the shadow on and off, and controls the mirror and the split.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use tower_mirror::{MirrorHandle, SampleRate, split::SplitHandle};

use crate::{
    Result,
    shadow::{Fault, Shadow},
};

/// Runs until it is aborted. Calls `changed` at each change.
pub(crate) async fn meddle(
    shadow: Arc<Shadow>,
    mirror: MirrorHandle,
    split: SplitHandle,
    mut chance: Rng,
    changed: impl Fn(),
) -> Result<()> {
    loop {
        if mirror.is_paused() && chance.bool() {
            mirror.resume();
        }
        match chance.u8(..9) {
            0..=4 => shadow.set(Fault::any(&mut chance)),
            5 | 6 => mirror.set_sample_rate(any_rate(&mut chance)?),
            7 => mirror.pause(),
            // Both weights must not be zero, because then no subset would answer.
            _ => {
                let v1 = chance.u32(..=10);
                split.set_weights([("v1", v1), ("v2", chance.u32(u32::from(v1 == 0)..=10))])?;
            }
        }
        changed();
        tokio::time::sleep(Duration::from_millis(chance.u64(1..80))).await;
    }
}

/// Usually all requests or nearly all, so that the mirror has work.
pub(crate) fn any_rate(chance: &mut Rng) -> Result<SampleRate> {
    Ok(match chance.u8(..8) {
        0 => SampleRate::NONE,
        1..=4 => SampleRate::ALL,
        _ => SampleRate::per_million(chance.u32(..=1_000_000))?,
    })
}
