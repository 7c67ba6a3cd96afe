//! Hosts on a real Redis: they share, join, leave, crash, stand still and come back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orion_lab::{Link, RedisCluster, RedisOptions, RedisServer, TcpProxy};
use tokio::sync::watch;

use super::{Held, LeaseSettings, Leases, MIN_LEASE_SECONDS, Partitions};
use crate::partition::{Partition, Role};
use crate::redis::link::Link as Connection;

/// Far longer than anything here takes on a busy machine.
const WITHIN: Duration = Duration::from_secs(60);

/// What must not end does not while a test waits.
const LONG: Duration = Duration::from_secs(300);

/// What is meant to end does soon.
const SHORT: Duration = Duration::from_secs(MIN_LEASE_SECONDS);

fn redis() -> RedisServer {
    RedisServer::start(&RedisOptions::default()).unwrap()
}

async fn join_at(url: &str, name: &str, lease: Duration) -> Leases {
    let link = Connection::new(crate::RedisServer::parse(url).unwrap(), Some(WITHIN));
    Leases::join(link, LeaseSettings::new("orion", name, Role::ALL, lease).unwrap())
}

async fn join(server: &RedisServer, name: &str, lease: Duration) -> Leases {
    join_at(&server.url(), name, lease).await
}

/// Waits until what is held is as it should be.
async fn until(held: &mut watch::Receiver<Held>, is_so: impl Fn(&Held) -> bool) -> Held {
    let found = tokio::time::timeout(WITHIN, held.wait_for(|held| is_so(held))).await.map(|held| held.unwrap().clone());
    found.unwrap_or_else(|_| panic!("still not so: {:?}", *held.borrow()))
}

fn count(held: &Held, role: Role) -> usize {
    held.partitions.keys().filter(|partition| partition.role() == role).count()
}

fn has_everything(held: &Held) -> bool {
    held.partitions.len() == Role::ALL.into_iter().flat_map(Partition::all).count()
}

/// Whoever is told to gives up at once, as a host does that has nothing to finish.
async fn give_up_whatever_is_surplus(leases: &Leases) {
    let surplus = leases.held().borrow().surplus.clone();
    if !surplus.is_empty() {
        leases.give_up(surplus).await;
    }
}

/// The server's leases.
fn tokens(server: &RedisServer) -> BTreeMap<String, String> {
    let all = server.command(&["HGETALL", "{orion}:leases"]).unwrap();
    let lines: Vec<_> = all.lines().collect();
    lines.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
}

fn as_text(partitions: &Partitions) -> BTreeMap<String, String> {
    partitions.iter().map(|(partition, token)| (partition.to_string(), token.as_str().to_owned())).collect()
}

