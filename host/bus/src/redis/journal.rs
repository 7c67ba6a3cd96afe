//! What this host committed and what its own file does not hold yet: the commits that wait for Redis, in their order, and those
//! that Redis took a moment ago.
//!
//! Waiting commits lie in the host's own file, too, so that a crash while Redis is away loses none of them. Those that were taken
//! are kept until they come back through the log: a Redis that loses its last writes is given them again.

use std::collections::VecDeque;
use std::sync::Arc;

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

/// The commits, and where the outbox stands.
#[derive(Debug, Default)]
pub(super) struct Journal {
    waiting: VecDeque<Kept>,
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
        match self.waiting.front()?.standing {
            Standing::Waiting(number) => {
                Some(self.outbox_commit(StateChange::Delete { key: number.to_be_bytes().to_vec() }))
            }
            Standing::Taken(_) => None,
        }
    }

    /// The first commit does not wait any more; `entry` is what Redis took it as, if it did just now.
    pub(super) fn drop_first(&mut self, written: &Commit, entry: Option<EntryId>) {
        self.outbox_offset = Some(written.offset);
        let Some(kept) = self.waiting.pop_front() else { return };
        match entry {
            Some(entry) => self.taken.push_back(Kept { standing: Standing::Taken(entry), ..kept }),
            None => self.bytes -= kept.bytes,
        }
    }

    /// Redis took this commit as this entry.
    pub(super) fn taken(&mut self, commit: Commit, entry: EntryId) {
        let bytes = size_of_commit(&commit);
        self.bytes += bytes;
        let kept = Kept { commit: Arc::new(commit), standing: Standing::Taken(entry), bytes };
        self.taken.push_back(kept);
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

    /// What the host's own file has of an owner, with everything done that is kept here.
    pub(super) fn over_mirror(&self, owner: &str, mut loaded: Loaded) -> Loaded {
        for commit in self.unmirrored().iter().filter(|commit| commit.owner == owner) {
            if commit.expected == loaded.offset {
                apply(&mut loaded, commit);
            }
        }
        self.over_server(owner, loaded)
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
