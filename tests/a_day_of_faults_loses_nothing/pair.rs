//! A Redis with a replica, and the links that lead hosts to whichever of the two is the primary.

use orion_lab::{Fsync, RedisOptions, RedisServer, TcpProxy};

use super::schedule::HOSTS;
use crate::support;

/// The two, and the links.
pub struct Pair {
    servers: [RedisServer; 2],
    primary: usize,
    /// Through which the replica follows.
    replication: TcpProxy,
    /// One for each host.
    links: Vec<TcpProxy>,
}

impl Pair {
    pub fn start() -> Self {
        let options = RedisOptions::default().append_only(Fsync::Always);
        let servers = [(); 2].map(|()| RedisServer::start(&options).unwrap());
        let replication = TcpProxy::start(servers[0].address()).unwrap();
        let links = (0..HOSTS).map(|_| TcpProxy::start(servers[0].address()).unwrap()).collect();
        let pair = Self { servers, primary: 0, replication, links };
        pair.replicate();
        pair
    }

    /// Where a host finds it.
    pub fn url(&self, host: usize) -> String {
        format!("redis://{}", self.links[host].address())
    }

    pub fn link(&self, host: usize) -> &TcpProxy {
        &self.links[host]
    }

    pub fn primary(&self) -> &RedisServer {
        &self.servers[self.primary]
    }

    pub fn primary_mut(&mut self) -> &mut RedisServer {
        &mut self.servers[self.primary]
    }

    fn replica(&self) -> &RedisServer {
        &self.servers[1 - self.primary]
    }

    /// What the primary takes from here on does not get to the replica.
    pub fn cut_replica_off(&self) {
        self.wait_for_replica();
        self.replica().command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    }

    /// The primary is gone, and the replica is one. The other comes back empty, as the replica of that.
    pub fn promote(&mut self) {
        self.primary_mut().kill();
        self.forget_files();
        self.primary = 1 - self.primary;
        for link in self.links.iter().chain([&self.replication]) {
            link.redirect(self.primary().address());
        }
        self.servers[1 - self.primary].restart().unwrap();
        self.replicate();
    }

    /// The files of the primary, which is not running, are gone.
    pub fn forget_files(&self) {
        let files = self.primary().folder().join("appendonlydir");
        std::fs::remove_dir_all(files).unwrap_or_default();
    }

    /// The primary is there again, and its replica follows it.
    pub fn restart(&mut self) {
        self.primary_mut().restart().unwrap();
    }

    fn replicate(&self) {
        let address = self.replication.address();
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        self.replica().command(&["REPLICAOF", &ip, &port]).unwrap();
    }

    fn wait_for_replica(&self) {
        let link = || self.replica().info("master_link_status").unwrap();
        support::wait_until("the replica", || link().as_deref() == Some("up"), || format!("{:?}", link()));
    }
}
