//! The command-line options of the proxy.

use std::{fmt, net::SocketAddr, time::Duration};

use clap::{
    ArgAction, ArgGroup, Args as ClapArgs, Command, CommandFactory, FromArgMatches, Parser,
    ValueEnum, builder::BoolishValueParser, error::ErrorKind::ValueValidation,
};
use tower_mirror::{
    BodyMode, BoxError, HostRewrite, HttpTarget, MirrorLayer, SampleRate,
    client::{HttpTargetBuilder, InvalidUrl},
    compare::CompareLayer,
    metrics::MetricsObserver,
    mirror::MirrorBuilder,
    rewrite::strip_credentials,
    sample::safe_methods,
};

use crate::{
    admin::Handles,
    compare::{CompareArgs, Invalid},
    log::Failures,
    proxy::{authority, wide},
    split::{Split, SplitArgs},
};

/// The default of the library. The pool of the shadow needs it too.
const MAX_IN_FLIGHT: usize = 128;

const ENVIRONMENT: &str = "\
Each option can also be set by the environment variable that is named with it. The command line has precedence. The \
value for a switch is true or false. Several values for one option are separated by commas. An empty variable counts as \
not set.";

/// A reverse proxy that splits traffic between subsets, and mirrors it to a shadow.
#[derive(Debug, Parser)]
#[command(
    name = "tower-mirror-proxy",
    version,
    after_help = ENVIRONMENT,
    group = ArgGroup::new("backend").args(["primary", "subset"]).required(true),
    group = ArgGroup::new("steered").args(["shadow", "subset"]).multiple(true),
)]
pub(crate) struct Args {
    /// The address on which clients connect. With port 0 the system chooses the port.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: SocketAddr,

    /// The server that answers all requests, as http://host[:port]. For several servers use `--subset`.
    #[arg(long, value_name = "URL")]
    primary: Option<HttpTargetBuilder>,

    /// Speak HTTP/2 (prior knowledge) to the primary, the subsets and the baseline, as gRPC needs.
    #[arg(long)]
    primary_http2: bool,

    /// The address that serves `GET /stats` and `PUT /mirror`, `GET /split` and `PUT /split`, `GET /compare` and `DELETE /compare`,
    /// `GET /verdict`, `GET /metrics`, `GET /healthz`.
    #[arg(long, value_name = "ADDR", requires = "steered")]
    pub(crate) admin: Option<SocketAddr>,

    /// The time in milliseconds that requests and copies in flight have to finish when the program ends.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    drain_timeout_ms: u64,

    /// The number of threads that serve requests.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: u16,

    #[command(flatten)]
    split: SplitArgs,

    #[command(flatten)]
    mirror: MirrorArgs,

    #[command(flatten)]
    compare: CompareArgs,
}

/// The backend: one primary, or a split.
#[derive(Debug)]
pub(crate) enum Backend {
    Primary(HttpTarget),
    Split(Split),
}

/// The layer around the backend.
#[derive(Debug)]
pub(crate) enum Around {
    Nothing,
    Mirror(MirrorLayer),
    Compare(CompareLayer),
}

impl Around {
    pub(crate) fn handles(&self) -> Handles {
        match self {
            Self::Nothing => Handles::default(),
            Self::Mirror(layer) => Handles {
                mirror: Some(layer.handle()),
                ..Handles::default()
            },
            Self::Compare(layer) => Handles {
                mirror: Some(layer.mirror()),
                baseline: layer.baseline(),
                compare: Some(layer.handle()),
                ..Handles::default()
            },
        }
    }
}

