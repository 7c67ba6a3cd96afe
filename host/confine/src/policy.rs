//! What the process may still do: a list of what it needs, and nothing that it might find useful.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::paths;

/// DNS over TCP; also what a resolver that speaks UDP turns to when an answer is too long for it.
const DNS_PORT: u16 = 53;

/// How many processors there are, and how many a container was given. The C library sizes its heaps by it, the standard library
/// and the plugin compiler their threads, also when they start later.
const PROCESSORS: [&str; 4] =
    ["/sys/devices/system/cpu/online", "/proc/self/cgroup", "/proc/self/mountinfo", "/sys/fs/cgroup"];

/// Where SQLite and others find randomness on an old kernel.
const RANDOMNESS: &str = "/dev/urandom";

/// What the C library reads to find an address.
const RESOLVER_FILES: [&str; 6] =
    ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/ld.so.cache"];

/// Its modules for other ways to find one are libraries that it loads when they are first needed.
const LIBRARIES: [&str; 4] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];

/// A static binary has files and name servers in itself. A module for another way would bring a second C library into the process, of
/// another version than its own, and that crashes.
const LOADS_MODULES: bool = !cfg!(target_feature = "crt-static");

/// How names become addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Resolution {
    /// Nothing but addresses is configured.
    None,
    /// `localhost` is in a file.
    Files,
    /// The resolver was told to use TCP (`options use-vc`).
    Tcp,
    /// The resolver asks over UDP, as it does when nobody tells it otherwise.
    Udp,
}

/// What a process may still do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    read: BTreeSet<PathBuf>,
    write: BTreeSet<PathBuf>,
    connect: BTreeSet<u16>,
    serves: Option<SocketAddr>,
    resolution: Resolution,
}

impl Default for Policy {
    /// Compute, and read how much of the machine it may use.
    fn default() -> Self {
        let read = PROCESSORS.into_iter().chain([RANDOMNESS]).map(PathBuf::from).collect();
        Self { read, write: BTreeSet::new(), connect: BTreeSet::new(), serves: None, resolution: Resolution::None }
    }
}

impl Policy {
    /// May read a folder, also after another was put in its place: renamed there, or by a link that points elsewhere now.
    pub fn read_folder(&mut self, dir: &Path) {
        self.read.extend(paths::that_keep_readable(dir));
    }

    /// May read the folder that is there now, and nothing around it: what lies beside logs is nobody's business.
    pub fn read_this_folder(&mut self, dir: &Path) {
        self.read.insert(dir.canonicalize().unwrap_or_else(|_| dir.to_owned()));
    }

    /// May write a folder. It has to exist when the process is confined.
    pub fn write_folder(&mut self, dir: &Path) {
        self.write.insert(std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()));
    }

    /// May connect to a port. Landlock knows no addresses, so it is this port of every host.
    pub fn connect(&mut self, host: &str, port: u16) {
        self.connect.insert(port);
        let needed = resolution_of(host);
        if needed == Resolution::None {
            return;
        }
        self.resolution = self.resolution.max(needed);
        for file in RESOLVER_FILES {
            self.read.extend(paths::that_keep_readable(Path::new(file)));
        }
        if LOADS_MODULES {
            self.read.extend(LIBRARIES.map(PathBuf::from));
        }
        if needed != Resolution::Files {
            self.connect.insert(DNS_PORT);
        }
    }

    /// May answer those who connect to a socket that is open at this address already. It can open no other.
    pub fn serve(&mut self, address: SocketAddr) {
        self.serves = Some(address);
    }

    /// Where it answers, if it does.
    pub(crate) fn serves(&self) -> Option<SocketAddr> {
        self.serves
    }

    /// How names become addresses.
    pub fn resolution(&self) -> Resolution {
        self.resolution
    }

    /// What of the readable things is there.
    pub(crate) fn readable(&self) -> impl Iterator<Item = PathBuf> {
        self.read.iter().filter(|path| path.exists()).cloned()
    }

    pub(crate) fn writable(&self) -> impl Iterator<Item = PathBuf> {
        self.write.iter().cloned()
    }

    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> {
        self.connect.iter().copied()
    }

    /// Whether it speaks to anybody at all.
    pub(crate) fn has_ports(&self) -> bool {
        !self.connect.is_empty()
    }
}

fn resolution_of(host: &str) -> Resolution {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.parse::<IpAddr>().is_ok() {
        return Resolution::None;
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Resolution::Files;
    }
    let environment = std::env::var("RES_OPTIONS").unwrap_or_default();
    let file = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    if uses_tcp(&environment, &file) { Resolution::Tcp } else { Resolution::Udp }
}

/// As the C library reads it: options of the environment, and lines of the file that begin with `options`.
fn uses_tcp(environment: &str, file: &str) -> bool {
    let of_file = file.lines().filter_map(|line| line.strip_prefix("options")).flat_map(str::split_whitespace);
    environment.split_whitespace().chain(of_file).any(|option| option == "use-vc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_no_resolver_and_a_name_needs_one() {
        for address in ["127.0.0.1", "::1", "[::1]"] {
            assert_eq!(resolution_of(address), Resolution::None, "{address}");
        }
        assert_eq!(resolution_of("LocalHost"), Resolution::Files);
        assert!(resolution_of("prometheus") >= Resolution::Tcp);
    }

    #[test]
    fn a_resolver_uses_tcp_when_told_so_in_either_place() {
        assert!(uses_tcp("rotate use-vc", ""));
        assert!(uses_tcp("", "nameserver 10.0.0.1\noptions rotate use-vc\n"));
        assert!(!uses_tcp("", "nameserver 10.0.0.1\n# options use-vc\n"));
        assert!(!uses_tcp("use-vcs", "options ndots:5"));
    }

    #[test]
    fn dns_is_a_port_only_where_a_name_is_configured() {
        let ports = |host| {
            let mut policy = Policy::default();
            policy.connect(host, 9090);
            policy.ports().collect::<Vec<_>>()
        };
        assert_eq!(ports("10.0.0.1"), [9090]);
        assert_eq!(ports("localhost"), [9090]);
        assert_eq!(ports("prometheus"), [53, 9090]);
    }
}
