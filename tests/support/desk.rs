//! The desk of somebody who makes plugins or rules: a folder in which `orion-kit` is run.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::toolchains;

/// The folder.
pub struct Desk(TempDir);

impl Desk {
    /// An empty one.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the folders in which it is.
    pub fn write(&self, name: &str, bytes: &(impl AsRef<[u8]> + ?Sized)) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// What the command says on stdout and on stderr; it ends with this code.
    pub fn said(&self, arguments: &[&str], code: i32) -> [String; 2] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orion-kit"));
        let output = toolchains::give(&mut command).args(arguments).current_dir(self.0.path()).output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(output.status.code(), Some(code), "{}", said.concat());
        said
    }
}
