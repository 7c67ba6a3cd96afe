//! Rule sets that people push to a control host: each version of one, who pushed it, what it changed, and what nodes say that run it.

use serde::{Deserialize, Serialize};

use crate::id::Digest;
use crate::time::Timestamp;

/// The set that is meant where none is named.
pub const DEFAULT_SET: &str = "default";

/// Texts of a whole set. The largest public rule file has 200 kB, and a set is held in memory twice while it is rolled out.
pub const MAX_SET_BYTES: usize = 2 << 20;

/// Files of a set. Each is judged and named by itself; more than this is a folder of something else.
pub const MAX_SET_FILES: usize = 500;

/// The name of a set, of a file in it, or of who pushes it.
pub const MAX_SET_NAME_BYTES: usize = 128;

/// A rule file of a set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetFile {
    /// As the file of a folder would be called.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// One version of a set, as it was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetVersion {
    /// The set.
    pub set: String,
    /// Counts from 1, and is never given again.
    pub version: u64,
    /// Of all names and texts. Two versions of the same files have the same.
    pub digest: Digest,
    /// When.
    pub applied_at: Timestamp,
    /// By whom.
    pub applied_by: String,
    /// The files, in the order of their names.
    pub files: Vec<SetFile>,
}

/// What somebody pushes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// To which set.
    pub set: String,
    /// The whole of it.
    pub files: Vec<SetFile>,
    /// Who pushes.
    pub by: String,
    /// The version that is to be replaced; any, where it is not said.
    pub base_version: Option<u64>,
    /// To how many nodes at a time the new version is given; to all at once, where it is not said.
    pub at_a_time: Option<u32>,
    /// Only say what would become of it.
    pub dry_run: bool,
}

/// What a push was answered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    /// The set.
    pub set: String,
    /// The version that it is, or would be.
    pub version: u64,
    /// Of its files.
    pub digest: Digest,
    /// Whether there is such a version now that was not there before. Not for a set that is as it was, nor when it was only asked.
    pub applied: bool,
    /// What is other than in the version before.
    pub diff: SetDiff,
    /// Files of which there is something to say.
    pub said: Vec<FileSaid>,
}

/// What is other than before, by the ids that the rules have within the set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetDiff {
    /// Of rules.
    pub rules: Changes,
    /// Of correlations.
    pub correlations: Changes,
    /// Of entries of logs.
    pub logs: Changes,
}

/// What came, what went and what is other than it was, each in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Was not there.
    pub added: Vec<String>,
    /// Is not there any more.
    pub removed: Vec<String>,
    /// Is there as before and says something else.
    pub changed: Vec<String>,
}

/// What there is to say about one file of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSaid {
    /// The file.
    pub file: String,
    /// Whether it can run.
    pub ok: bool,
    /// All of it.
    pub diagnostics: Vec<SaidAt>,
    /// The same for a person, as `orion check` prints it.
    pub report: String,
}

/// One thing to say about a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaidAt {
    /// `error`, `warning` or `note`.
    pub level: String,
    /// What.
    pub message: String,
    /// Where, counted from 1; none when it is about the file as a whole.
    pub line: Option<usize>,
    /// The same.
    pub column: Option<usize>,
    /// What to do about it.
    pub help: Option<String>,
}

/// What a node says of a set that it fetches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetReport {
    /// The set.
    pub set: String,
    /// The version that runs there, if any does.
    #[serde(default)]
    pub version: Option<u64>,
    /// The version that it was given and cannot run, if there is one.
    #[serde(default)]
    pub refused: Option<SetRefusal>,
}

/// A version that a node cannot run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetRefusal {
    /// Which.
    pub version: u64,
    /// Why not.
    pub why: String,
}

/// Why something that was pushed cannot be looked at as a set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSet {
    /// The name of the set.
    #[error("`{0}` is no name of a set: letters, digits, `-` and `_`, at most {MAX_SET_NAME_BYTES}")]
    Name(String),
    /// Who pushes it.
    #[error("who applies it is a name of 1 to {MAX_SET_NAME_BYTES} bytes, without control characters")]
    By,
    /// The name of a file.
    #[error(
        "`{0}` is no name of a rule file: NAME.yaml or NAME.yml, at most {MAX_SET_NAME_BYTES} bytes, without `/`, control characters and \
         a dot at the beginning"
    )]
    FileName(String),
    /// Two files of one name.
    #[error("the file `{0}` is there twice")]
    Twice(String),
    /// No file at all.
    #[error("a set has one file at least: one without rules, `groups: []`, ends all that ran of it")]
    Empty,
    /// More files than are taken.
    #[error("the set has {0} files; at most {MAX_SET_FILES} are taken: make several sets of it, or fewer files")]
    TooManyFiles(usize),
    /// More bytes than are taken.
    #[error("the files of the set have {0} bytes; at most {MAX_SET_BYTES} are taken: make several sets of it")]
    TooLarge(usize),
    /// Nodes at a time.
    #[error("a version is given to one node at a time at least: `at_a_time` is 0")]
    NobodyAtATime,
}

/// Whether a set can have this name. It goes into addresses, and before the names of files: so it has no dot and no slash.
pub fn is_set_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=MAX_SET_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_plain)
}

