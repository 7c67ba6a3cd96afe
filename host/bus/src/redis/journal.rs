//! What this host committed and what its own file does not hold yet: the commits that wait for Redis, in their order, and those
//! that Redis took a moment ago.
//!
//! Waiting commits lie in the host's own file, too, so that a crash while Redis is away loses none of them. Those that were taken
//! are kept until they come back through the log: a Redis that loses its last writes is given them again.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use super::wire::{EntryId, commit_bytes, read_commit};
use crate::record::{Commit, Loaded, StateChange};

/// Owner of the waiting commits in the host's own file.
pub(super) const OUTBOX_OWNER: &str = "redis/outbox";

/// A commit and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) commit: Arc<Commit>,
    standing: Standing,
    bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Waits for Redis, under this number in the outbox.
    Waiting(u64),
    /// Redis took it as this entry.
    Taken(EntryId),
}

/// A commit that Redis does not have, whose owner stands there before what the commit follows: whoever has the work does again what
/// is between. Until then its records are held back, because they would stand before what came before them.
#[derive(Clone, Debug)]
struct HeldBack {
    kept: Kept,
    since: Instant,
}

/// The commits, and where the outbox stands.
#[derive(Debug, Default)]
pub(super) struct Journal {
    waiting: VecDeque<Kept>,
    held_back: Vec<HeldBack>,
    taken: VecDeque<Kept>,
    bytes: usize,
    next: u64,
    outbox_offset: Option<i64>,
}

impl Journal {
    /// As the host's own file has it. What cannot be read is left out and told.
    pub(super) fn open(outbox: Loaded) -> (Self, Vec<Vec<u8>>) {
        let mut journal = Self { outbox_offset: outbox.offset, ..Self::default() };
        let mut unreadable = Vec::new();
        for (key, value) in outbox.state {
            let number = <[u8; 8]>::try_from(key.as_slice()).map(u64::from_be_bytes);
            match (number, read_commit(&value)) {
                (Ok(number), Some(commit)) => journal.wait(Arc::new(commit), value.len(), number),
                _ => unreadable.push(key),
            }
        }
        (journal, unreadable)
    }

    fn wait(&mut self, commit: Arc<Commit>, bytes: usize, number: u64) {
        self.next = number + 1;
        self.bytes += bytes;
        self.waiting.push_back(Kept { commit, standing: Standing::Waiting(number), bytes });
    }

    /// Bytes of everything kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many commits wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The offset that the last waiting commit of an owner brings it to; `None` when none waits.
    pub(super) fn awaited(&self, owner: &str) -> Option<i64> {
        self.waiting.iter().rev().find(|kept| kept.commit.owner == owner).map(|kept| kept.commit.offset)
    }

    /// The first commit that waits.
    pub(super) fn first(&self) -> Option<Arc<Commit>> {
        self.waiting.front().map(|kept| kept.commit.clone())
    }

    /// What is to be written to the outbox for one more commit to wait. Call [`Journal::put`] when it is written.
    pub(super) fn to_put(&self, commit: &Commit) -> Commit {
        let put = StateChange::Put { key: self.next.to_be_bytes().to_vec(), value: commit_bytes(commit) };
        self.outbox_commit(put)
    }

    /// The commit waits from now on.
    pub(super) fn put(&mut self, commit: Commit, written: &Commit) {
        let bytes = written
            .state
            .iter()
            .map(|change| if let StateChange::Put { value, .. } = change { value.len() } else { 0 })
            .sum();
        self.outbox_offset = Some(written.offset);
        self.wait(Arc::new(commit), bytes, self.next);
    }

    /// What is to be written to the outbox for the first commit to be gone. Call [`Journal::drop_first`] when it is written.
    pub(super) fn to_drop_first(&self) -> Option<Commit> {
        self.to_drop(self.waiting.front()?.standing)
    }

    fn to_drop(&self, standing: Standing) -> Option<Commit> {
        match standing {
            Standing::Waiting(number) => {
                Some(self.outbox_commit(StateChange::Delete { key: number.to_be_bytes().to_vec() }))
            }
            Standing::Taken(_) => None,
        }
    }

    /// The first commit does not wait any more; `entry` is what Redis took it as, if it did just now.
    pub(super) fn drop_first(&mut self, written: &Commit, entry: Option<EntryId>) {
        self.outbox_offset = Some(written.offset);
        if let Some(kept) = self.waiting.pop_front() {
            self.keep_as_taken(kept, entry);
        }
    }

    fn keep_as_taken(&mut self, kept: Kept, entry: Option<EntryId>) {
        match entry {
            Some(entry) => self.taken.push_back(Kept { standing: Standing::Taken(entry), ..kept }),
            None => self.bytes -= kept.bytes,
        }
    }

    /// The first commit waits for its owner and not for Redis.
    pub(super) fn hold_back_first(&mut self) {
        let kept = self.waiting.pop_front();
        self.held_back.extend(kept.map(|kept| HeldBack { kept, since: Instant::now() }));
    }

    /// The same for those of an owner that do not follow from where it stands at the server: a crash took what was between, or another
    /// host did it otherwise. While they waited, the owner could go on from neither.
    pub(super) fn hold_back_broken(&mut self, owner: &str, mut offset: Option<i64>) {
        let (mut stay, mut broken) = (VecDeque::new(), Vec::new());
        for kept in std::mem::take(&mut self.waiting) {
            if kept.commit.owner != owner {
                stay.push_back(kept);
            } else if kept.commit.expected == offset {
                offset = Some(kept.commit.offset);
                stay.push_back(kept);
            } else {
                broken.push(HeldBack { kept, since: Instant::now() });
            }
        }
        self.waiting = stay;
        self.held_back.append(&mut broken);
    }

