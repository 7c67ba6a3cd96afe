//! Who else takes part: alone on the embedded store, or with other hosts on a Redis.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use orion_bus::{DEFAULT_LEASE_SECONDS, LeaseSettings, RedisServer, RedisSettings, Role};
use orion_pipeline::shares;

use crate::arguments::duration;
use crate::cli::Failure;

/// What waits at most while Redis is away. An hour of a busy host; what comes after is asked for again when Redis is back.
const DEFAULT_OUTBOX_MIB: u64 = 64;

/// Where systems keep the certificate authorities that they trust, in one file of PEM.
const AUTHORITY_FILES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Where Linux tells the name of the host.
const HOST_NAME_FILE: &str = "/proc/sys/kernel/hostname";

/// Where hosts meet.
#[derive(Args, Clone)]
pub struct RedisArgs {
    /// Redis that hosts share: `redis://user:password@host:port/database`, of which only the host is needed; `rediss://` for TLS;
    /// several hosts of a Cluster with commas; `redis+sentinel://host:port/NAME`. Without it this host is alone and keeps
    /// everything itself
    #[arg(long, value_name = "URL", env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
    /// The same, as a host
    #[arg(long, value_name = "HOST", env = "REDIS_HOST", conflicts_with = "redis_url")]
    pub redis_host: Option<String>,
    /// And its port [default: 6379]
    #[arg(long, value_name = "PORT", env = "REDIS_PORT", requires = "redis_host")]
    pub redis_port: Option<u16>,
    /// File with the password of Redis
    #[arg(long, value_name = "FILE", env = "ORION_REDIS__PASSWORD_FILE")]
    pub redis_password_file: Option<PathBuf>,
    /// Certificate authorities for rediss://, in PEM [default: those the system trusts]
    #[arg(long, value_name = "FILE", env = "ORION_REDIS__CA_FILE")]
    pub redis_ca_file: Option<PathBuf>,
    /// What the keys of this deployment begin with, in braces: deployments that share a Redis have different ones
    #[arg(long, value_name = "WORD", default_value = "orion", value_parser = prefix, env = "ORION_REDIS__PREFIX")]
    pub redis_prefix: String,
}

/// Where hosts meet, and what this one does among them.
#[derive(Args, Clone)]
pub struct DeploymentArgs {
    #[command(flatten)]
    pub redis: RedisArgs,
    /// How much waits at most while Redis is away, in MiB
    #[arg(long, value_name = "MIB", default_value_t = DEFAULT_OUTBOX_MIB, value_parser = clap::value_parser!(u64).range(1..=65_536), env = "ORION_REDIS__OUTBOX_MIB")]
    pub redis_outbox: u64,
    /// Name of this host in the deployment, or of this agent, the same after a restart [default: the host's name, and in a deployment
    /// the data folder]
    #[arg(long, value_name = "NAME", env = "ORION_NODE_NAME")]
    pub node_name: Option<String>,
    /// What this host does in the deployment
    #[arg(long, value_name = "ROLES", value_enum, value_delimiter = ',', default_values_t = RoleName::ALL, env = "ORION_ROLES")]
    pub roles: Vec<RoleName>,
    /// How long the other hosts wait for one that died before they take over its work
    #[arg(long, value_name = "DURATION", default_value_t = format!("{DEFAULT_LEASE_SECONDS}s"), env = "ORION_LEASE")]
    pub lease: String,
}

/// What a host can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum RoleName {
    /// Evaluates rules
    Watcher,
    /// Correlates events
    Guardian,
    /// Records decisions
    Brain,
    /// Writes the audit trail's files
    Memory,
}

impl RoleName {
    const ALL: [Self; 4] = [Self::Watcher, Self::Guardian, Self::Brain, Self::Memory];

    const fn role(self) -> Option<Role> {
        match self {
            Self::Watcher => Some(Role::Watcher),
            Self::Guardian => Some(Role::Guardian),
            Self::Brain => Some(Role::Brain),
            Self::Memory => None,
        }
    }
}

