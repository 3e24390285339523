//! What requests have in common: the names of their query parameters and of their headers, never a value.

use std::{collections::HashMap, fmt};

use http::{HeaderName, request};

/// Names of one request that are looked at.
const MOST_NAMES: usize = 64;
/// Names of one route that are counted.
const MOST_COUNTED: usize = 64;
/// A name is shown once it was seen in so many requests.
const SHOWN_FROM: u64 = 5;
/// The longest name of a parameter that is counted. Longer ones are data more often than names.
const LONGEST: usize = 40;
/// A name with so many characters that all are hexadecimal digits, and one of them a decimal digit, is an identifier.
const SHORTEST_ID: usize = 8;

/// The names of one request.
#[derive(Debug, Default)]
pub(super) struct Features {
    headers: Vec<HeaderName>,
    parameters: Vec<Box<str>>,
}

impl Features {
    /// Of the head of a copy.
    pub(super) fn of(head: &request::Parts) -> Self {
        let query = head.uri.query().unwrap_or_default();
        let mut parameters: Vec<Box<str>> = query
            .split('&')
            .take(MOST_NAMES)
            .map(|parameter| parameter.split('=').next().unwrap_or_default())
            .filter(|name| is_name(name))
            .map(Into::into)
            .collect();
        parameters.sort_unstable();
        parameters.dedup();
        let headers = head.headers.keys().take(MOST_NAMES).cloned().collect();
        Self {
            headers,
            parameters,
        }
    }

    fn each(&self) -> impl Iterator<Item = (Place, &str)> {
        let headers = self.headers.iter().map(HeaderName::as_str);
        let headers = headers
            .filter(|name| is_name(name))
            .map(|name| (Place::Header, name));
        let parameters = self.parameters.iter();
        parameters
            .map(|name| (Place::Query, &**name))
            .chain(headers)
    }
}

/// Whether it is a name and not an identifier or another text of a user.
fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '[' | ']');
    let is_id = text.len() >= SHORTEST_ID
        && text.contains(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    begins && text.len() <= LONGEST && text.chars().all(is_part) && !is_id
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Place {
    Query,
    Header,
}

/// How many requests of a route have a name, and how many of those in which only the shadow differs.
#[derive(Default)]
pub(super) struct FeatureCounts {
    all: u64,
    failing: u64,
    names: HashMap<(Place, Box<str>), Seen>,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    all: u64,
    failing: u64,
}

impl FeatureCounts {
    pub(super) fn record(&mut self, features: &Features, is_failing: bool) {
        self.all += 1;
        self.failing += u64::from(is_failing);
        for (place, name) in features.each() {
            let key = (place, Box::from(name));
            if !self.names.contains_key(&key) && self.names.len() >= MOST_COUNTED {
                // A name that came once makes room, or a client could fill the table with names of its own.
                let rare = self.names.iter().find(|(_, seen)| seen.all <= 1);
                let Some(rare) = rare.map(|(rare, _)| rare.clone()) else {
                    continue;
                };
                self.names.remove(&rare);
            }
            let seen = self.names.entry(key).or_default();
            seen.all += 1;
            seen.failing += u64::from(is_failing);
        }
    }

    /// The names that nearly all failing requests have, and few others. The rarest among all requests first.
    pub(super) fn in_common(&self) -> Vec<InCommon> {
        let is_telling = |seen: &Seen| {
            seen.failing >= SHOWN_FROM
                && seen.failing * 10 >= self.failing * 9
                && seen.all * 2 <= self.all
        };
        let telling = self.names.iter().filter(|(_, seen)| is_telling(seen));
        let mut found: Vec<_> = telling
            .map(|((place, name), seen)| InCommon {
                name: match place {
                    Place::Query => format!("query `{name}`"),
                    Place::Header => format!("header `{name}`"),
                },
                failing_with: seen.failing,
                failing: self.failing,
                share_of_all: seen.all as f64 / self.all as f64,
            })
            .collect();
        found.sort_by(|a, b| {
            let by_share = a.share_of_all.total_cmp(&b.share_of_all);
            by_share.then_with(|| a.name.cmp(&b.name))
        });
        found
    }
}

/// What nearly all requests have in common in which only the shadow differs, and few other requests have.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InCommon {
    /// The place and the name, such as ``query `expand` `` or ``header `x-beta` ``.
    pub name: String,
    /// Of the requests in which only the shadow differs, those with the name.
    pub failing_with: u64,
    /// All requests in which only the shadow differs.
    pub failing: u64,
    /// The share of all compared requests of the route that have the name, from 0 to 1.
    pub share_of_all: f64,
}

impl fmt::Display for InCommon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({} of {}; {:.0} % of all)",
            self.name,
            self.failing_with,
            self.failing,
            self.share_of_all * 100.0
        )
    }
}
