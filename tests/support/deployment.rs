//! The folder of a deployment of the real `orion` binary, and how that is started on it.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::{LONG_PATIENCE, Running, wait_for, wait_until};

/// How variables that `orion` reads begin.
const SETTING_PREFIXES: [&str; 4] = ["ORION_", "PROMETHEUS_", "LOKI_", "REDIS_"];

/// A folder with rules, plugins and records.
pub struct Deployment {
    dir: TempDir,
    prometheus_url: String,
    settings: Vec<(&'static str, String)>,
}

impl Deployment {
    pub fn new(prometheus_url: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["rules", "plugins"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        Self { dir, prometheus_url: prometheus_url.to_owned(), settings: Vec::new() }
    }

    /// With this in the environment of whatever is started.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.settings.push((name, value.to_owned()));
        self
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// Writes a rule file as editors do: beside it, then in its place.
    pub fn rule(&self, name: &str, text: &str) {
        let partial = self.path(&format!("rules/.{name}.partial"));
        std::fs::write(&partial, text).unwrap();
        std::fs::rename(partial, self.path("rules").join(name)).unwrap();
    }

    /// Puts a plugin file in place, likewise.
    pub fn plugin(&self, name: &str, bytes: &[u8]) {
        let partial = self.path(&format!("plugins/.{name}.partial"));
        std::fs::write(&partial, bytes).unwrap();
        std::fs::rename(partial, self.path("plugins").join(name)).unwrap();
    }

    pub fn start(&self) -> Running {
        self.start_with(&[])
    }

    pub fn start_with(&self, env: &[(&str, &str)]) -> Running {
        let mut command = self.command(&["run", "--log-format", "text"]);
        command.envs(env.iter().copied());
        self.spawn(command)
    }

    /// Starts it and waits until it listens to signals: what a test waits for may have been recorded before.
    pub fn start_again(&self) -> Running {
        let before = self.attestations().len();
        let running = self.start();
        self.wait_until("the start", |it| it.attestations().len() > before);
        running
    }

    /// Starts it as another user, to whom the whole folder is given. Needs to be root.
    pub fn start_as(&self, user: u32, env: &[(&str, &str)]) -> Running {
        // The binary may lie where that user cannot go.
        let binary = self.path("orion");
        std::fs::copy(env!("CARGO_BIN_EXE_orion"), &binary).unwrap();
        give(self.dir.path(), user);
        let mut command = self.command_of(&binary, &["run", "--log-format", "text"]);
        command.envs(env.iter().copied()).uid(user).gid(user);
        self.spawn(command)
    }

    /// Starts a demonstration that goes on when its recording has ended, with its records in `story` and its log as of others.
    pub fn demonstrate(&self, arguments: &[&str]) -> Running {
        let usual = ["demo", "--data", "story", "--log-format", "text"];
        self.spawn(self.command(&[&usual, arguments].concat()))
    }

    /// Starts it so that a write the system refuses for its size is an error to it, and not the end.
    pub fn start_with_failing_writes(&self) -> Running {
        let script = "trap '' XFSZ; exec \"$0\" run --log-format text";
        self.spawn(self.command_of(Path::new("/bin/sh"), &["-c", script, env!("CARGO_BIN_EXE_orion")]))
    }

    fn spawn(&self, mut command: Command) -> Running {
        let log = self.path("orion.log");
        let stderr = File::options().create(true).append(true).open(&log).unwrap();
        let child = command.stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
        Running::new(child, log)
    }

    /// Runs a command of `orion` to its end.
    pub fn orion(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The same as the user as whom it was started before.
    pub fn orion_as(&self, user: u32, arguments: &[&str]) -> Output {
        self.command_of(&self.path("orion"), arguments).uid(user).gid(user).output().unwrap()
    }

    /// The same in another environment.
    pub fn orion_with(&self, arguments: &[&str], env: &[(&str, &str)]) -> Output {
        self.command(arguments).envs(env.iter().copied()).output().unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_orion")), arguments)
    }

    fn command_of(&self, binary: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary);
        // What is set for whoever runs the tests is not meant for what they start.
        let is_set = |name: &str| SETTING_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_set)) {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env("PROMETHEUS_URL", &self.prometheus_url)
            .env("ORION_DATA__DIR", self.dir.path())
            // Many run at the same time, and few of them are asked anything.
            .env("ORION_API__LISTEN", "none")
            .env("XDG_CONFIG_HOME", self.dir.path().join("config"))
            .envs(self.settings.iter().map(|(name, value)| (*name, value)));
        command
    }

    /// What it says of itself; nothing before the first start.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("orion.log")).unwrap_or_default()
    }

    /// Waits until something holds of what was recorded.
    pub fn wait_until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        wait_until(what, || holds(self), || self.log());
    }

    /// The same behind plugins that work up to their limits.
    pub fn wait_long_until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        wait_for(LONG_PATIENCE, what, || holds(self), || self.log());
    }
}

/// Gives a folder and all that lies in it to a user.
fn give(path: &Path, user: u32) {
    std::os::unix::fs::lchown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in std::fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
}
