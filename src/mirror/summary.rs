//! `Display` for [`MirrorLayer`]: the line that a program prints when it starts.

use std::fmt::{self, Display};

use http::header::{AUTHORIZATION, COOKIE};

use super::{layer::MirrorLayer, policy::Policy, shared::Shared};
use crate::body::BodyMode;

/// One line for the log of a program that starts: what is copied, and within which limits.
///
/// It begins with what deserves a second look. `all methods` means that the shadow performs writes too, and `credentials included`
/// means that copies carry `Authorization` and `Cookie`. The line contains no value of a header.
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
/// assert!(line.starts_with("mirror \"catalog-v2\": only GET, HEAD, OPTIONS and TRACE, credentials removed, 100 %"), "{line}");
/// ```
impl Display for MirrorLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared {
            name,
            policy,
            limits,
            ..
        } = self.shared();
        write!(f, "mirror {name:?}: ")?;
        write_methods(policy, f)?;
        write!(
            f,
            ", {}, {} of requests",
            credentials(policy),
            self.shared().rate()
        )?;
        write!(f, "; {}", policy.host)?;
        match policy.body {
            BodyMode::Tee => write!(f, "; bodies up to {}", bytes(limits.max_body_bytes))?,
            BodyMode::Stream => f.write_str("; bodies are streamed")?,
            BodyMode::Omit => f.write_str("; no bodies")?,
        }
        write!(
            f,
            "; at most {} copies and {} at a time; {} s for each answer",
            limits.max_in_flight,
            bytes(limits.max_buffered_bytes as u64),
            limits.timeout.as_secs_f64()
        )
    }
}

fn write_methods(policy: &Policy, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut allowed: Option<Vec<&http::Method>> = None;
    let mut others = 0;
    for filter in &policy.filters {
        match (filter.methods(), &mut allowed) {
            (None, _) => others += 1,
            (Some(methods), Some(allowed)) => allowed.retain(|method| methods.contains(method)),
            (Some(methods), None) => allowed = Some(methods.iter().collect()),
        }
    }
    match allowed.as_deref() {
        None => f.write_str("all methods")?,
        Some([]) => f.write_str("no method")?,
        Some([only]) => write!(f, "only {only}")?,
        Some([first @ .., last]) => {
            let first: Vec<_> = first.iter().map(|method| method.as_str()).collect();
            write!(f, "only {} and {last}", first.join(", "))?;
        }
    }
    match others {
        0 => Ok(()),
        1 => f.write_str(" that a filter passes"),
        _ => write!(f, " that {others} filters pass"),
    }
}

/// A rewrite that does not say what it removes may remove credentials or not.
fn credentials(policy: &Policy) -> &'static str {
    let removed = |header| {
        policy
            .rewrites
            .iter()
            .any(|rewrite| rewrite.removes(header))
    };
    match removed(&AUTHORIZATION) && removed(&COOKIE) {
        true => "credentials removed",
        false if policy.rewrites.is_empty() => "credentials included",
        false => "credentials included unless a rewrite removes them",
    }
}

fn bytes(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    const KIB: u64 = 1 << 10;
    match bytes {
        u64::MAX => "any length".to_owned(),
        _ if bytes >= MIB && bytes % MIB == 0 => format!("{} MiB", bytes / MIB),
        _ if bytes >= KIB && bytes % KIB == 0 => format!("{} KiB", bytes / KIB),
        _ => format!("{bytes} bytes"),
    }
}
