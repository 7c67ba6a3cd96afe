//! What was achieved, as data: for the log, the audit trail, and whoever asks what this process can still do.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::calls;
use crate::kernel::{Kernel, Missing};
use crate::mode::Mode;
use crate::policy::{Policy, Resolution};

/// How far the confinement goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// All of it.
    Full,
    /// Some of it; what is missing is said.
    Partial,
    /// None.
    None,
}

impl Level {
    /// As it is written in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::None => "none",
        }
    }
}

/// Something this process cannot do any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// What.
    pub what: &'static str,
    /// Who refuses it.
    pub by: &'static str,
    /// What the call that tries it gets.
    pub errno: &'static str,
}

/// What a process can do and what it cannot, as the kernel was told and has confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attestation {
    /// What was asked for.
    pub mode: Mode,
    /// What was achieved.
    pub level: Level,
    /// Version of landlock's interface; 0 where there is none.
    pub landlock_abi: u32,
    /// What is refused.
    pub refused: Vec<Refusal>,
    /// What may be read, with all that lies in it. Empty where everything may.
    pub may_read: Vec<String>,
    /// What may be written, with all that lies in it. Empty where everything may.
    pub may_write: Vec<String>,
    /// TCP ports that may be connected to, on any host. Empty where every one may, or none because of `refused`.
    pub may_connect: Vec<u16>,
    /// The one address at which it answers those who connect; none where it answers nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serves: Option<String>,
    /// How names become addresses: the one thing that may need UDP.
    pub name_resolution: Resolution,
    /// What could not be had, each with the reason.
    pub missing: Vec<String>,
}

const CAPABILITIES: &str = "capabilities";
const LANDLOCK: &str = "landlock";
const SECCOMP: &str = "seccomp";

impl Attestation {
    pub(crate) fn unconfined(policy: &Policy) -> Self {
        Self {
            mode: Mode::Off,
            level: Level::None,
            landlock_abi: 0,
            refused: Vec::new(),
            may_read: Vec::new(),
            may_write: Vec::new(),
            may_connect: Vec::new(),
            serves: policy.serves().map(|address| address.to_string()),
            name_resolution: policy.resolution(),
            missing: vec!["everything: the confinement is turned off".to_owned()],
        }
    }

    pub(crate) fn of(mode: Mode, kernel: Kernel, policy: &Policy, missing: Vec<Missing>) -> Self {
        let has_landlock = kernel.restricts_files() && !missing.iter().any(|it| matches!(it, Missing::Landlock(_)));
        let has_seccomp = !missing.iter().any(|it| matches!(it, Missing::Seccomp(_)));
        let has_ports = has_landlock && kernel.restricts_ports();
        let mut refused = Vec::new();
        if !missing.iter().any(|it| matches!(it, Missing::Privileges(_))) {
            refused.push(Refusal { what: "what only root may, but for files", by: CAPABILITIES, errno: "EPERM" });
        }
        if has_landlock {
            refused.push(Refusal { what: "read other files", by: LANDLOCK, errno: "EACCES" });
            refused.push(Refusal { what: "write other files", by: LANDLOCK, errno: "EACCES" });
        }
        if has_ports {
            refused.push(Refusal { what: "connect to other TCP ports", by: LANDLOCK, errno: "EACCES" });
        }
        if has_seccomp {
            let refusal = |(what, errno)| Refusal { what, by: SECCOMP, errno };
            refused.extend(calls::refused(policy).into_iter().map(refusal));
        }
        let level = match (missing.is_empty(), has_landlock || has_seccomp) {
            (true, _) => Level::Full,
            (false, true) => Level::Partial,
            (false, false) => Level::None,
        };
        let listed = |paths: &mut dyn Iterator<Item = PathBuf>| -> Vec<String> {
            paths.filter(|_| has_landlock).map(|path| path.display().to_string()).collect()
        };
        Self {
            mode,
            level,
            landlock_abi: kernel.landlock_abi(),
            refused,
            may_read: listed(&mut policy.readable()),
            may_write: listed(&mut policy.writable()),
            may_connect: if has_ports { policy.ports().collect() } else { Vec::new() },
            serves: policy.serves().map(|address| address.to_string()),
            name_resolution: policy.resolution(),
            missing: missing.iter().map(Missing::to_string).collect(),
        }
    }
}

impl Attestation {
    /// All of it, as the members of an event's data.
    pub fn facts(&self) -> Map<String, Value> {
        // A structure of texts and numbers is an object, always.
        match serde_json::to_value(self) {
            Ok(Value::Object(facts)) => facts,
            _ => Map::new(),
        }
    }
}

/// One line for a person.
impl fmt::Display for Attestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Level::Full => {
                write!(f, "this process is confined ({}): landlock {}, seccomp", self.mode, self.landlock_abi)
            }
            Level::Partial => {
                write!(f, "this process is confined in part ({}): {}", self.mode, self.missing.join("; "))
            }
            Level::None => write!(f, "this process is NOT confined ({}): {}", self.mode, self.missing.join("; ")),
        }
    }
}