    /// The same for one that Redis took and lost.
    pub(super) fn hold_back(&mut self, commit: &Arc<Commit>) {
        let Some(at) = self.taken.iter().position(|kept| Arc::ptr_eq(&kept.commit, commit)) else { return };
        let kept = self.taken.remove(at);
        self.held_back.extend(kept.map(|kept| HeldBack { kept, since: Instant::now() }));
    }

    /// What is held back, in its order, and since when.
    pub(super) fn held_back(&self) -> Vec<(Arc<Commit>, Instant)> {
        self.held_back.iter().map(|held| (held.kept.commit.clone(), held.since)).collect()
    }

    /// What is to be written to the outbox for this one to be gone; `None` where it is not there.
    pub(super) fn to_drop_held_back(&self, commit: &Arc<Commit>) -> Option<Commit> {
        let held = self.held_back.iter().find(|held| Arc::ptr_eq(&held.kept.commit, commit))?;
        self.to_drop(held.kept.standing)
    }

    /// It is held back no longer. What was written for that, and the entry to wait for, as in [`Journal::drop_first`].
    pub(super) fn drop_held_back(&mut self, commit: &Arc<Commit>, written: Option<&Commit>, entry: Option<EntryId>) {
        if let Some(written) = written {
            self.outbox_offset = Some(written.offset);
        }
        let Some(at) = self.held_back.iter().position(|held| Arc::ptr_eq(&held.kept.commit, commit)) else { return };
        let kept = self.held_back.remove(at).kept;
        self.keep_as_taken(kept, entry);
    }

    /// Redis took this commit as this entry.
    pub(super) fn taken(&mut self, commit: Commit, entry: EntryId) {
        let bytes = size_of_commit(&commit);
        self.bytes += bytes;
        let kept = Kept { commit: Arc::new(commit), standing: Standing::Taken(entry), bytes };
        self.taken.push_back(kept);
    }

    /// Redis lost this commit and has it again: its records lie no further on than this entry, or in the host's own file.
    pub(super) fn taken_again(&mut self, commit: &Arc<Commit>, entry: Option<EntryId>) {
        let Some(at) = self.taken.iter().position(|kept| Arc::ptr_eq(&kept.commit, commit)) else { return };
        match (entry, self.taken.get_mut(at)) {
            (Some(entry), Some(kept)) => kept.standing = Standing::Taken(entry),
            _ => self.bytes -= self.taken.remove(at).map_or(0, |kept| kept.bytes),
        }
    }

    /// The host's own file holds the log up to this entry.
    pub(super) fn forget_until(&mut self, entry: EntryId) {
        let Self { taken, bytes, .. } = self;
        taken.retain(|kept| {
            let stays = matches!(kept.standing, Standing::Taken(taken) if taken > entry);
            if !stays {
                *bytes -= kept.bytes;
            }
            stays
        });
    }

    /// What Redis took and the host's own file does not hold yet, in the order of the log.
    pub(super) fn unmirrored(&self) -> Vec<Arc<Commit>> {
        let mut taken: Vec<_> = self.taken.iter().collect();
        taken.sort_by_key(|kept| match kept.standing {
            Standing::Taken(entry) => entry,
            Standing::Waiting(_) => EntryId::default(),
        });
        taken.into_iter().map(|kept| kept.commit.clone()).collect()
    }

    /// What Redis has of an owner, with the commits that wait done.
    pub(super) fn over_server(&self, owner: &str, mut loaded: Loaded) -> Loaded {
        for kept in self.waiting.iter().filter(|kept| kept.commit.owner == owner) {
            if kept.commit.expected == loaded.offset {
                apply(&mut loaded, &kept.commit);
            }
        }
        loaded
    }

    /// What the host's own file has of an owner, with what Redis took since done.
    pub(super) fn over_mirror(&self, owner: &str, mut loaded: Loaded) -> Loaded {
        for commit in self.unmirrored().iter().filter(|commit| commit.owner == owner) {
            if commit.expected == loaded.offset {
                apply(&mut loaded, commit);
            }
        }
        loaded
    }

    fn outbox_commit(&self, change: StateChange) -> Commit {
        let offset = self.outbox_offset.map_or(0, |offset| offset.wrapping_add(1));
        Commit {
            owner: OUTBOX_OWNER.to_owned(),
            expected: self.outbox_offset,
            offset,
            records: Vec::new(),
            state: vec![change],
        }
    }
}

fn apply(loaded: &mut Loaded, commit: &Commit) {
    let mut state: std::collections::BTreeMap<_, _> = std::mem::take(&mut loaded.state).into_iter().collect();
    for change in &commit.state {
        match change {
            StateChange::Put { key, value } => drop(state.insert(key.clone(), value.clone())),
            StateChange::Delete { key } => drop(state.remove(key)),
            StateChange::Clear => state.clear(),
        }
    }
    loaded.state = state.into_iter().collect();
    loaded.offset = Some(commit.offset);
}

/// About what a commit holds.
pub(super) fn size_of_commit(commit: &Commit) -> usize {
    let records: usize = commit.records.iter().map(|record| record.body.len() + size_of_val(record)).sum();
    let state = commit.state.iter().map(|change| match change {
        StateChange::Put { key, value } => key.len() + value.len(),
        StateChange::Delete { key } => key.len(),
        StateChange::Clear => 0,
    });
    records + state.sum::<usize>() + size_of::<Commit>()
}
