//! What a confined process still needs.

use std::fs::{self, File};
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;

use crate::call::try_call;
use crate::{Attempt, Ground, harmless};

const PAGE_BYTES: usize = 4096;

fn in_a_thread(attempt: fn(&Ground) -> io::Result<()>, on: &Ground) -> io::Result<()> {
    let panicked = |_| io::Error::other("the thread panicked");
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || attempt(on))?;
        thread.join().map_err(panicked)?
    })
}

/// Refused there as well, which is success here.
fn writes_elsewhere(on: &Ground) -> io::Result<()> {
    match fs::write(on.elsewhere(), "other") {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        _ => Err(io::Error::other("a thread wrote what the process may not")),
    }
}

/// Nobody connects, so there is nobody to answer; that is another error than not being let.
fn answers(on: &Ground) -> io::Result<()> {
    let Some(server) = &on.server else { return Ok(()) };
    server.set_nonblocking(true)?;
    match server.accept() {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        answered => answered.map(drop),
    }
}

/// What is tried.
pub const ATTEMPTS: &[Attempt] = &[
    harmless("read its file", |on| fs::read(on.readable()).map(drop)),
    harmless("write its file", |on| fs::write(on.writable(), "mine")),
    harmless("sync its folder", |on| File::open(on.folder.join("writable"))?.sync_all()),
    harmless("move its file within its folder", |on| {
        let (from, to) = (on.folder.join("writable/a"), on.folder.join("writable/deep/b"));
        fs::create_dir_all(on.folder.join("writable/deep"))?;
        fs::write(&from, "")?;
        fs::rename(from, &to)?;
        fs::remove_file(to)
    }),
    harmless("start a thread", |on| in_a_thread(|_| Ok(()), on)),
    Attempt { what: "a thread that is confined", is_harmless: false, run: |on| in_a_thread(writes_elsewhere, on) },
    harmless("a pair of sockets for itself", |_| UnixStream::pair().map(drop)),
    harmless("memory for compiled plugins", |_| {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        try_call(libc::SYS_mmap, [0, PAGE_BYTES, protection as usize, flags as usize, usize::MAX, 0])
    }),
    harmless("signal itself", |_| try_call(libc::SYS_kill, [std::process::id() as usize, 0, 0, 0, 0, 0])),
    harmless("how many processors it was given", |_| std::thread::available_parallelism().map(drop)),
    harmless("connect to its port", |on| TcpStream::connect((on.host.as_str(), on.port)).map(drop)),
    harmless("answer at the address where it serves", answers),
    // Whatever the answer is: the C library must not end the process over a socket that it does not get.
    harmless("ask for a name that does not exist", |_| {
        drop(("orion.invalid", 80).to_socket_addrs());
        Ok(())
    }),
];
