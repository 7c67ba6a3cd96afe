//! Which labels the samples of a query can have.

use std::collections::BTreeSet;

/// Names of labels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Names {
    /// Any.
    Any,
    /// None but these.
    Only(BTreeSet<String>),
}

impl Names {
    pub(super) fn none() -> Self {
        Self::Only(BTreeSet::new())
    }

    pub(super) fn of(names: &[String]) -> Self {
        Self::Only(names.iter().cloned().collect())
    }

    pub(super) fn and(self, more: impl IntoIterator<Item = String>) -> Self {
        match self {
            Self::Any => Self::Any,
            Self::Only(mut names) => {
                names.extend(more);
                Self::Only(names)
            }
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        match other {
            Self::Any => Self::Any,
            Self::Only(names) => self.and(names),
        }
    }

    pub(super) fn without(self, gone: &[String]) -> Self {
        match self {
            Self::Any => Self::Any,
            Self::Only(mut names) => {
                names.retain(|name| !gone.contains(name));
                Self::Only(names)
            }
        }
    }

    /// Whether a sample can have that label.
    pub(crate) fn may_have(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) => names.contains(name),
        }
    }
}
