//! The process takes away from itself what it will never need, before it starts its first thread.
//!
//! A plugin is held by the sandbox. This is the wall behind it: whatever runs in this process, by a defect or by somebody's
//! will, starts no program, writes into one folder and speaks to the configured ports. Three mechanisms of the kernel, open
//! to any user, and for good:
//!
//! - *capabilities* are what root is more than a user. All are given up but those for reading and writing files of any owner.
//! - *landlock* decides about files and TCP ports. Before ABI 8 it holds for the calling thread and for those it starts,
//!   hence before the first thread.
//! - *seccomp* decides about system calls, and about everything landlock does not know: programs, other processes, UDP.
//!
//! What was achieved is an [`Attestation`]: a typed report, for the log and for the audit trail.

mod attestation;
mod calls;
mod error;
mod filter;
mod kernel;
mod mode;
mod paths;
mod policy;
mod privileges;
mod restrict;

pub use attestation::{Attestation, Level, Refusal};
pub use error::ConfineError;
pub use kernel::{Kernel, Missing};
pub use mode::Mode;
pub use policy::{Policy, Resolution};

/// Confines this process, as far as `mode` asks and `kernel` can. To be called by its only thread.
pub fn confine(mode: Mode, kernel: Kernel, policy: &Policy) -> Result<Attestation, ConfineError> {
    if mode == Mode::Off {
        return Ok(Attestation::unconfined(policy));
    }
    kernel.check(mode)?;
    let mut missing = kernel.missing();
    missing.extend(privileges::give_up().err().map(Missing::Privileges));
    mode.check(&missing)?;
    if kernel.restricts_files() {
        let is_alone = threads_running().is_none_or(|threads| threads == 1);
        missing.extend((!is_alone && !kernel.restricts_all_threads()).then_some(Missing::OtherThreads));
        mode.check(&missing)?;
        missing.extend(restrict::restrict(policy).err().map(Missing::Landlock));
        mode.check(&missing)?;
    }
    missing.extend(filter::apply(policy).err().map(Missing::Seccomp));
    mode.check(&missing)?;
    Ok(Attestation::of(mode, kernel, policy, missing))
}

/// Threads of this process; `None` where nothing tells.
fn threads_running() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}
