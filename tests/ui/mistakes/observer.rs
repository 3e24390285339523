//~ cannot observe a mirror
//~ neither an `Observer` nor a closure `|report: &Report| { .. }`
use std::sync::mpsc::Sender;

use tower_mirror::{MirrorBuilder, Report};

pub fn observed(mirror: MirrorBuilder, told: Sender<Report>) -> MirrorBuilder {
    #[cfg(right)]
    let told = move |report: &Report| {
        let _ = told.send(report.clone());
    };
    mirror.observe_with(told)
}
