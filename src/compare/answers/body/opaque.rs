//! Bodies without a structure that is known here: equal or not.

use crate::compare::answers::{found::Found, kind::Kind, path::Path};

/// Text, HTML, images and everything else. A difference of more than a tenth of the length has a kind of its own.
pub(super) fn compare([a, b]: [&[u8]; 2], found: &mut Found<'_>) {
    if a == b {
        return;
    }
    let (shorter, longer) = (a.len().min(b.len()), a.len().max(b.len()));
    let is_near = longer - shorter <= longer / 10;
    found.report(
        &Path::body(),
        if is_near { Kind::Value } else { Kind::Length },
    );
}
