//! Where cargo puts what it builds.

use std::path::PathBuf;

use crate::program::{Failure, cargo};

/// The folder of builds.
pub fn folder() -> Result<PathBuf, Failure> {
    let metadata = cargo(["metadata", "--format-version", "1", "--no-deps", "--offline"]).output()?;
    let folder = metadata.split_once("\"target_directory\":\"").and_then(|(_, rest)| rest.split_once('"'));
    let (folder, _) =
        folder.ok_or_else(|| Failure::NotUnderstood("cargo metadata".to_owned(), "it names no target_directory"))?;
    Ok(PathBuf::from(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_builds_is_known() {
        assert!(folder().unwrap().is_absolute());
    }
}
