//! Over TLS, behind Sentinels that promote a replica, and on a Cluster whose masters share the keys, hosts do what they do on one plain
//! Redis.

use std::time::Duration;

use orion_lab::{
    Certificates, Exporter, Fsync, Prometheus, RedisCluster, RedisOptions, RedisSentinels, RedisServer, ScrapeConfig,
};

use crate::support::{self, Deployment, Running, TARGETS};

/// A service, Prometheus, and two hosts that watch it.
struct Scene {
    service: Exporter,
    _prometheus: Prometheus,
    hosts: [Deployment; 2],
    outages: usize,
}

impl Scene {
    fn new(url: &str, settings: &[(&'static str, &str)]) -> Self {
        let service = Exporter::start("jellyfin").unwrap();
        let targets = ScrapeConfig::every(Duration::from_secs(1)).target("jellyfin", service.address());
        let prometheus = Prometheus::start(&targets).unwrap();
        prometheus.wait_for("up", "\"1\"", support::PATIENCE).unwrap();
        let host = |name: &str| {
            let host = Deployment::new(&prometheus.url()).with("REDIS_URL", url);
            let host = host.with("ORION_NODE_NAME", name).with("ORION_LEASE", "3s");
            let host = settings.iter().fold(host, |host, (name, value)| host.with(name, value));
            host.rule("targets.yaml", TARGETS);
            host
        };
        let hosts = [host("one"), host("two")];
        Self { service, _prometheus: prometheus, hosts, outages: 0 }
    }

    fn start(&self) -> [Running; 2] {
        self.hosts.each_ref().map(Deployment::start)
    }

    /// The service goes down and comes back; it is said on every host.
    fn outage(&mut self) {
        self.outages += 1;
        self.service.stop();
        self.wait_for("the decision", |host| host.decisions().len());
        self.service.restart().unwrap();
        self.wait_for("the end of the incident", |host| host.incidents_of("service_outage", "resolved").len());
    }

    fn wait_for(&self, what: &str, count: impl Fn(&Deployment) -> usize) {
        for host in &self.hosts {
            host.wait_until(what, |it| count(it) >= self.outages);
        }
    }

    fn end(self, running: [Running; 2]) {
        for host in running {
            assert!(host.terminate().success());
        }
        for host in &self.hosts {
            assert_eq!(host.events_of("service_down", "firing").len(), self.outages);
            assert_eq!(host.events_of("service_down", "resolved").len(), self.outages);
            assert_eq!(host.incidents_of("service_outage", "opened").len(), self.outages);
            host.check_promises();
        }
    }
}

#[test]
fn over_tls_it_is_reached_with_its_authority_and_with_no_other() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [certificates, others] = folders.each_ref().map(|folder| Certificates::make(folder.path()).unwrap());
    let redis = RedisServer::start(&RedisOptions::default().tls(&certificates)).unwrap();
    let authority = certificates.authority();
    let mut scene = Scene::new(&redis.tls_url(), &[("ORION_REDIS__CA_FILE", authority.to_str().unwrap())]);
    let running = scene.start();
    scene.outage();
    scene.end(running);

    redis.command(&["FLUSHALL"]).unwrap();
    let stranger = others.authority();
    let deceived = Scene::new(&redis.tls_url(), &[("ORION_REDIS__CA_FILE", stranger.to_str().unwrap())]);
    let running = deceived.start();
    let said = |host: &Deployment| host.log().contains("certificate");
    for host in &deceived.hosts {
        host.wait_until("what is wrong", said);
    }
    assert_eq!(redis.command(&["DBSIZE"]).unwrap(), "0", "nothing was said to a server that nobody vouches for");
    drop(running);
}

#[test]
fn behind_sentinels_hosts_follow_the_master_to_the_replica_that_takes_its_place() {
    let options = RedisOptions::default().append_only(Fsync::Always);
    let mut master = RedisServer::start(&options).unwrap();
    let _replica = RedisServer::start(&options.clone().replica_of(master.address())).unwrap();
    let sentinels = RedisSentinels::start(3, &master).unwrap();
    support::wait_until("the Sentinels", || sentinels.are_ready(1), String::new);
    let mut scene = Scene::new(&sentinels.url(), &[]);
    let running = scene.start();
    scene.outage();
    master.kill();
    // It begins while there is no master.
    scene.outage();
    scene.end(running);
}

#[test]
fn on_a_cluster_everything_works_though_its_masters_share_the_keys() {
    let cluster = RedisCluster::start(3, &RedisOptions::default().append_only(Fsync::Always)).unwrap();
    let addresses: Vec<_> = cluster.members().iter().map(|member| member.address().to_string()).collect();
    let mut scene = Scene::new(&format!("redis://{}", addresses.join(",")), &[]);
    let running = scene.start();
    scene.outage();
    let ask = |words: &[&str]| cluster.members().iter().find_map(|member| member.command(words).ok());
    // Written by another program, wherever that key is.
    let foreign =
        ["XADD", "event", "*", "event_type", "service_down", "severity", "error", "data", r#"{"service":"cadvisor"}"#];
    ask(&foreign).unwrap();
    scene.outages += 1;
    scene.wait_for("its decision", |host| host.decisions().len());
    for stream in ["incident", "decision"] {
        let length = || ask(&["XLEN", stream]).and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
        support::wait_until("the plain streams", || length() >= scene.outages, || format!("{stream}: {}", length()));
    }
    scene.outages -= 1;
    for host in running {
        assert!(host.terminate().success());
    }
    for host in &scene.hosts {
        assert_eq!(host.incidents_of("service_outage", "opened").len(), 2);
        host.check_promises();
    }
}

#[test]
fn a_member_of_a_cluster_may_die_and_come_back() {
    let mut cluster = RedisCluster::start(3, &RedisOptions::default().append_only(Fsync::Always)).unwrap();
    let addresses: Vec<_> = cluster.members().iter().map(|member| member.address().to_string()).collect();
    // One of them is enough to find the others.
    let mut scene = Scene::new(&format!("redis://{},{}", addresses[0], addresses[1]), &[]);
    let running = scene.start();
    scene.outage();
    let holds = |member: &RedisServer| member.command(&["HLEN", "{orion}:meta"]).is_ok();
    let at = cluster.members().iter().position(holds).unwrap();
    cluster.member_mut(at).unwrap().kill();
    scene.service.stop();
    std::thread::sleep(Duration::from_secs(4));
    cluster.member_mut(at).unwrap().restart().unwrap();
    scene.outage();
    scene.end(running);
}
