//! The real `orion` at work in a folder of its own.
#![expect(clippy::disallowed_types, reason = "the bench starts the binary it measures; none of this is deployed")]

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use orion_pipeline::condition::kind::CONFINEMENT_ATTESTED;
use serde_json::Value;
use tempfile::TempDir;

use crate::cpu::ProcessId;
use crate::error::{BenchError, require};

/// How long anything may take that has to happen before a figure can be had.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again until it holds.
pub fn wait_until(
    what: &str,
    within: Duration,
    every: Duration,
    mut holds: impl FnMut() -> Result<bool, BenchError>,
) -> Result<(), BenchError> {
    let began = Instant::now();
    while !holds()? {
        if began.elapsed() > within {
            return Err(BenchError::Failed { what: format!("see {what}"), why: format!("not within {within:?}") });
        }
        std::thread::sleep(every);
    }
    Ok(())
}

/// Builds a program of the workspace as it is released, unless that is done; its path. The one beside this program.
pub fn build(package: &str) -> Result<PathBuf, BenchError> {
    let what = || format!("build {package}");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).args(["build", "--release", "--package", package]).stdout(Stdio::null()).status();
    if !built.map_err(BenchError::failed(what()))?.success() {
        return Err(BenchError::Failed { what: what(), why: "cargo said why".to_owned() });
    }
    let me = std::env::current_exe().map_err(BenchError::failed(what()))?;
    Ok(me.with_file_name(package))
}

/// A folder on the disk this program lies on: the usual one for temporary files may be memory, where syncing is free.
pub fn folder_on_disk() -> Result<TempDir, BenchError> {
    const WHAT: &str = "make a folder for a benchmark";
    const IN_MEMORY: i64 = 0x0102_1994;
    let me = std::env::current_exe().map_err(BenchError::failed(WHAT))?;
    let beside = me.parent().unwrap_or(Path::new("."));
    let folder =
        tempfile::Builder::new().prefix("orion-bench-").tempdir_in(beside).map_err(BenchError::failed(WHAT))?;
    let system = rustix::fs::statfs(folder.path()).map_err(BenchError::failed(WHAT))?;
    if system.f_type == IN_MEMORY {
        let why = format!("{} lies in memory, where syncing costs nothing", beside.display());
        return Err(BenchError::Failed { what: WHAT.to_owned(), why });
    }
    Ok(folder)
}

/// Rules and records of one `orion`.
pub struct Deployment {
    binary: PathBuf,
    folder: TempDir,
    prometheus_url: String,
}

/// An `orion` at work; killed when dropped.
pub struct Running {
    child: Child,
    /// When it was started.
    pub started: Instant,
}

impl Deployment {
    /// Without rules.
    pub fn new(binary: &Path, prometheus_url: &str) -> Result<Self, BenchError> {
        let folder = folder_on_disk()?;
        for name in ["rules", "plugins", "memory"] {
            std::fs::create_dir(folder.path().join(name))
                .map_err(BenchError::failed(format!("make the folder {name}")))?;
        }
        Ok(Self { binary: binary.to_owned(), folder, prometheus_url: prometheus_url.to_owned() })
    }

    /// Where its records lie.
    pub fn memory_dir(&self) -> PathBuf {
        self.folder.path().join("memory")
    }

    /// Puts a rule file in place as editors do: written beside, then renamed. Answers when it was.
    pub fn rule_file(&self, name: &str, text: &str) -> Result<Instant, BenchError> {
        let what = || format!("write the rule file {name}");
        let rules = self.folder.path().join("rules");
        let partial = rules.join(format!(".{name}.partial"));
        std::fs::write(&partial, text).map_err(BenchError::failed(what()))?;
        let now = Instant::now();
        std::fs::rename(partial, rules.join(name)).map_err(BenchError::failed(what()))?;
        Ok(now)
    }

    /// Writes a file into its folder.
    pub fn file(&self, name: &str, text: &str) -> Result<(), BenchError> {
        std::fs::write(self.folder.path().join(name), text).map_err(BenchError::failed(format!("write {name}")))
    }

