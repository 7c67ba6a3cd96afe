//! What is particular to the engine in Redis, on a real one.

mod hosts;
mod torn;

use std::sync::Arc;
use std::time::Duration;

use orion_lab::{RedisOptions, RedisServer as Server};
use proptest::prelude::*;
use tempfile::TempDir;

use super::lease::LeaseSettings;
use super::{Place, RedisBus, RedisServer, RedisSettings, Whose};
use crate::conformance::{self, any_steps, commit, id};
use crate::{Body, Bus, BusError, Commit, Partition, RecordKind, Role, SqliteBus, StateChange};

/// Every owner is this host's own.
fn own(_: &str) -> Place {
    Place { whose: Whose::Own, reads_log: false }
}

fn settings(server: &Server, prefix: &str) -> RedisSettings {
    RedisSettings {
        server: RedisServer::parse(&server.url()).unwrap(),
        prefix: prefix.to_owned(),
        lease: LeaseSettings::new(prefix, "one", [], Duration::from_secs(10)).unwrap(),
        outbox_bytes: 64 * 1024 * 1024,
        place: own,
    }
}

fn mirror(folder: &TempDir) -> Arc<SqliteBus> {
    Arc::new(SqliteBus::open(&folder.path().join("memory")).unwrap())
}

async fn opened(settings: RedisSettings, mirror: Arc<SqliteBus>) -> RedisBus {
    RedisBus::open(settings, mirror).await.unwrap()
}

async fn fresh() -> (RedisBus, (Server, TempDir)) {
    let (server, folder) = (Server::start(&RedisOptions::default()).unwrap(), TempDir::new().unwrap());
    let bus = opened(settings(&server, "orion"), mirror(&folder)).await;
    (bus, (server, folder))
}

conformance::conformance!(fresh().await);

#[test]
fn any_history_of_commits_conflicts_and_restarts_agrees_with_the_model() {
    let server = Server::start(&RedisOptions::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let case = std::cell::Cell::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(32));
    let outcome = runner.run(&any_steps(), |steps| {
        case.set(case.get() + 1);
        let (folder, settings) = (TempDir::new().unwrap(), settings(&server, &format!("case{}", case.get())));
        let mirror = mirror(&folder);
        let open = || {
            let began = std::time::Instant::now();
            tokio::task::block_in_place(|| {
                // Tasks of the bus before it end a moment after that, and write into the same file until then.
                while Arc::strong_count(&mirror) > 1 {
                    assert!(began.elapsed() < Duration::from_secs(60), "the tasks of a bus that is dropped do not end");
                    std::thread::sleep(Duration::from_millis(1));
                }
                tokio::runtime::Handle::current().block_on(opened(settings.clone(), mirror.clone()))
            })
        };
        runtime.block_on(async { conformance::behaves_like_the_model(steps, open).await });
        Ok(())
    });
    outcome.unwrap();
}

/// Steps of two owners: a producer that can wait, and a stage that reads the log.
fn places(owner: &str) -> Place {
    Place { whose: Whose::Own, reads_log: owner == "stage" }
}

fn with_places(server: &Server) -> RedisSettings {
    RedisSettings { place: places, ..settings(server, "orion") }
}

fn step(owner: &str, expected: Option<i64>, offset: i64, events: std::ops::Range<u32>) -> Commit {
    let mut commit = commit(owner, expected, offset, events);
    commit.state = vec![StateChange::Put { key: b"at".to_vec(), value: offset.to_string().into_bytes() }];
    commit
}

async fn ids(bus: &dyn Bus) -> Vec<orion_model::RecordId> {
    bus.read(0, usize::MAX).await.unwrap().iter().map(|entry| entry.id).collect()
}

