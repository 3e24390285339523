//! The paths in rules, and the differences that are wanted.

use super::{
    invalid::InvalidRules,
    json::Pattern,
    kind::Kind,
    path::{Path, Step, unescaped},
};

/// Places of an answer that have a name of their own. Those with `true` have names below them.
const FIXED: [(&str, bool); 8] = [
    (":body", false),
    (":cut", false),
    (":grpc-status", false),
    (":header", true),
    (":no answer", false),
    (":set-cookie", true),
    (":status", false),
    (":too long", false),
];

pub(super) fn json_path(path: &str) -> Result<Vec<Pattern>, InvalidRules> {
    let invalid = |rule| InvalidRules::Path {
        path: path.into(),
        rule,
    };
    let Some(steps) = path.strip_prefix('/') else {
        return Err(invalid("a JSON path begins with `/`"));
    };
    let step = |step: &str| match step {
        "*" => Ok(Pattern::Element),
        "{key}" => Ok(Pattern::AnyKey),
        index if !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()) => Err(
            invalid("an element of an array is written `*`, and a key that is a number `{key}`"),
        ),
        name => match unescaped(name) {
            Some(name) => Ok(Pattern::Key(name.into())),
            None => Err(invalid("`~` is written `~0`, and `/` is written `~1`")),
        },
    };
    steps.split('/').map(step).collect()
}

/// A difference that is wanted.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    steps: Vec<Want>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Want {
    Json(Pattern),
    Named(Box<str>),
}

impl Expected {
    pub(super) fn new(path: &str, kind: Kind) -> Result<Self, InvalidRules> {
        let invalid = |rule| InvalidRules::Path {
            path: path.into(),
            rule,
        };
        if !path.starts_with(':') {
            let steps = json_path(path)?.into_iter().map(Want::Json).collect();
            return Ok(Self { steps, kind });
        }
        let mut steps = path.split('/');
        let first = steps.next().unwrap_or_default();
        let rest: Vec<_> = steps.map(|step| Want::Named(step.into())).collect();
        match FIXED.iter().find(|(name, _)| *name == first) {
            None => Err(invalid("no place of an answer has this name")),
            Some((_, false)) if !rest.is_empty() => {
                Err(invalid("this place has no names below it"))
            }
            Some((_, true)) if rest.is_empty() => Err(invalid("a name is missing behind it")),
            Some((":body", _)) => Ok(Self {
                steps: Vec::new(),
                kind,
            }),
            Some((name, _)) => {
                let first = std::iter::once(Want::Named((*name).into()));
                let steps = first.chain(rest).collect();
                Ok(Self { steps, kind })
            }
        }
    }

    pub(super) fn is(&self, path: &Path<'_>, kind: Kind) -> bool {
        let mut at = Some(path);
        for step in self.steps.iter().rev() {
            let Some(path) = at.filter(|path| step.takes(path.step)) else {
                return false;
            };
            at = path.parent;
        }
        self.kind == kind && at.is_none_or(|path| matches!(path.step, Step::Body))
    }
}

impl Want {
    fn takes(&self, step: Step<'_>) -> bool {
        match (self, step) {
            (Self::Json(Pattern::Element), Step::Element)
            | (Self::Json(Pattern::AnyKey), Step::Key(_)) => true,
            (Self::Json(Pattern::Key(own)), Step::Key(key)) => {
                key.name().is_some_and(|name| name == **own)
            }
            (Self::Named(own), Step::Fixed(name) | Step::Listed(name) | Step::Name(name)) => {
                own.eq_ignore_ascii_case(name)
            }
            _ => false,
        }
    }
}
