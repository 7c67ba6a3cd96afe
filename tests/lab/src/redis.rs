//! A real Redis, which tests kill, freeze, empty and bring back.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::certificate::Certificates;
use crate::error::LabError;
use crate::process::{Process, free_address, temporary_folder};
use crate::resp;

/// When Redis' append-only file goes to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Before each reply.
    Always,
    /// Once a second, which is what Redis does unless told otherwise.
    EverySecond,
}

/// How a Redis of the lab is set up. From the default nothing outlives its process.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    append_only: Option<Fsync>,
    max_memory_bytes: Option<u64>,
    password: Option<String>,
    replica_of: Option<SocketAddr>,
    is_of_cluster: bool,
    folder: Option<PathBuf>,
    certificates: Option<[PathBuf; 3]>,
}

impl RedisOptions {
    /// Keeps what it is given in an append-only file.
    #[must_use]
    pub fn append_only(mut self, fsync: Fsync) -> Self {
        self.append_only = Some(fsync);
        self
    }

    /// Refuses writes beyond this much memory; nothing is evicted.
    #[must_use]
    pub fn max_memory_bytes(mut self, bytes: u64) -> Self {
        self.max_memory_bytes = Some(bytes);
        self
    }

    /// Asks for a password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Follows another one, of the same password.
    #[must_use]
    pub fn replica_of(mut self, primary: SocketAddr) -> Self {
        self.replica_of = Some(primary);
        self
    }

    /// Can become a member of a cluster.
    #[must_use]
    pub fn of_cluster(mut self) -> Self {
        self.is_of_cluster = true;
        self
    }

    /// Has its files in this folder and not in a temporary one.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Listens on a second port for who speaks TLS, with these certificates.
    #[must_use]
    pub fn tls(mut self, certificates: &Certificates) -> Self {
        self.certificates = Some([certificates.certificate(), certificates.key(), certificates.authority()]);
        self
    }

    fn arguments(&self, address: SocketAddr, [bus_port, tls_port]: [u16; 2], folder: &Path) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut set = |name: &str, values: &[&str]| {
            arguments.push(format!("--{name}"));
            arguments.extend(values.iter().map(|value| (*value).to_owned()));
        };
        set("port", &[&address.port().to_string()]);
        set("bind", &[&address.ip().to_string()]);
        set("dir", &[&folder.display().to_string()]);
        set("daemonize", &["no"]);
        // A snapshot in the middle of a test would let survive what the test means to lose.
        set("save", &[""]);
        set("appendonly", &[if self.append_only.is_some() { "yes" } else { "no" }]);
        set("appendfsync", &[if self.append_only == Some(Fsync::Always) { "always" } else { "everysec" }]);
        set("repl-diskless-sync-delay", &["0"]);
        if let Some(bytes) = self.max_memory_bytes {
            set("maxmemory", &[&bytes.to_string()]);
            set("maxmemory-policy", &["noeviction"]);
        }
        if let Some(password) = &self.password {
            set("requirepass", &[password]);
            set("masterauth", &[password]);
        }
        if let Some(primary) = self.replica_of {
            set("replicaof", &[&primary.ip().to_string(), &primary.port().to_string()]);
        }
        if self.is_of_cluster {
            set("cluster-enabled", &["yes"]);
            // Otherwise the port plus 10,000, which may be none.
            set("cluster-port", &[&bus_port.to_string()]);
        }
        if let Some(certificates) = &self.certificates {
            let [certificate, key, authority] = certificates.each_ref().map(|path| path.display().to_string());
            set("tls-port", &[&tls_port.to_string()]);
            set("tls-cert-file", &[&certificate]);
            set("tls-key-file", &[&key]);
            set("tls-ca-cert-file", &[&authority]);
            set("tls-auth-clients", &["no"]);
        }
        arguments
    }
}

/// How often another port is tried.
const START_ATTEMPTS: usize = 3;

/// A Redis on a free loopback port. Dropped: killed.
pub struct RedisServer {
    address: SocketAddr,
    bus_port: u16,
    tls_port: u16,
    options: RedisOptions,
    folder: PathBuf,
    // Declared before the temporary folder: the process goes first.
    process: Option<Process>,
    _temporary: Option<TempDir>,
}

