//! System calls that are refused, by what they would be good for.
//!
//! A list of what is refused and not of what is allowed: the C library changes which calls it makes from version to version,
//! and a call that was forgotten in a list of the allowed ones fails in the middle of the night. Two things keep the list
//! from going stale. Calls newer than it ([`NEWEST_KNOWN`]) do not exist for this process, and with them all numbers of
//! other calling conventions. And sockets are the other way round: what is not named there is refused.

use libc::{
    SYS_accept, SYS_accept4, SYS_acct, SYS_add_key, SYS_adjtimex, SYS_bind, SYS_bpf, SYS_chroot, SYS_clock_adjtime,
    SYS_clock_settime, SYS_delete_module, SYS_execve, SYS_execveat, SYS_fanotify_init, SYS_fanotify_mark, SYS_fchmod,
    SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_finit_module, SYS_fremovexattr, SYS_fsconfig, SYS_fsetxattr,
    SYS_fsmount, SYS_fsopen, SYS_fspick, SYS_init_module, SYS_io_uring_enter, SYS_io_uring_register,
    SYS_io_uring_setup, SYS_kcmp, SYS_kexec_file_load, SYS_kexec_load, SYS_keyctl, SYS_listen, SYS_lookup_dcookie,
    SYS_lremovexattr, SYS_lsetxattr, SYS_migrate_pages, SYS_mknodat, SYS_mount, SYS_mount_setattr, SYS_move_mount,
    SYS_move_pages, SYS_mq_open, SYS_mq_unlink, SYS_msgctl, SYS_msgget, SYS_msgrcv, SYS_msgsnd, SYS_nfsservctl,
    SYS_open_by_handle_at, SYS_open_tree, SYS_perf_event_open, SYS_personality, SYS_pidfd_getfd, SYS_pidfd_open,
    SYS_pidfd_send_signal, SYS_pivot_root, SYS_process_madvise, SYS_process_mrelease, SYS_process_vm_readv,
    SYS_process_vm_writev, SYS_ptrace, SYS_quotactl, SYS_quotactl_fd, SYS_reboot, SYS_removexattr, SYS_request_key,
    SYS_semctl, SYS_semget, SYS_semop, SYS_semtimedop, SYS_setdomainname, SYS_sethostname, SYS_setns, SYS_settimeofday,
    SYS_setxattr, SYS_shmat, SYS_shmctl, SYS_shmget, SYS_swapoff, SYS_swapon, SYS_syslog, SYS_tkill, SYS_truncate,
    SYS_umount2, SYS_unshare, SYS_userfaultfd, SYS_utimensat, SYS_vhangup,
};

use crate::policy::{Policy, Resolution};

/// `mseal`, of Linux 6.10. Nothing in the binary needs a later call, and who finds one missing does without. Counted the
/// same on every machine since number 424.
pub(crate) const NEWEST_KNOWN: u32 = 462;

/// On every machine; the C library's headers do not have it for all of them.
const SYS_FCHMODAT2: i64 = 452;

/// Calls that are good for one thing, refused whatever their arguments are.
pub(crate) struct Family {
    /// What they would be good for.
    pub(crate) what: &'static str,
    /// Their numbers.
    pub(crate) calls: &'static [i64],
    /// More of them, where the machine is an old one.
    pub(crate) old_calls: &'static [i64],
}