/// Waits for what happens by itself.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..400 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("never: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_commits_wait_and_then_stand_in_their_order() {
    let mut server = Server::start(&RedisOptions::default().append_only(orion_lab::Fsync::Always)).unwrap();
    let folder = TempDir::new().unwrap();
    let mirror = mirror(&folder);
    let bus = opened(with_places(&server), mirror.clone()).await;
    bus.commit(step("a", None, 1, 0..2)).await.unwrap();
    bus.commit(step("stage", None, 2, 9..10)).await.unwrap();
    server.kill();
    bus.commit(step("a", Some(1), 2, 2..4)).await.unwrap();
    bus.commit(step("b", None, 7, 4..6)).await.unwrap();
    let stale = bus.commit(step("a", Some(1), 3, 6..7)).await;
    assert_eq!(stale, Err(BusError::Conflict { owner: "a".into(), expected: Some(1), found: Some(2) }));
    let stage = bus.commit(step("stage", Some(2), 3, 8..9)).await;
    assert!(matches!(stage, Err(BusError::Away { .. })), "{stage:?}");
    assert_eq!(bus.load("a").await.unwrap().offset, Some(2), "what waits is known while Redis is away");
    assert_eq!(bus.waiting(), 2);
    // The host ends and starts again before Redis does.
    bus.close().await;
    let bus = opened(with_places(&server), mirror.clone()).await;
    bus.commit(step("a", Some(2), 3, 6..7)).await.unwrap();
    server.restart().unwrap();
    until("everything is handed over", async || bus.waiting() == 0).await;
    let expected: Vec<_> = [0, 1, 9, 2, 3, 4, 5, 6].map(id).into();
    assert_eq!(ids(&bus).await, expected);
    assert_eq!(bus.load("a").await.unwrap().state, vec![(b"at".to_vec(), b"3".to_vec())]);
    until("this host's file has it all", async || ids(&*mirror).await == expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_lost_everything_gets_it_back_from_a_host() {
    let mut server = Server::start(&RedisOptions::default()).unwrap();
    let folder = TempDir::new().unwrap();
    let mirror = mirror(&folder);
    let bus = opened(with_places(&server), mirror.clone()).await;
    for at in 0..10 {
        bus.commit(step("a", (at > 0).then_some(at), at + 1, (at as u32) * 10..(at as u32) * 10 + 10)).await.unwrap();
    }
    bus.commit(step("stage", None, 40, 1000..1001)).await.unwrap();
    let before = ids(&bus).await;
    until("this host's file has it all", async || bus.core.journal().bytes() == 0).await;
    server.kill();
    server.restart().unwrap();
    // The next commit follows from what the server does not know any more.
    bus.commit(step("a", Some(10), 11, 100..101)).await.unwrap();
    until("it is handed over", async || bus.waiting() == 0).await;
    let loaded = bus.load("stage").await.unwrap();
    assert_eq!((loaded.offset, loaded.state), (Some(40), vec![(b"at".to_vec(), b"40".to_vec())]));
    let unread = bus.read(40, usize::MAX).await.unwrap();
    let unread: Vec<_> = unread.iter().map(|entry| entry.id).collect();
    assert_eq!(unread, [&before[40..], &[id(100)]].concat(), "the stage reads on where it stood");
    let expected = [before.as_slice(), &[id(100)]].concat();
    until("this host's file has everything once", async || ids(&*mirror).await == expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_promoted_without_the_last_writes_gets_them_back() {
    let primary = Server::start(&RedisOptions::default()).unwrap();
    let replica = Server::start(&RedisOptions::default().replica_of(primary.address())).unwrap();
    let folder = TempDir::new().unwrap();
    let mirror = mirror(&folder);
    let mut settings = with_places(&primary);
    // As behind a Sentinel: first the one, then the other.
    settings.server = RedisServer::parse(&format!("redis://{},{}", primary.address(), replica.address())).unwrap();
    let bus = opened(settings, mirror.clone()).await;
    bus.commit(step("a", None, 1, 0..5)).await.unwrap();
    let kept = || replica.command(&["HGETALL", "{orion}:owners"]).unwrap();
    until("the replica has the first commit", async || kept() == "@one/a\n1").await;
    // Cut off and promoted, as it happens where the primary is on the wrong side of a split.
    replica.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    bus.commit(step("a", Some(1), 2, 5..10)).await.unwrap();
    bus.commit(step("b", None, 1, 10..12)).await.unwrap();
    bus.commit(step("stage", None, 7, 50..51)).await.unwrap();
    until("this host's file has it all", async || bus.core.journal().bytes() == 0).await;
    drop(primary);
    until("what only this host commits is as it was", async || bus.load("a").await.unwrap().offset == Some(2)).await;
    assert_eq!(bus.load("a").await.unwrap().state, vec![(b"at".to_vec(), b"2".to_vec())]);
    bus.commit(step("a", Some(2), 3, 12..13)).await.unwrap();
    assert_eq!(bus.load("stage").await.unwrap().offset, None);
    let mut there = ids(&bus).await;
    assert_eq!(there.len(), 14, "{there:?}");
    there.sort_unstable();
    there.dedup();
    assert_eq!(there.len(), 14);
    until("this host's file has everything once", async || ids(&*mirror).await.len() == 14).await;
    let kinds = bus.read(0, usize::MAX).await.unwrap();
    assert!(kinds.iter().all(|entry| entry.kind == RecordKind::Event));
    assert!(kinds.windows(2).all(|pair| pair[0].seq < pair[1].seq));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_joins_late_has_every_owner_and_what_everybody_has_is_let_go_of() {
    let server = Server::start(&RedisOptions::default()).unwrap();
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let named = |name: &str| RedisSettings {
        lease: LeaseSettings::new("orion", name, [], Duration::from_secs(10)).unwrap(),
        place: |owner| Place { whose: Whose::Own, reads_log: owner == "stage" },
        ..settings(&server, "orion")
    };
    let first = opened(named("one"), mirror(&folders[0])).await;
    first.commit(step("a", None, 1, 0..3_000)).await.unwrap();
    first.commit(step("stage", None, 2_500, 9_000..9_001)).await.unwrap();
    let log = || server.command(&["HGET", "{orion}:meta", "trimmed"]).unwrap();
    until("the log is trimmed behind what the stage has read", async || log() == "1500").await;
    assert_eq!(first.read(2_500, 9_999).await.unwrap().len(), 501, "what is unread is there");
    // The owners of the first host are its own, so the second has to hold only what is shared: here nothing.
    let second = opened(named("two"), mirror(&folders[1])).await;
    assert_eq!(second.load("a").await.unwrap(), crate::Loaded::default());
    second.commit(step("a", None, 5, 4_000..4_001)).await.unwrap();
    until("both files hold it", async || {
        let last = async |bus: &RedisBus| bus.mirror().read(3_001, 9).await.unwrap().len();
        (last(&first).await, last(&second).await) == (1, 1)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_another_deployment_is_refused() {
    let (one, other) =
        (Server::start(&RedisOptions::default()).unwrap(), Server::start(&RedisOptions::default()).unwrap());
    let (folder, folder_of_other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mine = mirror(&folder);
    let bus = opened(settings(&one, "orion"), mine.clone()).await;
    bus.commit(step("a", None, 1, 0..1)).await.unwrap();
    until("its file has it", async || !mine.read(0, 1).await.unwrap().is_empty()).await;
    bus.close().await;
    let theirs = opened(settings(&other, "orion"), mirror(&folder_of_other)).await;
    theirs.commit(step("a", None, 1, 5..6)).await.unwrap();
    let strayed = opened(settings(&other, "orion"), mine.clone()).await;
    let refused = strayed.commit(step("a", Some(1), 2, 1..2)).await;
    assert!(matches!(refused, Err(BusError::OtherDeployment { .. })), "{refused:?}");
    assert_eq!(theirs.read(0, 9).await.unwrap().len(), 1);
    // Back where it belongs it goes on.
    strayed.close().await;
    let bus = opened(settings(&one, "orion"), mine).await;
    bus.commit(step("a", Some(1), 2, 1..2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_alone_brings_its_records_to_an_empty_redis() {
    let server = Server::start(&RedisOptions::default()).unwrap();
    let folder = TempDir::new().unwrap();
    let alone = mirror(&folder);
    alone.commit(step("a", None, 1, 0..4)).await.unwrap();
    alone.commit(step("stage", None, 3, 4..5)).await.unwrap();
    let bus = opened(with_places(&server), alone.clone()).await;
    assert_eq!(bus.load("a").await.unwrap(), alone.load("a").await.unwrap());
    assert_eq!(bus.read(3, 9).await.unwrap(), alone.read(3, 9).await.unwrap(), "at their positions");
    bus.commit(step("a", Some(1), 2, 5..6)).await.unwrap();
    until("it goes on in the file", async || ids(&*alone).await == (0..6).map(id).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_host_has_taken_over_is_refused_whatever_this_one_believes() {
    let server = Server::start(&RedisOptions::default()).unwrap();
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let deciding = |name: &str| RedisSettings {
        lease: LeaseSettings::new("orion", name, [Role::Brain], Duration::from_secs(300)).unwrap(),
        place: |owner| Place { whose: Whose::Holder(Partition::of(Role::Brain, owner)), reads_log: true },
        ..settings(&server, "orion")
    };
    let holds = |bus: &RedisBus| !bus.leases().held().borrow().partitions.is_empty();
    let one = opened(deciding("one"), mirror(&folders[0])).await;
    until("one holds it", async || holds(&one)).await;
    one.commit(step("a", None, 1, 0..1)).await.unwrap();
    let two = opened(deciding("two"), mirror(&folders[1])).await;
    until("two is there", async || two.leases().held().borrow().nodes.len() == 2).await;
    assert!(!holds(&two));
    assert!(matches!(two.commit(step("a", Some(1), 2, 9..10)).await, Err(BusError::Fenced { .. })));

    // As if the first one had stood still for the length of its lease, and not noticed.
    server.command(&["HSET", "{orion}:leases", "brain:00", "two/1"]).unwrap();
    let refused = one.commit(step("a", Some(1), 2, 9..10)).await;
    assert!(matches!(refused, Err(BusError::Fenced { .. })), "{refused:?}");
    until("two knows of it", async || holds(&two)).await;
    two.commit(step("a", Some(1), 2, 1..2)).await.unwrap();

    two.leases().drain().await;
    two.leases().give_up(vec![Partition::of(Role::Brain, "a")]).await;
    until("one has it back", async || holds(&one)).await;
    let from_before = one.commit(step("a", Some(1), 2, 9..10)).await;
    assert!(matches!(from_before, Err(BusError::Conflict { found: Some(2), .. })), "{from_before:?}");
    one.commit(step("a", Some(2), 3, 2..3)).await.unwrap();
    until("both have all of it", async || {
        let expected: Vec<_> = (0..3).map(id).collect();
        ids(&*one.mirror()).await == expected && ids(&*two.mirror()).await == expected
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_much_waits_as_may_and_not_a_commit_more() {
    let mut server = Server::start(&RedisOptions::default().append_only(orion_lab::Fsync::Always)).unwrap();
    let folder = TempDir::new().unwrap();
    let own = mirror(&folder);
    let limit = 20_000;
    let bus = opened(RedisSettings { outbox_bytes: limit, ..with_places(&server) }, own.clone()).await;
    bus.commit(step("a", None, 0, 0..1)).await.unwrap();
    server.kill();
    let (mut offset, mut waited) = (0, 0);
    let refused = loop {
        let first = u32::try_from(offset).unwrap() * 10 + 10;
        match bus.commit(step("a", Some(offset), offset + 1, first..first + 10)).await {
            Ok(_) => (offset, waited) = (offset + 1, waited + 10),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, BusError::OutboxFull { kept, .. } if kept <= limit), "{refused:?}");
    assert!(waited > 50, "only {waited} events waited");
    server.restart().unwrap();
    until("there is room again", async || bus.waiting() == 0).await;
    until("what waited stands", async || ids(&*own).await.len() == waited + 1).await;
    bus.commit(step("a", Some(offset), offset + 1, 9_000..9_001)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_further_back_is_read_in_order_whatever_the_sizes_of_commits() {
    let server = Server::start(&RedisOptions::default()).unwrap();
    let folder = TempDir::new().unwrap();
    let own = mirror(&folder);
    let bus = opened(settings(&server, "orion"), own.clone()).await;
    let sizes = [1, 70, 0, 3, 300, 0, 0, 1];
    let (mut first, mut expected) = (0_u32, Vec::new());
    for (offset, size) in (1..).zip(sizes) {
        // Each commit brings a record again that is known.
        let events = (first..first + size).chain(first.checked_sub(1));
        bus.commit(commit("a", (offset > 1).then(|| offset - 1), offset, events)).await.unwrap();
        expected.extend((first..first + size).map(id));
        first += size;
    }
    until("this host's file has it all", async || ids(&*own).await == expected).await;
    bus.close().await;
    // One that has just started has nothing of it in memory.
    let bus = opened(settings(&server, "orion"), own).await;
    for most in [1, 7, 64, 5_000] {
        let (mut after, mut found) = (0, Vec::new());
        loop {
            let entries = bus.read(after, most).await.unwrap();
            let Some(last) = entries.last() else { break };
            assert!(entries.len() == most || last.seq == expected.len() as u64, "less than {most} before the end");
            after = last.seq;
            found.extend(entries.iter().map(|entry| entry.id));
        }
        assert!(found == expected, "{most} at a time");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_too_large_for_one_pack_and_one_entry_is_whole_at_every_host() {
    let server = Server::start(&RedisOptions::default()).unwrap();
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let named = |name: &str| RedisSettings {
        lease: LeaseSettings::new("orion", name, [], Duration::from_secs(10)).unwrap(),
        ..settings(&server, "orion")
    };
    let (one, two) = (opened(named("one"), mirror(&folders[0])).await, opened(named("two"), mirror(&folders[1])).await);
    let mut large = commit("a", None, 1, (0..9).chain(3..5));
    for (number, record) in large.records.iter_mut().enumerate() {
        record.body = Body::parse(format!("{{\"x\":\"{}\"}}", number.to_string().repeat(1 << 20))).unwrap();
    }
    large.state = (0..5_000_u32)
        .map(|number| StateChange::Put { key: number.to_be_bytes().to_vec(), value: number.to_string().into_bytes() })
        .collect();
    let committed = one.commit(large.clone()).await.unwrap();
    assert_eq!((committed.appended, committed.duplicates), (9, 2));
    let bodies: Vec<&str> = large.records[..9].iter().map(|record| &*record.body).collect();
    for bus in [&one, &two] {
        until("it is there", async || bus.mirror().read(0, 20).await.unwrap().len() == 9).await;
        let read = [bus.read(0, 20).await.unwrap(), bus.mirror().read(0, 20).await.unwrap()];
        for entries in read {
            assert!(entries.iter().map(|entry| &*entry.body).eq(bodies.iter().copied()));
            assert!(entries.iter().map(|entry| entry.seq).eq(1..=9));
        }
    }
    assert_eq!(one.load("a").await.unwrap().state.len(), 5_000);
    until("its own file has all of the state", async || one.mirror().load("a").await.unwrap().state.len() == 5_000)
        .await;
}
