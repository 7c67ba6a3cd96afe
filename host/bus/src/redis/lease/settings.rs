//! How a host takes part: under which name, with which work, and how soon it is taken for dead.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::partition::Role;

/// How often a host ticks. A planned handover takes up to two of these: one to see what is due, one to take it. A hundred
/// hosts that tick four times a second are a few per cent of one Redis.
pub const TICK_MILLIS: u64 = 250;

/// How long a host lives after a tick. Longer than a restart of Redis takes, and the pauses of virtual machines that are
/// moved; what it costs is how long the work of a host that crashed waits.
pub const DEFAULT_LEASE_SECONDS: u64 = 10;

/// The shortest life: below it one lost packet, which TCP sends again after up to a second, would take a host's work away.
pub const MIN_LEASE_SECONDS: u64 = 2;

/// The longest life: so long nobody wants to wait for a host that crashed.
pub const MAX_LEASE_SECONDS: u64 = 600;

/// The longest name of a node in bytes: it is part of every token.
pub const MAX_NODE_NAME_BYTES: usize = 200;

/// How a host takes part in a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSettings {
    prefix: String,
    node: String,
    roles: BTreeSet<Role>,
    lease: Duration,
}

/// Why a host cannot take part like that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLeaseSettings {
    /// No node can be called so.
    #[error(
        "`{0}` cannot be the name of a node: it has 1 to {MAX_NODE_NAME_BYTES} bytes and no control characters; give one \
         with ORION_NODE_NAME"
    )]
    NodeName(String),
    /// Nobody lives so short or so long.
    #[error("a lease of {0:?} is none: it lasts {MIN_LEASE_SECONDS} to {MAX_LEASE_SECONDS} seconds")]
    Lease(Duration),
}

impl LeaseSettings {
    /// Takes part in the deployment whose keys begin with `{prefix}:`. The name is the host's own in the deployment.
    pub fn new(
        prefix: &str,
        node: &str,
        roles: impl IntoIterator<Item = Role>,
        lease: Duration,
    ) -> Result<Self, InvalidLeaseSettings> {
        if node.is_empty() || node.len() > MAX_NODE_NAME_BYTES || node.contains(char::is_control) {
            return Err(InvalidLeaseSettings::NodeName(node.chars().take(MAX_NODE_NAME_BYTES).collect()));
        }
        if !(MIN_LEASE_SECONDS..=MAX_LEASE_SECONDS).contains(&lease.as_secs()) || lease > MAX_LEASE {
            return Err(InvalidLeaseSettings::Lease(lease));
        }
        Ok(Self { prefix: prefix.to_owned(), node: node.to_owned(), roles: roles.into_iter().collect(), lease })
    }

    /// The host's name.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The roles of which it does work.
    pub fn roles(&self) -> &BTreeSet<Role> {
        &self.roles
    }

    /// How long it lives after a tick.
    pub const fn lease(&self) -> Duration {
        self.lease
    }

    pub(super) fn lives_millis(&self) -> u64 {
        u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX)
    }

    /// All keys of a deployment are in the slot of its prefix, so that one script reaches them on a Cluster, too.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{{{}}}:{name}", self.prefix)
    }
}

const MAX_LEASE: Duration = Duration::from_secs(MAX_LEASE_SECONDS);

#[cfg(test)]
mod tests {
    use super::*;

    fn with(node: &str, lease: Duration) -> Result<LeaseSettings, InvalidLeaseSettings> {
        LeaseSettings::new("orion", node, Role::ALL, lease)
    }

    const DEFAULT: Duration = Duration::from_secs(DEFAULT_LEASE_SECONDS);

    #[test]
    fn a_name_has_a_byte_and_not_one_more_than_its_limit() {
        for name in ["a", "host:/var/lib/orion", &"n".repeat(MAX_NODE_NAME_BYTES)] {
            assert_eq!(with(name, DEFAULT).unwrap().node(), name);
        }
        for name in ["", "a\nb", &"n".repeat(MAX_NODE_NAME_BYTES + 1)] {
            let error = with(name, DEFAULT).unwrap_err();
            assert!(error.to_string().contains("ORION_NODE_NAME"), "{error}");
        }
    }

    #[test]
    fn a_lease_is_neither_too_short_nor_too_long() {
        for lease in [Duration::from_secs(MIN_LEASE_SECONDS), DEFAULT, MAX_LEASE] {
            assert_eq!(with("a", lease).unwrap().lease(), lease);
        }
        let nearly = Duration::from_secs(MIN_LEASE_SECONDS) - Duration::from_millis(1);
        for lease in [Duration::ZERO, nearly, MAX_LEASE + Duration::from_millis(1), Duration::MAX] {
            assert_eq!(with("a", lease), Err(InvalidLeaseSettings::Lease(lease)));
        }
    }
}
