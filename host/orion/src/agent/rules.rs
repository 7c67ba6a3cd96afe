//! The rules of an agent: the folder that the library reads, of which each version takes the place of the one before as a whole.
//!
//! A version is written beside it, synced, and exchanged for what is there. Until then it is nothing to anybody, and a crash before or
//! after leaves one whole version. So a host that starts without its control host runs what it ran. Links would do, too, but a
//! confined process makes none.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use orion_model::{BadSet, Digest, Push, SetVersion};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// The folder.
pub(super) const RULES: &str = "rules";

/// A version before it is there, and the one before once it is.
const BESIDE: &str = "rules.beside";

/// What is known of a version, in its folder. The library leaves out what begins with a dot.
const ABOUT: &str = ".set.json";

/// Which version lies in the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub set: String,
    pub version: u64,
    pub digest: Digest,
    /// With what it is asked whether there is another.
    pub etag: Option<String>,
    /// The names of its files.
    pub files: Vec<String>,
}

/// Why a version is not put into the folder.
#[derive(Debug, thiserror::Error)]
pub enum NotPut {
    #[error("what was fetched is no rule set: {0}")]
    Bad(#[from] BadSet),
    #[error("what was fetched is of the set `{0}`")]
    OtherSet(String),
    #[error("the rules that were fetched cannot be written: {0}")]
    Io(#[from] io::Error),
    #[error("the file system of {} cannot exchange folders: give the agent a data folder on another", .0.display())]
    NoExchange(PathBuf),
    #[error("what is known of the rules cannot be written: {0}")]
    NotWritable(#[from] serde_json::Error),
}

/// The folder.
pub struct RulesFolder(PathBuf);

impl RulesFolder {
    /// Makes it where it is not there.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let folder = Self(std::path::absolute(dir)?);
        fs::create_dir_all(folder.rules())?;
        Ok(folder)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What the library reads.
    pub fn rules(&self) -> PathBuf {
        self.0.join(RULES)
    }

    /// Which version lies there.
    pub fn held(&self) -> Option<Held> {
        serde_json::from_slice(&fs::read(self.rules().join(ABOUT)).ok()?).ok()
    }

    /// Puts a version there, all of it or nothing.
    pub fn put(&self, set: &str, version: SetVersion, etag: Option<String>) -> Result<Held, NotPut> {
        let SetVersion { set: of, version, digest, applied_by, files, .. } = version;
        if of != set {
            return Err(NotPut::OtherSet(of));
        }
        // The control host has checked it; what is written here under these names is checked here.
        let push = Push { set: of, files, by: applied_by, base_version: None, at_a_time: None, dry_run: false };
        let Push { set, files, .. } = push.checked()?;
        let names = files.iter().map(|file| file.name.clone()).collect();
        let held = Held { set, version, digest, etag, files: names };
        let beside = self.0.join(BESIDE);
        remove(&beside)?;
        fs::create_dir(&beside)?;
        for file in &files {
            write(&beside.join(&file.name), file.text.as_bytes())?;
        }
        write(&beside.join(ABOUT), &serde_json::to_vec(&held)?)?;
        File::open(&beside)?.sync_all()?;
        self.exchange(&beside)?;
        if let Err(error) = remove(&beside) {
            // Nobody reads it, and the next version removes it.
            tracing::warn!("rules of before cannot be removed: {}: {error}", beside.display());
        }
        Ok(held)
    }

    fn exchange(&self, beside: &Path) -> Result<(), NotPut> {
        renameat_with(CWD, beside, CWD, self.rules(), RenameFlags::EXCHANGE).map_err(|errno| match errno {
            Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => NotPut::NoExchange(self.0.clone()),
            other => NotPut::Io(other.into()),
        })?;
        Ok(File::open(&self.0)?.sync_all()?)
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes a file or a folder with all in it; nothing to do where there is none.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use orion_model::{SetFile, Timestamp};

    use super::*;

    fn version(number: u64, files: &[(&str, &str)]) -> SetVersion {
        let file = |(name, text): &(&str, &str)| SetFile { name: (*name).to_owned(), text: (*text).to_owned() };
        SetVersion {
            set: "default".to_owned(),
            version: number,
            digest: orion_pipeline::library::digest_of(format!("{files:?}").as_bytes()),
            applied_at: Timestamp::from_millis(1),
            applied_by: "ada".to_owned(),
            files: files.iter().map(file).collect(),
        }
    }

    fn rules(folder: &RulesFolder) -> Vec<(String, String)> {
        let mut rules: Vec<_> = fs::read_dir(folder.rules())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
            .filter(|(name, _)| !name.starts_with('.'))
            .collect();
        rules.sort();
        rules
    }

    #[test]
    fn a_version_takes_the_place_of_the_one_before_as_a_whole_and_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RulesFolder::open(&dir.path().join("set")).unwrap();
        assert_eq!((folder.held(), rules(&folder)), (None, Vec::new()));
        folder.put("default", version(1, &[("a.yaml", "1"), ("b.yaml", "1")]), None).unwrap();
        let held = folder.put("default", version(2, &[("b.yaml", "2")]), Some("\"x\"".to_owned())).unwrap();
        let again = RulesFolder::open(&dir.path().join("set")).unwrap();
        assert_eq!((again.held(), rules(&again)), (Some(held), vec![("b.yaml".to_owned(), "2".to_owned())]));
        let left = fs::read_dir(again.path()).unwrap().count();
        assert_eq!(left, 1, "one version");
    }

    #[test]
    fn the_same_version_again_and_one_that_was_begun_are_no_trouble() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RulesFolder::open(dir.path()).unwrap();
        let first = version(1, &[("a.yaml", "1")]);
        folder.put("default", first.clone(), None).unwrap();
        folder.put("default", first, Some("e".to_owned())).unwrap();
        assert_eq!(folder.held().unwrap().etag.as_deref(), Some("e"));
        let second = version(2, &[("a.yaml", "2")]);
        let begun = folder.path().join(BESIDE);
        fs::create_dir(&begun).unwrap();
        fs::write(begun.join("half.yaml"), "x").unwrap();
        folder.put("default", second, None).unwrap();
        assert_eq!(rules(&folder), [("a.yaml".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn what_is_no_set_or_another_one_is_not_put_there() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RulesFolder::open(dir.path()).unwrap();
        let said = |put: Result<Held, NotPut>| put.unwrap_err().to_string();
        assert!(said(folder.put("default", version(1, &[("../a.yaml", "")]), None)).contains("no name of a rule file"));
        assert!(said(folder.put("other", version(1, &[("a.yaml", "")]), None)).contains("`default`"));
        assert!(rules(&folder).is_empty());
    }
}
