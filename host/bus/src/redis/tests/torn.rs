//! What waits for Redis and does not follow from what is known: a crash took what Redis had lost a moment before, and this host's file did
//! not hold yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use orion_lab::{Fsync, RedisOptions, RedisServer as Server};
use tempfile::TempDir;

use super::{ids, mirror, opened, step, until, with_places};
use crate::conformance::id;
use crate::redis::RedisBus;
use crate::redis::journal::OUTBOX_OWNER;
use crate::{Bus as _, Commit, SqliteBus, StateChange};

fn server() -> Server {
    Server::start(&RedisOptions::default().append_only(Fsync::Always)).unwrap()
}

/// The file of a host for which a Redis that is away has `a` at 1. What brings `a` from 1 to 2 is gone; what brings it to 3, and `b` to
/// 1, waits.
async fn torn_file(server: &mut Server, folder: &TempDir) -> Arc<SqliteBus> {
    let mirror = mirror(folder);
    let bus = opened(with_places(server), mirror.clone()).await;
    bus.commit(step("a", None, 1, 0..2)).await.unwrap();
    until("this host's file has it", async || bus.core.journal().bytes() == 0).await;
    server.kill();
    bus.commit(step("a", Some(1), 2, 2..4)).await.unwrap();
    bus.commit(step("a", Some(2), 3, 4..6)).await.unwrap();
    bus.commit(step("b", None, 1, 8..9)).await.unwrap();
    bus.close().await;
    let outbox = mirror.load(OUTBOX_OWNER).await.unwrap();
    let first = StateChange::Delete { key: outbox.state[0].0.clone() };
    let offset = outbox.offset.unwrap() + 1;
    let taken =
        Commit { owner: OUTBOX_OWNER.to_owned(), expected: outbox.offset, offset, records: vec![], state: vec![first] };
    mirror.commit(taken).await.unwrap();
    mirror
}

/// The owner does again what is gone, and goes another way.
async fn goes_on(bus: &RedisBus) {
    assert_eq!(bus.load("a").await.unwrap().offset, Some(1));
    bus.commit(step("a", Some(1), 2, 2..4)).await.unwrap();
    bus.commit(step("a", Some(2), 3, 6..7)).await.unwrap();
}

async fn has_everything_once(bus: &RedisBus) {
    let expected: BTreeSet<_> = [0, 1, 2, 3, 4, 5, 6, 8].map(id).into();
    until("what waited is there, too", async || ids(bus).await.into_iter().collect::<BTreeSet<_>>() == expected).await;
    assert_eq!(ids(bus).await.len(), expected.len(), "and nothing twice");
    assert_eq!(bus.load("b").await.unwrap().offset, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_goes_on_from_what_is_known_though_what_waits_does_not_follow_from_it() {
    let (mut server, folder) = (server(), TempDir::new().unwrap());
    let mirror = torn_file(&mut server, &folder).await;
    server.restart().unwrap();
    let bus = opened(with_places(&server), mirror).await;
    goes_on(&bus).await;
    has_everything_once(&bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_so_while_redis_is_away_as_well() {
    let (mut server, folder) = (server(), TempDir::new().unwrap());
    let mirror = torn_file(&mut server, &folder).await;
    let bus = opened(with_places(&server), mirror).await;
    goes_on(&bus).await;
    assert_eq!(bus.load("a").await.unwrap().offset, Some(3));
    server.restart().unwrap();
    has_everything_once(&bus).await;
}
