//! The options of a comparison, and the layer that they make.

use std::{fmt, time::Duration};

use clap::Args as ClapArgs;
use http::Method;
use tower_mirror::{
    HttpTarget,
    client::{HttpTargetBuilder, InvalidUrl},
    compare::{Accept, Compare, CompareError, CompareLayer, Json, Kind, Quantile, Rules},
    mirror::MirrorBuilder,
};

use crate::proxy::authority;

/// What means nothing without `--compare`. Where an option is not given, the library's own default holds.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Comparing")]
pub(crate) struct CompareArgs {
    /// Compare the answers of the shadow with those of the primary. `GET /compare` and `GET /verdict` show the result.
    #[arg(long, requires = "shadow")]
    compare: bool,

    /// A second instance of the primary's version, as http://host[:port]. What differs between the two is noise, and does
    /// not count against the shadow. Without it, every difference counts.
    #[arg(long, value_name = "URL", requires = "compare")]
    pub(crate) baseline: Option<HttpTargetBuilder>,

    /// Do not compare this path of JSON answers, such as /items/*/etag. Can be repeated.
    #[arg(long, value_name = "PATH", requires = "compare", value_parser = ignored)]
    compare_ignore: Vec<String>,

    /// This difference is wanted, such as /items/*/imageUrl=added or :status=value. Can be repeated.
    #[arg(long, value_name = "PATH=KIND", requires = "compare", value_parser = expected)]
    compare_expect: Vec<(String, Kind)>,

    /// Compare the array at this path of JSON answers without regard to its order. Can be repeated.
    #[arg(long, value_name = "PATH", requires = "compare", value_parser = unordered)]
    compare_unordered: Vec<String>,

    /// The share of requests by which the shadow may differ more often than the baseline [default: 0.001]
    #[arg(long, value_name = "F", requires = "compare", value_parser = excess, allow_negative_numbers = true)]
    accept_excess: Option<f64>,

    /// Judge the latency too: the shadow may be slower than the baseline's p99 by this factor.
    #[arg(long, value_name = "RATIO", requires = "baseline", value_parser = ratio, allow_negative_numbers = true)]
    accept_latency_p99: Option<f64>,

    /// Compare these methods besides GET, HEAD, OPTIONS and TRACE. The baseline repeats their writes.
    #[arg(long, value_name = "METHOD", requires = "compare", value_delimiter = ',', value_parser = method)]
    compare_methods: Vec<Method>,

    /// Requests at the beginning that are compared but not counted [default: 200]
    #[arg(long, value_name = "N", requires = "compare")]
    warm_up: Option<u64>,

    /// The length of the blocks of time, of which FAIL needs about eight; shorter ones are for tests [default: 10000]
    #[arg(
        long,
        value_name = "N",
        requires = "baseline",
        value_parser = clap::value_parser!(u64).range(1..=3_600_000),
    )]
    compare_block_ms: Option<u64>,
}

impl CompareArgs {
    pub(crate) fn is_on(&self) -> bool {
        self.compare
    }

    /// A method that is to be compared although only safe methods are copied.
    pub(crate) fn unsafe_method(&self) -> Option<&Method> {
        self.compare_methods.iter().find(|method| !method.is_safe())
    }

    /// The layer around this mirror, where `baseline` is the target of `--baseline` with its connections.
    pub(crate) fn layer(
        &self,
        mirror: MirrorBuilder,
        baseline: Option<HttpTarget>,
    ) -> Result<CompareLayer, Invalid> {
        let compare = match baseline {
            Some(baseline) => Compare::with_baseline(baseline),
            None => Compare::alone(),
        };
        let mut compare = compare
            .rules(self.rules()?)
            .accept(self.accept()?)
            .methods(self.compare_methods.iter().cloned());
        if let Some(requests) = self.warm_up {
            compare = compare.warm_up(requests);
        }
        if let Some(millis) = self.compare_block_ms {
            compare = compare.block(Duration::from_millis(millis));
        }
        compare.layer(mirror).map_err(Invalid::from)
    }

    fn rules(&self) -> Result<Rules, Invalid> {
        let ignore = self.compare_ignore.iter().fold(Json::new(), Json::ignore);
        let json = self.compare_unordered.iter().fold(ignore, Json::unordered);
        let rules = Rules::builder().json(json);
        let expected = self.compare_expect.iter();
        let rules = expected.fold(rules, |rules, (path, kind)| rules.expect(path, *kind));
        rules.build().map_err(Invalid::from)
    }

    fn accept(&self) -> Result<Accept, Invalid> {
        let accept = self.accept_excess.map(Accept::excess).transpose()?;
        let accept = accept.unwrap_or_default();
        match self.accept_latency_p99 {
            Some(ratio) => Ok(accept.latency(Quantile::P99, ratio)?),
            None => Ok(accept),
        }
    }
}

/// The part of the start-up line.
impl fmt::Display for CompareArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.baseline, self.compare) {
            (_, false) => Ok(()),
            (Some(baseline), true) => write!(
                f,
                "; the answers are compared, with {} as the baseline",
                authority(baseline)
            ),
            (None, true) => f.write_str("; the answers are compared, without a baseline"),
        }
    }
}

/// Why the options do not fit together, in one line.
#[derive(Debug)]
pub(crate) struct Invalid(pub(crate) String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

macro_rules! from {
    ($($error:ty)*) => {$(
        impl From<$error> for Invalid {
            fn from(error: $error) -> Self {
                Self(error.to_string())
            }
        }
    )*};
}

from! { InvalidUrl CompareError tower_mirror::compare::InvalidAccept tower_mirror::compare::InvalidRules }

fn ignored(path: &str) -> Result<String, Invalid> {
    checked(path, Json::new().ignore(path))
}

fn unordered(path: &str) -> Result<String, Invalid> {
    checked(path, Json::new().unordered(path))
}

fn checked(path: &str, json: Json) -> Result<String, Invalid> {
    Rules::builder().json(json).build()?;
    Ok(path.to_owned())
}

fn expected(text: &str) -> Result<(String, Kind), Invalid> {
    // A key may contain `=`, the name of a kind does not.
    let Some((path, kind)) = text.rsplit_once('=') else {
        return Err(Invalid("a wanted difference must be PATH=KIND".to_owned()));
    };
    let kind = kind
        .parse::<Kind>()
        .map_err(|error| Invalid(error.to_string()))?;
    Rules::builder().expect(path, kind).build()?;
    Ok((path.to_owned(), kind))
}

fn excess(text: &str) -> Result<f64, Invalid> {
    let excess = number(text, "a tolerated excess must be a number")?;
    Accept::excess(excess)?;
    Ok(excess)
}

fn ratio(text: &str) -> Result<f64, Invalid> {
    let ratio = number(text, "a ratio of latencies must be a number")?;
    Accept::default().latency(Quantile::P99, ratio)?;
    Ok(ratio)
}

fn number(text: &str, rule: &str) -> Result<f64, Invalid> {
    text.parse().map_err(|_| Invalid(rule.to_owned()))
}

/// Methods are case-sensitive, so `post` would never occur.
fn method(name: &str) -> Result<Method, Invalid> {
    let invalid =
        || Invalid("a method must be written in capital letters, such as POST".to_owned());
    let is_usual = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    if !name.bytes().all(is_usual) {
        return Err(invalid());
    }
    name.parse().map_err(|_| invalid())
}
