//! System calls as numbers, for those that no library offers.

use std::io;

/// Makes a system call.
#[expect(
    unsafe_code,
    reason = "an attack has to make calls that no safe interface has. The arguments are integers, null, or addresses of texts \
              that the caller keeps until it returns and that no call here writes to. Calls that would return twice or write \
              through an address are made only where they are refused, or with arguments that are refused by every kernel"
)]
pub fn call(number: i64, arguments: [usize; 6]) -> io::Result<usize> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: see above.
    let answer = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    usize::try_from(answer).map_err(|_| io::Error::last_os_error())
}

/// Makes one of which only the error is of interest.
pub fn try_call(number: i64, arguments: [usize; 6]) -> io::Result<()> {
    call(number, arguments).map(drop)
}

/// An argument that is -1.
pub const NOTHING: usize = usize::MAX;

/// How a person calls an error number.
pub fn errno_name(number: i32) -> String {
    const NAMES: [(i32, &str); 18] = [
        (libc::EPERM, "EPERM"),
        (libc::EACCES, "EACCES"),
        (libc::ENOSYS, "ENOSYS"),
        (libc::EXDEV, "EXDEV"),
        (libc::EINVAL, "EINVAL"),
        (libc::EFAULT, "EFAULT"),
        (libc::EBADF, "EBADF"),
        (libc::ENOENT, "ENOENT"),
        (libc::ESRCH, "ESRCH"),
        (libc::ENODEV, "ENODEV"),
        (libc::ENOTTY, "ENOTTY"),
        (libc::EEXIST, "EEXIST"),
        (libc::ENOTSOCK, "ENOTSOCK"),
        (libc::EOPNOTSUPP, "EOPNOTSUPP"),
        (libc::EPROTONOSUPPORT, "EPROTONOSUPPORT"),
        (libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
        (libc::ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT"),
        (libc::ECONNREFUSED, "ECONNREFUSED"),
    ];
    let known = NAMES.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| format!("errno {number}"), |(_, name)| (*name).to_owned())
}
