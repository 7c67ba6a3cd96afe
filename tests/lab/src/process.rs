//! The real programs the lab starts, and the one place where it starts them.
#![expect(
    clippy::disallowed_types,
    reason = "test tooling starts real servers; the deployed orion links nothing of it"
)]

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tempfile::TempDir;

use crate::error::LabError;
use crate::http::get;

/// Prometheus replays its write-ahead log before it is ready; on a busy two-core machine that takes seconds.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How often readiness is asked for.
const READY_POLL: Duration = Duration::from_millis(50);

/// How much of a log an error shows.
const LOG_TAIL_BYTES: usize = 2_000;

/// A server in its own process. Dropped: killed.
pub(crate) struct Process {
    program: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    pub(crate) fn spawn(program: &'static str, arguments: &[String], log: &Path) -> Result<Self, LabError> {
        let log_file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(LabError::io(format!("cannot open the log {}", log.display())))?;
        let log_file_too = log_file.try_clone().map_err(LabError::io("cannot share the log"))?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log_file)
            .stderr(log_file_too)
            .spawn()
            .map_err(|why| match why.kind() {
                std::io::ErrorKind::NotFound => LabError::MissingBinary { program },
                _ => LabError::Io { what: format!("cannot start {program}"), why },
            })?;
        Ok(Self { program, child, log: log.to_owned() })
    }

    /// Waits until `path` is answered with 200.
    pub(crate) fn wait_until_ready(&mut self, address: SocketAddr, path: &str) -> Result<(), LabError> {
        // Who wants to know first who asks is there, too.
        self.wait_until(address, || matches!(get(address, path), Ok((200 | 401, _))))
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until what should listen at `address` is ready.
    pub(crate) fn wait_until(&mut self, address: SocketAddr, is_ready: impl Fn() -> bool) -> Result<(), LabError> {
        let started = Instant::now();
        while started.elapsed() < READY_WITHIN {
            if is_ready() {
                return Ok(());
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(READY_POLL);
        }
        Err(LabError::NotReady {
            program: self.program,
            address: address.to_string(),
            waited_seconds: started.elapsed().as_secs(),
            log: self.log.clone(),
            log_tail: self.log_tail(),
        })
    }

    fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let tail = text.get(text.len().saturating_sub(LOG_TAIL_BYTES)..).unwrap_or_default();
        String::from_utf8_lossy(tail).into_owned()
    }

    /// Stops it, and returns when it stands still: the signal alone takes effect some time later.
    pub(crate) fn pause(&self) -> Result<(), LabError> {
        self.signal(Signal::STOP)?;
        let stopped = waitid(WaitId::Pid(self.pid()?), WaitIdOptions::STOPPED);
        stopped.map(|_| ()).map_err(|why| self.signal_failed(why.into()))
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) -> Result<(), LabError> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<(), LabError> {
        kill_process(self.pid()?, signal).map_err(|why| self.signal_failed(why.into()))
    }

    fn pid(&self) -> Result<Pid, LabError> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.ok_or_else(|| self.signal_failed(std::io::ErrorKind::NotFound.into()))
    }

    fn signal_failed(&self, why: std::io::Error) -> LabError {
        LabError::Io { what: format!("cannot signal {}", self.program), why }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL also ends a stopped process; waiting frees its port before the next one wants it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A loopback port that was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr, LabError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(LabError::io("no free port"))?;
    listener.local_addr().map_err(LabError::io("cannot learn the port"))
}

pub(crate) fn temporary_folder() -> Result<TempDir, LabError> {
    tempfile::Builder::new().prefix("orion-lab-").tempdir().map_err(LabError::io("cannot make a temporary folder"))
}

/// The real node_exporter, telling of this machine.
pub struct NodeExporter {
    address: SocketAddr,
    // Declared before the folder: the process goes first.
    _process: Process,
    _folder: TempDir,
}

impl NodeExporter {
    /// Starts on a free port.
    pub fn start() -> Result<Self, LabError> {
        let folder = temporary_folder()?;
        let address = free_address()?;
        let arguments = [format!("--web.listen-address={address}")];
        let mut process = Process::spawn("prometheus-node-exporter", &arguments, &folder.path().join("log"))?;
        process.wait_until_ready(address, "/")?;
        Ok(Self { address, _process: process, _folder: folder })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
