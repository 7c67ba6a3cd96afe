//! Which Redis to speak to: one server, a Cluster, or whatever a Sentinel names.

use std::fmt;
use std::sync::Arc;

use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use rustls::ClientConfig;
use url::Url;

use super::tls::{self, BadAuthorities};

const DEFAULT_SENTINEL_PORT: u16 = 26379;

/// Where Redis is found and how it lets us in.
///
/// `redis://[user:password@]host[:port][,host[:port]…][/database]`, `rediss://…` with TLS, `redis+sentinel://host[:port],…/NAME[/database]`.
/// Several hosts are the masters of a Cluster, or the Sentinels; one of them answering is enough.
#[derive(Clone)]
pub struct RedisServer {
    hosts: Vec<(String, u16)>,
    sentinel_name: Option<String>,
    is_tls: bool,
    /// Whom is trusted with TLS. Made early, because a confined process reads no file later.
    tls: Option<Arc<ClientConfig>>,
    login: RedisConnectionInfo,
}

/// Why an address of Redis cannot be used. The password is never part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the Redis address {what}; it is written redis://[user:password@]host[:port][/database], rediss://… for TLS, or redis+sentinel://host[:port],…/NAME"
)]
pub struct BadRedisUrl {
    what: String,
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The address without user and password: what a log may hold.
impl fmt::Display for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (&self.sentinel_name, self.is_tls) {
            (Some(_), _) => "redis+sentinel",
            (None, true) => "rediss",
            (None, false) => "redis",
        };
        let hosts: Vec<_> = self.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        write!(f, "{scheme}://{}", hosts.join(","))?;
        self.sentinel_name.iter().try_for_each(|name| write!(f, "/{name}"))
    }
}

impl RedisServer {
    /// Where Redis listens when nothing is said.
    pub const DEFAULT_PORT: u16 = 6379;

    /// From an address.
    pub fn parse(text: &str) -> Result<Self, BadRedisUrl> {
        let bad = |what: &str| BadRedisUrl { what: what.to_owned() };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| bad("has no `redis://` in front"))?;
        let (is_tls, is_sentinel) = match scheme {
            "redis" | "valkey" => (false, false),
            "rediss" | "valkeys" => (true, false),
            "redis+sentinel" => (false, true),
            _ => return Err(bad("begins with something else than redis://, rediss:// or redis+sentinel://")),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = authority.rsplit_once('@').map_or(("", authority), |(login, hosts)| (login, hosts));
        let default_port = if is_sentinel { DEFAULT_SENTINEL_PORT } else { Self::DEFAULT_PORT };
        let hosts = hosts.split(',').map(|host| read_host(host, default_port)).collect::<Option<Vec<_>>>();
        let hosts = hosts.ok_or_else(|| bad("names a host or port that cannot be one"))?;
        let (sentinel_name, database) = match is_sentinel {
            true => match path.split_once('/').unwrap_or((path, "")) {
                ("", _) => return Err(bad("lacks the name under which the Sentinels know the master")),
                (name, database) => (Some(name.to_owned()), database),
            },
            false => (None, path),
        };
        let database = match database {
            "" => 0,
            number => number.parse().map_err(|_| bad("ends in something that is no number of a database"))?,
        };
        let login = read_login(login).ok_or_else(|| bad("has a user or password that is not percent-encoded"))?;
        Ok(Self { hosts, sentinel_name, is_tls, tls: None, login: login.set_db(database) })
    }

    /// One server by its name and port.
    pub fn at(host: &str, port: u16) -> Self {
        Self {
            hosts: vec![(host.to_owned(), port)],
            sentinel_name: None,
            is_tls: false,
            tls: None,
            login: RedisConnectionInfo::default(),
        }
    }

