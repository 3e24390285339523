//! `Compare`: decides what is compared, with what, and how it is judged.

use std::{error::Error, fmt, io, ops::RangeInclusive, sync::Arc, time::Duration};

use http::Method;

use super::{
    core::{Core, Follower},
    layer::CompareLayer,
    ledger::Ledger,
    settings::{BaselineKind, Settings},
    worker,
};
use crate::{
    compare::{Accept, Rules},
    mirror::{AnyShadow, MirrorBuilder, Shadow},
    sample::SampleRate,
};

/// Compares the answers of a shadow with those of the primary, and decides whether the shadow is right.
///
/// Begin with one of the three constructors, which say where the third answer comes from. [`layer`](Self::layer) completes the
/// comparison.
///
/// # Example
///
/// ```
/// use tower_mirror::{
///     HttpTarget, MirrorLayer, SampleRate,
///     compare::{Accept, Compare, Quantile},
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let v2 = HttpTarget::new("http://127.0.0.1:9002")?;
/// let second_v1 = HttpTarget::new("http://127.0.0.1:9001")?;
///
/// let compare = Compare::with_baseline(second_v1)
///     .accept(Accept::excess(0.001)?.latency(Quantile::P99, 1.25)?)
///     .warm_up(200)
///     .layer(MirrorLayer::builder(v2).name("catalog-v2").sample_rate(SampleRate::percent(10.0)?))?;
///
/// let handle = compare.handle();
/// println!("{}", handle.report());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is compared until `layer` is called and the layer is used"]
pub struct Compare {
    baseline: Option<AnyShadow>,
    settings: Settings,
}

impl Compare {
    /// The baseline is `second_v1`: a second instance of the primary's version. For each mirrored request it answers a copy
    /// at the same moment as the shadow. What differs between the two instances of v1 does not count against the shadow.
    ///
    /// The error rate holds if the shadow and the baseline could be swapped: both are as warm, have the same data, and are as
    /// far away. Two or more instances behind each address help. The mirror doubles its share of the reads: once for the shadow, and
    /// once for the baseline.
    pub fn with_baseline<R>(second_v1: impl Shadow<R>) -> Self {
        Self::new(Some(second_v1.erase()), BaselineKind::Service)
    }

    /// The baseline is `app`, a clone of the primary's application in this process. Only safe methods are compared.
    ///
    /// **The error rate does not hold.** The clone shares caches, counters and the network path with the primary, so it cannot be
    /// swapped with a shadow in another process. The report says so.
    pub fn with_in_process_baseline<R>(app: impl Shadow<R>) -> Self {
        Self::new(Some(app.erase()), BaselineKind::InProcess)
    }

    /// There is no baseline: every difference counts against the shadow, also a time, an identifier, or a random order that
    /// v1 would not repeat either. The report says so.
    pub fn alone() -> Self {
        Self::new(None, BaselineKind::None)
    }

    fn new(baseline: Option<AnyShadow>, kind: BaselineKind) -> Self {
        Self {
            baseline,
            settings: Settings::new(kind),
        }
    }

    /// What of the answers is compared, what is ignored, and which differences are wanted. Default: [`Rules::default`].
    pub fn rules(mut self, rules: Rules) -> Self {
        self.settings.rules = rules;
        self
    }

    /// How much worse the shadow may be, and with which confidence a verdict holds. Default: [`Accept::default`].
    pub fn accept(mut self, accept: Accept) -> Self {
        self.settings.accept = accept;
        self
    }

    /// The share of the mirrored requests that is compared. Only these have a copy for the baseline. Default: all.
    pub fn share(mut self, share: SampleRate) -> Self {
        self.settings.share = share;
        self
    }

