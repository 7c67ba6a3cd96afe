//! Files that are not Orion's.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::time::SystemTime;

use crate::call::{NOTHING, call, try_call};
use crate::{Attempt, harmful, harmless, path};

/// What is tried.
pub const ATTEMPTS: &[Attempt] = &[
    harmless("read another file", |on| fs::read(on.elsewhere()).map(drop)),
    harmless("read /etc/passwd", |_| fs::read("/etc/passwd").map(drop)),
    harmless("list /", |_| fs::read_dir("/").map(drop)),
    harmless("look at its own memory (/proc/self/mem)", |_| {
        OpenOptions::new().read(true).write(true).open("/proc/self/mem").map(drop)
    }),
    harmless("write another file", |on| fs::write(on.elsewhere(), "other")),
    harmless("write a file it may read", |on| fs::write(on.readable(), "other")),
    harmless("empty a file it may read", |on| {
        File::options().read(true).custom_flags(libc::O_TRUNC).open(on.readable()).map(drop)
    }),
    harmless("make a file elsewhere", |on| File::create(on.folder.join("elsewhere/new")).map(drop)),
    harmless("make a file in /tmp", |_| {
        let path = format!("/tmp/orion-attack-{}", std::process::id());
        File::create(&path).and_then(|_| fs::remove_file(path))
    }),
    harmless("make a folder elsewhere", |on| fs::create_dir(on.folder.join("elsewhere/folder"))),
    harmless("move its file away", |on| {
        fs::write(on.folder.join("writable/moved"), "")?;
        fs::rename(on.folder.join("writable/moved"), on.folder.join("elsewhere/moved"))
    }),
    harmless("link to another file", |on| {
        std::os::unix::fs::symlink(on.elsewhere(), on.folder.join("writable/symlink"))
    }),
    harmless("take another file by a hard link", |on| fs::hard_link(on.elsewhere(), on.folder.join("writable/link"))),
    harmless("truncate another file", |on| {
        let file = path(&on.elsewhere())?;
        try_call(libc::SYS_truncate, [file.as_ptr() as usize, 0, 0, 0, 0, 0])
    }),
    harmless("change its mode", |on| {
        let mut permissions = fs::metadata(on.elsewhere())?.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(on.elsewhere(), permissions)
    }),
    harmless("change its owner", |on| std::os::unix::fs::lchown(on.elsewhere(), None, None)),
    harmless("change the times of a file of its own", |on| {
        File::options().write(true).open(on.writable())?.set_modified(SystemTime::UNIX_EPOCH)
    }),
    harmless("set an attribute", |_| try_call(libc::SYS_setxattr, [0; 6])),
    harmless("open a file by its number", |_| try_call(libc::SYS_open_by_handle_at, [NOTHING, 0, 0, 0, 0, 0])),
    harmful("make a device in its folder", |on| {
        let device = path(&on.folder.join("writable/device"))?;
        let here = libc::AT_FDCWD as usize;
        call(libc::SYS_mknodat, [here, device.as_ptr() as usize, libc::S_IFCHR as usize | 0o600, 0x103, 0, 0]).map(drop)
    }),
    harmless("remove another file", |on| fs::remove_file(on.elsewhere())),
];