/// Lets hosts hand over until all is shared evenly, each knows what it has, and that is what the server says.
async fn settle(server: &RedisServer, hosts: &[Leases]) -> Vec<Held> {
    let settled = async {
        loop {
            for host in hosts {
                give_up_whatever_is_surplus(host).await;
            }
            let all: Vec<Held> = hosts.iter().map(|host| host.held().borrow().clone()).collect();
            let told: BTreeMap<_, _> = all.iter().flat_map(|held| as_text(&held.partitions)).collect();
            let is_complete = told.len() == Role::ALL.into_iter().flat_map(Partition::all).count();
            let is_shared = |held: &Held| {
                held.surplus.is_empty() && held.nodes.len() == hosts.len() && held.free_watcher_slots == 0
            };
            if is_complete && told == tokens(server) && all.iter().all(is_shared) {
                return all;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WITHIN, settled).await.expect("the hosts do not settle")
}

#[tokio::test]
async fn hosts_share_all_work_and_no_share_is_two_larger_than_another() {
    let server = redis();
    let mut hosts = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f", "g"] {
        hosts.push(join(&server, name, LONG).await);
        let all = settle(&server, &hosts).await;
        for role in Role::ALL {
            let counts: BTreeSet<_> = all.iter().map(|held| count(held, role)).collect();
            assert!(
                counts.last().unwrap() - counts.first().unwrap() <= 1,
                "{role}: {counts:?} of {} hosts",
                hosts.len()
            );
        }
        assert!(all.iter().all(|held| held.trouble.is_none()));
    }
}

#[tokio::test]
async fn a_host_that_joins_gets_what_is_above_the_others_shares_and_nothing_else_moves() {
    let server = redis();
    let a = join(&server, "a", LONG).await;
    let before = settle(&server, std::slice::from_ref(&a)).await;
    let b = join(&server, "b", LONG).await;
    let after = settle(&server, &[a, b]).await;
    assert_eq!([count(&after[0], Role::Watcher), count(&after[1], Role::Watcher)], [32, 32]);
    assert_eq!([count(&after[0], Role::Brain), count(&after[1], Role::Brain)], [1, 0]);
    assert!(after[0].partitions.iter().all(|kept| before[0].partitions.get(kept.0) == Some(kept.1)));
    let moved = |(partition, token): (&Partition, _)| before[0].partitions[partition] < token;
    assert!(after[1].partitions.clone().iter().all(|(partition, token)| moved((partition, token.clone()))));
}

#[tokio::test]
async fn what_is_above_a_share_stays_where_it_is_until_it_is_given_up() {
    let server = redis();
    let a = join(&server, "a", LONG).await;
    until(&mut a.held(), has_everything).await;
    let b = join(&server, "b", LONG).await;
    let crowded = until(&mut a.held(), |held| held.surplus.len() == 64).await;
    assert!(has_everything(&crowded));
    assert!(b.held().borrow().partitions.is_empty());
    let one = crowded.surplus[0];
    a.give_up(vec![one]).await;
    let got = until(&mut b.held(), |held| held.partitions.len() == 1).await;
    assert!(got.partitions.contains_key(&one));
    assert!(!a.held().borrow().partitions.contains_key(&one));
}

#[tokio::test]
async fn a_host_that_leaves_hands_everything_over_and_is_forgotten() {
    let server = redis();
    let (a, b) = (join(&server, "a", LONG).await, join(&server, "b", LONG).await);
    let hosts = [a, b];
    settle(&server, &hosts).await;
    let [a, b] = hosts;
    a.drain().await;
    until(&mut a.held(), |held| held.surplus.len() == held.partitions.len()).await;
    give_up_whatever_is_surplus(&a).await;
    let alone = until(&mut b.held(), has_everything).await;
    assert!(alone.nodes.iter().any(|node| node.name == "a" && node.roles.is_empty() && node.is_live));
    a.leave().await;
    until(&mut b.held(), |held| held.nodes.len() == 1).await;
}

#[tokio::test]
async fn one_that_leaves_without_handing_over_gives_everything_back_at_once() {
    let server = redis();
    let a = join(&server, "a", LONG).await;
    until(&mut a.held(), has_everything).await;
    a.leave().await;
    assert_eq!(tokens(&server), BTreeMap::new());
    let b = join(&server, "b", LONG).await;
    until(&mut b.held(), has_everything).await;
}

#[tokio::test]
async fn the_work_of_a_host_that_crashed_is_taken_over_when_its_lease_ends() {
    let server = redis();
    let a = join(&server, "a", SHORT).await;
    let old = until(&mut a.held(), has_everything).await.partitions;
    let b = join(&server, "b", SHORT).await;
    until(&mut b.held(), |held| held.nodes.len() == 2).await;
    drop(a);
    let new = until(&mut b.held(), has_everything).await;
    assert!(new.partitions.iter().all(|(partition, token)| *token != old[partition]));
    assert!(new.nodes.iter().any(|node| node.name == "a" && !node.is_live), "the dead are listed");
}

#[tokio::test]
async fn a_host_that_is_cut_off_doubts_its_leases_and_finds_them_gone() {
    let server = redis();
    let mut proxy = TcpProxy::start(server.address()).unwrap();
    let a = join_at(&format!("redis://{}", proxy.address()), "a", SHORT).await;
    let old = until(&mut a.held(), has_everything).await.partitions;
    let b = join(&server, "b", SHORT).await;
    proxy.refuse();
    let doubting = until(&mut a.held(), |held| held.in_doubt).await;
    assert_eq!(doubting.partitions, old, "what is in doubt is held on to");
    assert!(doubting.trouble.is_some());
    let new = until(&mut b.held(), has_everything).await;
    assert!(
        as_text(&new.partitions) == tokens(&server) && new.partitions != old,
        "the zombie's tokens are good for nothing"
    );
    proxy.accept().unwrap();
    let back = until(&mut a.held(), |held| !held.in_doubt).await;
    assert!(back.partitions.is_empty() && back.trouble.is_none());
}

#[tokio::test]
async fn a_server_that_hangs_is_doubted_in_time_and_nothing_is_lost_when_it_goes_on() {
    let server = redis();
    let a = join(&server, "a", SHORT).await;
    let before = until(&mut a.held(), has_everything).await;
    server.pause().unwrap();
    until(&mut a.held(), |held| held.in_doubt).await;
    server.resume().unwrap();
    let after = until(&mut a.held(), |held| !held.in_doubt).await;
    assert_eq!(after.partitions, before.partitions, "nobody took anything");
}

#[tokio::test]
async fn a_slow_link_is_no_reason_for_doubt() {
    let server = redis();
    let proxy = TcpProxy::start(server.address()).unwrap();
    proxy.set(Link { delay: Duration::from_millis(100), ..Link::default() });
    let a = join_at(&format!("redis://{}", proxy.address()), "a", LONG).await;
    let mut held = a.held();
    let first = until(&mut held, has_everything).await;
    for _ in 0..5 {
        held.changed().await.unwrap();
        assert!(!held.borrow().in_doubt);
    }
    assert_eq!(held.borrow().partitions, first.partitions);
}

#[tokio::test]
async fn a_restarted_host_has_its_work_back_at_once_and_its_earlier_process_has_none() {
    let server = redis();
    let old = join(&server, "a", LONG).await;
    let before = until(&mut old.held(), has_everything).await;
    let new = join(&server, "a", LONG).await;
    let after = until(&mut new.held(), has_everything).await;
    assert!(after.partitions.iter().all(|(partition, token)| before.partitions[partition] < *token));
    let replaced = until(&mut old.held(), |held| held.is_replaced).await;
    assert!(replaced.partitions.is_empty() && replaced.in_doubt);
    old.leave().await;
    assert_eq!(tokens(&server), as_text(&after.partitions), "a zombie's farewell is not its successor's");
    new.leave().await;
}

#[tokio::test]
async fn an_earlier_process_goes_on_when_its_successor_is_gone() {
    let server = redis();
    let old = join(&server, "a", SHORT).await;
    until(&mut old.held(), has_everything).await;
    let new = join(&server, "a", SHORT).await;
    until(&mut old.held(), |held| held.is_replaced).await;
    drop(new);
    until(&mut old.held(), has_everything).await;
}

#[tokio::test]
async fn what_a_host_says_of_itself_the_others_hear() {
    let server = redis();
    let (a, b) = (join(&server, "a", LONG).await, join(&server, "b", LONG).await);
    // Told of other work than what is held, it is not told on.
    a.describe(u64::MAX, "nothing of now".into(), String::new());
    let hosts = [a, b];
    let settled = settle(&server, &hosts).await;
    let [a, b] = hosts;
    a.describe(settled[0].version, "2026-11-28T12:00:00Z".into(), r#"{"version":"0.1.0"}"#.into());
    let heard = until(&mut b.held(), |held| held.nodes.iter().any(|node| !node.watermark.is_empty())).await;
    let node = &heard.nodes[0];
    assert_eq!((node.name.as_str(), node.watermark.as_str()), ("a", "2026-11-28T12:00:00Z"));
    assert_eq!((node.info.as_str(), node.roles.len(), node.is_live), (r#"{"version":"0.1.0"}"#, 3, true));
    assert!(heard.server_time.unwrap().millis >= node.seen_millis && node.seen_millis > 0);
}

#[tokio::test]
async fn a_full_server_still_knows_who_does_what() {
    let server = RedisServer::start(&RedisOptions::default().max_memory_bytes(1)).unwrap();
    assert!(server.command(&["SET", "k", "v"]).is_err());
    let a = join(&server, "a", LONG).await;
    until(&mut a.held(), has_everything).await;
    a.leave().await;
    assert_eq!(tokens(&server), BTreeMap::new());
}

#[tokio::test]
async fn a_server_that_forgot_everything_is_told_again_and_no_token_comes_twice() {
    let mut server = redis();
    let a = join(&server, "a", LONG).await;
    let mut before = until(&mut a.held(), has_everything).await.partitions;
    for is_restarted in [false, true] {
        if is_restarted {
            server.kill();
            server.restart().unwrap();
        } else {
            server.command(&["FLUSHALL"]).unwrap();
        }
        let after = until(&mut a.held(), |held| has_everything(held) && held.partitions != before).await.partitions;
        assert!(after.iter().all(|(partition, token)| before[partition] < *token));
        before = after;
    }
}

#[tokio::test]
async fn what_another_program_wrote_into_the_keys_keeps_nobody_from_working() {
    let server = redis();
    for (key, field, value) in [
        ("leases", "watcher:00", "nobody/1"),
        ("leases", "watcher:01", "x"),
        ("leases", "x", "a/1"),
        ("nodes", "b", "x"),
        ("nodes", "c", "{}"),
        ("nodes", "d", "7"),
        ("nodes", "a", r#"{"ends":"soon","incarnation":[],"roles":7}"#),
    ] {
        server.command(&["HSET", &format!("{{orion}}:{key}"), field, value]).unwrap();
    }
    server.command(&["SET", "{orion}:epoch", "x"]).unwrap();
    let a = join(&server, "a", LONG).await;
    let held = until(&mut a.held(), has_everything).await;
    assert_eq!((held.nodes.len(), tokens(&server)), (1, as_text(&held.partitions)));
}

#[tokio::test]
async fn a_host_finds_the_keys_whichever_member_of_a_cluster_it_asks_first() {
    let cluster = RedisCluster::start(3, &RedisOptions::default()).unwrap();
    let mut served = 0;
    for member in cluster.members() {
        let a = join(member, "a", LONG).await;
        until(&mut a.held(), has_everything).await;
        served += 1;
        a.leave().await;
    }
    assert_eq!(served, 3);
}
