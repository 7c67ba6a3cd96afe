//! System calls: seccomp's part, as filters one over the other. The strictest answer counts.
//!
//! A filter of the library answers with one error number, so there is one filter for each: EPERM for what is not allowed,
//! EACCES for sockets, ENOSYS for what is to look as if the kernel did not have it.

use std::collections::BTreeMap;

use libc::{
    AF_INET, AF_INET6, AF_UNIX, CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER,
    CLONE_NEWUTS, CLONE_THREAD, EACCES, ENOSYS, EPERM, IPPROTO_TCP, IPPROTO_UDP, MSG_FASTOPEN, SOCK_DGRAM, SOCK_STREAM,
    SYS_clone, SYS_clone3, SYS_ioctl, SYS_kill, SYS_prlimit64, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
    SYS_sendmmsg, SYS_sendmsg, SYS_sendto, SYS_setpriority, SYS_socket, SYS_socketpair, SYS_tgkill, TIOCLINUX, TIOCSTI,
};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};

use crate::calls::{ACCEPTING, FAMILIES, NEWEST_KNOWN, OPENING};
use crate::policy::{Policy, Resolution};

/// By number of the call: the sets of arguments with which it is refused; without any, always.
type Refused = BTreeMap<i64, Vec<SeccompRule>>;

/// The bits of a socket's type that are its type; the others say how it is opened.
const SOCKET_TYPE: u64 = 0xf;

/// Lays the filters over every thread of this process; why not, when the kernel does not take one.
pub(crate) fn apply(policy: &Policy) -> Result<(), String> {
    let programs = programs(policy, std::process::id()).map_err(|error| error.to_string())?;
    for program in programs {
        seccompiler::apply_filter_all_threads(&program).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn programs(policy: &Policy, own_pid: u32) -> Result<[BpfProgram; 4], BackendError> {
    Ok([
        program(not_permitted(own_pid)?, EPERM)?,
        program(no_access(policy)?, EACCES)?,
        // The C library then starts threads with `clone`, whose arguments a filter can see.
        program(Refused::from([(SYS_clone3, Vec::new())]), ENOSYS)?,
        newer_calls(),
    ])
}

/// In every filter of the library a call of another architecture ends the process.
fn program(refused: Refused, errno: i32) -> Result<BpfProgram, BackendError> {
    let action = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(refused, SeccompAction::Allow, action, std::env::consts::ARCH.try_into()?)?;
    filter.try_into()
}

/// What is refused whatever its arguments are, and what is refused unless it is about this process.
fn not_permitted(own_pid: u32) -> Result<Refused, BackendError> {
    let calls = FAMILIES.iter().flat_map(|family| family.calls.iter().chain(family.old_calls));
    let mut refused: Refused = calls.map(|call| (*call, Vec::new())).collect();
    refused.insert(SYS_clone, clones()?);
    let pid = u64::from(own_pid);
    for call in [SYS_kill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo] {
        refused.insert(call, vec![rule([is_not(0, pid)])?]);
    }
    refused.insert(SYS_prlimit64, vec![rule([is_not(0, 0), is_not(0, pid)])?]);
    // Of itself a thread may; the plugin compiler's background thread lowers its own.
    refused.insert(SYS_setpriority, vec![rule([is_not(1, 0)])?]);
    // Whoever can type into the terminal that Orion was started from can start programs after all.
    refused.insert(SYS_ioctl, vec![rule([is(1, TIOCSTI)])?, rule([is(1, TIOCLINUX)])?]);
    Ok(refused)
}

/// A thread may be started, a process may not, and not a thread in namespaces of its own either.
fn clones() -> Result<Vec<SeccompRule>, BackendError> {
    let namespaces =
        [CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET];
    let mut rules = vec![rule([has(0, flag(CLONE_THREAD), 0)])?];
    for namespace in namespaces.map(flag) {
        rules.push(rule([has(0, namespace, namespace)])?);
    }
    Ok(rules)
}

fn no_access(policy: &Policy) -> Result<Refused, BackendError> {
    let mut refused: Refused = OPENING.iter().map(|call| (*call, Vec::new())).collect();
    if policy.serves().is_none() {
        refused.extend(ACCEPTING.iter().map(|call| (*call, Vec::new())));
    }
    refused.insert(SYS_socket, sockets(policy)?);
    // The runtime tells itself of signals over such a pair. It has two ends, both of them here.
    refused.insert(SYS_socketpair, vec![rule([is_not(0, number(AF_UNIX))])?]);
    // The one way to connect that asks nobody about the port.
    let fast_open = number(MSG_FASTOPEN);
    for (call, argument) in [(SYS_sendto, 3), (SYS_sendmsg, 2), (SYS_sendmmsg, 3)] {
        refused.insert(call, vec![rule([has(argument, fast_open, fast_open)])?]);
    }
    Ok(refused)
}

/// All but TCP over IPv4 and IPv6, and UDP where a name has to be resolved. With another protocol (MPTCP, SCTP) landlock
/// would not look at the port; over a local socket some other program could be asked to act.
fn sockets(policy: &Policy) -> Result<Vec<SeccompRule>, BackendError> {
    if !policy.has_ports() {
        return Ok(Vec::new());
    }
    let allowed: &[(i32, i32)] = match policy.resolution() {
        Resolution::Udp => &[(SOCK_STREAM, IPPROTO_TCP), (SOCK_DGRAM, IPPROTO_UDP)],
        Resolution::None | Resolution::Files | Resolution::Tcp => &[(SOCK_STREAM, IPPROTO_TCP)],
    };
    let mut rules = vec![rule([is_not(0, number(AF_INET)), is_not(0, number(AF_INET6))])?];
    for kind in 0..=SOCKET_TYPE {
        let of_kind = has(1, SOCKET_TYPE, kind);
        match allowed.iter().find(|(allowed, _)| number(*allowed) == kind) {
            Some((_, protocol)) => rules.push(rule([of_kind, is_not(2, 0), is_not(2, number(*protocol))])?),
            None => rules.push(rule([of_kind])?),
        }
    }
    Ok(rules)
}

/// ENOSYS for all numbers beyond the newest known. Written by hand, because the library compares numbers for equality only.
fn newer_calls() -> BpfProgram {
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_IF_GREATER: u16 = 0x25;
    const RETURN: u16 = 0x06;
    let refuse = u32::from(SeccompAction::Errno(ENOSYS.unsigned_abs()));
    let allow = u32::from(SeccompAction::Allow);
    let step = |code, jt, k| sock_filter { code, jt, jf: 0, k };
    vec![
        step(LOAD_NUMBER, 0, 0),
        step(JUMP_IF_GREATER, 1, NEWEST_KNOWN),
        step(RETURN, 0, allow),
        step(RETURN, 0, refuse),
    ]
}

type Condition = Result<SeccompCondition, BackendError>;

/// All of the conditions together.
fn rule<const N: usize>(conditions: [Condition; N]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into_iter().collect::<Result<_, _>>()?)
}

// Each of these arguments is an `int` for the kernel, which does not look at the upper half of the register.

fn is(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn is_not(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
}

fn has(argument: u8, mask: u64, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), value)
}

/// A constant of the C library, none of which is negative.
fn number(constant: i32) -> u64 {
    u64::from(constant.unsigned_abs())
}

/// A flag, of which the highest is the sign.
fn flag(constant: i32) -> u64 {
    u64::from(constant.cast_unsigned())
}
