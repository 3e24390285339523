//! `Rules`: what is compared in two answers, and which differences do not count.

use http::HeaderName;

use super::{
    expected::{Expected, json_path},
    head,
    invalid::InvalidRules,
    json::{Action, Node, Tolerance},
    kind::Kind,
};

/// Rules for JSON bodies, by path.
///
/// A path begins with `/`. `*` stands for every element of an array and `{key}` for every key of an object; in names,
/// `~1` stands for `/` and `~0` for `~` (RFC 6901). In NDJSON and in event streams, each line or event is an element: `/*/id`.
/// An invalid path is refused by [`RulesBuilder::build`].
///
/// # Example
///
/// ```
/// use tower_mirror::compare::{Json, Rules};
///
/// let json = Json::new()
///     .ignore("/debug")
///     .shape("/items/*/etag")
///     .unordered("/items/*/tags")
///     .tolerance("/items/*/price", 0.005);
/// let rules = Rules::builder().json(json).build()?;
/// # Ok::<(), tower_mirror::compare::InvalidRules>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Json {
    rules: Vec<(String, Action)>,
}

impl Json {
    /// No rule: everything is compared.
    pub fn new() -> Self {
        Self::default()
    }

    /// Does not compare the value at the path, nor anything below it, nor whether it is present.
    pub fn ignore(self, path: impl Into<String>) -> Self {
        self.rule(path, Action::Ignore)
    }

    /// Compares only presence and types at the path and below it, as is right for times and identifiers.
    pub fn shape(self, path: impl Into<String>) -> Self {
        self.rule(path, Action::Shape)
    }

    /// Compares the array at the path without regard to the order of its elements.
    ///
    /// Its elements are compared as a whole: the only differences are `length` at the path, and `value` at its `*`.
    /// Below it, `ignore`, `shape` and `unordered` apply, a tolerance does not.
    pub fn unordered(self, path: impl Into<String>) -> Self {
        self.rule(path, Action::Unordered)
    }

    /// Accepts numbers at the path that differ by at most `most`. The default is 0.
    pub fn tolerance(self, path: impl Into<String>, most: f64) -> Self {
        self.rule(
            path,
            Action::Tolerance(Tolerance {
                absolute: most,
                relative: 0.0,
            }),
        )
    }

    /// Accepts numbers at the path that differ by at most this share of the larger one: 0.01 is one per cent. The default is 0.
    pub fn relative_tolerance(self, path: impl Into<String>, share: f64) -> Self {
        self.rule(
            path,
            Action::Tolerance(Tolerance {
                absolute: 0.0,
                relative: share,
            }),
        )
    }

    fn rule(mut self, path: impl Into<String>, action: Action) -> Self {
        self.rules.push((path.into(), action));
        self
    }
}

/// What is compared in two answers.
///
/// Always compared are the status, the type and charset of `content-type`, the names and attributes of `set-cookie`,
/// `grpc-status`, the path of the `location` of a redirect, and the body.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::{Json, Kind, Rules};
///
/// let rules = Rules::builder()
///     .headers(["cache-control"])
///     .json(Json::new().shape("/generatedAt"))
///     .expect("/items/*/imageUrl", Kind::Added)
///     .build()?;
/// assert!(Rules::builder().headers(["date"]).build().is_err());
/// # Ok::<(), tower_mirror::compare::InvalidRules>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub(super) json: Option<Node>,
    pub(super) headers: Vec<HeaderName>,
    pub(super) expected: Vec<Expected>,
}

impl Rules {
    /// Starts with the default rules.
    pub fn builder() -> RulesBuilder {
        RulesBuilder::default()
    }
}

/// Builds [`Rules`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RulesBuilder {
    json: Json,
    headers: Vec<String>,
    expected: Vec<(String, Kind)>,
}

impl RulesBuilder {
    /// Sets the rules for JSON bodies. The default is [`Json::new`].
    pub fn json(mut self, json: Json) -> Self {
        self.json = json;
        self
    }

    /// Compares these headers as well. Of `location` only the path is compared, `vary` has no order.
    ///
    /// Headers that differ between two instances of one version cannot be compared: those of the connection, `content-length`, `date`,
    /// `age`, the identifiers of requests and traces, and the counters of rate limits.
    pub fn headers<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.headers.extend(names.into_iter().map(Into::into));
        self
    }

    /// Expects this difference: it is counted, and it does not count against the shadow.
    ///
    /// The path is one of a report: a JSON path as in [`Json`], or one that begins with `:`, such as `:status`,
    /// `:header/location` or `:set-cookie/session/SameSite`.
    pub fn expect(mut self, path: impl Into<String>, kind: Kind) -> Self {
        self.expected.push((path.into(), kind));
        self
    }

    /// Checks the rules.
    ///
    /// # Errors
    ///
    /// [`InvalidRules`] names the first rule that is not valid.
    pub fn build(self) -> Result<Rules, InvalidRules> {
        let mut json = Node::default();
        let has_rules = !self.json.rules.is_empty();
        for (path, action) in self.json.rules {
            if let Action::Tolerance(tolerance) = action {
                for given in [tolerance.absolute, tolerance.relative] {
                    if !given.is_finite() || given < 0.0 {
                        return Err(InvalidRules::Tolerance { path, given });
                    }
                }
            }
            json.add(&json_path(&path)?, action);
        }
        json.spread();
        let headers = self.headers.into_iter().map(header);
        let expected = self.expected.iter();
        let expected = expected.map(|(path, kind)| Expected::new(path, *kind));
        Ok(Rules {
            json: has_rules.then_some(json),
            headers: headers.collect::<Result<_, _>>()?,
            expected: expected.collect::<Result<_, _>>()?,
        })
    }
}

fn header(name: String) -> Result<HeaderName, InvalidRules> {
    let Ok(header) = HeaderName::try_from(name.as_str()) else {
        return Err(InvalidRules::Header { name });
    };
    if head::is_never_compared(&header) {
        return Err(InvalidRules::NeverCompared { name: header });
    }
    Ok(header)
}
