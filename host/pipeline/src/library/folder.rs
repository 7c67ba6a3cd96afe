//! Reads a folder's files whole, by content. What is in a file counts, not its time stamp or which event told of it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use orion_model::Digest;
use sha2::{Digest as _, Sha256};

/// Which files of a folder are read.
#[derive(Clone, Copy, Debug)]
pub struct Selection {
    extensions: &'static [&'static str],
    max_file_bytes: u64,
    must_exist: bool,
}

/// Rule files. The largest public one has 200 kB; 4 MiB is no rule file but a mistake.
pub const RULES: Selection = Selection { extensions: &["yaml", "yml"], max_file_bytes: 4 << 20, must_exist: true };

/// Plugin files. Python components have 18 MB, JavaScript ones 12 MB; the sandbox has its own, lower limit to set.
pub const PLUGINS: Selection = Selection { extensions: &["wasm"], max_file_bytes: 64 << 20, must_exist: false };

/// Most files of a folder that are read: twenty times the largest rule set known.
const MAX_FILES: usize = 10_000;

/// A folder that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Not there, or not for us.
    #[error("the folder {} cannot be read: {source}; give another one or create it", dir.display())]
    Unreadable {
        /// The folder.
        dir: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// More files than are read.
    #[error("the folder {} has more than {MAX_FILES} files of the kind that is read", dir.display())]
    TooMany {
        /// The folder.
        dir: PathBuf,
    },
}

/// A file's content, or why there is none. The reason is about this file only.
pub type Content = Result<Vec<u8>, String>;

/// The selected files of a folder, by name; not those of folders within. A name that begins with a dot is left out:
/// editors and Kubernetes keep their own things there.
pub fn read(dir: &Path, selection: Selection) -> Result<BTreeMap<String, Content>, FolderError> {
    let unreadable = |source| FolderError::Unreadable { dir: dir.to_owned(), source };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !selection.must_exist => {
            return Ok(BTreeMap::new());
        }
        Err(error) => return Err(unreadable(error)),
    };
    let mut files = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let Some(name) = selected_name(&path, selection) else { continue };
        if files.len() == MAX_FILES {
            return Err(FolderError::TooMany { dir: dir.to_owned() });
        }
        files.insert(name, read_file(&path, selection.max_file_bytes));
    }
    Ok(files)
}

/// The rule files of a folder, in order of name.
pub fn rule_files(dir: &Path) -> Result<Vec<PathBuf>, FolderError> {
    Ok(read(dir, RULES)?.into_keys().map(|name| dir.join(name)).collect())
}

/// The text of one rule file, or why there is none.
pub fn read_rule_file(path: &Path) -> Result<String, String> {
    let bytes = read_file(path, RULES.max_file_bytes)?;
    String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned())
}

fn selected_name(path: &Path, selection: Selection) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let extension = path.extension()?.to_str()?;
    let selected = selection.extensions.contains(&extension) && !name.starts_with('.') && !path.is_dir();
    selected.then(|| name.to_owned())
}

fn read_file(path: &Path, max_bytes: u64) -> Content {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    // One byte more than allowed tells a file that grows while it is read from one that is just large enough.
    file.take(max_bytes + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > max_bytes {
        return Err(format!("it has more than {max_bytes} bytes, the most that is read"));
    }
    Ok(bytes)
}

/// sha256 of some bytes.
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_files_are_read_by_name_and_everything_else_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in
            [("b.yml", "2"), ("a.yaml", "1"), (".a.yaml.swp", "x"), (".hidden.yaml", "x"), ("notes.md", "x")]
        {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        std::fs::create_dir(dir.path().join("folder.yaml")).unwrap();
        let files = read(dir.path(), RULES).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["a.yaml", "b.yml"]);
    }

    #[test]
    fn a_file_of_the_allowed_size_is_read_and_a_larger_one_is_refused_alone() {
        let dir = tempfile::tempdir().unwrap();
        let selection = Selection { max_file_bytes: 3, ..RULES };
        std::fs::write(dir.path().join("fits.yaml"), "abc").unwrap();
        std::fs::write(dir.path().join("large.yaml"), "abcd").unwrap();
        let files = read(dir.path(), selection).unwrap();
        assert_eq!(files["fits.yaml"], Ok(b"abc".to_vec()));
        assert!(files["large.yaml"].as_ref().unwrap_err().contains("more than 3 bytes"));
    }

    #[test]
    fn a_missing_folder_is_an_error_for_rules_and_none_for_plugins() {
        let dir = tempfile::tempdir().unwrap().path().join("gone");
        assert!(read(&dir, RULES).is_err());
        assert!(read(&dir, PLUGINS).unwrap().is_empty());
    }
}
