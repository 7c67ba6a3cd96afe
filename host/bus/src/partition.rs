//! How the work of one deployment is cut, so that several hosts can share it.
//!
//! The log is one and is read by everyone; what is cut is who does the work. Everything a stage does belongs to an owner
//! with a name (a rule group, a correlation), and the name says the partition, on every host and for ever: numbers of
//! partitions are part of the format and never change.

use std::fmt;
use std::str::FromStr;

use orion_model::{Fingerprint, IdBuilder};

/// Partitions of a role that has many. Some ten hosts share them evenly; far more than hosts, so that no host has twice
/// the work of another.
const MANY: u16 = 64;

/// The kinds of work that hosts take over from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Evaluates rule groups.
    Watcher,
    /// Runs correlations.
    Guardian,
    /// Decides on incidents.
    Brain,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Watcher, Self::Guardian, Self::Brain];

    /// The word for one: `watcher`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Watcher => "watcher",
            Self::Guardian => "guardian",
            Self::Brain => "brain",
        }
    }

    /// How many partitions its work has.
    pub const fn partitions(self) -> u16 {
        match self {
            Self::Watcher | Self::Guardian => MANY,
            Self::Brain => 1,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownPartition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| UnknownPartition(text.to_owned()))
    }
}

/// One part of a role's work: `watcher:07`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    role: Role,
    number: u16,
}

impl Partition {
    /// The one to which the owner of this name belongs.
    pub fn of(role: Role, name: &str) -> Self {
        let hash = Fingerprint::from(IdBuilder::new("partition").text(role.as_str()).text(name).finish()).as_u64();
        // Smaller than a `u16`, because the divisor is one.
        let number = u16::try_from(hash % u64::from(role.partitions())).unwrap_or_default();
        Self { role, number }
    }

    /// All of a role.
    pub fn all(role: Role) -> impl Iterator<Item = Self> {
        (0..role.partitions()).map(move |number| Self { role, number })
    }

    /// Whose work it is part of.
    pub const fn role(self) -> Role {
        self.role
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:02}", self.role, self.number)
    }
}

impl FromStr for Partition {
    type Err = UnknownPartition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once(':').and_then(|(role, number)| Some((role.parse().ok()?, number.parse().ok()?)));
        match parts {
            Some((role, number)) if number < Role::partitions(role) => Ok(Self { role, number }),
            _ => Err(UnknownPartition(text.to_owned())),
        }
    }
}

/// A text that names no work of Orion's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role or partition: expected one such as `watcher` or `watcher:07`")]
pub struct UnknownPartition(String);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_partition_reads_as_it_was_written_and_there_are_no_others() {
        for partition in Role::ALL.into_iter().flat_map(Partition::all) {
            assert_eq!(partition.to_string().parse(), Ok(partition));
        }
        assert_eq!("watcher:07".parse::<Partition>().unwrap().to_string(), "watcher:07");
        assert_eq!("guardian:63".parse::<Partition>().unwrap().role(), Role::Guardian);
        for text in ["", "watcher", "watcher:64", "brain:01", "memory:00", "watcher:-1", "watcher:7:8"] {
            assert!(text.parse::<Partition>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_partition_of_a_name_is_the_same_for_ever() {
        assert_eq!(Partition::of(Role::Watcher, "media").to_string(), "watcher:59");
        assert_eq!(Partition::of(Role::Guardian, "media").to_string(), "guardian:50");
        assert_eq!(Partition::of(Role::Brain, "media").to_string(), "brain:00");
    }

    #[test]
    fn names_spread_over_all_partitions() {
        let mut names = BTreeMap::<_, u32>::new();
        for name in 0..6_400 {
            *names.entry(Partition::of(Role::Watcher, &name.to_string())).or_default() += 1;
        }
        assert_eq!(names.len(), 64);
        assert!(names.values().all(|count| (50..200).contains(count)), "{names:?}");
    }
}
