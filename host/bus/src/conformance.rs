//! What every engine of the bus must do, said once. An engine's tests call [`conformance!`](crate::conformance::conformance)
//! with how to open an empty bus, and [`behaves_like_the_model`] with how to open the same one again.

use std::collections::{BTreeMap, BTreeSet};

use orion_model::{IdBuilder, RecordId, Timestamp};
use proptest::prelude::*;

use crate::record::MAX_PIECE_BYTES;
use crate::{Body, Bus, BusError, Commit, Entry, Loaded, NewRecord, RecordKind, StateChange};

/// Makes one test of each claim below for the bus that `$open` gives, with whatever must outlive it.
macro_rules! conformance {
    ($open:expr) => {
        $crate::conformance::conformance!(
            $open;
            an_owner_that_never_committed_has_nothing,
            a_commit_changes_everything_it_says,
            a_commit_from_another_offset_changes_nothing,
            of_two_commits_from_one_offset_one_wins,
            a_known_id_is_not_appended_again,
            state_changes_apply_in_order,
            owners_do_not_share_state,
            records_come_back_as_they_went,
            records_at_positions_come_in_the_order_asked_for,
            a_commit_wakes_readers_and_is_there_for_them,
            commits_at_once_all_stay_whole,
            a_piece_may_have_its_limit_and_not_a_byte_more,
        );
    };
    ($open:expr; $($claim:ident,)*) => {
        $(
            // Engines read on threads of the runtime.
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $claim() {
                let (bus, _kept) = $open;
                $crate::conformance::$claim(&bus).await;
            }
        )*
    };
}
pub(crate) use conformance;

/// The id number `n`.
pub(crate) fn id(n: u32) -> RecordId {
    IdBuilder::new("test").number(i64::from(n)).finish()
}

