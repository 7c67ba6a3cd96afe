//! Real Sentinels, which watch a Redis and promote its replica when it is gone.

use std::net::SocketAddr;

use tempfile::TempDir;

use crate::error::LabError;
use crate::process::{Process, free_address, temporary_folder};
use crate::redis::RedisServer;
use crate::resp;

/// How soon a silent master counts as gone, and how long one failover may take.
const DOWN_AFTER_MILLIS: u64 = 1_000;
const FAILOVER_MILLIS: u64 = 5_000;

/// The name under which they know the master.
const NAME: &str = "main";

/// Some Sentinels, most of which have to agree.
pub struct RedisSentinels {
    sentinels: Vec<Sentinel>,
}

struct Sentinel {
    address: SocketAddr,
    // Declared before the folder: the process goes first.
    _process: Process,
    _folder: TempDir,
}

impl RedisSentinels {
    /// Starts so many that watch this master.
    pub fn start(count: usize, master: &RedisServer) -> Result<Self, LabError> {
        let sentinels = (0..count).map(|_| Sentinel::start(count / 2 + 1, master.address()));
        Ok(Self { sentinels: sentinels.collect::<Result<_, _>>()? })
    }

    /// Where a master is found through them, as a URL.
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.sentinels.iter().map(|sentinel| sentinel.address.to_string()).collect();
        format!("redis+sentinel://{}/{NAME}", addresses.join(","))
    }

    /// Whether each of them knows all others and so many replicas: before that none is promoted.
    pub fn are_ready(&self, replicas: usize) -> bool {
        let others = self.sentinels.len() - 1;
        let has = |told: &str, name: &str, count: usize| {
            let mut lines = told.lines().skip_while(|line| *line != name);
            lines.nth(1) == Some(count.to_string().as_str())
        };
        self.sentinels.iter().all(|sentinel| {
            let told = resp::ask(sentinel.address, None, &["SENTINEL", "MASTER", NAME]).unwrap_or_default();
            has(&told, "num-slaves", replicas) && has(&told, "num-other-sentinels", others)
        })
    }
}

impl Sentinel {
    fn start(quorum: usize, master: SocketAddr) -> Result<Self, LabError> {
        let (folder, address) = (temporary_folder()?, free_address()?);
        let file = folder.path().join("sentinel.conf");
        let settings = format!(
            "port {}\nbind {}\ndir {}\nsentinel monitor {NAME} {} {} {quorum}\n\
             sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MILLIS}\nsentinel failover-timeout {NAME} {FAILOVER_MILLIS}\n",
            address.port(),
            address.ip(),
            folder.path().display(),
            master.ip(),
            master.port(),
        );
        std::fs::write(&file, settings).map_err(LabError::io("cannot write the settings of a Sentinel"))?;
        let arguments = [file.display().to_string(), "--sentinel".to_owned()];
        let mut process = Process::spawn("redis-server", &arguments, &folder.path().join("log"))?;
        process.wait_until(address, || resp::ask(address, None, &["PING"]).is_ok())?;
        Ok(Self { address, _process: process, _folder: folder })
    }
}
