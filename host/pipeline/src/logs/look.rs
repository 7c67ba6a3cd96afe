//! Which files the patterns of an entry mean now.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern};
use rustix::fs::{Mode, OFlags};

use super::position::FileId;

/// Names that one entry looks at. Folders of more are no folders of logs.
const MAX_LOOKED_AT: usize = 10_000;

/// Files that one entry follows.
pub(super) const MAX_FILES: usize = 256;

/// As shells have it: `*` does not match what begins with a dot, nor across folders.
const AS_SHELLS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// What there is.
#[derive(Debug)]
pub(super) struct Look {
    /// The files, each once.
    pub(super) found: BTreeMap<FileId, Found>,
    /// What cannot be looked at, each with the reason.
    pub(super) troubles: BTreeMap<String, String>,
    /// Whether all that is meant was looked at.
    pub(super) is_whole: bool,
}

/// A file.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) size: u64,
}

/// The part of a pattern that is a folder and no pattern.
pub(crate) fn folder_of(pattern: &str) -> PathBuf {
    let is_plain = |part: &Component<'_>| part.as_os_str().to_str().is_some_and(|it| !it.contains(['*', '?', '[']));
    let path = Path::new(pattern);
    let plain: PathBuf = path.components().take_while(is_plain).collect();
    if plain == path { path.parent().map(Path::to_owned).unwrap_or_default() } else { plain }
}

/// Looks for all of them below the folders, which are without links.
pub(super) fn look(patterns: &[String], dirs: &[PathBuf]) -> Look {
    let mut look = Look { found: BTreeMap::new(), troubles: BTreeMap::new(), is_whole: true };
    let mut looked_at = 0_usize;
    for pattern in absolute(patterns, dirs) {
        let paths = match glob::glob_with(&pattern, AS_SHELLS) {
            Ok(paths) => paths,
            Err(why) => {
                look.troubles.insert(pattern, why.to_string());
                continue;
            }
        };
        for path in paths {
            looked_at += 1;
            if looked_at > MAX_LOOKED_AT || look.found.len() > MAX_FILES {
                let most = if looked_at > MAX_LOOKED_AT { MAX_LOOKED_AT } else { MAX_FILES };
                let message = format!("it matches more than {most} files; those above are not read");
                look.troubles.insert(pattern, message);
                look.is_whole = false;
                break;
            }
            match path {
                Ok(path) => look.add(path, dirs),
                Err(why) if why.error().kind() == io::ErrorKind::NotFound => {}
                Err(why) => {
                    let (path, why) = (why.path().display().to_string(), why.error().to_string());
                    look.troubles.insert(path, why);
                }
            }
        }
    }
    while look.found.len() > MAX_FILES {
        look.found.pop_last();
    }
    look
}

impl Look {
    fn add(&mut self, path: PathBuf, dirs: &[PathBuf]) {
        match examined(&path, dirs) {
            Ok(Some((id, found))) => {
                self.found.entry(id).or_insert(found);
            }
            Ok(None) => {}
            Err(why) => drop(self.troubles.insert(path.display().to_string(), why)),
        }
    }
}

fn absolute(patterns: &[String], dirs: &[PathBuf]) -> BTreeSet<String> {
    let below = |pattern: &String| match pattern.starts_with('/') {
        true => vec![pattern.clone()],
        false => dirs.iter().map(|dir| format!("{}/{pattern}", Pattern::escape(&dir.display().to_string()))).collect(),
    };
    patterns.iter().flat_map(below).collect()
}

/// The file at a path; nothing when none is there, or something that is no file.
fn examined(path: &Path, dirs: &[PathBuf]) -> Result<Option<(FileId, Found)>, String> {
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(why.to_string()),
    };
    if !dirs.iter().any(|dir| real.starts_with(dir)) {
        return Err(format!("it leads to {}, which is in no folder of logs", real.display()));
    }
    match real.symlink_metadata() {
        Ok(metadata) if metadata.is_file() => {
            Ok(Some((FileId::of(&metadata), Found { path: real, size: metadata.len() })))
        }
        Ok(_) => Ok(None),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why.to_string()),
    }
}

