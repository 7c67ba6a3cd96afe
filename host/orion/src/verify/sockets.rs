//! Where anything can leave: the requests that the code knows, and the sockets that the running process has.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use orion_api::Listen;
use orion_bus::Ownership;
use reqwest::Url;
use serde_json::{Value, json};

use super::Subject;
use crate::finding::{Check, Fault, counted};

/// How `/proc/net/tcp` says that a socket listens.
const LISTENING: u8 = 0x0a;

/// A TCP socket as the kernel lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Socket {
    local: SocketAddr,
    remote: SocketAddr,
    state: u8,
    inode: u64,
}

impl Socket {
    /// A line of `/proc/PID/net/tcp` or `tcp6`.
    fn read(line: &str) -> Option<Self> {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, state, _, _, _, _, _, inode, ..] = columns.as_slice() else { return None };
        Some(Self {
            local: address(local)?,
            remote: address(remote)?,
            state: u8::from_str_radix(state, 16).ok()?,
            inode: inode.parse().ok()?,
        })
    }
}

/// `0100007F:2382` is 127.0.0.1:9090: words in the order of the machine, digits in that of people.
fn address(text: &str) -> Option<SocketAddr> {
    const WORD_DIGITS: usize = 8;
    let (digits, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for at in (0..digits.len()).step_by(WORD_DIGITS) {
        let word = u32::from_str_radix(digits.get(at..at + WORD_DIGITS)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let address = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

/// Inodes of the sockets that a process has.
fn inodes(process: &Path) -> std::io::Result<BTreeSet<u64>> {
    let mut inodes = BTreeSet::new();
    for entry in std::fs::read_dir(process.join("fd"))? {
        // A file may be closed while it is looked at.
        let Ok(target) = std::fs::read_link(entry?.path()) else { continue };
        let name = target.to_string_lossy();
        inodes.extend(name.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')?.parse::<u64>().ok()));
    }
    Ok(inodes)
}

fn sockets(process: &Path) -> std::io::Result<Vec<Socket>> {
    let own = inodes(process)?;
    let mut sockets = Vec::new();
    for table in ["net/tcp", "net/tcp6"] {
        let lines = std::fs::read_to_string(process.join(table)).unwrap_or_default();
        sockets.extend(lines.lines().filter_map(Socket::read).filter(|socket| own.contains(&socket.inode)));
    }
    sockets.sort_by_key(|socket| (socket.state, socket.remote, socket.local));
    Ok(sockets)
}

/// Whether the process has connections to its sources and no other.
pub fn senders(subject: &Subject) -> Check {
    const NAME: &str = "senders";
    let Subject { ownership, listen, prometheus: source, loki, control, memory, .. } = subject;
    let requests: Vec<String> = orion_source::QUERY_ENDPOINTS
        .iter()
        .map(|endpoint| format!("GET or POST {}{endpoint}", source.address()))
        .collect();
    let of_loki = loki.as_ref().map(|loki| {
        let requests: Vec<String> =
            orion_source::LOKI_ENDPOINTS.iter().map(|endpoint| format!("GET {}{endpoint}", loki.address())).collect();
        json!({ "what": "the source `loki`", "requests": requests })
    });
    let of_prometheus = json!({ "what": "the source `prometheus`", "requests": requests });
    let mut paths: Vec<_> = std::iter::once(of_prometheus).chain(of_loki).collect();
    paths.extend([
        json!({ "what": "the bus", "file": memory.join(orion_bus::DATABASE_FILE), "requests": [] }),
        json!({ "what": "the interface, which is asked and asks nobody", "address": listen.to_string(), "requests": [] }),
    ]);
    paths_of(control.as_ref(), &mut paths);
    let paths = json!(paths);
    let by_code = match control {
        None => "queries to the source; the bus is a file, and the interface only answers".to_owned(),
        Some(url) => format!(
            "queries to the source, and what was seen to this agent's own control host at {url}; the bus is a file, and the interface only \
             answers"
        ),
    };
    let pid = match *ownership {
        Ownership::Process(pid) => pid,
        Ownership::Nobody => {
            let said = format!("{by_code}; no process runs, so nothing is connected");
            return Check::of(NAME, said, Vec::new(), json!({ "paths": paths }));
        }
        Ownership::Elsewhere => {
            let why = format!("{by_code}; the process runs where its connections cannot be seen from here");
            return Check::not_seen(NAME, why, json!({ "paths": paths }));
        }
    };
    match sockets(Path::new(&format!("/proc/{pid}"))) {
        Ok(sockets) => {
            let ports: Vec<u16> = std::iter::once(source.destination().port)
                .chain(loki.iter().map(|loki| loki.destination().port))
                .chain(control.as_ref().and_then(Url::port_or_known_default))
                .collect();
            let failures = judge(&sockets, &ports, *listen);
            let said = format!("{by_code}; process {pid} has {}", counted(sockets.len(), "TCP socket"));
            let shown: Vec<String> = sockets.iter().map(|it| format!("{} → {}", it.local, it.remote)).collect();
            Check::of(NAME, said, failures, json!({ "paths": paths, "sockets": shown }))
        }
        Err(error) => {
            let why = format!(
                "{by_code}; the files of process {pid} cannot be seen ({error}): verify as the same user, or as root"
            );
            Check::not_seen(NAME, why, json!({ "paths": paths }))
        }
    }
}

/// What an agent says to its control host, by the requests that the code knows.
fn paths_of(control: Option<&Url>, paths: &mut Vec<Value>) {
    if let Some(url) = control {
        let requests = ["GET api/v1/sets/SET", "POST api/v1/agents/NAME/events", "POST api/v1/agents/NAME/status"];
        paths.push(json!({ "what": "the control host, which keeps the rules and takes what was seen", "address": url.as_str(), "requests": requests }));
    }
}

/// What listens elsewhere than the interface, and what is connected to another port than the sources' and did not come in there.
fn judge(sockets: &[Socket], ports: &[u16], listen: Listen) -> Vec<Fault> {
    let mut failures = Vec::new();
    // A port that was free when it started is one that nobody knows.
    let is_served = |local: SocketAddr| match listen {
        Listen::At(address) => address.ip() == local.ip() && (address.port() == 0 || address.port() == local.port()),
        Listen::Nowhere => false,
    };
    let served: BTreeSet<u16> = sockets
        .iter()
        .filter(|socket| socket.state == LISTENING && is_served(socket.local))
        .map(|socket| socket.local.port())
        .collect();
    for socket in sockets {
        if served.contains(&socket.local.port()) {
            continue;
        }
        if socket.state == LISTENING {
            failures.push(Fault::new(
                format!("the process listens at {}, and its interface is at {listen}", socket.local),
                "name the address that it was started with (--listen, ORION_API__LISTEN); if that is it, find out what listens: \
                 `ss -tlnp`",
            ));
        } else if !ports.contains(&socket.remote.port()) {
            let known: Vec<String> = ports.iter().map(u16::to_string).collect();
            failures.push(Fault::new(
                format!("the process is connected to {}, and what it asks is at port {}", socket.remote, known.join(", ")),
                "name the addresses that it was started with (--prometheus-url, --loki-url); if that is it, find out what \
                 connects: `ss -tnp`",
            ));
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_read_as_the_kernel_lists_them() {
        let line = "   0: 0100007F:A3F2 0100007F:2382 01 00000000:00000000 00:00000000 00000000  1000        0 34567 1 0 20 4 30 10 -1";
        let socket = Socket::read(line).unwrap();
        assert_eq!((socket.remote, socket.state, socket.inode), ("127.0.0.1:9090".parse().unwrap(), 1, 34_567));
        let mapped = "0000000000000000FFFF00000100007F:2382";
        assert_eq!(address(mapped), Some("127.0.0.1:9090".parse().unwrap()));
        assert_eq!(address("00000000000000000000000001000000:2382"), Some("[::1]:9090".parse().unwrap()));
        for wrong in ["", "x", "0100007F", "0100:2382", "0100007F:99999", "é100007:2382"] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
        assert_eq!(Socket::read("  sl  local_address rem_address   st"), None);
    }

    #[test]
    fn a_connection_elsewhere_and_a_listener_are_found() {
        let socket = |remote: &str, state| Socket {
            local: "127.0.0.1:40000".parse().unwrap(),
            remote: remote.parse().unwrap(),
            state,
            inode: 1,
        };
        let judge = |socket| judge(&[socket], &[9090], Listen::Nowhere);
        assert_eq!(judge(socket("10.0.0.1:9090", 1)), []);
        insta::assert_snapshot!(judge(socket("10.0.0.1:6379", 1))[0].what, @"the process is connected to 10.0.0.1:6379, and what it asks is at port 9090");
        insta::assert_snapshot!(judge(socket("0.0.0.0:0", LISTENING))[0].what, @"the process listens at 127.0.0.1:40000, and its interface is at none");
    }

    #[test]
    fn the_interface_and_whoever_came_in_there_are_no_fault_and_another_listener_is() {
        let socket = |local: &str, remote: &str, state| Socket {
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            state,
            inode: 1,
        };
        let interface = socket("127.0.0.1:9600", "0.0.0.0:0", LISTENING);
        let guest = socket("127.0.0.1:9600", "127.0.0.1:51000", 1);
        for listen in ["127.0.0.1:9600", "127.0.0.1:0"] {
            assert_eq!(judge(&[interface, guest], &[9090], listen.parse().unwrap()), [], "{listen}");
        }
        for listen in ["127.0.0.1:9601", "10.0.0.1:9600", "none"] {
            assert_eq!(judge(&[interface, guest], &[9090], listen.parse().unwrap()).len(), 2, "{listen}");
        }
    }

    #[test]
    fn the_connections_of_this_process_are_seen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let connection = std::net::TcpStream::connect(at).unwrap();
        let seen = sockets(Path::new("/proc/self")).unwrap();
        assert!(seen.iter().any(|socket| socket.local == at && socket.state == LISTENING), "{seen:?}");
        assert!(
            seen.iter().any(|socket| socket.remote == at && socket.local == connection.local_addr().unwrap()),
            "{seen:?}"
        );
    }
}
