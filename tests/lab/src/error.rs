//! Why the lab cannot start something.

use std::path::PathBuf;

/// A server of the lab that does not come up.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The program is not installed.
    #[error(
        "`{program}` is not installed; run `apt-get install prometheus prometheus-node-exporter redis-server docker-registry` or `cargo xtask setup`"
    )]
    MissingBinary {
        /// Which one.
        program: &'static str,
    },
    /// It runs and does not answer, or ended.
    #[error("{program} on {address} was not ready after {waited_seconds} s; the end of its log {}:\n{log_tail}", log.display())]
    NotReady {
        /// Which one.
        program: &'static str,
        /// Where it should listen.
        address: String,
        /// How long it had.
        waited_seconds: u64,
        /// Its log file.
        log: PathBuf,
        /// How it ends.
        log_tail: String,
    },
    /// No port, no thread, no folder, no signal.
    #[error("{what}: {why}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// An HTTP exchange between the lab and one of its servers failed.
    #[error("{url} gave no usable answer: {why}")]
    Http {
        /// Asked for.
        url: String,
        /// What came instead.
        why: String,
    },
    /// No certificate came about.
    #[error("cannot make a certificate: {why}")]
    Certificate {
        /// What was said.
        why: String,
    },
    /// A Redis of the lab did not do what it was told.
    #[error("Redis on {address} did not take `{command}`: {why}")]
    Redis {
        /// What it was told.
        command: String,
        /// Which one.
        address: String,
        /// What it said, or what became of the connection.
        why: std::io::Error,
    },
}

impl LabError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |why| Self::Io { what, why }
    }
}