/// Opens the file of this identity, if it is what lies there now. Neither a link that came there since nor a pipe holds it up.
pub(super) fn open(path: &Path, id: FileId) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    Ok((metadata.is_file() && FileId::of(&metadata) == id).then_some(file))
}

/// Where a file lies now that is not where it lay: rotation renames within a folder.
pub(super) fn renamed(path: &Path, id: FileId) -> Option<PathBuf> {
    let entries = std::fs::read_dir(path.parent()?).ok()?.take(MAX_LOOKED_AT).flatten();
    let is_it = |path: &PathBuf| path.symlink_metadata().is_ok_and(|it| it.is_file() && FileId::of(&it) == id);
    entries.map(|entry| entry.path()).find(is_it)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(look: &Look) -> Vec<String> {
        let name = |found: &Found| found.path.file_name().unwrap().to_string_lossy().into_owned();
        let mut names: Vec<_> = look.found.values().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn files_are_found_once_and_no_link_leads_out() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let dir = folder.path().canonicalize().unwrap();
        std::fs::create_dir(dir.join("sub")).unwrap();
        for name in ["a.log", "b.log", ".hidden.log", "a.txt", "sub/c.log"] {
            std::fs::write(dir.join(name), name).unwrap();
        }
        std::fs::write(outside.path().join("secret"), "secret").unwrap();
        symlink(outside.path().join("secret"), dir.join("out.log")).unwrap();
        symlink("a.log", dir.join("link.log")).unwrap();
        symlink("nowhere", dir.join("dangling.log")).unwrap();
        let dirs = [dir.clone()];
        let found = look(&["*.log".to_owned(), format!("{}/a.*", dir.display())], &dirs);
        assert_eq!(names(&found), ["a.log", "a.txt", "b.log"]);
        let (path, why) = found.troubles.first_key_value().unwrap();
        assert!(path.ends_with("out.log") && why.contains("in no folder of logs"), "{path}: {why}");
        assert_eq!(found.troubles.len(), 1);
        assert_eq!(names(&look(&["**/*.log".to_owned()], &dirs)), ["a.log", "b.log", "c.log"]);
    }

    #[test]
    fn more_files_than_are_followed_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().canonicalize().unwrap();
        for name in 0..MAX_FILES {
            std::fs::write(dir.join(format!("{name}.log")), "").unwrap();
        }
        let patterns = ["*.log".to_owned()];
        let fits = look(&patterns, std::slice::from_ref(&dir));
        assert_eq!((fits.found.len(), fits.troubles.len()), (MAX_FILES, 0));
        for name in ["x.log", "y.log"] {
            std::fs::write(dir.join(name), "").unwrap();
        }
        let over = look(&patterns, &[dir]);
        assert_eq!((over.found.len(), over.troubles.len()), (MAX_FILES, 1));
    }

    #[test]
    fn a_renamed_file_is_found_again_and_another_at_its_path_is_not_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        std::fs::write(&path, "one").unwrap();
        let id = FileId::of(&path.metadata().unwrap());
        assert!(open(&path, id).unwrap().is_some());
        std::fs::rename(&path, folder.path().join("app.log.1")).unwrap();
        std::fs::write(&path, "two").unwrap();
        assert!(open(&path, id).unwrap().is_none());
        assert_eq!(renamed(&path, id), Some(folder.path().join("app.log.1")));
    }

    #[test]
    fn the_folder_of_a_pattern_is_what_is_no_pattern() {
        for (pattern, folder) in
            [("/var/log/*.log", "/var/log"), ("/var/log/a.log", "/var/log"), ("a/b*/c.log", "a"), ("*.log", "")]
        {
            assert_eq!(folder_of(pattern), Path::new(folder), "{pattern}");
        }
    }
}