impl std::fmt::Display for RoleName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.role().map_or("memory", Role::as_str))
    }
}

impl DeploymentArgs {
    /// Whether this host writes the audit trail's files.
    pub fn remembers(&self) -> bool {
        self.roles.contains(&RoleName::Memory)
    }

    /// How to take part; `None` for a host that is alone. Files are read here, and never again.
    pub fn settings(&self, data: &Path) -> Result<Option<RedisSettings>, Failure> {
        let Some(server) = self.redis.server()? else {
            return match self.roles.len() == RoleName::ALL.len() {
                true => Ok(None),
                false => Err(Failure::Configuration(
                    "--roles leaves work to other hosts, and there is no Redis to meet them: set REDIS_URL or REDIS_HOST, or \
                     leave --roles out"
                        .to_owned(),
                )),
            };
        };
        let node = match &self.node_name {
            Some(name) => name.clone(),
            None => default_node_name(data)?,
        };
        let lease =
            duration(&self.lease).map_err(|why| Failure::Configuration(format!("--lease {}: {why}", self.lease)))?;
        let lease = Duration::from_millis(u64::try_from(lease).unwrap_or(u64::MAX));
        let roles = self.roles.iter().filter_map(|name| name.role());
        let lease =
            LeaseSettings::new(&self.redis.redis_prefix, &node, roles, lease).map_err(Failure::configuration)?;
        let outbox_bytes = usize::try_from(self.redis_outbox).unwrap_or(usize::MAX).saturating_mul(1024 * 1024);
        let prefix = self.redis.redis_prefix.clone();
        Ok(Some(RedisSettings { server, prefix, lease, outbox_bytes, place: shares::place }))
    }
}

impl RedisArgs {
    /// Where Redis is. Empty variables are unset ones, as compose files write them.
    pub fn server(&self) -> Result<Option<RedisServer>, Failure> {
        let url = self.redis_url.as_deref().filter(|url| !url.is_empty());
        let host = self.redis_host.as_deref().filter(|host| !host.is_empty());
        let server = match (url, host) {
            (Some(url), _) => RedisServer::parse(url).map_err(Failure::configuration)?,
            (None, Some(host)) => RedisServer::at(host, self.redis_port.unwrap_or(RedisServer::DEFAULT_PORT)),
            (None, None) => return Ok(None),
        };
        let server = match &self.redis_password_file {
            Some(path) => server.with_password(read(path)?.trim_end_matches(['\n', '\r'])),
            None => server,
        };
        match server.is_tls() {
            true => server.with_authorities(&self.authorities()?).map(Some).map_err(Failure::configuration),
            false => Ok(Some(server)),
        }
    }

    fn authorities(&self) -> Result<Vec<u8>, Failure> {
        let systems = || AUTHORITY_FILES.iter().map(Path::new).find(|path| path.exists());
        match self.redis_ca_file.as_deref().or_else(systems) {
            Some(path) => Ok(read(path)?.into_bytes()),
            None => Err(Failure::Configuration(
                "this system has no list of certificate authorities: give one with --redis-ca-file".to_owned(),
            )),
        }
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let said = |error| Failure::Configuration(format!("cannot read {}: {error}", path.display()));
    std::fs::read_to_string(path).map_err(said)
}

/// What this machine is called.
pub fn host_name() -> Result<String, Failure> {
    Ok(read(Path::new(HOST_NAME_FILE))?.trim().to_owned())
}

fn default_node_name(data: &Path) -> Result<String, Failure> {
    let folder = std::path::absolute(data).map_err(Failure::configuration)?;
    Ok(format!("{}:{}", host_name()?, folder.display()))
}

fn prefix(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    match !text.is_empty() && text.len() <= 100 && text.bytes().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("up to 100 letters, digits and `-_.:`".to_owned()),
    }
}
