//! What everybody saw of one load: the clients, the split, and v2.

use std::collections::HashSet;

use tower_mirror::split::{SplitStats, SubsetStats};

use crate::{
    catalog::{Received, Version},
    load::{Answer, USERS},
};

pub(crate) struct Seen {
    pub(crate) answers: Vec<Answer>,
    /// What the split counted meanwhile.
    pub(crate) split: SplitStats,
    /// By v2.
    pub(crate) received: Vec<Received>,
}

/// What the split counted of one subset during a load.
pub(crate) struct Counted {
    pub(crate) configured: f64,
    pub(crate) keyed: u64,
    pub(crate) weighted: u64,
    pub(crate) fallback: u64,
    pub(crate) unready: u64,
}

impl Counted {
    /// Given to it by key or weight.
    pub(crate) fn chosen(&self) -> u64 {
        self.keyed + self.weighted
    }

    pub(crate) fn served(&self) -> u64 {
        self.chosen() + self.fallback
    }
}

impl Seen {
    pub(crate) fn counted(&self, version: Version) -> Counted {
        let name = version.to_string();
        let subset = self.split.subset(&name);
        let more = |count: fn(&SubsetStats) -> u64| subset.map_or(0, count);
        Counted {
            configured: subset.map_or(0.0, |subset| subset.configured),
            keyed: more(|subset| subset.keyed),
            weighted: more(|subset| subset.weighted),
            fallback: more(|subset| subset.fallback),
            unready: more(|subset| subset.unready),
        }
    }

    /// Right answers of a version.
    pub(crate) fn by(&self, version: Version) -> impl Iterator<Item = &Answer> {
        let is_by = move |answer: &&Answer| answer.is_right && answer.by == Some(version);
        self.answers.iter().filter(is_by)
    }

    /// Which version each user was given, but for answers of a fallback; `Err` for one who was given
    /// both.
    pub(crate) fn users(&self) -> Vec<Result<Option<Version>, ()>> {
        let mut users = vec![Ok(None); USERS];
        for answer in self.answers.iter().filter(|answer| answer.why == "keyed") {
            if let Some(user) = answer.user {
                let known = users[user];
                users[user] = match known {
                    Ok(Some(known)) if Some(known) != answer.by => Err(()),
                    Err(()) => Err(()),
                    Ok(_) => Ok(answer.by),
                };
            }
        }
        users
    }

    /// Ids of what v2 received, of its users or of a mirror.
    pub(crate) fn ids(&self, is_copy: bool) -> HashSet<usize> {
        let of_kind = self.received.iter().filter(|it| it.is_copy == is_copy);
        of_kind.map(|request| request.id).collect()
    }

    /// How often v2 received the copy of a request that it served itself.
    pub(crate) fn served_twice(&self) -> usize {
        self.ids(true).intersection(&self.ids(false)).count()
    }
}
