//! Several real Redis servers that share the slots of one cluster.

use std::time::{Duration, Instant};

use crate::error::LabError;
use crate::redis::{RedisOptions, RedisServer};

/// All slots of a cluster.
const SLOTS: usize = 16_384;

/// Members meet by gossip, some of it once a second.
const AGREED_WITHIN: Duration = Duration::from_secs(30);

/// How often agreement is asked for.
const AGREED_POLL: Duration = Duration::from_millis(50);

/// A cluster of primaries on loopback ports.
pub struct RedisCluster {
    members: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts this many, gives each a share of the slots, and waits until all see all slots served.
    pub fn start(members: usize, options: &RedisOptions) -> Result<Self, LabError> {
        let options = options.clone().of_cluster();
        let servers = (0..members).map(|_| RedisServer::start(&options)).collect::<Result<Vec<_>, _>>()?;
        let cluster = Self { members: servers };
        cluster.share_slots()?;
        cluster.introduce()?;
        cluster.wait_until_agreed()?;
        Ok(cluster)
    }

    /// Its members, by the slots they began with.
    pub fn members(&self) -> &[RedisServer] {
        &self.members
    }

    /// One of them, to be killed and brought back.
    pub fn member_mut(&mut self, at: usize) -> Option<&mut RedisServer> {
        self.members.get_mut(at)
    }

    fn share_slots(&self) -> Result<(), LabError> {
        let first_of = |at: usize| at * SLOTS / self.members.len();
        for (at, member) in self.members.iter().enumerate() {
            let (first, last) = (first_of(at), first_of(at + 1) - 1);
            member.command(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()])?;
            // Members that begin with the same epoch settle it between them, and until then they may refuse.
            member.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()])?;
        }
        Ok(())
    }

    fn introduce(&self) -> Result<(), LabError> {
        let Some((first, others)) = self.members.split_first() else { return Ok(()) };
        for other in others {
            let (ip, port) = (other.address().ip().to_string(), other.address().port().to_string());
            first.command(&["CLUSTER", "MEET", &ip, &port, &other.bus_port().to_string()])?;
        }
        Ok(())
    }

    fn wait_until_agreed(&self) -> Result<(), LabError> {
        let started = Instant::now();
        let is_agreed = |member: &RedisServer| {
            let info = member.command(&["CLUSTER", "INFO"])?;
            let all_known = format!("cluster_known_nodes:{}", self.members.len());
            Ok::<_, LabError>(info.contains("cluster_state:ok") && info.contains(&all_known))
        };
        for member in &self.members {
            while !is_agreed(member)? {
                if started.elapsed() > AGREED_WITHIN {
                    let what = format!("the cluster of {} has not agreed", member.address());
                    return Err(LabError::Io { what, why: std::io::ErrorKind::TimedOut.into() });
                }
                std::thread::sleep(AGREED_POLL);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_members_serve_all_slots_and_tell_where_a_key_is() {
        let cluster = RedisCluster::start(3, &RedisOptions::default()).unwrap();
        let set =
            |key: &str| cluster.members().iter().filter(|member| member.command(&["SET", key, "v"]).is_ok()).count();
        assert_eq!((set("a"), set("b"), set("{orion}:epoch")), (1, 1, 1));
    }
}
