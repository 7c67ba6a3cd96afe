//! The process takes away from itself what it will never need, before it starts its first thread.
//!
//! A plugin is held by the sandbox. This is the wall behind it: whatever runs in this process, by a defect or by somebody's
//! will, starts no program, writes into one folder and speaks to the configured ports. Two mechanisms of the kernel, both
//! open to any user, both for good:
//!
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
    let mut missing = kernel.missing();
    refuse_if_required(mode, &missing)?;
    let holds_all_threads = kernel.restricts_all_threads() || threads_running().is_none_or(|threads| threads == 1);
    if !holds_all_threads {
        missing.push(Missing::OtherThreads);
        refuse_if_required(mode, &missing)?;
    }
    if kernel.restricts_files() {
        missing.extend(restrict::restrict(policy).err().map(Missing::Landlock));
        refuse_if_required(mode, &missing)?;
    }
    missing.extend(filter::apply(policy).err().map(Missing::Seccomp));
    refuse_if_required(mode, &missing)?;
    Ok(Attestation::of(mode, kernel, policy, missing))
}

fn refuse_if_required(mode: Mode, missing: &[Missing]) -> Result<(), ConfineError> {
    if mode == Mode::Require && !missing.is_empty() {
        return Err(ConfineError::Impossible(missing.to_vec()));
    }
    Ok(())
}

/// Threads of this process; `None` where nothing tells.
fn threads_running() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}
