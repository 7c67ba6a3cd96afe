//! What the kernel under this process can do, and what is missing where it cannot.

use std::fmt;

use landlock::{ABI, LandlockStatus, RestrictSelf};

use crate::error::ConfineError;
use crate::mode::Mode;

/// Files with truncation since ABI 3 and TCP ports since ABI 4: what this confinement is about. What later ABIs add
/// (devices, signals, abstract sockets) is asked for as well, and is refused by seccomp in any case.
const NEEDED_ABI: u32 = 4;

/// From here on a domain can be laid over threads that run already.
const ALL_THREADS_ABI: u32 = 8;

/// What the kernel says of landlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// It was built without, or a filter around this process hides it.
    WithoutLandlock,
    /// It was built with, and does not use it.
    LandlockNotEnabled,
    /// It can, in this version of the interface.
    Landlock(u32),
}

impl Kernel {
    /// Asks it. Changes nothing.
    pub fn ask() -> Self {
        // Without a flag to set this calls nothing but the question for the version.
        let status = RestrictSelf::default().no_new_privs(false).apply().map(|status| status.landlock);
        match status {
            Ok(LandlockStatus::Available { effective_abi, kernel_abi }) => {
                let newer = kernel_abi.and_then(|abi| u32::try_from(abi).ok());
                Self::Landlock(newer.unwrap_or(effective_abi as u32))
            }
            Ok(LandlockStatus::NotEnabled) => Self::LandlockNotEnabled,
            Ok(LandlockStatus::NotImplemented) | Err(_) => Self::WithoutLandlock,
        }
    }

    /// Version of landlock's interface; 0 is none.
    pub const fn landlock_abi(self) -> u32 {
        match self {
            Self::WithoutLandlock | Self::LandlockNotEnabled => ABI::Unsupported as u32,
            Self::Landlock(abi) => abi,
        }
    }

    /// What is known to be missing before anything is tried.
    pub fn missing(self) -> Vec<Missing> {
        match self {
            Self::WithoutLandlock => vec![Missing::NoLandlock],
            Self::LandlockNotEnabled => vec![Missing::LandlockNotEnabled],
            Self::Landlock(abi) if abi < NEEDED_ABI => vec![Missing::Ports { abi }],
            Self::Landlock(_) => Vec::new(),
        }
    }

    /// Whether a start in this mode makes sense at all; to be asked before anything is written.
    pub fn check(self, mode: Mode) -> Result<(), ConfineError> {
        mode.check(&self.missing())
    }

    pub(crate) const fn restricts_files(self) -> bool {
        self.landlock_abi() > 0
    }

    pub(crate) const fn restricts_ports(self) -> bool {
        self.landlock_abi() >= NEEDED_ABI
    }

    pub(crate) const fn restricts_all_threads(self) -> bool {
        self.landlock_abi() >= ALL_THREADS_ABI
    }
}

/// A part of the confinement that could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No landlock at all.
    NoLandlock,
    /// Landlock is there and not in use.
    LandlockNotEnabled,
    /// Landlock knows no ports, and no truncation or no renaming between folders.
    Ports {
        /// Its version.
        abi: u32,
    },
    /// The kernel kept privileges that were given up.
    Privileges(String),
    /// Threads that ran before stay as they are.
    OtherThreads,
    /// Landlock refused its rules.
    Landlock(String),
    /// The filter of system calls was refused.
    Seccomp(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLandlock => {
                f.write_str("files and TCP ports are not limited: the kernel has no landlock, or a filter hides it")
            }
            Self::LandlockNotEnabled => f.write_str(
                "files and TCP ports are not limited: the kernel has landlock and does not use it (boot parameter `lsm=`)",
            ),
            Self::Ports { abi } => write!(
                f,
                "TCP ports are not limited: landlock is version {abi} here, and knows ports from version {NEEDED_ABI} on"
            ),
            Self::Privileges(why) => write!(f, "privileges of root are kept: {why}"),
            Self::OtherThreads => {
                f.write_str("files and TCP ports are not limited for threads that were started before: a defect of Orion's")
            }
            Self::Landlock(why) => write!(f, "files and TCP ports are not limited: landlock refused: {why}"),
            Self::Seccomp(why) => write!(f, "system calls are not limited: seccomp refused: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_follows_from_the_version() {
        let missing = |abi| Kernel::Landlock(abi).missing();
        assert_eq!(missing(NEEDED_ABI - 1), [Missing::Ports { abi: NEEDED_ABI - 1 }]);
        assert_eq!(missing(NEEDED_ABI), []);
        assert_eq!(missing(ALL_THREADS_ABI + 10), []);
        assert_eq!(Kernel::WithoutLandlock.missing(), [Missing::NoLandlock]);
        assert_eq!(Kernel::LandlockNotEnabled.missing(), [Missing::LandlockNotEnabled]);
    }

    #[test]
    fn asking_changes_nothing() {
        let confinement = || -> Vec<String> {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let of_interest = |line: &&str| line.starts_with("NoNewPrivs") || line.starts_with("Seccomp");
            status.lines().filter(of_interest).map(str::to_owned).collect()
        };
        let before = confinement();
        assert_eq!(Kernel::ask(), Kernel::ask());
        assert_eq!(confinement(), before);
        assert!(!before.is_empty());
    }
}
