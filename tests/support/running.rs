//! A running `orion`, and the signals that it is sent.

use std::path::PathBuf;
use std::process::{Child, ExitStatus};

use super::wait_until;

/// A running `orion`. Killed when dropped.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// A process that says what it does in this file.
    pub fn new(child: Child, log: PathBuf) -> Self {
        Self { child, log }
    }

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

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        let log = self.log.clone();
        wait_until(
            "orion to end",
            || {
                status = self.ended();
                status.is_some()
            },
            || std::fs::read_to_string(&log).unwrap_or_default(),
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