impl RedisServer {
    /// Starts and waits until it answers.
    pub fn start(options: &RedisOptions) -> Result<Self, LabError> {
        let temporary = options.folder.is_none().then(temporary_folder).transpose()?;
        let folder = options.folder.as_deref().or(temporary.as_ref().map(TempDir::path));
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        let (address, [bus_port, tls_port]) = (free_address()?, [free_address()?.port(), free_address()?.port()]);
        let options = options.clone();
        let mut server = Self { address, bus_port, tls_port, options, folder, process: None, _temporary: temporary };
        for _ in 1..START_ATTEMPTS {
            if server.restart().is_ok() {
                return Ok(server);
            }
            // Somebody else took the port.
            (server.address, server.bus_port) = (free_address()?, free_address()?.port());
            server.tls_port = free_address()?.port();
        }
        server.restart()?;
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the other members of its cluster speak to it.
    pub fn bus_port(&self) -> u16 {
        self.bus_port
    }

    /// Its address as a URL for who speaks TLS.
    pub fn tls_url(&self) -> String {
        format!("rediss://{}:{}", self.address.ip(), self.tls_port)
    }

    /// Its address as a URL, with the password.
    pub fn url(&self) -> String {
        let password = self.options.password.iter().map(|password| format!(":{password}@")).collect::<String>();
        format!("redis://{password}{}", self.address)
    }

    /// The folder of its files and its log.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// SIGKILL: connections break, the port refuses. Its files stay.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts again on the same port and folder after [`RedisServer::kill`]; nothing to do while it runs.
    pub fn restart(&mut self) -> Result<(), LabError> {
        if self.process.is_some() {
            return Ok(());
        }
        let arguments = self.options.arguments(self.address, [self.bus_port, self.tls_port], &self.folder);
        let mut process = Process::spawn("redis-server", &arguments, &self.folder.join("log"))?;
        // Two tests may be given the same free port in the same moment; the one that came late must not take the server of
        // the other for its own.
        let id = process.id().to_string();
        let is_it = || matches!(self.info("process_id"), Ok(Some(found)) if found == id);
        // It answers while it still reads its files, and takes no commands yet.
        let has_loaded = || matches!(self.info("loading").as_ref().map(Option::as_deref), Ok(Some("0")));
        process.wait_until(self.address, || is_it() && has_loaded())?;
        self.process = Some(process);
        Ok(())
    }

    /// SIGSTOP: connections stay and nothing is answered. Returns when it stands still.
    pub fn pause(&self) -> Result<(), LabError> {
        self.process.as_ref().map_or(Ok(()), Process::pause)
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<(), LabError> {
        self.process.as_ref().map_or(Ok(()), Process::resume)
    }

    /// Sends a command on a connection of its own. Strings come as they are, numbers in digits, arrays with an item a line,
    /// and nothing as the empty text; what Redis answers with an error is one.
    pub fn command(&self, words: &[&str]) -> Result<String, LabError> {
        resp::ask(self.address, self.options.password.as_deref(), words).map_err(|why| LabError::Redis {
            command: words.join(" "),
            address: self.address.to_string(),
            why,
        })
    }

    /// One line of `INFO`, such as `used_memory`.
    pub fn info(&self, name: &str) -> Result<Option<String>, LabError> {
        let all = self.command(&["INFO"])?;
        let mut lines = all.lines().filter_map(|line| line.trim_end().split_once(':'));
        Ok(lines.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(options: RedisOptions) -> RedisServer {
        RedisServer::start(&options).unwrap()
    }

    #[test]
    fn what_is_not_appended_to_a_file_is_gone_with_the_process() {
        let mut kept = start(RedisOptions::default().append_only(Fsync::Always));
        let mut lost = start(RedisOptions::default());
        for server in [&mut kept, &mut lost] {
            server.command(&["SET", "k", "v"]).unwrap();
            server.kill();
            assert!(server.command(&["PING"]).is_err());
            server.restart().unwrap();
        }
        assert_eq!(kept.command(&["GET", "k"]).unwrap(), "v");
        assert_eq!(lost.command(&["GET", "k"]).unwrap(), "");
    }

    #[test]
    fn a_paused_one_answers_when_it_is_resumed() {
        let server = start(RedisOptions::default());
        server.pause().unwrap();
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| server.command(&["PING"]).unwrap());
            server.resume().unwrap();
            assert_eq!(asking.join().unwrap(), "PONG");
        });
    }

    #[test]
    fn a_replica_follows_behind_the_password() {
        let primary = start(RedisOptions::default().password("secret"));
        assert!(resp::ask(primary.address(), None, &["PING"]).is_err());
        assert_eq!(primary.url(), format!("redis://:secret@{}", primary.address()));
        let replica = start(RedisOptions::default().password("secret").replica_of(primary.address()));
        while replica.info("master_link_status").unwrap().as_deref() != Some("up") {
            std::thread::yield_now();
        }
        primary.command(&["SET", "k", "v"]).unwrap();
        assert_eq!(primary.command(&["WAIT", "1", "10000"]).unwrap(), "1");
        assert_eq!(replica.command(&["GET", "k"]).unwrap(), "v");
    }

    #[test]
    fn a_full_one_refuses_writes() {
        let folder = temporary_folder().unwrap();
        let server = start(RedisOptions::default().max_memory_bytes(1).folder(folder.path()));
        assert!(server.command(&["SET", "k", "v"]).unwrap_err().to_string().contains("OOM"));
        assert_eq!(server.folder(), folder.path());
    }
}