/// Those that get EPERM. What is refused by its arguments is in [`crate::filter`].
pub(crate) const FAMILIES: &[Family] = &[
    Family { what: "start a program", calls: &[SYS_execve, SYS_execveat], old_calls: &[] },
    // And `clone`, by its arguments.
    Family { what: "start a process", calls: &[], old_calls: old::FORKS },
    // And signals, limits, priorities and the terminal, by their arguments.
    Family {
        what: "see, signal or change another process, or type into its terminal",
        calls: &[
            SYS_ptrace,
            SYS_process_vm_readv,
            SYS_process_vm_writev,
            SYS_process_madvise,
            SYS_process_mrelease,
            SYS_pidfd_open,
            SYS_pidfd_getfd,
            SYS_pidfd_send_signal,
            SYS_kcmp,
            SYS_move_pages,
            SYS_migrate_pages,
            SYS_tkill,
            SYS_shmget,
            SYS_shmat,
            SYS_shmctl,
            SYS_semget,
            SYS_semop,
            SYS_semtimedop,
            SYS_semctl,
            SYS_msgget,
            SYS_msgsnd,
            SYS_msgrcv,
            SYS_msgctl,
            SYS_mq_open,
            SYS_mq_unlink,
        ],
        old_calls: &[],
    },
    Family {
        what: "mount, or change its namespaces",
        calls: &[
            SYS_unshare,
            SYS_setns,
            SYS_mount,
            SYS_umount2,
            SYS_pivot_root,
            SYS_chroot,
            SYS_open_tree,
            SYS_move_mount,
            SYS_fsopen,
            SYS_fsconfig,
            SYS_fsmount,
            SYS_fspick,
            SYS_mount_setattr,
        ],
        old_calls: &[],
    },
    Family {
        what: "change the kernel or the machine",
        calls: &[
            SYS_bpf,
            SYS_perf_event_open,
            SYS_init_module,
            SYS_finit_module,
            SYS_delete_module,
            SYS_kexec_load,
            SYS_kexec_file_load,
            SYS_reboot,
            SYS_swapon,
            SYS_swapoff,
            SYS_acct,
            SYS_quotactl,
            SYS_quotactl_fd,
            SYS_settimeofday,
            SYS_clock_settime,
            SYS_clock_adjtime,
            SYS_adjtimex,
            SYS_sethostname,
            SYS_setdomainname,
            SYS_syslog,
            SYS_vhangup,
            SYS_nfsservctl,
            SYS_lookup_dcookie,
            SYS_personality,
            SYS_add_key,
            SYS_request_key,
            SYS_keyctl,
            SYS_userfaultfd,
            SYS_fanotify_init,
            SYS_fanotify_mark,
            SYS_open_by_handle_at,
        ],
        old_calls: old::OF_THE_KERNEL,
    },
    // They would do all the others' work where no filter sees it.
    Family {
        what: "use io_uring",
        calls: &[SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register],
        old_calls: &[],
    },
    // Landlock does not look at these, and root may do them to every file.
    Family {
        what: "change the owner, mode, times or attributes of a file, or make a device",
        calls: &[
            SYS_fchmod,
            SYS_fchmodat,
            SYS_FCHMODAT2,
            SYS_fchown,
            SYS_fchownat,
            SYS_setxattr,
            SYS_lsetxattr,
            SYS_fsetxattr,
            SYS_removexattr,
            SYS_lremovexattr,
            SYS_fremovexattr,
            SYS_utimensat,
            SYS_truncate,
            SYS_mknodat,
        ],
        old_calls: old::OF_FILES,
    },
];

/// Those that get EACCES: nothing new is served from here on.
pub(crate) const OPENING: &[i64] = &[SYS_bind, SYS_listen];

/// Those that get EACCES where nothing was opened before: nobody is served.
pub(crate) const ACCEPTING: &[i64] = &[SYS_accept, SYS_accept4];

/// Calls that only older machines have.
#[cfg(target_arch = "x86_64")]
mod old {
    use libc::{
        SYS__sysctl, SYS_chmod, SYS_chown, SYS_fork, SYS_futimesat, SYS_ioperm, SYS_iopl, SYS_lchown, SYS_mknod,
        SYS_modify_ldt, SYS_uselib, SYS_utime, SYS_utimes, SYS_vfork,
    };

    pub(super) const FORKS: &[i64] = &[SYS_fork, SYS_vfork];
    pub(super) const OF_THE_KERNEL: &[i64] = &[SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_uselib, SYS__sysctl];
    pub(super) const OF_FILES: &[i64] =
        &[SYS_chmod, SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat, SYS_mknod];
}

/// Calls that only older machines have.
#[cfg(not(target_arch = "x86_64"))]
mod old {
    pub(super) const FORKS: &[i64] = &[];
    pub(super) const OF_THE_KERNEL: &[i64] = &[];
    pub(super) const OF_FILES: &[i64] = &[];
}

/// Everything a process of this policy is refused, each with what it gets.
pub(crate) fn refused(policy: &Policy) -> Vec<(&'static str, &'static str)> {
    let mut refused: Vec<_> = FAMILIES.iter().map(|family| (family.what, "EPERM")).collect();
    refused.push(match policy.serves() {
        Some(_) => ("serve at another address (bind, listen)", "EACCES"),
        None => ("serve anybody (bind, listen, accept)", "EACCES"),
    });
    if policy.has_ports() {
        refused.push(("use a socket that is not TCP over IPv4 or IPv6, or TCP's way around `connect`", "EACCES"));
        if policy.resolution() != Resolution::Udp {
            refused.push(("send UDP", "EACCES"));
        }
    } else {
        refused.push(("use a socket of any kind", "EACCES"));
    }
    refused.push(("make system calls that are newer than this list or of another calling convention", "ENOSYS"));
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_named_once_and_known() {
        let named: Vec<i64> = FAMILIES
            .iter()
            .flat_map(|family| family.calls.iter().chain(family.old_calls))
            .chain(OPENING)
            .chain(ACCEPTING)
            .copied()
            .collect();
        let distinct: std::collections::BTreeSet<_> = named.iter().collect();
        assert_eq!(distinct.len(), named.len());
        assert!(named.iter().all(|call| (0..=i64::from(NEWEST_KNOWN)).contains(call)), "{named:?}");
    }
}
