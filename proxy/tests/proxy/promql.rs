//! Checks that each metric and each label of a query exists.

use std::collections::{BTreeMap, BTreeSet};

use promql_parser::{
    label::{MatchOp, Matcher},
    parser::{Expr, LabelModifier, VectorSelector, parse},
    util::{ExprVisitor, walk_expr},
};

type Labels = BTreeMap<String, String>;

/// The text of `/metrics`, taken apart.
#[derive(Debug)]
pub(crate) struct Exported {
    series: Vec<(String, Labels)>,
    values: BTreeMap<String, f64>,
}

impl Exported {
    pub(crate) fn read(text: &str) -> Self {
        let samples = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (mut series, mut values) = (Vec::new(), BTreeMap::new());
        for sample in samples {
            let (of, value) = sample.rsplit_once(' ').unwrap();
            // This format's series are queries, too.
            let Ok(Expr::VectorSelector(found)) = parse(of) else {
                panic!("not a series: {sample}");
            };
            let label = |label: Matcher| (label.name, label.value);
            let labels = found.matchers.matchers.into_iter().map(label);
            series.push((found.name.unwrap(), labels.collect()));
            assert!(
                values
                    .insert(of.to_owned(), value.parse().unwrap())
                    .is_none(),
                "{of}"
            );
        }
        assert!(!series.is_empty());
        Self { series, values }
    }

    pub(crate) fn value(&self, series: &str) -> Option<f64> {
        self.values.get(series).copied()
    }

    /// All labels that series of this name have.
    pub(crate) fn labels(&self, name: &str) -> BTreeSet<&str> {
        let series = self.series.iter().filter(|(found, _)| found == name);
        let labels: BTreeSet<_> = series
            .flat_map(|(_, labels)| labels.keys().map(String::as_str))
            .collect();
        assert!(!labels.is_empty(), "nothing is exported as {name}");
        labels
    }

    /// One series at least has this name and all of these labels, and each value that is listed is one's.
    fn select(&self, selector: &VectorSelector) {
        let name = selector.name.as_deref().unwrap();
        let labels = self.labels(name);
        let matchers = &selector.matchers.matchers;
        assert!(selector.matchers.or_matchers.is_empty());
        for matcher in matchers {
            assert!(
                labels.contains(matcher.name.as_str()),
                "{name} has no {}",
                matcher.name
            );
            let values: BTreeSet<_> = self.of(name).map(|series| &series[&matcher.name]).collect();
            if let MatchOp::Re(_) | MatchOp::NotRe(_) = matcher.op {
                for value in matcher.value.split('|').filter(|value| *value != ".*") {
                    let is_there = values.iter().any(|found| *found == value);
                    assert!(is_there, "{}: no {value} in {values:?}", matcher.name);
                }
            } else {
                assert!(values.contains(&matcher.value), "{matcher:?}: {values:?}");
            }
        }
        let is_selected = |series: &Labels| {
            matchers
                .iter()
                .all(|matcher| matcher.is_match(&series[&matcher.name]))
        };
        assert!(self.of(name).any(is_selected), "{selector}");
    }

    fn of(&self, name: &str) -> impl Iterator<Item = &Labels> {
        let series = self.series.iter().filter(move |(found, _)| found == name);
        series.map(|(_, labels)| labels)
    }
}

/// Fails unless the query is valid and every name, label and value in it is exported. Gives the labels of its result.
pub(crate) fn check(query: &str, exported: &Exported) -> BTreeSet<String> {
    let expression = parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let mut checks = Checks { exported, count: 0 };
    walk_expr(&mut checks, &expression).unwrap();
    assert!(checks.count > 0, "{query} asks for nothing");
    result(&expression, exported)
}

struct Checks<'a> {
    exported: &'a Exported,
    count: usize,
}

impl ExprVisitor for Checks<'_> {
    type Error = std::convert::Infallible;

    fn pre_visit(&mut self, expression: &Expr) -> Result<bool, Self::Error> {
        match expression {
            Expr::VectorSelector(selector) => self.exported.select(selector),
            Expr::MatrixSelector(matrix) => self.exported.select(&matrix.vs),
            _ => return Ok(true),
        }
        self.count += 1;
        Ok(true)
    }
}

/// The labels that the result has. A label of `by` must be a label of the summed series.
fn result(expression: &Expr, exported: &Exported) -> BTreeSet<String> {
    let of_name = |selector: &VectorSelector| {
        let labels = exported.labels(selector.name.as_deref().unwrap());
        labels.into_iter().map(str::to_owned).collect()
    };
    match expression {
        Expr::VectorSelector(selector) => of_name(selector),
        Expr::MatrixSelector(matrix) => of_name(&matrix.vs),
        Expr::Paren(paren) => result(&paren.expr, exported),
        Expr::Aggregate(aggregate) => {
            let of = result(&aggregate.expr, exported);
            match &aggregate.modifier {
                None => BTreeSet::new(),
                Some(LabelModifier::Include(by)) => {
                    let by: BTreeSet<_> = by.labels.iter().cloned().collect();
                    assert!(by.is_subset(&of), "{expression}: {by:?} of {of:?}");
                    by
                }
                Some(LabelModifier::Exclude(_)) => panic!("not checked: {expression}"),
            }
        }
        Expr::Call(call) => {
            let vectors = call
                .args
                .args
                .iter()
                .map(|argument| result(argument, exported));
            let mut labels: BTreeSet<_> = vectors.flatten().collect();
            if call.func.name == "histogram_quantile" {
                assert!(labels.remove("le"), "{expression}: no le");
            }
            labels
        }
        Expr::Binary(binary) => {
            let (left, right) = (result(&binary.lhs, exported), result(&binary.rhs, exported));
            if let Some(LabelModifier::Include(on)) = binary
                .modifier
                .as_ref()
                .and_then(|modifier| modifier.matching.as_ref())
            {
                let is_on = |label| left.contains(label) && right.contains(label);
                assert!(on.labels.iter().all(is_on), "{expression}");
            } else {
                // Two vectors meet only where all their labels are equal.
                let is_scalar = left.is_empty() || right.is_empty();
                assert!(
                    is_scalar || left == right,
                    "{expression}: {left:?}, {right:?}"
                );
            }
            &left | &right
        }
        _ => BTreeSet::new(),
    }
}
