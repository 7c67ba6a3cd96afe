//! Tells a file that was taken away from one whose save is under way.
//!
//! Some editors rename the old file away before they write the new one, others empty it and then write. A look that falls
//! between the two sees no rules where there were rules a moment ago. If that were believed, every alert of the file would
//! end and what its detectors remember would be lost. So a file that is gone, or empty, is left as it was for one look;
//! the next look, which comes once the folder has settled, believes what it sees.

use std::collections::{BTreeMap, BTreeSet};

use super::folder::Content;

/// Which files of a folder were there at the last look, and which of those before it were not.
#[derive(Default)]
pub struct Presence {
    there: BTreeSet<String>,
    missed: BTreeSet<String>,
}

impl Presence {
    /// A file that ought to be there: it was accepted before this process started.
    pub fn expect(&mut self, name: &str) {
        self.there.insert(name.to_owned());
    }

    /// Takes what a look has read. What is missed for the first time is taken out of `files`, if it is in there at all.
    pub fn look(&mut self, files: &mut BTreeMap<String, Content>) {
        let has_content = |content: &Content| !matches!(content, Ok(bytes) if bytes.is_empty());
        let there = files.iter().filter(|(_, content)| has_content(content)).map(|(name, _)| name.clone()).collect();
        self.missed = self.there.difference(&there).cloned().collect();
        self.there = there;
        files.retain(|name, _| !self.missed.contains(name));
    }

    /// Whether this file was there at the look before the last one, and not at the last.
    pub fn is_missed(&self, name: &str) -> bool {
        self.missed.contains(name)
    }

    /// Whether any file is missed, so that another look is due soon.
    pub fn misses_any(&self) -> bool {
        !self.missed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a look at a folder with these files, by name and text, takes out and is left with.
    fn look(presence: &mut Presence, files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let content = |(name, text): &(&str, &str)| ((*name).to_owned(), Ok(text.as_bytes().to_vec()));
        let mut files: BTreeMap<String, Content> = files.iter().map(content).collect();
        presence.look(&mut files);
        (presence.missed.iter().cloned().collect(), files.into_keys().collect())
    }

    #[test]
    fn a_file_that_is_gone_or_empty_is_missed_for_one_look() {
        let mut presence = Presence::default();
        presence.expect("a");
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(look(&mut presence, &[("b", "x")]), (names(&["a"]), names(&["b"])));
        assert_eq!(look(&mut presence, &[("b", "")]), (names(&["b"]), names(&[])));
        assert_eq!(look(&mut presence, &[("b", "")]), (names(&[]), names(&["b"])));
        assert_eq!(look(&mut presence, &[("b", "x"), ("c", "")]), (names(&[]), names(&["b", "c"])));
        assert_eq!(look(&mut presence, &[]), (names(&["b"]), names(&[])));
        assert!(presence.misses_any() && presence.is_missed("b") && !presence.is_missed("c"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_there() {
        let mut presence = Presence::default();
        presence.expect("a");
        let mut files = BTreeMap::from([("a".to_owned(), Err("permission denied".to_owned()))]);
        presence.look(&mut files);
        assert!(!presence.misses_any() && files.len() == 1);
    }
}
