//! The last records of the log, kept in memory: stages that are up to date read here and not at the server.

use std::collections::VecDeque;

use crate::record::Entry;

/// How much is kept. Stages read in batches of some hundred kilobytes; one that is further behind reads at the server.
const KEPT_BYTES: usize = 32 * 1024 * 1024;

/// What an entry costs besides its text.
const ENTRY_BYTES: usize = 96;

/// The end of the log without a gap: every record behind `after`.
#[derive(Debug, Default)]
pub(super) struct Tail {
    entries: VecDeque<Entry>,
    bytes: usize,
    after: u64,
    /// What lies up to here was lost by the server; it comes again at other positions.
    lost_until: u64,
}

impl Tail {
    /// Everything behind this position will be told.
    pub(super) fn starting_after(position: u64) -> Self {
        Self { after: position, ..Self::default() }
    }

    /// The server lost what it had behind some position up to this one, so nothing that is kept here counts.
    pub(super) fn forget_until(&mut self, position: u64) {
        *self = Self { after: position, lost_until: position, ..Self::default() };
    }

    /// Takes in what comes next in the log.
    pub(super) fn push(&mut self, entries: &[Entry]) {
        // An answer that was under way when the server was lost is one of before.
        for entry in entries.iter().filter(|entry| entry.seq > self.lost_until) {
            self.bytes += entry.body.len() + ENTRY_BYTES;
            self.entries.push_back(entry.clone());
        }
        while self.bytes > KEPT_BYTES {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes -= oldest.body.len() + ENTRY_BYTES;
            self.after = oldest.seq;
        }
    }

    /// Up to `max` records behind a position; `None` when it is too far back for this.
    pub(super) fn read(&self, after: u64, max: usize) -> Option<Vec<Entry>> {
        if after < self.after {
            return None;
        }
        let from = self.entries.partition_point(|entry| entry.seq <= after);
        Some(self.entries.range(from..).take(max).cloned().collect())
    }

    /// The record at a position, if it is kept.
    pub(super) fn at(&self, position: u64) -> Option<&Entry> {
        let at = self.entries.binary_search_by_key(&position, |entry| entry.seq).ok()?;
        self.entries.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewRecord;
    use crate::conformance::event;
    use crate::redis::pack::Unplaced;

    fn placed_at(record: NewRecord, seq: u64) -> Entry {
        Unplaced::from(&record).at(seq)
    }

    #[test]
    fn the_end_of_the_log_is_read_from_memory_and_what_is_further_back_is_not() {
        let mut tail = Tail::starting_after(4);
        tail.push(&[5, 6, 9].map(|seq| placed_at(event(1), seq)));
        let seqs =
            |after, max| tail.read(after, max).map(|found| found.iter().map(|entry| entry.seq).collect::<Vec<_>>());
        assert_eq!(seqs(3, 9), None);
        assert_eq!(seqs(4, 2), Some(vec![5, 6]));
        assert_eq!(seqs(6, 9), Some(vec![9]));
        assert_eq!(seqs(9, 9), Some(vec![]));
        assert_eq!((tail.at(6).is_some(), tail.at(7).is_some()), (true, false));
    }

    #[test]
    fn memory_is_bounded() {
        let mut tail = Tail::default();
        let mut large = placed_at(event(1), 1);
        large.body = format!("{{\"x\":\"{}\"}}", "x".repeat(KEPT_BYTES / 4)).into();
        for seq in 1..=9 {
            tail.push(&[Entry { seq, ..large.clone() }]);
        }
        assert_eq!(tail.read(0, 9), None);
        assert!(tail.bytes <= KEPT_BYTES);
        assert_eq!(tail.read(7, 9).map(|found| found.len()), Some(2));
    }
}
