//! Puts together again what the commit script had to write in several entries: commits with thousands of changes to a state.
//!
//! A host's file takes over whole commits alone. Of an owner that it does not know yet, a part without an offset would be nobody's
//! state, and be lost.

use super::wire::LogEntry;

/// The parts of a commit whose last one is yet to come.
#[derive(Debug, Default)]
pub(super) struct Parts(Option<LogEntry>);

impl Parts {
    /// The commits that are whole now, in their order.
    pub(super) fn whole(&mut self, entries: Vec<LogEntry>) -> Vec<LogEntry> {
        let mut whole = Vec::with_capacity(entries.len());
        for entry in entries {
            let entry = match self.0.take() {
                Some(begun) if begun.owner == entry.owner && begun.id.position == entry.id.position => {
                    joined(begun, entry)
                }
                // A script writes all parts or none, so this is nothing that Orion wrote; it counts as it stands.
                Some(begun) => {
                    whole.push(begun);
                    entry
                }
                None => entry,
            };
            match is_to_be_continued(&entry) {
                true => self.0 = Some(entry),
                false => whole.push(entry),
            }
        }
        whole
    }
}

/// Records alone have no offset either, and are whole.
fn is_to_be_continued(entry: &LogEntry) -> bool {
    entry.offset.is_none() && !entry.state.is_empty()
}

fn joined(mut begun: LogEntry, next: LogEntry) -> LogEntry {
    let LogEntry { id, owner: _, offset, records, state } = next;
    (begun.id, begun.offset) = (id, offset);
    begun.records.extend(records);
    begun.state.extend(state);
    begun
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StateChange;
    use crate::redis::wire::EntryId;

    fn entry(owner: &str, (position, number): (u64, u64), offset: Option<i64>, keys: &[u8]) -> LogEntry {
        let state = keys.iter().map(|key| StateChange::Delete { key: vec![*key] }).collect();
        LogEntry { id: EntryId { position, number }, owner: owner.to_owned(), offset, records: Vec::new(), state }
    }

    #[test]
    fn parts_are_one_commit_wherever_an_answer_ends_between_them() {
        let entries = [
            entry("a", (5, 0), Some(1), b"x"),
            entry("b", (9, 0), None, b"12"),
            entry("b", (9, 1), None, b"34"),
            entry("b", (9, 2), Some(7), b"5"),
            entry("restored", (10, 0), None, b""),
            entry("a", (10, 1), Some(2), b""),
        ];
        let expected =
            [entries[0].clone(), entry("b", (9, 2), Some(7), b"12345"), entries[4].clone(), entries[5].clone()];
        for cut in 0..=entries.len() {
            let mut parts = Parts::default();
            let mut whole = parts.whole(entries[..cut].to_vec());
            whole.extend(parts.whole(entries[cut..].to_vec()));
            assert_eq!(whole, expected, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_not_continued_stands_for_itself() {
        let entries = vec![entry("b", (9, 0), None, b"1"), entry("a", (9, 1), Some(1), b"")];
        assert_eq!(Parts::default().whole(entries.clone()), entries);
    }
}
