//! `Plan`: the settings that a builder has collected, and the checks of these settings.

use std::sync::Arc;

use http::HeaderValue;

use super::{
    error::InvalidSplit,
    state::{SplitPolicy, SplitState, Subset},
};

/// All settings of a split, without its services.
#[derive(Debug)]
pub(super) struct Plan {
    name: Arc<str>,
    /// The names and weights of the subsets.
    pub(super) declared: Vec<(String, u32)>,
    /// The names of the subsets, `from` and `to`.
    pub(super) fallbacks: Vec<(String, String)>,
    pub(super) policy: SplitPolicy,
}

impl Plan {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            declared: Vec::new(),
            fallbacks: Vec::new(),
            policy: SplitPolicy::default(),
        }
    }

    pub(super) fn shared(mut self) -> Result<Arc<SplitState>, InvalidSplit> {
        let mut subsets = self.subsets()?;
        for (from, to) in self.fallbacks(&subsets)? {
            if subsets[from].fallback.replace(to).is_some() {
                return Err(InvalidSplit::SecondFallback {
                    from: subsets[from].name.to_string(),
                });
            }
        }
        refuse_cycles(&subsets)?;
        self.policy.draw.default_salt(&self.name);
        self.policy.draw.settle();
        let weights = self.declared.iter().map(|(_, weight)| *weight).collect();
        let shared = SplitState::new(self.name, subsets.into(), weights, self.policy);
        Ok(Arc::new(shared))
    }

    fn subsets(&self) -> Result<Vec<Subset>, InvalidSplit> {
        let mut subsets: Vec<Subset> = Vec::with_capacity(self.declared.len());
        for (name, _) in &self.declared {
            if subsets.iter().any(|subset| *subset.name == **name) {
                return Err(InvalidSplit::Duplicate { name: name.clone() });
            }
            subsets.push(subset(name)?);
        }
        if subsets.is_empty() {
            return Err(InvalidSplit::Empty);
        }
        Ok(subsets)
    }

    fn fallbacks(&self, subsets: &[Subset]) -> Result<Vec<(usize, usize)>, InvalidSplit> {
        let place = |name: &String| {
            let place = subsets.iter().position(|subset| *subset.name == **name);
            place.ok_or_else(|| InvalidSplit::UnknownFallback { name: name.clone() })
        };
        let pairs = self.fallbacks.iter();
        pairs
            .map(|(from, to)| Ok((place(from)?, place(to)?)))
            .collect()
    }
}

fn subset(name: &str) -> Result<Subset, InvalidSplit> {
    let invalid = || InvalidSplit::Name {
        name: name.to_owned(),
    };
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(invalid());
    }
    Ok(Subset {
        name: Arc::from(name),
        header: HeaderValue::from_str(name).map_err(|_| invalid())?,
        fallback: None,
    })
}

fn refuse_cycles(subsets: &[Subset]) -> Result<(), InvalidSplit> {
    for start in subsets {
        let mut at = start;
        // After as many steps as there are subsets, the path has ended or is a cycle.
        for _ in subsets {
            match at.fallback {
                Some(next) => at = &subsets[next],
                None => break,
            }
        }
        if at.fallback.is_some() {
            return Err(InvalidSplit::Cycle {
                from: at.name.to_string(),
            });
        }
    }
    Ok(())
}