impl Push {
    /// Whether it can be looked at, with its files in order.
    pub fn checked(mut self) -> Result<Self, BadSet> {
        if !is_set_name(&self.set) {
            return Err(BadSet::Name(self.set));
        }
        if !is_said(&self.by) {
            return Err(BadSet::By);
        }
        if self.at_a_time == Some(0) {
            return Err(BadSet::NobodyAtATime);
        }
        match self.files.len() {
            0 => return Err(BadSet::Empty),
            count if count > MAX_SET_FILES => return Err(BadSet::TooManyFiles(count)),
            _ => {}
        }
        let bytes = self.files.iter().map(|file| file.text.len()).sum();
        if bytes > MAX_SET_BYTES {
            return Err(BadSet::TooLarge(bytes));
        }
        if let Some(file) = self.files.iter().find(|file| !is_file_name(&file.name)) {
            return Err(BadSet::FileName(file.name.clone()));
        }
        self.files.sort();
        let mut names = self.files.iter().map(|file| &file.name);
        let mut before = names.next();
        for name in names {
            if before == Some(name) {
                return Err(BadSet::Twice(name.clone()));
            }
            before = Some(name);
        }
        Ok(self)
    }
}

fn is_said(name: &str) -> bool {
    (1..=MAX_SET_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
}

fn is_file_name(name: &str) -> bool {
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"));
    is_said(name) && stem.is_some_and(|stem| !stem.is_empty()) && !name.starts_with('.') && !name.contains('/')
}

impl Changes {
    /// Whether nothing is other than it was.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl SetDiff {
    /// Each kind by its name.
    pub fn kinds(&self) -> [(&'static str, &Changes); 3] {
        [("rule", &self.rules), ("correlation", &self.correlations), ("log", &self.logs)]
    }

    /// In one line: `2 rules added, 1 correlation changed`.
    pub fn counts(&self) -> String {
        let counted = |count: usize, what: &str, became: &str| {
            (count > 0).then(|| format!("{count} {what}{} {became}", if count == 1 { "" } else { "s" }))
        };
        let of_kind = |(what, changes): (&str, &Changes)| {
            [("added", &changes.added), ("removed", &changes.removed), ("changed", &changes.changed)]
                .map(|(became, ids)| counted(ids.len(), what, became))
        };
        let said: Vec<String> = self.kinds().into_iter().flat_map(of_kind).flatten().collect();
        if said.is_empty() { "no rule is other than it was".to_owned() } else { said.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(files: &[(&str, usize)]) -> Push {
        let file = |(name, bytes): &(&str, usize)| SetFile { name: (*name).to_owned(), text: "#".repeat(*bytes) };
        Push {
            set: "default".to_owned(),
            files: files.iter().map(file).collect(),
            by: "ada".to_owned(),
            base_version: None,
            at_a_time: None,
            dry_run: false,
        }
    }

    #[test]
    fn a_set_at_its_limits_is_taken_in_order_and_one_beyond_them_is_refused() {
        let names: Vec<String> = (0..=MAX_SET_FILES).map(|number| format!("{number}.yaml")).collect();
        let of = |count: usize| push(&names.iter().take(count).map(|name| (name.as_str(), 1)).collect::<Vec<_>>());
        assert!(of(MAX_SET_FILES).checked().is_ok());
        assert_eq!(of(MAX_SET_FILES + 1).checked(), Err(BadSet::TooManyFiles(MAX_SET_FILES + 1)));
        let taken = push(&[("b.yml", 1), ("a.yaml", MAX_SET_BYTES - 1)]).checked().unwrap();
        assert_eq!(taken.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["a.yaml", "b.yml"]);
        let larger = push(&[("b.yml", 1), ("a.yaml", MAX_SET_BYTES)]).checked();
        assert_eq!(larger, Err(BadSet::TooLarge(MAX_SET_BYTES + 1)));
        assert_eq!(push(&[]).checked(), Err(BadSet::Empty));
        assert_eq!(push(&[("a.yaml", 1), ("a.yaml", 2)]).checked(), Err(BadSet::Twice("a.yaml".to_owned())));
        assert_eq!(Push { at_a_time: Some(0), ..push(&[("a.yaml", 1)]) }.checked(), Err(BadSet::NobodyAtATime));
    }

    #[test]
    fn names_are_those_that_can_stand_in_an_address_and_in_a_folder() {
        for name in ["a.yaml", "a b.yml", "größe.yaml", "..x.y.yaml"] {
            assert_eq!(is_file_name(name), !name.starts_with('.'), "{name}");
        }
        for name in
            ["", ".yaml", "a", "a.json", "a/b.yaml", "../a.yaml", "a\n.yaml", &format!("{}.yaml", "a".repeat(124))]
        {
            assert!(!is_file_name(name), "{name}");
        }
        assert!(is_file_name(&format!("{}.yaml", "a".repeat(123))));
        for (name, is_one) in
            [("default", true), ("site-7_B", true), ("", false), ("a.b", false), ("a/b", false), ("é", false)]
        {
            assert_eq!(is_set_name(name), is_one, "{name}");
        }
        assert!(is_set_name(&"a".repeat(MAX_SET_NAME_BYTES)) && !is_set_name(&"a".repeat(MAX_SET_NAME_BYTES + 1)));
    }

    #[test]
    fn a_difference_is_said_in_one_line() {
        let ids = |count: usize| (0..count).map(|id| id.to_string()).collect();
        let mut diff = SetDiff::default();
        assert_eq!(diff.counts(), "no rule is other than it was");
        diff.rules = Changes { added: ids(2), removed: ids(1), changed: Vec::new() };
        diff.logs.changed = ids(1);
        assert_eq!(diff.counts(), "2 rules added, 1 rule removed, 1 log changed");
    }
}