    /// Compares requests with these methods too. Default: only the safe methods GET, HEAD, OPTIONS and TRACE.
    ///
    /// A copy of a write is a second write. Where the baseline has the same store as the primary, its copy is a third one.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.settings.methods.extend(methods);
        self
    }

    /// Routes with a smaller share of the compared requests pass together, as if they were one route. Default: none, each route
    /// must pass by itself.
    ///
    /// With a long tail of rare routes, PASS would otherwise take very long. The price: PASS then says about a rare route only that
    /// the rare routes *together* are within the tolerance. FAIL is not affected.
    pub fn pool_rare_routes(mut self, below: SampleRate) -> Self {
        self.settings.rare = below;
        self
    }

    /// The number of requests at the beginning that are compared but not counted, while caches fill and pools connect. They
    /// teach the masks and the quantiles. Default: 200.
    pub fn warm_up(mut self, requests: u64) -> Self {
        self.settings.warm_up = requests;
        self
    }

    /// The length of the blocks of time that count as evidence for FAIL, from 1 ms to one hour. Default: 10 s.
    ///
    /// With one route and the default confidence, FAIL needs at least eight blocks in which the shadow differs more often than the
    /// baseline. More routes share the evidence, so that one bad route among them needs more blocks. Noise of one process that lasts
    /// longer than a block, such as a stale cache or a pause of a garbage collector, counts against the shadow. Shorter blocks are for
    /// tests and demonstrations. Without a baseline, blocks have no effect.
    pub fn block(mut self, length: Duration) -> Self {
        self.settings.block = length;
        self
    }

    /// The share of one processor core that the comparing thread may use, above 0 and at most 1. After each comparison the thread
    /// rests accordingly. Requests that come meanwhile wait; when 64 wait, further ones are not compared
    /// ([`Busy`](super::DropReason::Busy)). Default: 0.1.
    pub fn duty(mut self, share_of_a_core: f64) -> Self {
        self.settings.duty = share_of_a_core;
        self
    }

    /// The longest body that is compared, in bytes. If the primary's answer is longer, the request is not compared. If only the
    /// shadow's is, this is a difference of the shadow. Default: 256 KiB.
    pub fn max_answer_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_answer_bytes = bytes;
        self
    }

    /// The bytes that all answers together may hold until they are compared. An answer that does not fit is not compared. An answer
    /// is held until its client has read it, both copies have ended, and it was compared. A frame is
    /// charged with its length and 64 bytes; a frame of the primary of 8 KiB or more with twice its length. Default: 16 MiB.
    pub fn max_held_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_held_bytes = bytes;
        self
    }

    /// Completes the mirror and the comparison, and starts the comparing thread.
    ///
    /// The thread ends when the layer, its services and its handles are dropped. The layer wraps the primary in place of the
    /// [`MirrorLayer`](crate::MirrorLayer).
    ///
    /// # Errors
    ///
    /// [`CompareError`] if the duty or the length of a block is not in its range, if what is accepted needs a baseline and there is none, if an in-process baseline is combined with an unsafe method, if a
    /// mirror with [`BodyMode::Streaming`](crate::BodyMode::Streaming) has a baseline, or if no thread can be started.
    pub fn layer(self, mirror: MirrorBuilder) -> Result<CompareLayer, CompareError> {
        let Self { baseline, settings } = self;
        validate(&settings, &mirror)?;
        let ledger = Arc::new(Ledger::new(mirror.mirror_name(), &settings));
        let queue = worker::start(&settings, &ledger).map_err(CompareError::Thread)?;
        let core = Arc::new(Core::new(settings, ledger, queue));
        let follower = Arc::new(Follower(Arc::clone(&core)));
        let mirror = mirror.follow(follower, baseline).build();
        Ok(CompareLayer::new(mirror, core))
    }
}

/// The lengths that a block may have.
const BLOCKS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3_600);

fn validate(settings: &Settings, mirror: &MirrorBuilder) -> Result<(), CompareError> {
    if !(settings.duty > 0.0 && settings.duty <= 1.0) {
        return Err(CompareError::Duty {
            given: settings.duty,
        });
    }
    if !BLOCKS.contains(&settings.block) {
        return Err(CompareError::Block {
            given: settings.block,
        });
    }
    let writes = |method: &&Method| !method.is_safe();
    if let (BaselineKind::InProcess, Some(method)) =
        (settings.baseline, settings.methods.iter().find(writes))
    {
        return Err(CompareError::UnsafeInProcess {
            method: method.clone(),
        });
    }
    if settings.is_alone() && settings.accept.tolerated() == 0.0 {
        return Err(CompareError::NothingTolerated);
    }
    if settings.is_alone() && settings.accept.latency_limit().is_some() {
        return Err(CompareError::LatencyAlone);
    }
    if !settings.is_alone() && mirror.is_streaming() {
        return Err(CompareError::StreamedBodies);
    }
    Ok(())
}

/// Why a comparison cannot be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum CompareError {
    /// The duty is not a share of a core.
    #[non_exhaustive]
    Duty {
        /// The number that was given.
        given: f64,
    },
    /// The length of a block is out of range.
    #[non_exhaustive]
    Block {
        /// The length that was given.
        given: Duration,
    },
    /// The baseline is in this process, and a method that writes was named.
    #[non_exhaustive]
    UnsafeInProcess {
        /// The method.
        method: Method,
    },
    /// There is no baseline and no excess is tolerated, so that one difference of any cause would be FAIL.
    NothingTolerated,
    /// There is no baseline, and the latency of the shadow can be compared only with that of a baseline.
    LatencyAlone,
    /// The mirror relays request bodies while they arrive, so a second copy of them cannot be sent.
    StreamedBodies,
    /// The system starts no further thread.
    Thread(io::Error),
}

impl fmt::Display for CompareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duty { given } => write!(
                f,
                "the duty of the comparing thread must be above 0 and at most 1, not {given}; 10 % of a core is 0.1"
            ),
            Self::Block { given } => write!(
                f,
                "a block must last from 1 ms to one hour, not {given:?}"
            ),
            Self::UnsafeInProcess { method } => write!(
                f,
                "an in-process baseline answers only safe methods, and {method} is not safe: use a second instance as the baseline"
            ),
            Self::NothingTolerated => f.write_str(
                "without a baseline the tolerated excess must be above 0, because every difference counts against the shadow",
            ),
            Self::LatencyAlone => f.write_str(
                "without a baseline no latency can be accepted, because there is none to compare it with",
            ),
            Self::StreamedBodies => f.write_str(
                "a mirror that streams request bodies cannot be compared with a baseline: use the buffered mode, or compare without a baseline",
            ),
            Self::Thread(_) => f.write_str("the comparing thread could not be started"),
        }
    }
}

impl Error for CompareError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Thread(error) => Some(error),
            _ => None,
        }
    }
}