    /// With this password, whatever the address says.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.login = self.login.set_password(password);
        self
    }

    /// With these certificate authorities, in PEM, for TLS.
    pub fn with_authorities(mut self, pem: &[u8]) -> Result<Self, BadAuthorities> {
        self.tls = Some(tls::trusting(pem)?);
        Ok(self)
    }

    /// Whether the connection is encrypted.
    pub const fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// What is connected to first: hosts and ports.
    pub fn hosts(&self) -> &[(String, u16)] {
        &self.hosts
    }

    /// The name of the master, where the hosts are Sentinels.
    pub(super) fn sentinel_name(&self) -> Option<&str> {
        self.sentinel_name.as_deref()
    }

    /// Whom is trusted, where the connection is to be encrypted.
    pub(super) fn tls(&self) -> redis::RedisResult<Option<Arc<ClientConfig>>> {
        match (self.is_tls, &self.tls) {
            (false, _) => Ok(None),
            (true, Some(config)) => Ok(Some(config.clone())),
            (true, None) => Err((redis::ErrorKind::InvalidClientConfig, "no certificate authority is named").into()),
        }
    }

    /// How the server lets us in.
    pub(super) fn login(&self) -> &RedisConnectionInfo {
        &self.login
    }

    /// A client of the server at this address, without TLS.
    pub(super) fn client(&self, host: &str, port: u16) -> redis::RedisResult<Client> {
        Client::open(self.login_at(ConnectionAddr::Tcp(host.to_owned(), port))?)
    }

    /// A client of the Sentinel at this address, which knows neither our user nor our database.
    pub(super) fn sentinel(host: &str, port: u16) -> redis::RedisResult<Client> {
        Client::open(ConnectionAddr::Tcp(host.to_owned(), port).into_connection_info()?)
    }

    fn login_at(&self, address: ConnectionAddr) -> redis::RedisResult<ConnectionInfo> {
        Ok(address.into_connection_info()?.set_redis_settings(self.login.clone()))
    }
}

fn read_host(text: &str, default_port: u16) -> Option<(String, u16)> {
    // The parser of URLs knows IPv6, international names and what a port can be.
    let url = Url::parse(&format!("http://{text}")).ok()?;
    if url.path() != "/" || !url.username().is_empty() || text.contains(['/', '?', '#']) {
        return None;
    }
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let is_said = text.rsplit(']').next().is_some_and(|tail| tail.contains(':'));
    // Port 80 is this scheme's own and comes out as none.
    let port = if is_said { url.port().unwrap_or(80) } else { default_port };
    Some((host, port))
}

fn read_login(text: &str) -> Option<RedisConnectionInfo> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let decode =
        |part: &str| percent_encoding::percent_decode_str(part).decode_utf8().ok().map(|part| part.into_owned());
    let mut login = RedisConnectionInfo::default();
    match decode(user)? {
        user if user.is_empty() => {}
        user => login = login.set_username(user),
    }
    match decode(password)? {
        password if password.is_empty() => {}
        password => login = login.set_password(password),
    }
    Some(login)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> RedisServer {
        RedisServer::parse(text).unwrap()
    }

    #[test]
    fn addresses_of_every_kind_are_read_and_shown_without_their_password() {
        let server = parsed("redis://me:p%40ss@[::1]:80,example.org/7");
        assert_eq!(server.hosts(), [("::1".to_owned(), 80), ("example.org".to_owned(), 6379)]);
        assert_eq!(
            (server.login.db(), server.login.username(), server.login.password()),
            (7, Some("me"), Some("p@ss"))
        );
        assert_eq!(format!("{server} {server:?}").matches("p@ss").count(), 0);
        assert_eq!(parsed("rediss://:secret@cache").to_string(), "rediss://cache:6379");
        assert!(parsed("rediss://cache").is_tls());
        let watched = parsed("redis+sentinel://one,two:5000/main/2");
        assert_eq!((watched.sentinel_name(), watched.login.db()), (Some("main"), 2));
        assert_eq!(watched.to_string(), "redis+sentinel://one:26379,two:5000/main");
        assert_eq!(parsed("redis://a").with_password("other").login.password(), Some("other"));
    }

    #[test]
    fn what_is_no_address_is_said_without_repeating_it() {
        for bad in [
            "",
            "cache:6379",
            "http://cache",
            "redis://",
            "redis://a:port",
            "redis://a,,b",
            "redis://a/x",
            "redis://a:70000",
            "redis+sentinel://a",
            "redis://%ff:x@a",
            "redis://secret@a?x",
        ] {
            let error = RedisServer::parse(bad).unwrap_err().to_string();
            assert!(!error.contains("secret") && error.contains("it is written"), "{bad}: {error}");
        }
    }
}
