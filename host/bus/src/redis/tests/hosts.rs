//! Hosts that say something at the same time.

use std::time::Duration;

use orion_lab::{Fsync, RedisOptions, RedisServer as Server};
use tempfile::TempDir;

use super::{ids, mirror, opened, settings, step, until};
use crate::conformance::id;
use crate::redis::lease::LeaseSettings;
use crate::redis::{Place, RedisBus, RedisSettings, Whose};
use crate::{Bus as _, BusError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_of_all_hosts_is_said_by_the_first_and_known_to_the_others() {
    let mut server = Server::start(&RedisOptions::default().append_only(Fsync::Always)).unwrap();
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let of_all = |name: &str| RedisSettings {
        lease: LeaseSettings::new("orion", name, [], Duration::from_secs(10)).unwrap(),
        place: |_| Place { whose: Whose::All, reads_log: false },
        ..settings(&server, "orion")
    };
    let (one, two) =
        (opened(of_all("one"), mirror(&folders[0])).await, opened(of_all("two"), mirror(&folders[1])).await);
    one.commit(step("a", None, 1, 0..1)).await.unwrap();
    let second = two.commit(step("a", None, 1, 9..10)).await;
    assert!(matches!(second, Err(BusError::Conflict { found: Some(1), .. })), "{second:?}");
    assert_eq!(two.load("a").await.unwrap(), one.load("a").await.unwrap());
    two.commit(step("a", Some(1), 2, 1..2)).await.unwrap();
    until("every file knows it", async || {
        let of = async |bus: &RedisBus| bus.mirror().load("a").await.unwrap().offset;
        (of(&one).await, of(&two).await) == (Some(2), Some(2))
    })
    .await;
    // Out of its reach each says what it sees, and nothing of that is lost.
    server.kill();
    one.commit(step("a", Some(2), 3, 2..3)).await.unwrap();
    two.commit(step("a", Some(2), 3, 3..4)).await.unwrap();
    server.restart().unwrap();
    until("everything is handed over", async || one.waiting() + two.waiting() == 0).await;
    let mut said = ids(&one).await;
    said.sort_unstable();
    let mut expected: Vec<_> = (0..4).map(id).collect();
    expected.sort_unstable();
    assert_eq!(said, expected);
    assert_eq!(one.load("a").await.unwrap(), two.load("a").await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_find_an_empty_redis_at_once_found_one_deployment() {
    let server = Server::start(&RedisOptions::default()).unwrap();
    for round in 0..12 {
        let prefix = format!("round{round}");
        let folders = [TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap()];
        let join = |at: usize| {
            let lease = LeaseSettings::new(&prefix, &format!("host{at}"), [], Duration::from_secs(10)).unwrap();
            opened(RedisSettings { lease, ..settings(&server, &prefix) }, mirror(&folders[at]))
        };
        let buses = tokio::join!(join(0), join(1), join(2));
        let buses = [buses.0, buses.1, buses.2];
        let commit = |at: u32| buses[at as usize].commit(step("a", None, 1, at..at + 1));
        let (one, two, three) = tokio::join!(commit(0), commit(1), commit(2));
        assert!(one.is_ok() && two.is_ok() && three.is_ok(), "{one:?} {two:?} {three:?}");
        until("everybody has everything", async || {
            let mut all = true;
            for bus in &buses {
                all &= ids(&*bus.mirror()).await.len() == 3;
            }
            all
        })
        .await;
    }
}
