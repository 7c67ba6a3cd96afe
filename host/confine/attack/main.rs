//! `orion-attack MODE FOLDER HOST PORT [serving]`: confines itself as `orion run` does, then tries what must not be possible, and what
//! must be. One JSON object a line: first the attestation, then each attempt with what became of it.
//!
//! FOLDER holds `readable`, `writable` and `elsewhere`, a file `file` in each. Where the confinement is not whole, only such
//! attempts are made as do no harm when they succeed. With MODE `off` they are the control, without which a refusal would
//! prove nothing. With PORT 0 it is a process that speaks to nobody. With `serving` it is one that answers at an address.

mod allowed;
mod call;
mod files;
mod kernel;
mod network;
mod processes;

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use orion_confine::{Kernel, Level, Mode, Policy, confine};
use serde_json::json;

/// In the place of a port.
const NOBODY: u16 = 0;

/// What attempts are made on.
pub struct Ground {
    folder: PathBuf,
    host: String,
    port: u16,
    /// The socket at which it answers, if it does.
    pub server: Option<TcpListener>,
}

impl Ground {
    /// The file that may be read.
    pub fn readable(&self) -> PathBuf {
        self.folder.join("readable/file")
    }

    /// The file that may be written.
    pub fn writable(&self) -> PathBuf {
        self.folder.join("writable/file")
    }

    /// The file that may be neither.
    pub fn elsewhere(&self) -> PathBuf {
        self.folder.join("elsewhere/file")
    }
}

/// Something to try.
#[derive(Clone, Copy)]
pub struct Attempt {
    /// What.
    pub what: &'static str,
    /// Whether it may be tried where nothing refuses it.
    pub is_harmless: bool,
    /// Tries it.
    pub run: fn(&Ground) -> io::Result<()>,
}

/// An attempt that does no harm where it succeeds.
pub const fn harmless(what: &'static str, run: fn(&Ground) -> io::Result<()>) -> Attempt {
    Attempt { what, is_harmless: true, run }
}

/// An attempt that is made only where it is refused, or that is refused to nearly everybody in the same words.
pub const fn harmful(what: &'static str, run: fn(&Ground) -> io::Result<()>) -> Attempt {
    Attempt { what, is_harmless: false, run }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mode, folder, host, port, server) = match arguments.as_slice() {
        [mode, folder, host, port] => (mode, folder, host, port, None),
        [mode, folder, host, port, serving] if serving == "serving" => {
            let Ok(server) = TcpListener::bind(("127.0.0.1", 0)) else { return usage() };
            (mode, folder, host, port, Some(server))
        }
        _ => return usage(),
    };
    let (Some(mode), Ok(port)) = (mode_of(mode), port.parse()) else { return usage() };
    let ground = Ground { folder: PathBuf::from(folder), host: host.clone(), port, server };
    let mut policy = Policy::default();
    // The folder itself and not the one around it, in which everything lies here.
    policy.read_folder(&ground.readable());
    policy.write_folder(&ground.folder.join("writable"));
    if port != NOBODY {
        policy.connect(host, port);
    }
    if let Some(address) = ground.server.as_ref().and_then(|server| server.local_addr().ok()) {
        policy.serve(address);
    }
    let attestation = match confine(mode, Kernel::ask(), &policy) {
        Ok(attestation) => attestation,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(3);
        }
    };
    println!("{}", json!({ "attestation": attestation, "said": attestation.to_string() }));
    let is_confined = attestation.level == Level::Full;
    for (kind, attempts) in [
        ("must fail", [processes::ATTEMPTS, kernel::ATTEMPTS, files::ATTEMPTS, network::ATTEMPTS].concat()),
        ("must succeed", allowed::ATTEMPTS.to_vec()),
    ] {
        for attempt in attempts.iter().filter(|attempt| is_confined || attempt.is_harmless) {
            let outcome = outcome((attempt.run)(&ground));
            println!("{}", json!({ "attempt": attempt.what, "kind": kind, "outcome": outcome }));
        }
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("orion-attack require|auto|off FOLDER HOST PORT [serving]");
    ExitCode::from(2)
}

fn mode_of(word: &str) -> Option<Mode> {
    [Mode::Require, Mode::Auto, Mode::Off].into_iter().find(|mode| mode.as_str() == word)
}

fn outcome(result: io::Result<()>) -> String {
    match result {
        Ok(()) => "succeeded".to_owned(),
        Err(error) => error.raw_os_error().map_or_else(|| error.to_string(), call::errno_name),
    }
}

/// A path as the kernel takes it.
pub fn path(path: &Path) -> io::Result<std::ffi::CString> {
    use std::os::unix::ffi::OsStrExt;

    std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}
