//! The network.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::call::{call, try_call};
use crate::{Attempt, Ground, harmful, harmless};

const MPTCP: i32 = 262;
const SCTP: i32 = 132;

fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<()> {
    try_call(libc::SYS_socket, [family as usize, kind as usize, protocol as usize, 0, 0, 0])
}

/// A TCP socket, for what can be done with one.
fn tcp() -> io::Result<usize> {
    call(libc::SYS_socket, [libc::AF_INET as usize, libc::SOCK_STREAM as usize, 0, 0, 0, 0])
}

/// Port 9 of this machine, where nobody listens.
fn discard_address() -> [u8; 16] {
    let mut address = [0; 16];
    let (family, rest) = address.split_at_mut(2);
    family.copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    rest.iter_mut().zip([0, 9, 127, 0, 0, 1]).for_each(|(to, from)| *to = from);
    address
}

fn fast_open(_: &Ground) -> io::Result<()> {
    let (socket, address) = (tcp()?, discard_address());
    let flags = libc::MSG_FASTOPEN as usize;
    try_call(libc::SYS_sendto, [socket, address.as_ptr() as usize, 0, flags, address.as_ptr() as usize, address.len()])
}

/// What is tried.
pub const ATTEMPTS: &[Attempt] = &[
    harmless("connect to another port", |_| {
        TcpStream::connect_timeout(&([127, 0, 0, 1], 9).into(), Duration::from_secs(5)).map(drop)
    }),
    harmless("connect to another port by sending (MSG_FASTOPEN)", fast_open),
    harmless("connect with MPTCP, where landlock looks at no port", |_| {
        socket(libc::AF_INET, libc::SOCK_STREAM, MPTCP)
    }),
    harmful("connect with SCTP, where landlock looks at no port", |_| socket(libc::AF_INET, libc::SOCK_STREAM, SCTP)),
    // Which one is looked at after who asks. Nobody has this one.
    harmless("turn off a network interface", |_| {
        let mut request = [0_u8; 40];
        request.iter_mut().zip(*b"orion-none").for_each(|(to, from)| *to = from);
        try_call(libc::SYS_ioctl, [tcp()?, libc::SIOCSIFFLAGS as usize, request.as_ptr() as usize, 0, 0, 0])
    }),
    harmless("serve a port", |_| TcpListener::bind(("127.0.0.1", 0)).map(drop)),
    harmless("serve a port nobody chose (listen)", |_| try_call(libc::SYS_listen, [tcp()?, 1, 0, 0, 0, 0])),
    harmless("answer whoever connects (accept)", |_| try_call(libc::SYS_accept4, [tcp()?, 0, 0, 0, 0, 0])),
    harmless("open a UDP socket", |_| socket(libc::AF_INET, libc::SOCK_DGRAM, 0)),
    harmless("open a UDP socket (IPv6)", |_| socket(libc::AF_INET6, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0)),
    harmful("open a raw socket", |_| socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)),
    harmful("ping without a raw socket", |_| socket(libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP)),
    harmful("open a packet socket", |_| socket(libc::AF_PACKET, libc::SOCK_RAW, 0)),
    harmless("speak to a program of this machine (AF_UNIX)", |_| socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)),
    harmless("ask the kernel about the network (AF_NETLINK)", |_| socket(libc::AF_NETLINK, libc::SOCK_RAW, 0)),
    harmful("speak to the host of a virtual machine (AF_VSOCK)", |_| socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)),
    harmful("use the kernel's ciphers (AF_ALG)", |_| socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0)),
];