impl Args {
    /// Reads the command line and the environment. If they are invalid, the process ends as clap defines it.
    pub(crate) fn of_process() -> Self {
        let matches = with_environment(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// The backend, or an error of clap if the subsets do not fit together.
    pub(crate) fn backend(&self) -> Result<Backend, clap::Error> {
        let backend = match &self.primary {
            Some(primary) => wide(primary, self.primary_http2)
                .map(Backend::Primary)
                .map_err(BoxError::from),
            None => self.split.split(self.primary_http2).map(Backend::Split),
        };
        backend.map_err(|invalid| Self::command().error(ValueValidation, invalid))
    }

    /// The layer, or an error that says which of its options do not fit together.
    pub(crate) fn around(&self, failures: Failures) -> Result<Around, Invalid> {
        // Samples are recorded only if the admin address serves them.
        let is_measured = self.admin.is_some();
        let Some(mirror) = self.mirror.builder(is_measured, failures)? else {
            return Ok(Around::Nothing);
        };
        if !self.compare.is_on() {
            return Ok(Around::Mirror(mirror.build()));
        }
        if let (true, Some(method)) = (self.mirror.safe_methods, self.compare.unsafe_method()) {
            return Err(Invalid(format!(
                "--compare-methods names {method}, which is not copied because of --safe-methods"
            )));
        }
        let baseline = self.compare.baseline.as_ref();
        let baseline = baseline.map(|target| self.mirror.pooled(target, self.primary_http2));
        let baseline = baseline.transpose()?;
        self.compare.layer(mirror, baseline).map(Around::Compare)
    }

    pub(crate) fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }
}

/// The values that turn a switch off: those of clap, and the empty value.
const FALSE: [&str; 7] = ["", "n", "no", "f", "false", "off", "0"];

/// Adds the variable `TOWER_MIRROR_SOME_OPTION` to each `--some-option`.
fn with_environment(command: Command) -> Command {
    command.mut_args(|arg| {
        let Some(long) = arg.get_long() else {
            return arg;
        };
        let variable = format!("TOWER_MIRROR_{}", long.replace('-', "_")).to_ascii_uppercase();
        let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
        // clap would count a switch that is false as given, and refuse what conflicts with it.
        let off: &[&str] = if is_switch { &FALSE } else { &[""] };
        let value = std::env::var(&variable);
        if value.is_ok_and(|value| off.contains(&value.to_ascii_lowercase().as_str())) {
            return arg;
        }
        let arg = arg.env(variable).hide_env_values(true);
        match arg.get_action() {
            ArgAction::SetTrue => arg.value_parser(BoolishValueParser::new()),
            ArgAction::Append => arg.value_delimiter(','),
            _ => arg,
        }
    })
}

/// The start-up line: which servers answer, and what is copied to which shadow.
impl fmt::Display for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.primary {
            Some(primary) => write!(f, "{} answers", authority(primary))?,
            None => write!(f, "{} answer", self.split)?,
        }
        write!(f, "; {}{}", self.mirror, self.compare)
    }
}

/// Options that require `--shadow`. An option that is not set has the default of the library.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Mirroring")]
pub(crate) struct MirrorArgs {
    /// The server that gets copies, as http://host[:port]. Without this option nothing is copied.
    #[arg(long, value_name = "URL")]
    shadow: Option<HttpTargetBuilder>,

    /// The share of requests to copy, in per cent [default: 100]
    #[arg(long, value_name = "P", requires = "shadow", value_parser = percent, allow_negative_numbers = true)]
    percent: Option<SampleRate>,

    /// The suffix that copies have after the host name [default: -shadow]
    #[arg(
        long,
        value_name = "S",
        requires = "shadow",
        group = "rewrite",
        allow_hyphen_values = true,
        value_parser = |suffix: &str| HostRewrite::try_suffix(suffix.to_owned()),
    )]
    host_suffix: Option<HostRewrite>,

    /// The host that all copies have.
    #[arg(
        long,
        value_name = "NAME",
        requires = "shadow",
        group = "rewrite",
        value_parser = |name: &str| HostRewrite::literal(name),
    )]
    host: Option<HostRewrite>,

    /// Copies keep the host of the request.
    #[arg(long, requires = "shadow", group = "rewrite")]
    preserve_host: bool,

    /// Which body a copy has [default: buffered]
    #[arg(long, requires = "shadow")]
    body: Option<Body>,

    /// Copy only GET, HEAD, OPTIONS and TRACE requests. Without this option, the shadow repeats every write.
    #[arg(long, requires = "shadow")]
    safe_methods: bool,

    /// Remove credentials (`Authorization`, `Cookie` and the like) from copies.
    #[arg(long, requires = "shadow")]
    strip_credentials: bool,

    /// Speak HTTP/2 (prior knowledge) to the shadow.
    #[arg(long, requires = "shadow")]
    shadow_http2: bool,

    /// The bytes of the largest body that is copied [default: 2 MiB]
    #[arg(long, value_name = "N", requires = "shadow")]
    max_body_bytes: Option<u64>,

    /// The number of copies that may be in flight [default: 128]
    #[arg(long, value_name = "N", requires = "shadow")]
    max_in_flight: Option<usize>,

    /// The bytes that all copies together may hold [default: 16 MiB]
    #[arg(long, value_name = "N", requires = "shadow")]
    max_buffered_bytes: Option<usize>,

    /// The time in milliseconds that the shadow has for its answer [default: 5000]
    #[arg(long, value_name = "N", requires = "shadow")]
    timeout_ms: Option<u64>,
}

