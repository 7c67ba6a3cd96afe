//! The store beside a model as simple as can be: whatever is committed together, replicated, forgotten, disowned, turned away by a full
//! disk, closed or killed, both say the same.

use std::collections::BTreeMap;
use std::path::Path;

use orion_model::{RecordId, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use super::ids::Sweeping;
use super::tests::{crashed, group_of, writer};
use super::writer::{Work, Writer};
use super::{DATABASE_FILE, SqliteBus, check_whole};
use crate::conformance::{commit, id};
use crate::{BusError, Commit, Committed, Entry, HOLES_OWNER, Loaded, RecordKind, Replicated, StateChange};

/// Owners, ids and keys are few, so that they meet each other.
const OWNERS: u8 = 3;
const IDS: u32 = 60;

#[derive(Clone, Debug)]
enum Piece {
    Commit { owner: u8, is_stale: bool, events: Vec<u32>, state: Vec<StateChange> },
    Forget { owner: u8, upto: u64 },
    Replicate { owner: Option<u8>, is_last: bool, skips: u64, events: Vec<u32>, state: Vec<StateChange> },
    Disown { owner: u8 },
}

#[derive(Clone, Debug)]
enum Step {
    Group(Vec<Piece>),
    /// The same on a disk that has no room for all of it.
    Full(Vec<Piece>),
    Close,
    Kill,
}

fn any_state() -> impl Strategy<Value = Vec<StateChange>> {
    let key = || vec(0..4u8, 0..3);
    let change = prop_oneof![
        6 => (key(), any::<Vec<u8>>()).prop_map(|(key, value)| StateChange::Put { key, value }),
        3 => key().prop_map(|key| StateChange::Delete { key }),
        1 => Just(StateChange::Clear),
    ];
    vec(change, 0..6)
}

fn any_piece() -> impl Strategy<Value = Piece> {
    let events = || vec(0..IDS, 0..8);
    let commit = (0..OWNERS, proptest::bool::weighted(0.1), events(), any_state())
        .prop_map(|(owner, is_stale, events, state)| Piece::Commit { owner, is_stale, events, state });
    let replicate = (proptest::option::of(0..OWNERS), any::<bool>(), 0..3u64, events(), any_state())
        .prop_map(|(owner, is_last, skips, events, state)| Piece::Replicate { owner, is_last, skips, events, state });
    prop_oneof![
        8 => commit,
        1 => (0..OWNERS, 0..80u64).prop_map(|(owner, upto)| Piece::Forget { owner, upto }),
        3 => replicate,
        1 => (0..OWNERS).prop_map(|owner| Piece::Disown { owner }),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => vec(any_piece(), 1..4).prop_map(Step::Group),
        2 => vec(any_piece(), 1..4).prop_map(Step::Full),
        1 => Just(Step::Close),
        1 => Just(Step::Kill),
    ]
}

type Owners = BTreeMap<String, (i64, BTreeMap<Vec<u8>, Vec<u8>>)>;

#[derive(Clone, Default)]
struct Model {
    log: BTreeMap<u64, RecordId>,
    last: u64,
    forgotten: u64,
    owners: Owners,
}

fn name(owner: u8) -> String {
    format!("owner-{owner}")
}

impl Model {
    fn offset(&self, owner: &str) -> Option<i64> {
        self.owners.get(owner).map(|(offset, _)| *offset)
    }

    fn load(&self, owner: &str) -> Loaded {
        let Some((offset, state)) = self.owners.get(owner) else { return Loaded::default() };
        Loaded { offset: Some(*offset), state: state.clone().into_iter().collect() }
    }

    /// What a piece is as work of the writer, given what came before it.
    fn work(&self, piece: Piece) -> Work {
        match piece {
            Piece::Commit { owner, is_stale, events, state } => {
                let found = self.offset(&name(owner));
                let expected = if is_stale { Some(found.unwrap_or(0) + 7) } else { found };
                Work::Commit(Commit { state, ..commit(&name(owner), expected, found.unwrap_or(0) + 1, events) })
            }
            Piece::Forget { owner, upto } => {
                let found = self.offset(&name(owner));
                Work::Forget(commit(&name(owner), found, found.unwrap_or(0) + 1, []), upto)
            }
            Piece::Replicate { owner, is_last, skips, events, state } => {
                let entry = |(at, n)| Entry {
                    seq: self.last + skips + at,
                    kind: RecordKind::Event,
                    id: id(n),
                    ts: Timestamp::from_millis(i64::from(n)),
                    body: "{}".into(),
                };
                let records = (1..).zip(events).map(entry).collect();
                let offset = is_last.then_some(i64::from(u16::MAX));
                Work::Replicate(vec![Replicated { owner: owner.map(name), offset, records, state }])
            }
            Piece::Disown { owner } => Work::Disown(vec![name(owner)]),
        }
    }

    /// Does it; how many records are new.
    fn apply(&mut self, work: &Work) -> Result<usize, ()> {
        match work {
            Work::Commit(commit) => self.commit(commit),
            Work::Forget(commit, upto) => {
                let appended = self.commit(commit)?;
                self.forgotten = self.forgotten.max(*upto.min(&self.last));
                self.log.retain(|seq, _| seq > upto);
                Ok(appended)
            }
            Work::Replicate(commits) => Ok(commits.iter().map(|commit| self.replicate(commit)).sum()),
            Work::Disown(owners) => {
                self.owners.retain(|owner, _| !owners.contains(owner));
                Ok(0)
            }
        }
    }

    fn commit(&mut self, commit: &Commit) -> Result<usize, ()> {
        if self.offset(&commit.owner) != commit.expected {
            return Err(());
        }
        let new = commit.records.iter().filter(|record| self.append(record.id, 0)).count();
        self.owners.entry(commit.owner.clone()).or_default().0 = commit.offset;
        self.change(&commit.owner, &commit.state);
        Ok(new)
    }

    fn replicate(&mut self, commit: &Replicated) -> usize {
        let mut new = 0;
        for entry in &commit.records {
            let next = self.last + 1;
            if !self.append(entry.id, entry.seq) {
                continue;
            }
            new += 1;
            if self.last > next {
                let hole = [next, self.last - 1].map(|position| position.to_be_bytes().to_vec());
                let holes = self.owners.entry(HOLES_OWNER.to_owned());
                let holes = holes.or_insert_with(|| (i64::try_from(self.last - 1).unwrap(), BTreeMap::new()));
                let [key, value] = hole;
                holes.1.insert(key, value);
            }
        }
        let Some(owner) = &commit.owner else { return new };
        if let Some(offset) = commit.offset {
            self.owners.entry(owner.clone()).or_default().0 = offset;
        }
        self.change(owner, &commit.state);
        new
    }

    fn append(&mut self, id: RecordId, at_least: u64) -> bool {
        if self.log.values().any(|known| *known == id) {
            return false;
        }
        self.last = at_least.max(self.last + 1);
        self.log.insert(self.last, id);
        true
    }

    fn change(&mut self, owner: &str, changes: &[StateChange]) {
        let Some((_, state)) = self.owners.get_mut(owner) else { return };
        for change in changes.iter().cloned() {
            match change {
                StateChange::Put { key, value } => drop(state.insert(key, value)),
                StateChange::Delete { key } => drop(state.remove(&key)),
                StateChange::Clear => state.clear(),
            }
        }
    }
}

/// The works of a group, each as if those before it took place.
fn works(model: &Model, pieces: Vec<Piece>) -> Vec<Work> {
    let mut model = model.clone();
    let work = |piece| {
        let work = model.work(piece);
        let _ = model.apply(&work);
        work
    };
    pieces.into_iter().map(work).collect()
}

/// What finds no room.
fn too_large(model: &Model) -> Work {
    let found = model.offset("large");
    let state = vec![StateChange::Put { key: b"large".to_vec(), value: vec![7; 400_000] }];
    Work::Commit(Commit { state, ..commit("large", found, 1, []) })
}

fn run(writer: &mut Writer, model: &mut Model, works: Vec<Work>) {
    let described: Vec<String> = works.iter().map(|work| format!("{work:?}")).collect();
    let (works, outcomes) = group_of(writer, works);
    for ((work, described), outcome) in works.iter().zip(described).zip(outcomes) {
        match outcome {
            Ok(Committed { appended, positions, .. }) => {
                assert_eq!(model.apply(work), Ok(appended), "{described}");
                assert_eq!(positions.end, model.last + 1, "{described}");
            }
            Err(BusError::Conflict { .. }) => assert_eq!(model.apply(work), Err(()), "{described}"),
            Err(BusError::StoreFull { .. }) => {}
            Err(error) => panic!("{error}: {described}"),
        }
    }
}

fn agree(folder: &Path, model: &Model) {
    let mut reader = SqliteBus::open_read_only(folder).unwrap();
    for owner in (0..OWNERS).map(name).chain([HOLES_OWNER.to_owned(), "large".to_owned()]) {
        assert_eq!(reader.load(&owner).unwrap(), model.load(&owner), "{owner}");
    }
    let log = reader.read(0, usize::MAX).unwrap();
    assert!(log.iter().map(|entry| (entry.seq, entry.id)).eq(model.log.iter().map(|(seq, id)| (*seq, *id))));
    assert_eq!((reader.last_seq().unwrap(), reader.forgotten().unwrap()), (model.last, model.forgotten));
}

/// Runs the steps on the store and on the model and compares them after each.
fn behaves_like_the_model(steps: Vec<Step>) {
    let mut folder = TempDir::new().unwrap();
    let (mut store, mut model) = (writer(folder.path()), Model::default());
    for step in steps {
        match step {
            Step::Group(pieces) => {
                let works = works(&model, pieces);
                run(&mut store, &mut model, works);
            }
            Step::Full(pieces) => {
                let mut works = works(&model, pieces);
                works.push(too_large(&model));
                // As many pages as there are: SQLite does not go below.
                store.limit_pages(1);
                run(&mut store, &mut model, works);
                store.limit_pages(i64::from(u32::MAX - 1));
            }
            Step::Close => {
                store.close().unwrap();
                store = writer(folder.path());
            }
            Step::Kill => {
                let left = crashed(folder.path());
                drop(store);
                folder = left;
                store = writer(folder.path());
            }
        }
        agree(folder.path(), &model);
    }
    store.close().unwrap();
    check_whole(folder.path()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_history_of_the_store_agrees_with_the_model(steps in vec(any_step(), 1..25)) {
        behaves_like_the_model(steps);
    }
}

#[test]
fn ids_wait_within_their_bound_and_none_is_forgotten_by_a_kill() {
    const SWEEPING: Sweeping = Sweeping { most_waiting: 16, at_once: 4 };
    const MOST: usize = SWEEPING.most_waiting + SWEEPING.at_once;
    const STEPS: u32 = 200;
    let open = |folder: &Path| Writer::open(folder.join(DATABASE_FILE), SWEEPING).unwrap();
    let folder = TempDir::new().unwrap();
    let mut store = open(folder.path());
    for n in 0..STEPS {
        let work = Work::Commit(commit(&n.to_string(), None, 1, [n]));
        assert!(group_of(&mut store, vec![work]).1[0].is_ok());
        let (waiting, written) = (store.ids().waiting(), n as usize + 1);
        assert!(waiting < MOST && (waiting == written) == (written < MOST), "{waiting} of {written} wait");
        if n.is_multiple_of(9) {
            let left = crashed(folder.path());
            let mut again = open(left.path());
            // A round takes about twice as many as wait.
            assert!(again.ids().waiting() <= 2 * 3 * SWEEPING.most_waiting, "a start reads two rounds at most");
            let everything = Work::Commit(commit("everything", None, 1, 0..=n));
            let committed = group_of(&mut again, vec![everything]).1.remove(0).unwrap();
            assert_eq!((committed.appended, committed.duplicates), (0, written));
        }
    }
    store.close().unwrap();
    assert_eq!(open(folder.path()).ids().waiting(), 0, "what was closed is settled");
}
