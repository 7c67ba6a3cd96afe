//! Which correlations one Guardian has: all of them, or those of one partition of a deployment that hosts share.

use std::collections::BTreeMap;

use orion_bus::{Partition, Role};

use crate::library::{CorrelationPlan, Generation};

/// What the names begin with under which Guardians commit.
pub const GUARDIAN_OWNERS: &str = "guardian";

/// The correlations of one Guardian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Share {
    /// All there are.
    All,
    /// Those of a partition.
    Of(Partition),
}

impl Share {
    /// The name under which the Guardian commits: `guardian`, `guardian/guardian:07`.
    pub fn owner(self) -> String {
        match self {
            Self::All => GUARDIAN_OWNERS.to_owned(),
            Self::Of(partition) => format!("{GUARDIAN_OWNERS}/{partition}"),
        }
    }

    /// Which part of a deployment's work they are.
    pub(crate) fn partition(self) -> Option<Partition> {
        match self {
            Self::All => None,
            Self::Of(partition) => Some(partition),
        }
    }

    /// Whose work an owner of [`Share::owner`] is.
    pub fn partition_of(owner: &str) -> Option<Partition> {
        owner.strip_prefix(GUARDIAN_OWNERS)?.strip_prefix('/')?.parse().ok()
    }

    /// Whether a correlation is among them.
    pub fn has(self, correlation: &str) -> bool {
        match self {
            Self::All => true,
            Self::Of(partition) => Partition::of(Role::Guardian, correlation) == partition,
        }
    }

    /// The plans of the correlations.
    pub(super) fn plans(self, live: &Generation) -> BTreeMap<String, CorrelationPlan> {
        let mine = live.correlations.iter().filter(|(id, _)| self.has(id));
        mine.map(|(id, plan)| (id.clone(), plan.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_correlation_is_in_one_share_and_a_share_is_known_by_its_owner() {
        let shares: Vec<_> = Partition::all(Role::Guardian).map(Share::Of).collect();
        for correlation in ["media.yaml/outage", "a", ""] {
            assert_eq!(shares.iter().filter(|share| share.has(correlation)).count(), 1);
            assert!(Share::All.has(correlation));
        }
        for share in shares {
            assert_eq!(Share::partition_of(&share.owner()).map(Share::Of), Some(share));
        }
        assert_eq!(Share::partition_of(&Share::All.owner()), None);
    }
}
