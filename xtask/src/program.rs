//! Starting programs: from the workspace's root, said aloud first, and with what to do when it goes wrong.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Why a task did not get done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No task has that name.
    #[error("there is no task `{0}`; `cargo xtask --help` lists them")]
    UnknownTask(String),
    /// The task does not take it.
    #[error("`{0}` does not take the argument `{1}`, or not so; `cargo xtask --help` says what it takes")]
    UnexpectedArgument(&'static str, String),
    /// The program could not be started.
    #[error("cannot start `{0}`: {1}")]
    NotStarted(String, std::io::Error),
    /// What is needed could not be read.
    #[error("cannot read {0}: {1}")]
    NotRead(String, std::io::Error),
    /// What was made could not be kept.
    #[error("cannot write {0}: {1}")]
    NotWritten(String, std::io::Error),
    /// The program said that it failed.
    #[error("`{0}` failed")]
    Failed(String),
    /// A program printed something that cannot be understood.
    #[error("cannot understand what `{0}` printed: {1}")]
    NotUnderstood(String, &'static str),
    /// Something is not there and must be brought by hand.
    #[error("{0}")]
    Missing(String),
    /// Rule files that `orion check` refuses.
    #[error("{0} errors in rule files that should be taken as they are")]
    Refused(usize),
    /// The deployed binary could act.
    #[error(
        "orion holds what starts processes: {0}. Find who brought it in with \
         `cargo tree --package orion --edges normal` and take it out: the deployed orion only observes"
    )]
    Acts(String),
}

/// A program to start, with its arguments.
pub struct Program {
    command: Command,
}

/// The program `name`, run from the root of the workspace.
pub fn program(name: impl AsRef<OsStr>) -> Program {
    let mut command = Command::new(name);
    command.current_dir(root());
    Program { command }
}

/// The cargo that runs this, with these arguments.
pub fn cargo<const N: usize>(arguments: [&str; N]) -> Program {
    program(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"))).args(arguments)
}

/// The root of the workspace.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

impl Program {
    /// Adds arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it before everyone's eyes, and says how long it took: what makes a check slow is seen in what it printed.
    pub fn run(mut self) -> Result<(), Failure> {
        let line = self.line();
        eprintln!("$ {line}");
        let begin = Instant::now();
        let status = self.command.status();
        eprintln!("  {:.0} s", begin.elapsed().as_secs_f64());
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(Failure::Failed(line)),
            Err(error) => Err(Failure::NotStarted(line, error)),
        }
    }

    /// Runs it out of sight and gives what it printed.
    pub fn output(self) -> Result<String, Failure> {
        let line = self.line();
        let (succeeded, printed) = self.printed()?;
        if succeeded { Ok(printed) } else { Err(Failure::Failed(line)) }
    }

    /// Runs it out of sight and gives what it printed, for one that also has something to say when it fails.
    pub fn answer(self) -> Result<String, Failure> {
        let line = self.line();
        let (succeeded, printed) = self.printed()?;
        if succeeded || !printed.is_empty() { Ok(printed) } else { Err(Failure::Failed(line)) }
    }

    /// Whether it says that all is well, and what it printed.
    fn printed(mut self) -> Result<(bool, String), Failure> {
        let line = self.line();
        let output = self.command.stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| Failure::NotStarted(line.clone(), error))?;
        let printed = String::from_utf8(output.stdout);
        let printed = printed.map_err(|_| Failure::NotUnderstood(line, "it is not UTF-8 text"))?;
        Ok((output.status.success(), printed))
    }

    /// Whether it can be started and says that all is well; prints nothing.
    pub fn succeeds(mut self) -> bool {
        let quiet = self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    }

    fn line(&self) -> String {
        let name = Path::new(self.command.get_program()).file_name().unwrap_or_default();
        let words = std::iter::once(name).chain(self.command.get_args());
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}
