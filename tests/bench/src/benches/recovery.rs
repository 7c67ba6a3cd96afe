//! A start on a log of a gigabyte, after the process that wrote it was killed in the middle.
//!
//! That process is this program once more: it floods the stages until the store is as large, and kills itself with commits under
//! way. The log, its journal and the audit trail are then as `kill -9` leaves them, and `orion` starts on them.
#![expect(clippy::disallowed_types, reason = "the bench starts itself; none of this is deployed")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use orion_bus::{DATABASE_FILE, SqliteBus};
use orion_pipeline::memory;

use super::Context;
use crate::deployment::{Deployment, PATIENCE, folder_on_disk};
use crate::error::{BenchError, require};
use crate::flood::{self, Engines, Pace, RULE_FILE, Stages, With};
use crate::report::{Figure, Target};
use crate::stand_in::{NOTHING, StandIn};

/// What `--only` calls it.
pub const NAME: &str = "recovery";

const MOST_SECONDS: f64 = 5.0;

/// Log and journal together.
const LEAST_BYTES: u64 = 1 << 30;

/// Sent by and by, because they lie in memory until then.
const ALERTS_AT_ONCE: u64 = 100_000;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A rule that asks, so that it is seen when Orion serves.
const ASKING: &str =
    "groups:\n  - name: asking\n    interval: 15s\n    rules:\n      - alert: Asked\n        expr: asked_first > 0\n";

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    if context.is_alone() {
        return Err(fill().err().unwrap_or_else(|| BenchError::Unequal("it was not killed".to_owned())));
    }
    let prometheus = StandIn::start(Arc::new(|_| NOTHING.to_vec()))?;
    let deployment = Deployment::new(context.orion()?, &prometheus.url())?;
    let filled = Filled::start()?;
    let files = filled.until_killed()?;
    let bytes = store_bytes(&files.memory_dir())?;
    require(bytes >= LEAST_BYTES, || format!("the store has only {bytes} bytes"))?;
    std::fs::remove_dir(deployment.memory_dir()).map_err(BenchError::failed("make room for the store"))?;
    std::fs::rename(files.memory_dir(), deployment.memory_dir()).map_err(BenchError::failed("move the store"))?;
    let rules = std::fs::read_to_string(files.0.join("rules").join(RULE_FILE));
    deployment.rule_file(RULE_FILE, &rules.map_err(BenchError::failed("read the rules"))?)?;
    deployment.rule_file("asking.yaml", ASKING)?;
    let orion = deployment.start()?;
    let asked = deployment.explained(prometheus.wait_for("asked_first", PATIENCE))?;
    let took = asked - orion.started;
    deployment.explained(orion.terminate())?;
    require_whole(&deployment.memory_dir())?;
    Ok(vec![
        Figure::new(
            "start to the first evaluation, after a kill",
            Target::AtMost(MOST_SECONDS),
            took.as_secs_f64(),
            "s",
        )
        .note(format!("{:.2} GiB of log and journal; time on the wall", bytes as f64 / LEAST_BYTES as f64)),
    ])
}

/// The audit trail, of which files were closed on the way, holds what the store holds.
fn require_whole(memory_dir: &Path) -> Result<(), BenchError> {
    const WHAT: &str = "verify the audit trail";
    let mut store = SqliteBus::open_read_only(memory_dir).map_err(BenchError::failed(WHAT))?;
    let audit = memory::audit(memory_dir, &mut store, false, None).map_err(BenchError::failed(WHAT))?;
    require(audit.findings.is_empty(), || format!("the audit trail is not whole: {:?}", audit.findings))
}

/// The folder of a process that fills its store; removed with this.
struct Files(PathBuf);

impl Files {
    fn memory_dir(&self) -> PathBuf {
        self.0.join("memory")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A process that fills its store until it kills itself.
struct Filled {
    child: Child,
}

impl Filled {
    fn start() -> Result<Self, BenchError> {
        const WHAT: &str = "start a process that fills a store";
        let me = std::env::current_exe().map_err(BenchError::failed(WHAT))?;
        let mut command = Command::new(me);
        command.args(["--alone", "--only", NAME]).stdout(Stdio::piped());
        Ok(Self { child: command.spawn().map_err(BenchError::failed(WHAT))? })
    }

    fn until_killed(mut self) -> Result<Files, BenchError> {
        const WHAT: &str = "fill a store";
        let mut line = String::new();
        if let Some(stdout) = self.child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(BenchError::failed(WHAT))?;
        }
        let files = Files(PathBuf::from(line.trim_end()));
        require(files.0.is_absolute(), || format!("its folder is `{line}`"))?;
        let status = self.child.wait().map_err(BenchError::failed(WHAT))?;
        let killed = std::os::unix::process::ExitStatusExt::signal(&status);
        require(killed == Some(rustix::process::Signal::KILL.as_raw()), || format!("it ended with {status}"))?;
        Ok(files)
    }
}

/// Floods a store until it is large enough, and does not return from that.
fn fill() -> Result<(), BenchError> {
    let folder = folder_on_disk()?.keep();
    println!("{}", folder.display());
    flood::write_rules(&folder)?;
    std::thread::spawn({
        let memory_dir = folder.join("memory");
        move || kill_when_full(&memory_dir)
    });
    flood::runtime()?.block_on(async {
        let stages = Stages::start(&folder, Engines::embedded(&folder)?).await?;
        let mut part = 0;
        loop {
            flood::send(&stages.bus, flood::commits(part, ALERTS_AT_ONCE, With::AlertState), Pace::AsFastAsTheyStand)
                .await?;
            part += 1;
        }
    })
}

fn kill_when_full(memory_dir: &Path) {
    while store_bytes(memory_dir).unwrap_or(0) < LEAST_BYTES {
        std::thread::sleep(LOOK_EVERY);
    }
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}

fn store_bytes(memory_dir: &Path) -> Result<u64, BenchError> {
    const WHAT: &str = "see how large the store is";
    let journal = memory_dir.join(format!("{DATABASE_FILE}-wal"));
    let sizes = [memory_dir.join(DATABASE_FILE), journal].map(|path| path.metadata().map(|file| file.len()));
    sizes.into_iter().map(|size| size.map_err(BenchError::failed(WHAT))).sum()
}