    /// All rule files that ship.
    pub fn shipped_rules(&self) -> Result<(), BenchError> {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
        let what = || format!("read {}", shipped.display());
        let mut found = 0;
        for entry in std::fs::read_dir(&shipped).map_err(BenchError::failed(what()))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".yaml") && !name.ends_with("_test.yaml") && !name.ends_with(".test.yaml") {
                let text = std::fs::read_to_string(entry.path()).map_err(BenchError::failed(what()))?;
                self.rule_file(&name, &text)?;
                found += 1;
            }
        }
        require(found > 0, || format!("there are no rule files in {}", shipped.display()))
    }

    /// Takes over compiled plugins: a warm cache for an otherwise new deployment.
    pub fn take_cache_of(&self, other: &Self) -> Result<(), BenchError> {
        let (from, to) = (other.memory_dir().join("compiled"), self.memory_dir().join("compiled"));
        std::fs::rename(&from, to).map_err(BenchError::failed(format!("take over {}", from.display())))
    }

    /// Runs `orion check` over its rules; how long it took.
    pub fn check(&self) -> Result<Duration, BenchError> {
        const WHAT: &str = "check the rules";
        let mut command = Command::new(&self.binary);
        command.args(["check", "--output", "ndjson"]).current_dir(self.folder.path()).stdout(Stdio::null());
        let started = Instant::now();
        let status = command.status().map_err(BenchError::failed(WHAT))?;
        let took = started.elapsed();
        require(status.success(), || format!("orion check ended with {status}"))?;
        Ok(took)
    }

    /// Starts `orion run`.
    pub fn start(&self) -> Result<Running, BenchError> {
        self.start_with(&[])
    }

    /// Starts `orion run` with these variables.
    pub fn start_with(&self, variables: &[(&str, &str)]) -> Result<Running, BenchError> {
        const WHAT: &str = "start orion";
        let log = File::create(self.log()).map_err(BenchError::failed(WHAT))?;
        let mut command = Command::new(&self.binary);
        for name in
            ["ORION_AUTONOMY_LEVEL", "ORION_CONFINEMENT", "ORION_LOG", "ORION_POLL_INTERVAL", "ORION_WATCHER__CATCH_UP"]
        {
            command.env_remove(name);
        }
        command
            .args(["run", "--log-format", "json"])
            .current_dir(self.folder.path())
            .env("PROMETHEUS_URL", &self.prometheus_url)
            .env("ORION_DATA__DIR", self.folder.path())
            // What is measured is observing; a benchmark of the interface says where to serve.
            .env("ORION_API__LISTEN", "none")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let started = Instant::now();
        let child = command.spawn().map_err(BenchError::failed(WHAT))?;
        Ok(Running { child, started })
    }

    /// How many events are recorded besides those about starts, without reading them.
    pub fn event_count(&self) -> usize {
        let text = std::fs::read_to_string(self.memory_dir().join("events.jsonl")).unwrap_or_default();
        text.lines().filter(|line| !is_about_a_start(line)).count()
    }

    /// How many lines of a file of the audit trail have this in them.
    pub fn lines(&self, name: &str, text: &str) -> usize {
        let lines = File::open(self.memory_dir().join(name)).map(|file| BufReader::new(file).lines());
        lines.map_or(0, |lines| lines.map_while(Result::ok).filter(|line| line.contains(text)).count())
    }

    /// Every event recorded is the firing of an alert, of another one each time, and there are so many.
    pub fn require_fired_once_each(&self, alerts: usize) -> Result<(), BenchError> {
        const WHAT: &str = "read events.jsonl";
        let file = File::open(self.memory_dir().join("events.jsonl")).map_err(BenchError::failed(WHAT))?;
        let mut seen = HashSet::new();
        for line in BufReader::new(file).lines() {
            let line = line.map_err(BenchError::failed(WHAT))?;
            if is_about_a_start(&line) {
                continue;
            }
            let event: Value = serde_json::from_str(&line).map_err(BenchError::failed(WHAT))?;
            let fired = event.get("status").and_then(Value::as_str) == Some("firing");
            let alert = (text(&event, "rule"), text(&event, "fingerprint"));
            require(fired && seen.insert(alert), || format!("this event should not be there: {event}"))?;
        }
        require(seen.len() == alerts, || format!("{} events instead of {alerts}", seen.len()))
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Adds what orion said to an error.
    pub fn explained<T>(&self, outcome: Result<T, BenchError>) -> Result<T, BenchError> {
        const LAST_LINES: usize = 5;
        outcome.map_err(|error| {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default().join("\n");
            BenchError::Failed {
                what: "measure orion".to_owned(),
                why: format!("{error}\nthe end of its log:\n{last}"),
            }
        })
    }
}

/// Every start is recorded, and is nothing that was observed.
fn is_about_a_start(line: &str) -> bool {
    line.contains(&format!("\"event_type\":\"{CONFINEMENT_ATTESTED}\""))
}

fn text(event: &Value, field: &str) -> String {
    event.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl Running {
    /// Its process.
    pub fn process(&self) -> ProcessId {
        ProcessId(self.child.id())
    }

    /// SIGTERM, and waits until it has ended well.
    pub fn terminate(mut self) -> Result<(), BenchError> {
        const WHAT: &str = "end orion";
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).map_err(BenchError::failed(WHAT))?;
        let status = self.child.wait().map_err(BenchError::failed(WHAT))?;
        require(status.success(), || format!("orion ended with {status}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
