//! `Display` for [`MirrorLayer`]: the line that a program prints when it starts.

use std::fmt::{self, Display};

use super::{layer::MirrorLayer, state::MirrorState};
use crate::body::BodyMode;

/// One line for the log of a program that starts: what is copied, and within which limits.
///
/// It begins with what deserves a second look. `all methods` means that the shadow performs writes too, and `credentials included`
/// means that copies carry `Authorization` and `Cookie`. A mirror cannot know what filters and rewrites do, so the line counts them
/// instead. It contains no value of a header.
///
/// # Example
///
/// ```
/// use axum::Router;
/// use tower_mirror::{MirrorLayer, rewrite, sample};
///
/// let shadow: Router = Router::new();
/// let mirror = MirrorLayer::new(shadow.clone());
/// assert_eq!(
///     mirror.to_string(),
///     "mirror \"mirror\": all methods, credentials included, 100 % of requests; Host with the suffix \"-shadow\"; \
///      bodies up to 2 MiB; at most 128 copies and 16 MiB at a time; 5 s for each answer"
/// );
///
/// let mirror = MirrorLayer::builder(shadow)
///     .name("catalog-v2")
///     .filter(sample::safe_methods())
///     .rewrite(rewrite::strip_credentials())
///     .build();
/// let line = mirror.to_string();
/// let begin = "mirror \"catalog-v2\": requests that pass 1 filter, credentials subject to 1 rewrite, 100 % of these requests; ";
/// assert!(line.starts_with(begin), "{line}");
/// ```
impl Display for MirrorLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MirrorState {
            name,
            policy,
            limits,
            ..
        } = self.state();
        let rate = self.state().rate();
        write!(f, "mirror {name:?}: ")?;
        match policy.filters.len() {
            0 => f.write_str("all methods, ")?,
            filters => write!(f, "requests that pass {}, ", count(filters, "filter"))?,
        }
        match policy.rewrites.len() {
            0 => f.write_str("credentials included, ")?,
            rewrites => write!(f, "credentials subject to {}, ", count(rewrites, "rewrite"))?,
        }
        match policy.filters.len() {
            0 => write!(f, "{rate} of requests; ")?,
            _ => write!(f, "{rate} of these requests; ")?,
        }
        write!(f, "{}; ", policy.host_rewrite)?;
        match policy.body_mode {
            BodyMode::Buffered => write!(f, "bodies up to {}; ", bytes(limits.max_body_bytes))?,
            BodyMode::Streaming => f.write_str("bodies are streamed; ")?,
            BodyMode::HeadOnly => f.write_str("no bodies; ")?,
        }
        write!(
            f,
            "at most {} copies and {} at a time; {} s for each answer",
            limits.max_in_flight,
            bytes(limits.max_buffered_bytes as u64),
            limits.timeout.as_secs_f64()
        )
    }
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

fn bytes(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    const KIB: u64 = 1 << 10;
    match bytes {
        u64::MAX => "any number of bytes".to_owned(),
        _ if bytes >= MIB && bytes % MIB == 0 => format!("{} MiB", bytes / MIB),
        _ if bytes >= KIB && bytes % KIB == 0 => format!("{} KiB", bytes / KIB),
        _ => format!("{bytes} bytes"),
    }
}
