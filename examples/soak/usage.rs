//! Descriptors and memory of this process, from `/proc`; unknown on systems without it.

use std::{
    fs,
    time::{Duration, Instant},
};

/// A task closes a socket, which may happen after the end of the client.
const SETTLES_WITHIN: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) descriptors: Option<usize>,
    /// Resident memory in bytes.
    pub(crate) resident: Option<u64>,
}

impl Usage {
    pub(crate) fn now() -> Self {
        Self {
            descriptors: fs::read_dir("/proc/self/fd").ok().map(Iterator::count),
            resident: resident(),
        }
    }

    /// Measures when no more descriptors are open than `before`, or when their number no longer falls.
    pub(crate) async fn settled(before: Self) -> Self {
        let until = Instant::now() + SETTLES_WITHIN;
        loop {
            let now = Self::now();
            if now.descriptors <= before.descriptors || Instant::now() > until {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}
