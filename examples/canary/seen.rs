//! What the clients, the split and v2 observed of one load.

use std::collections::HashSet;

use tower_mirror::split::{SplitStats, SubsetStats};

use crate::{
    catalog::{Received, Version},
    load::{Answer, USERS},
};

pub(crate) struct Seen {
    pub(crate) answers: Vec<Answer>,
    /// What the split counted during the load.
    pub(crate) split: SplitStats,
    /// What v2 received.
    pub(crate) received: Vec<Received>,
}

/// What the split counted for one subset during a load.
pub(crate) struct Counted {
    pub(crate) configured: f64,
    pub(crate) keyed: u64,
    pub(crate) weighted: u64,
    pub(crate) fallback: u64,
    pub(crate) unready: u64,
}

impl Counted {
    /// Requests that key or weight gave to it.
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

    /// The correct answers of a version.
    pub(crate) fn by(&self, version: Version) -> impl Iterator<Item = &Answer> {
        let is_by = move |answer: &&Answer| answer.is_right && answer.by == Some(version);
        self.answers.iter().filter(is_by)
    }

    /// The version of each user, without the answers of a fallback; `Err` for a user who received
    /// both versions.
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

    /// The ids of the requests that v2 received, from users or from a mirror.
    pub(crate) fn ids(&self, is_copy: bool) -> HashSet<usize> {
        let of_kind = self.received.iter().filter(|it| it.is_copy == is_copy);
        of_kind.map(|request| request.id).collect()
    }

    /// How often v2 received the copy of a request that it served itself.
    pub(crate) fn served_twice(&self) -> usize {
        self.ids(true).intersection(&self.ids(false)).count()
    }
}
