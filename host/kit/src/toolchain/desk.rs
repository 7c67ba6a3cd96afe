//! The desk that an author sits at: which programs are there, and what they say when they are started.
#![expect(clippy::disallowed_types, reason = "compilers are started here; the deployed orion links nothing of it")]

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a toolchain made nothing.
#[derive(Debug, thiserror::Error)]
pub enum ToolFailure {
    /// A program or a part of one is not there.
    #[error("{what} is needed to build this and is not here\n{}", listed(install))]
    Missing {
        /// What is missing.
        what: String,
        /// How to get it: each line a way, with the command.
        install: &'static [&'static str],
    },
    /// The program ran, and refused. It has said why on the terminal's error output.
    #[error("{program} could not build it; what it says is above")]
    Refused {
        /// Which.
        program: String,
    },
    /// A program cannot be started, or a file cannot be read or written.
    #[error("{what}: {why}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system says.
        why: std::io::Error,
    },
}

fn listed(ways: &[&str]) -> String {
    ways.iter().map(|way| format!("  {way}")).collect::<Vec<_>>().join("\n")
}

/// Where programs are looked for.
pub struct Desk {
    folders: Vec<PathBuf>,
}

impl Desk {
    /// The one that the environment describes: the folders of `PATH`.
    pub fn here() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self { folders: std::env::split_paths(&path).collect() }
    }

    /// One with these folders alone.
    pub fn with(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// The program of that name.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        self.folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file())
    }

    /// A program that is needed.
    pub fn need(&self, name: &str, install: &'static [&'static str]) -> Result<Program, ToolFailure> {
        match self.find(name) {
            Some(path) => Ok(self.program(path)),
            None => Err(ToolFailure::Missing { what: format!("the program `{name}`"), install }),
        }
    }

    /// A program by its path.
    pub fn program(&self, path: PathBuf) -> Program {
        let path_variable = std::env::join_paths(&self.folders).unwrap_or_default();
        let mut command = Command::new(&path);
        command.stdin(Stdio::null()).env("PATH", path_variable);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Program { name, command }
    }

    /// A module of Python that is a program, by the first Python that has it.
    pub fn python_module(&self, module: &str, proof: &[&str]) -> Option<Program> {
        ["python3", "python"].iter().find_map(|name| {
            let python = self.find(name)?;
            let asked = self.program(python.clone()).arg("-m").arg(module).args(proof).quiet();
            let program = self.program(python).arg("-m").arg(module);
            asked.then(|| Program { name: format!("{name} -m {module}"), ..program })
        })
    }
}

/// A program that is about to be started.
pub struct Program {
    /// What messages call it.
    name: String,
    command: Command,
}

impl Program {
    /// With an argument more.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// With more arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// In a folder.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// With a variable of its environment set.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// Without a variable of the environment.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Starts it and waits for it. What it says goes to the error output: the standard output is the kit's own.
    pub fn run(mut self) -> Result<(), ToolFailure> {
        let output = self.command.stdout(Stdio::from(std::io::stderr())).status();
        let status = output.map_err(|why| self.unstartable(why))?;
        if status.success() { Ok(()) } else { Err(ToolFailure::Refused { program: self.name }) }
    }

    /// Starts it, waits for it, and gives back what it says on its standard output.
    pub fn output(mut self) -> Result<String, ToolFailure> {
        let output = self.command.stderr(Stdio::inherit()).output().map_err(|why| self.unstartable(why))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Err(ToolFailure::Refused { program: self.name })
    }

    /// Whether it can be started and succeeds. Nobody hears what it says.
    pub fn quiet(mut self) -> bool {
        let status = self.command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    fn unstartable(&self, why: std::io::Error) -> ToolFailure {
        ToolFailure::Io { what: format!("{} cannot be started", self.name), why }
    }
}

/// A file that a toolchain left.
pub fn read(path: &Path) -> Result<Vec<u8>, ToolFailure> {
    std::fs::read(path).map_err(|why| ToolFailure::Io { what: format!("{} cannot be read", path.display()), why })
}

/// All files of a folder with one of these endings, in order of name: the same files are compiled in the same order wherever
/// they lie.
pub fn sources(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, ToolFailure> {
    let failed = |why| ToolFailure::Io { what: format!("{} cannot be read", folder.display()), why };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    files.retain(|file| file.extension().is_some_and(|end| endings.iter().any(|ending| end == *ending)));
    files.sort();
    Ok(files)
}
