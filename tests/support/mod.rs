//! A deployment of the real `orion` binary in a folder of its own, for tests of its behaviour.
#![expect(clippy::disallowed_types, reason = "these tests start the real binary; none of this is deployed")]

pub mod asked;
pub mod browser;
pub mod builds;
pub mod dice;
pub mod fleet;
pub mod history;
pub mod hooks;
pub mod issuer;
pub mod jobs;
pub mod lines;
pub mod mounts;
pub mod pace;
pub mod tear;
pub mod toolchains;
pub mod twins;

pub use orion_hostile_plugins::guest as guests;

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use orion_bus::{RecordKind, SqliteBus};
use orion_lab::{Exporter, Prometheus, ScrapeConfig};
use orion_pipeline::memory::{MemoryError, TrailLines, file_name};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything that a test waits for may take. Far more than it ever takes on a busy machine; a test that has to
/// wait this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The same for what waits behind plugins that work up to their limits: each call of one is seconds, and they take turns.
pub const LONG_PATIENCE: Duration = Duration::from_secs(240);

/// A Prometheus that asks an exporter once a second, and gives this answer to this query by now.
pub fn watching(exporter: &Exporter, query: &str, answer: &str) -> Prometheus {
    let targets = ScrapeConfig::every(Duration::from_secs(1)).target("app", exporter.address());
    let prometheus = Prometheus::start(&targets).unwrap();
    prometheus.wait_for(query, &format!("\"{answer}\""), PATIENCE).unwrap();
    prometheus
}

/// How variables that `orion` reads begin.
const SETTING_PREFIXES: [&str; 4] = ["ORION_", "PROMETHEUS_", "LOKI_", "REDIS_"];

/// Watches `up` of every target once a second, and makes one incident per service.
pub const TARGETS: &str = r#"
groups:
  - name: targets
    interval: 1s
    rules:
      - alert: TargetDown
        expr: up == 0
        labels: { severity: error, event_type: service_down, service: "{{ $labels.job }}" }
        annotations: { summary: "{{ $labels.job }} does not answer" }
correlations:
  - name: service-outage
    match: { event_type: service_down, severity: ">= error" }
    group_by: [service]
    plugin: grouping
    with: { at_least: 1 }
    incident: { type: service_outage, severity: critical, summary: "{{ $labels.service }} is out" }
"#;

/// The event that is recorded at every start.
const ATTESTED: &str = orion_pipeline::condition::kind::CONFINEMENT_ATTESTED;

/// How often a file that moves while it is read is looked for.
const LOOKS: usize = 5;

/// A folder with rules, plugins and records.
pub struct Deployment {
    dir: TempDir,
    prometheus_url: String,
    settings: Vec<(&'static str, String)>,
}

/// A record without its place in a file, which may be another on each host.
pub fn without_place(mut record: Value) -> Value {
    for place in ["seq", "prev", "hash"] {
        record.as_object_mut().unwrap().remove(place);
    }
    record
}

/// A running `orion`. Killed when dropped.
pub struct Running {
    child: Child,
    log: PathBuf,
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
        Running { child, log }
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

    pub fn events(&self) -> Vec<Value> {
        self.lines("events")
    }

    /// Events but those about Orion's own start.
    pub fn observed(&self) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event_type"] != ATTESTED).collect()
    }

    /// What was recorded of each start.
    pub fn attestations(&self) -> Vec<Value> {
        self.events_of(ATTESTED, "occurred")
    }

    pub fn incidents(&self) -> Vec<Value> {
        self.lines("incidents")
    }

    pub fn decisions(&self) -> Vec<Value> {
        self.lines("decisions")
    }

    /// Events of a type and status.
    pub fn events_of(&self, event_type: &str, status: &str) -> Vec<Value> {
        let wanted = |event: &Value| event["event_type"] == event_type && event["status"] == status;
        self.events().into_iter().filter(wanted).collect()
    }

    /// Revisions of incidents of a type with a status.
    pub fn incidents_of(&self, incident_type: &str, status: &str) -> Vec<Value> {
        let wanted = |incident: &Value| incident["incident_type"] == incident_type && incident["status"] == status;
        self.incidents().into_iter().filter(wanted).collect()
    }

    /// How far an owner has come by the store; `None` while it has committed nothing.
    pub fn offset_of(&self, owner: &str) -> Option<i64> {
        let mut store = SqliteBus::open_read_only(&self.path("memory")).ok()?;
        store.load(owner).ok()?.offset
    }

    fn lines(&self, name: &str) -> Vec<Value> {
        let kind = RecordKind::ALL.into_iter().find(|kind| file_name(*kind).starts_with(name)).unwrap();
        // A file that is closed or packed while it is read is found under its new name with the next look.
        let read = || lines_of(&self.path("memory"), kind);
        (0..LOOKS).find_map(|_| read().ok()).unwrap_or_else(|| read().unwrap())
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

    /// What must hold after every test: nothing but `NO_ACTION`, no actions, nothing recorded twice, chains intact.
    pub fn check_promises(&self) {
        for decision in self.decisions() {
            assert_eq!(decision["decision_type"], "NO_ACTION");
            assert_eq!(decision["autonomy_level"], "N0");
        }
        assert!(!self.path("memory/actions.jsonl").exists());
        self.each_once("events", &["event_id"]);
        self.each_once("incidents", &["incident_id", "revision"]);
        self.each_once("decisions", &["decision_id"]);
        let mut store = SqliteBus::open_read_only(&self.path("memory")).unwrap();
        let audit = orion_pipeline::memory::audit(&self.path("memory"), &mut store, true, None).unwrap();
        assert_eq!(audit.findings, []);
    }

    fn each_once(&self, name: &str, id: &[&str]) {
        let mut seen = BTreeSet::new();
        for line in self.lines(name) {
            let identity: Vec<String> = id.iter().map(|field| line[field].to_string()).collect();
            assert!(seen.insert(identity), "{name}.jsonl holds twice: {line}");
        }
    }
}

fn lines_of(memory: &Path, kind: RecordKind) -> Result<Vec<Value>, MemoryError> {
    let mut trail = TrailLines::open(memory, kind)?;
    let mut lines = Vec::new();
    while let Some(line) = trail.next_line()? {
        lines.push(serde_json::from_slice(line).unwrap());
    }
    Ok(lines)
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// As `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal_to_end();
        self.wait()
    }

    /// SIGTERM.
    pub fn signal_to_end(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// SIGHUP: it is asked to look at rules and plugins.
    pub fn hang_up(&self) {
        self.signal(rustix::process::Signal::HUP);
    }

    /// SIGSTOP: it stands still, and knows nothing of it.
    pub fn pause(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        let child = &mut self.child;
        wait_until(
            "orion to end",
            || {
                status = child.try_wait().unwrap();
                status.is_some()
            },
            || std::fs::read_to_string(&self.log).unwrap_or_default(),
        );
        status.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again until it holds; fails with what `context` knows when patience ends.
pub fn wait_until(what: &str, holds: impl FnMut() -> bool, context: impl Fn() -> String) {
    wait_for(PATIENCE, what, holds, context);
}

fn wait_for(patience: Duration, what: &str, mut holds: impl FnMut() -> bool, context: impl Fn() -> String) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < patience, "waited in vain for {what}\n{}", context());
        std::thread::sleep(Duration::from_millis(20));
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

/// The text of a shipped rule file.
pub fn shipped_rules(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join("rules").join(name)).unwrap()
}
