//! The options of a split, and the split that they configure.

use std::fmt;

use clap::Args as ClapArgs;
use http::{HeaderName, Response, StatusCode};
use tower_mirror::{
    BoxError, Draw, Force, HttpTarget, Key, WeightedSplit,
    client::{self, HttpTargetBuilder, InvalidUrl},
    split::Unavailable,
};

use crate::proxy::{authority, wide};

/// The name of the split. It is the salt of its keys, so that all proxies with the same subsets choose the same one for a user.
const NAME: &str = "proxy";
const SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");

pub(crate) type Split = WeightedSplit<HttpTarget, Refuse>;

type Refuse = fn(&Unavailable) -> Response<client::ResponseBody>;

/// Options that require `--subset`. They cannot be used with `--primary`.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Splitting")]
pub(crate) struct SplitArgs {
    /// One of several servers that answer, instead of `--primary`: its name, its weight relative to the other weights, and its
    /// URL as http://host[:port]. Can be repeated. The header `x-served-by` of an answer is the name.
    #[arg(long, value_name = "NAME=WEIGHT=URL", value_parser = subset)]
    subset: Vec<Subset>,

    /// Requests with the same value of this header stay with one subset.
    #[arg(long, value_name = "NAME", conflicts_with = "primary")]
    sticky_header: Option<HeaderName>,

    /// Requests with the same value of this cookie stay with one subset. A sticky header has precedence.
    #[arg(long, value_name = "NAME", conflicts_with = "primary", value_parser = cookie)]
    sticky_cookie: Option<String>,

    /// The header that names the subset for a request, also one with weight 0. Every client can set it.
    #[arg(long, value_name = "NAME", conflicts_with = "primary")]
    force_header: Option<HeaderName>,

    /// If no connection to FROM is available within 1 s, the request goes to TO. Can be repeated.
    #[arg(long, value_name = "FROM=TO", conflicts_with = "primary", value_parser = fallback)]
    fallback: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
struct Subset {
    name: String,
    weight: u32,
    target: HttpTargetBuilder,
}

impl SplitArgs {
    /// The split, if all names fit together.
    pub(crate) fn split(&self, is_http2: bool) -> Result<Split, BoxError> {
        let mut builder = WeightedSplit::builder(NAME)
            .unavailable(refuse as Refuse)
            .response_header(SERVED_BY);
        for subset in &self.subset {
            let target = wide(&subset.target, is_http2)?;
            builder = builder.subset(&subset.name, subset.weight, target);
        }
        for (from, to) in &self.fallback {
            builder = builder.fallback(from, to);
        }
        if let Some(key) = self.key() {
            builder = builder.draw(Draw::key(key));
        }
        if let Some(name) = &self.force_header {
            builder = builder.force(Force::header(name.clone()).when(|_| true));
        }
        Ok(builder.build()?)
    }

    fn key(&self) -> Option<Key> {
        let header = self.sticky_header.clone().map(Key::header);
        match (header, self.sticky_cookie.clone().map(Key::cookie)) {
            (Some(header), Some(cookie)) => Some(header.or(cookie)),
            (header, cookie) => header.or(cookie),
        }
    }
}

/// The subsets, each with its address and its weight.
impl fmt::Display for SplitArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, subset) in self.subset.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let Subset {
                name,
                weight,
                target,
            } = subset;
            write!(
                f,
                "{comma}{name} at {} (weight {weight})",
                authority(target)
            )?;
        }
        Ok(())
    }
}

/// The answer if no subset can serve: one line with the reason.
fn refuse(why: &Unavailable) -> Response<client::ResponseBody> {
    let mut answer = Response::new(format!("no subset can answer: {why}\n").into());
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    answer
}

fn subset(text: &str) -> Result<Subset, String> {
    let mut parts = text.splitn(3, '=');
    let (Some(name), Some(weight), Some(url)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("a subset must be NAME=WEIGHT=URL".to_owned());
    };
    let weight = weight
        .parse()
        .map_err(|_| format!("a weight must be a whole number from 0 to {}", u32::MAX))?;
    let target = url.parse().map_err(|error: InvalidUrl| error.to_string())?;
    Ok(Subset {
        name: name.to_owned(),
        weight,
        target,
    })
}

fn fallback(text: &str) -> Result<(String, String), String> {
    let (from, to) = text.split_once('=').ok_or("a fallback must be FROM=TO")?;
    Ok((from.to_owned(), to.to_owned()))
}

/// A token, as a header's name is (RFC 6265, section 4.1.1), but with letters of either case.
fn cookie(name: &str) -> Result<String, String> {
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => Err("invalid cookie name".to_owned()),
    }
}
