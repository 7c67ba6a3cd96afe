//! To which ports a host will have to connect: of servers that only others name.
//!
//! A confined process connects to no port that was not known when it confined itself. So before that Sentinels are asked for the
//! master and its replicas, one of which takes its place one day, and members of a Cluster for each other.

use std::collections::BTreeSet;
use std::time::Duration;

use redis::{Cmd, Connection, FromRedisValue, RedisResult, Value};

use super::server::RedisServer;

/// How long one server is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

impl RedisServer {
    /// The ports of all servers that can be learned of now. Waits for servers, and starts no thread.
    pub fn ports(&self) -> BTreeSet<u16> {
        let mut ports: BTreeSet<u16> = self.hosts().iter().map(|(_, port)| *port).collect();
        match self.sentinel_name() {
            // Where nobody knows, it is most likely the usual one.
            Some(name) => {
                ports.extend(self.ask_each(|one| sentinel_ports(one, name)).unwrap_or([Self::DEFAULT_PORT].into()))
            }
            // Over TLS every member is to be named.
            None if self.hosts().len() > 1 && !self.is_tls() => {
                ports.extend(self.ask_each(cluster_ports).unwrap_or_default())
            }
            None => {}
        }
        ports
    }

    /// The first answer of one of the hosts.
    fn ask_each<T>(&self, ask: impl Fn(&mut Connection) -> RedisResult<T>) -> Option<T> {
        self.hosts().iter().find_map(|(host, port)| {
            let client = match self.sentinel_name() {
                Some(_) => Self::sentinel(host, *port),
                None => self.client(host, *port),
            };
            let mut connection = client.ok()?.get_connection_with_timeout(ANSWER_WITHIN).ok()?;
            connection.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
            ask(&mut connection).ok()
        })
    }
}

fn sentinel_ports(sentinel: &mut Connection, name: &str) -> RedisResult<BTreeSet<u16>> {
    let ask = |what: &str| {
        let mut question = redis::cmd("SENTINEL");
        question.arg(what).arg(name);
        question
    };
    let (_, master): (String, u16) = ask("get-master-addr-by-name").query(sentinel)?;
    let replicas: Vec<Value> = ask("REPLICAS").query(sentinel)?;
    let port = |replica: Value| {
        let fields = std::collections::HashMap::<String, String>::from_redis_value(replica).ok()?;
        fields.get("port")?.parse().ok()
    };
    Ok(std::iter::once(master).chain(replicas.into_iter().filter_map(port)).collect())
}

/// A span of slots is its first and last one, and then its servers: address, port, and more.
fn cluster_ports(member: &mut Connection) -> RedisResult<BTreeSet<u16>> {
    let spans: Vec<Vec<Value>> = Cmd::new().arg("CLUSTER").arg("SLOTS").query(member)?;
    let servers = spans.into_iter().flat_map(|span| span.into_iter().skip(2));
    let port = |server: Value| {
        let Value::Array(parts) = server else { return None };
        u16::from_redis_value(parts.into_iter().nth(1)?).ok()
    };
    Ok(servers.filter_map(port).collect())
}