/// An event with that id.
pub(crate) fn event(n: u32) -> NewRecord {
    let (kind, ts) = (RecordKind::Event, Timestamp::from_millis(i64::from(n)));
    NewRecord { kind, id: id(n), ts, body: Body::parse(format!(r#"{{"n":{n}}}"#)).unwrap() }
}

/// A commit of these events.
pub(crate) fn commit(owner: &str, expected: Option<i64>, offset: i64, events: impl IntoIterator<Item = u32>) -> Commit {
    let records = events.into_iter().map(event).collect();
    Commit { owner: owner.to_owned(), expected, offset, records, state: Vec::new() }
}

fn put(key: &str, value: &str) -> StateChange {
    StateChange::Put { key: key.into(), value: value.into() }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

pub(crate) async fn an_owner_that_never_committed_has_nothing(bus: &impl Bus) {
    assert_eq!(bus.load("nobody").await.unwrap(), Loaded::default());
    assert_eq!(bus.read(0, 10).await.unwrap(), []);
    assert_eq!(*bus.appended().borrow(), 0);
}

pub(crate) async fn a_commit_changes_everything_it_says(bus: &impl Bus) {
    let mut first = commit("a", None, -7, [1, 2]);
    first.state = vec![put("k", "v")];
    let committed = bus.commit(first).await.unwrap();
    assert_eq!((committed.positions, committed.appended, committed.duplicates), (1..3, 2, 0));
    let loaded = bus.load("a").await.unwrap();
    assert_eq!(loaded, Loaded { offset: Some(-7), state: pairs(&[("k", "v")]) });
    assert_eq!(bus.read(0, 10).await.unwrap().len(), 2);
}

pub(crate) async fn a_commit_from_another_offset_changes_nothing(bus: &impl Bus) {
    bus.commit(commit("a", None, 1, [1])).await.unwrap();
    for expected in [None, Some(0), Some(2)] {
        let mut stale = commit("a", expected, 2, [2]);
        stale.state = vec![put("k", "v")];
        let conflict = BusError::Conflict { owner: "a".into(), expected, found: Some(1) };
        assert_eq!(bus.commit(stale).await, Err(conflict));
    }
    let early = bus.commit(commit("b", Some(1), 2, [2])).await;
    assert_eq!(early, Err(BusError::Conflict { owner: "b".into(), expected: Some(1), found: None }));
    assert_eq!(bus.load("a").await.unwrap(), Loaded { offset: Some(1), state: vec![] });
    assert_eq!(bus.load("b").await.unwrap(), Loaded::default());
    assert_eq!(bus.read(0, 10).await.unwrap().len(), 1);
}

pub(crate) async fn of_two_commits_from_one_offset_one_wins(bus: &impl Bus) {
    let (one, other) = tokio::join!(bus.commit(commit("a", None, 1, [1])), bus.commit(commit("a", None, 2, [2])));
    assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1, "{one:?} {other:?}");
    assert_eq!(bus.read(0, 10).await.unwrap().len(), 1);
}

pub(crate) async fn a_known_id_is_not_appended_again(bus: &impl Bus) {
    bus.commit(commit("a", None, 1, [1, 2])).await.unwrap();
    let again = bus.commit(commit("b", None, 1, [2, 3, 3, 1, 4])).await.unwrap();
    assert_eq!((again.positions, again.appended, again.duplicates), (3..5, 2, 3));
    let nothing_new = bus.commit(commit("a", Some(1), 2, [4, 3])).await.unwrap();
    assert!(nothing_new.positions.is_empty());
    assert_eq!((nothing_new.appended, nothing_new.duplicates), (0, 2));
    let ids: Vec<_> = bus.read(0, 10).await.unwrap().iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [id(1), id(2), id(3), id(4)]);
    assert_eq!(bus.load("a").await.unwrap().offset, Some(2), "a commit of duplicates moves the offset all the same");
}

pub(crate) async fn state_changes_apply_in_order(bus: &impl Bus) {
    let mut first = commit("a", None, 1, []);
    let delete = |key: &str| StateChange::Delete { key: key.into() };
    first.state = vec![put("b", "1"), put("a", "1"), put("b", "2"), delete("a"), delete("never there"), put("", "0")];
    bus.commit(first).await.unwrap();
    assert_eq!(bus.load("a").await.unwrap().state, pairs(&[("", "0"), ("b", "2")]));
    let mut second = commit("a", Some(1), 2, []);
    second.state = vec![put("z", "lost"), StateChange::Clear, put("c", ""), put("B", "3")];
    bus.commit(second).await.unwrap();
    assert_eq!(bus.load("a").await.unwrap().state, pairs(&[("B", "3"), ("c", "")]));
}

pub(crate) async fn owners_do_not_share_state(bus: &impl Bus) {
    for owner in ["a", "A", "a "] {
        let mut mine = commit(owner, None, 1, []);
        mine.state = vec![put("k", owner)];
        bus.commit(mine).await.unwrap();
    }
    let mut clear = commit("A", Some(1), 2, []);
    clear.state = vec![StateChange::Clear];
    bus.commit(clear).await.unwrap();
    assert_eq!(bus.load("a").await.unwrap().state, pairs(&[("k", "a")]));
    assert_eq!(bus.load("A").await.unwrap().state, []);
    assert_eq!(bus.load("a ").await.unwrap().state, pairs(&[("k", "a ")]));
}

pub(crate) async fn records_come_back_as_they_went(bus: &impl Bus) {
    let mut first = commit("a", None, 1, [1, 2, 3, 4]);
    first.records[0].body = Body::parse(r#"{"text":"Größe ≥ 3 \n\u0000 🦀"}"#).unwrap();
    first.records[1].kind = RecordKind::Incident;
    first.records[1].ts = Timestamp::from_millis(i64::MIN);
    first.records[2].kind = RecordKind::Decision;
    first.records[3].body = Body::parse("{}").unwrap();
    bus.commit(first.clone()).await.unwrap();
    let all = bus.read(0, usize::MAX).await.unwrap();
    let of = |(at, record): (usize, &NewRecord)| Entry {
        seq: at as u64 + 1,
        kind: record.kind,
        id: record.id,
        ts: record.ts,
        body: record.body.clone().into(),
    };
    assert_eq!(all, first.records.iter().enumerate().map(of).collect::<Vec<_>>());
    assert_eq!(bus.read(1, 2).await.unwrap(), all[1..3]);
    assert_eq!(bus.read(4, 9).await.unwrap(), []);
    assert_eq!(bus.read(0, 0).await.unwrap(), []);
    assert_eq!(bus.read(u64::MAX, 9).await.unwrap(), []);
}

pub(crate) async fn records_at_positions_come_in_the_order_asked_for(bus: &impl Bus) {
    bus.commit(commit("a", None, 1, 1..=5)).await.unwrap();
    let found = bus.read_at(&[4, 9, 1, 0, u64::MAX, 4]).await.unwrap();
    let seqs: Vec<_> = found.iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, [4, 1, 4]);
    assert_eq!(found[1].id, id(1));
}

pub(crate) async fn a_commit_wakes_readers_and_is_there_for_them(bus: &impl Bus) {
    let mut appended = bus.appended();
    for step in 1..=20 {
        let (woken, committed) = tokio::join!(
            async {
                appended.changed().await.unwrap();
                let seq = *appended.borrow_and_update();
                (seq, bus.read(seq - 1, 9).await.unwrap())
            },
            bus.commit(commit("a", (step > 1).then_some(step - 1), step, [u32::try_from(step).unwrap()])),
        );
        let seq = committed.unwrap().positions.start;
        assert_eq!(woken.0, seq);
        assert_eq!(woken.1[0].seq, seq);
    }
}

pub(crate) async fn commits_at_once_all_stay_whole(bus: &impl Bus) {
    const OWNERS: u32 = 100;
    const EVENTS: u32 = 3;
    let owners: Vec<_> = (0..OWNERS).map(|owner| owner.to_string()).collect();
    // Every third one starts from an offset that is not there.
    let expected = |owner: u32| owner.is_multiple_of(3).then_some(5);
    let commits = (0..OWNERS).map(|owner| {
        let events = owner * EVENTS..(owner + 1) * EVENTS;
        bus.commit(commit(&owners[owner as usize], expected(owner), 1, events))
    });
    let mut good = BTreeSet::new();
    for (owner, outcome) in join_all(commits).await.into_iter().enumerate() {
        match expected(u32::try_from(owner).unwrap()) {
            None => good.extend(outcome.unwrap().positions),
            Some(_) => assert!(matches!(outcome, Err(BusError::Conflict { .. })), "{outcome:?}"),
        }
    }
    let entries = bus.read(0, usize::MAX).await.unwrap();
    assert!(good.iter().copied().eq(entries.iter().map(|entry| entry.seq)));
    for whole in entries.chunks(EVENTS as usize) {
        let first = u32::try_from(whole[0].ts.as_millis()).unwrap();
        assert!(whole.iter().map(|entry| entry.id).eq((first..first + EVENTS).map(id)), "commits do not interleave");
    }
}

async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut outputs: Vec<_> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if outputs.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

pub(crate) async fn a_piece_may_have_its_limit_and_not_a_byte_more(bus: &impl Bus) {
    let with = |bytes: usize| {
        let mut commit = commit("a", None, 1, []);
        commit.state = vec![StateChange::Put { key: b"k".to_vec(), value: vec![0; bytes] }];
        commit
    };
    let refused = bus.commit(with(MAX_PIECE_BYTES + 1)).await;
    assert!(matches!(refused, Err(BusError::Refused { .. })), "{refused:?}");
    bus.commit(with(MAX_PIECE_BYTES)).await.unwrap();
    assert_eq!(bus.load("a").await.unwrap().state[0].1.len(), MAX_PIECE_BYTES);
}

/// What the model test does to a bus.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Commit { owner: u8, stale: bool, offset: i64, events: Vec<u32>, state: Vec<StateChange> },
    Reopen,
}

/// Any sequence of steps: few owners, ids and keys, so that they meet each other.
pub(crate) fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let key = proptest::collection::vec(0..3u8, 0..3);
    let change = prop_oneof![
        6 => (key.clone(), any::<Vec<u8>>()).prop_map(|(key, value)| StateChange::Put { key, value }),
        2 => key.prop_map(|key| StateChange::Delete { key }),
        1 => Just(StateChange::Clear),
    ];
    let events = proptest::collection::vec(0..40u32, 0..5);
    let changes = proptest::collection::vec(change, 0..5);
    let commit = (0..3u8, proptest::bool::weighted(0.2), any::<i64>(), events, changes)
        .prop_map(|(owner, stale, offset, events, state)| Step::Commit { owner, stale, offset, events, state });
    proptest::collection::vec(prop_oneof![9 => commit, 1 => Just(Step::Reopen)], 1..30)
}

