//! Programs and processes.
#![expect(clippy::disallowed_types, reason = "starting a program is what is tried here; none of this is deployed")]

use std::io;
use std::process::Command;

use crate::call::{NOTHING, try_call};
use crate::{Attempt, harmful, harmless};

/// A new process would end here; there is none where it is refused.
fn in_parent(started: io::Result<usize>) -> io::Result<()> {
    match started {
        Ok(0) => std::process::exit(0),
        started => started.map(drop),
    }
}

/// A process that is not this one.
fn other() -> usize {
    std::os::unix::process::parent_id() as usize
}

/// What is tried.
pub const ATTEMPTS: &[Attempt] = &[
    harmless("start /bin/true", |_| Command::new("/bin/true").status().map(drop)),
    harmless("become /bin/true (execve)", |_| try_call(libc::SYS_execve, [0; 6])),
    harmless("become a file (execveat)", |_| try_call(libc::SYS_execveat, [NOTHING, 0, 0, 0, 0, 0])),
    #[cfg(target_arch = "x86_64")]
    harmless("fork", |_| in_parent(crate::call::call(libc::SYS_fork, [0; 6]))),
    #[cfg(target_arch = "x86_64")]
    harmful("vfork", |_| try_call(libc::SYS_vfork, [0; 6])),
    harmless("clone a process", |_| in_parent(crate::call::call(libc::SYS_clone, [17, 0, 0, 0, 0, 0]))),
    harmful("clone a thread into a network of its own", |_| {
        let flags = libc::CLONE_THREAD | libc::CLONE_SIGHAND | libc::CLONE_VM | libc::CLONE_NEWNET;
        try_call(libc::SYS_clone, [flags as usize, 0, 0, 0, 0, 0])
    }),
    harmless("clone3", |_| try_call(libc::SYS_clone3, [0; 6])),
    #[cfg(target_arch = "x86_64")]
    harmful("execve as x32 calls it", |_| try_call(0x4000_0000 | 520, [0; 6])),
    #[cfg(target_arch = "x86_64")]
    harmful("fork as x32 calls it", |_| try_call(0x4000_0000 | libc::SYS_fork, [0; 6])),
    harmless("look into a process (ptrace)", |_| try_call(libc::SYS_ptrace, [1, other(), 0, 0, 0, 0])),
    harmless("read its memory", |_| try_call(libc::SYS_process_vm_readv, [other(), 0, 0, 0, 0, 0])),
    harmless("write its memory", |_| try_call(libc::SYS_process_vm_writev, [other(), 0, 0, 0, 0, 0])),
    harmless("hold it (pidfd_open)", |_| try_call(libc::SYS_pidfd_open, [other(), 0, 0, 0, 0, 0])),
    harmless("take a file of it (pidfd_getfd)", |_| try_call(libc::SYS_pidfd_getfd, [NOTHING, 0, 0, 0, 0, 0])),
    harmless("signal it (kill)", |_| try_call(libc::SYS_kill, [other(), 0, 0, 0, 0, 0])),
    harmless("signal it (tgkill)", |_| try_call(libc::SYS_tgkill, [other(), other(), 0, 0, 0, 0])),
    harmless("signal it (tkill)", |_| try_call(libc::SYS_tkill, [other(), 0, 0, 0, 0, 0])),
    harmless("signal everybody", |_| try_call(libc::SYS_kill, [NOTHING, 0, 0, 0, 0, 0])),
    harmless("see its limits (prlimit64)", |_| try_call(libc::SYS_prlimit64, [other(), 0, 0, 0, 0, 0])),
    harmful("change its priority", |_| try_call(libc::SYS_setpriority, [0, other(), 0, 0, 0, 0])),
    harmful("share memory with it (shmget)", |_| try_call(libc::SYS_shmget, [0, 4096, 0o600, 0, 0, 0])),
    harmless("leave it a message (mq_open)", |_| try_call(libc::SYS_mq_open, [0; 6])),
    harmless("type into its terminal (TIOCSTI)", |_| {
        try_call(libc::SYS_ioctl, [0, libc::TIOCSTI as usize, 0, 0, 0, 0])
    }),
];
