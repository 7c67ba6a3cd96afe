//! The kernel and the machine.

use crate::call::{NOTHING, try_call};
use crate::{Attempt, harmful, harmless};

/// What is tried.
pub const ATTEMPTS: &[Attempt] = &[
    harmless("leave its namespaces (unshare)", |_| try_call(libc::SYS_unshare, [0; 6])),
    harmless("enter others (setns)", |_| try_call(libc::SYS_setns, [NOTHING, 0, 0, 0, 0, 0])),
    harmless("mount", |_| try_call(libc::SYS_mount, [0; 6])),
    harmless("umount2", |_| try_call(libc::SYS_umount2, [0; 6])),
    harmless("pivot_root", |_| try_call(libc::SYS_pivot_root, [0; 6])),
    harmless("chroot", |_| try_call(libc::SYS_chroot, [0; 6])),
    harmless("open_tree", |_| try_call(libc::SYS_open_tree, [NOTHING, 0, 0, 0, 0, 0])),
    harmless("fsopen", |_| try_call(libc::SYS_fsopen, [0; 6])),
    harmless("bpf", |_| try_call(libc::SYS_bpf, [NOTHING, 0, 0, 0, 0, 0])),
    harmless("perf_event_open", |_| try_call(libc::SYS_perf_event_open, [0; 6])),
    harmless("load a module (init_module)", |_| try_call(libc::SYS_init_module, [0; 6])),
    harmless("load a module (finit_module)", |_| try_call(libc::SYS_finit_module, [NOTHING, 0, 0, 0, 0, 0])),
    harmless("remove a module", |_| try_call(libc::SYS_delete_module, [0; 6])),
    harmful("kexec_load", |_| try_call(libc::SYS_kexec_load, [0; 6])),
    harmless("reboot", |_| try_call(libc::SYS_reboot, [0; 6])),
    harmless("set the clock", |_| try_call(libc::SYS_settimeofday, [0; 6])),
    harmful("set the host's name", |_| try_call(libc::SYS_sethostname, [0, NOTHING, 0, 0, 0, 0])),
    harmless("personality", |_| try_call(libc::SYS_personality, [0xffff_ffff, 0, 0, 0, 0, 0])),
    harmless("use keys (keyctl)", |_| try_call(libc::SYS_keyctl, [0xffff, 0, 0, 0, 0, 0])),
    harmless("userfaultfd", |_| try_call(libc::SYS_userfaultfd, [NOTHING, 0, 0, 0, 0, 0])),
    harmless("watch all files (fanotify)", |_| try_call(libc::SYS_fanotify_init, [NOTHING, 0, 0, 0, 0, 0])),
    #[cfg(target_arch = "x86_64")]
    harmless("use ports of the machine (iopl)", |_| try_call(libc::SYS_iopl, [0; 6])),
    harmless("io_uring_setup", |_| try_call(libc::SYS_io_uring_setup, [0; 6])),
    harmless("io_uring_enter", |_| try_call(libc::SYS_io_uring_enter, [NOTHING, 0, 0, 0, 0, 0])),
    harmless("io_uring_register", |_| try_call(libc::SYS_io_uring_register, [NOTHING, 0, 0, 0, 0, 0])),
    // setxattrat, of Linux 6.13: the first that is newer than the list.
    harmful("a call that is newer than the list", |_| try_call(463, [0; 6])),
];