type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// The bus, as simple as can be.
#[derive(Default)]
struct Model {
    owners: BTreeMap<String, (i64, State)>,
    log: Vec<RecordId>,
}

impl Model {
    fn load(&self, owner: &str) -> Loaded {
        let Some((offset, state)) = self.owners.get(owner) else { return Loaded::default() };
        Loaded { offset: Some(*offset), state: state.clone().into_iter().collect() }
    }

    fn commit(&mut self, commit: Commit) -> usize {
        let before = self.log.len();
        for record in commit.records {
            if !self.log.contains(&record.id) {
                self.log.push(record.id);
            }
        }
        let (offset, state) = self.owners.entry(commit.owner).or_default();
        *offset = commit.offset;
        for change in commit.state {
            match change {
                StateChange::Put { key, value } => drop(state.insert(key, value)),
                StateChange::Delete { key } => drop(state.remove(&key)),
                StateChange::Clear => state.clear(),
            }
        }
        self.log.len() - before
    }
}

/// Runs the steps on a bus and on the model and compares them after each.
pub(crate) async fn behaves_like_the_model<B: Bus>(steps: Vec<Step>, open: impl Fn() -> B) {
    let mut model = Model::default();
    let mut bus = Some(open());
    for step in steps {
        match step {
            Step::Reopen => {
                drop(bus.take());
                bus = Some(open());
            }
            Step::Commit { owner, stale, offset, events, state } => {
                let owner = format!("owner-{owner}");
                let found = model.load(&owner).offset;
                let expected = if stale { found.map_or(Some(1), |found| found.checked_add(1)) } else { found };
                let commit = Commit { state, ..commit(&owner, expected, offset, events) };
                let records = commit.records.len();
                match bus.as_ref().unwrap().commit(commit.clone()).await {
                    Ok(committed) => {
                        assert!(!stale);
                        assert_eq!(committed.appended, model.commit(commit));
                        assert_eq!(committed.appended + committed.duplicates, records);
                        assert_eq!(committed.positions.end, model.log.len() as u64 + 1);
                    }
                    Err(error) => {
                        assert!(stale);
                        assert_eq!(error, BusError::Conflict { owner, expected, found });
                    }
                }
            }
        }
        agree(bus.as_ref().unwrap(), &model).await;
    }
}

async fn agree(bus: &impl Bus, model: &Model) {
    for owner in 0..3 {
        let owner = format!("owner-{owner}");
        assert_eq!(bus.load(&owner).await.unwrap(), model.load(&owner));
    }
    let log = bus.read(0, usize::MAX).await.unwrap();
    assert!(log.iter().map(|entry| entry.id).eq(model.log.iter().copied()));
    assert!(log.iter().map(|entry| entry.seq).eq(1..=model.log.len() as u64));
    assert_eq!(*bus.appended().borrow(), model.log.len() as u64);
}