impl MirrorArgs {
    /// The mirror, if there is a shadow.
    fn builder(
        &self,
        is_measured: bool,
        failures: Failures,
    ) -> Result<Option<MirrorBuilder>, InvalidUrl> {
        let Some(shadow) = &self.shadow else {
            return Ok(None);
        };
        let shadow = self.pooled(shadow, self.shadow_http2)?;
        let mut builder = MirrorLayer::builder(shadow).observe_with(failures);
        if is_measured {
            builder = builder.observe_with(MetricsObserver::new());
        }
        if let Some(rate) = self.percent {
            builder = builder.sample_rate(rate);
        }
        if self.safe_methods {
            builder = builder.filter(safe_methods());
        }
        if self.strip_credentials {
            builder = builder.rewrite(strip_credentials());
        }
        if let Some(host) = self.host_rewrite() {
            builder = builder.host_rewrite(host);
        }
        if let Some(body) = self.body {
            builder = builder.body_mode(body.into());
        }
        if let Some(bytes) = self.max_body_bytes {
            builder = builder.max_body_bytes(bytes);
        }
        if let Some(copies) = self.max_in_flight {
            builder = builder.max_in_flight(copies);
        }
        if let Some(bytes) = self.max_buffered_bytes {
            builder = builder.max_buffered_bytes(bytes);
        }
        if let Some(millis) = self.timeout_ms {
            builder = builder.timeout(Duration::from_millis(millis));
        }
        Ok(Some(builder))
    }

    /// The target with room for all copies.
    fn pooled(&self, target: &HttpTargetBuilder, is_http2: bool) -> Result<HttpTarget, InvalidUrl> {
        let target = match is_http2 {
            true => target.clone().http2(),
            false => target.clone(),
        };
        // Over HTTP/1.1 each copy in flight has its own connection, which is kept for the next copy.
        let copies = self.max_in_flight.unwrap_or(MAX_IN_FLIGHT);
        target.max_connections(copies).max_idle(copies).build()
    }

    fn host_rewrite(&self) -> Option<HostRewrite> {
        if self.preserve_host {
            return Some(HostRewrite::preserve());
        }
        self.host_suffix.clone().or_else(|| self.host.clone())
    }
}

impl fmt::Display for MirrorArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(shadow) = &self.shadow else {
            return write!(f, "nothing is copied (no --shadow)");
        };
        let rate = self.percent.unwrap_or(SampleRate::ALL);
        let methods = match self.safe_methods {
            true => "safe methods only",
            false => "all methods",
        };
        let credentials = match self.strip_credentials {
            true => "without credentials",
            false => "credentials included",
        };
        let shadow = authority(shadow);
        write!(
            f,
            "{rate} of the requests are copied to {shadow}: {methods}, {credentials}"
        )
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Body {
    /// The whole body, sent after the primary has read it.
    Buffered,
    /// The body as it arrives.
    Streaming,
    /// No body: only the head is copied.
    HeadOnly,
}

impl From<Body> for BodyMode {
    fn from(body: Body) -> Self {
        match body {
            Body::Buffered => Self::Buffered,
            Body::Streaming => Self::Streaming,
            Body::HeadOnly => Self::HeadOnly,
        }
    }
}

fn percent(text: &str) -> Result<SampleRate, String> {
    let percent = text
        .parse()
        .map_err(|_| "a sample rate must be a number from 0 to 100")?;
    SampleRate::percent(percent).map_err(|error| error.to_string())
}
