//! Real file systems that are small, full or read-only, for tests.
//!
//! Mounting takes privileges, and what a test mounts must not outlive it. So a test that needs mounts runs once more inside a mount
//! namespace of its own: as root in one of root's, as anybody else in one that a user namespace allows. Where neither is allowed
//! the test fails and says so; it is never passed over in silence.
#![expect(clippy::disallowed_types, reason = "tests start programs; none of this is deployed")]

use std::io::Write;
use std::path::Path;
use std::process::Command;

const INSIDE: &str = "ORION_TEST_OWN_MOUNTS";

/// Runs the rest of the test of this name in mounts of its own; false when that was done and there is nothing left to do.
pub fn are_own(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut unshare = Command::new("unshare");
    if !rustix::process::getuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.args(["--mount", "--propagation", "private"]).arg(std::env::current_exe().unwrap());
    let output = unshare.args([test, "--exact", "--nocapture"]).env(INSIDE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "the test needs mounts of its own: run it as root, or where user namespaces are allowed\n{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{said}");
    false
}

/// A file system in memory, of so many bytes.
pub fn small(folder: &Path, bytes: u64) {
    std::fs::create_dir_all(folder).unwrap();
    mount(&["-t", "tmpfs", "-o", &format!("size={bytes},mode=0700"), "tmpfs"], folder);
}

/// A file shows another one, of another file system.
pub fn instead_of(file: &Path, other: &Path) {
    mount(&["--bind", other.to_str().unwrap()], file);
}

/// A folder can be read and not written, whoever tries.
pub fn read_only(folder: &Path) {
    mount(&["--bind", folder.to_str().unwrap()], folder);
    mount(&["-o", "remount,bind,ro"], folder);
}

/// It can be written again.
pub fn writable(folder: &Path) {
    let status = Command::new("umount").arg(folder).status().unwrap();
    assert!(status.success(), "umount {}", folder.display());
}

fn mount(arguments: &[&str], at: &Path) {
    let output = Command::new("mount").args(arguments).arg(at).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Takes all the room that is left, up to the last byte.
pub fn fill(ballast: &Path) {
    let mut file = std::fs::File::options().create(true).append(true).open(ballast).unwrap();
    let mut piece = 1 << 20;
    while piece > 0 {
        match file.write_all(&vec![0x55; piece]) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => piece /= 2,
            Err(error) => panic!("{error}"),
        }
    }
}
