//! Who may ask.
//!
//! On an address of this machine alone whoever is there may read, as the files could be read. At any other address a token is
//! needed, and TLS, so that the token is not there for everybody on the way; who ends TLS elsewhere says so. What is missing stops
//! the start: an interface that is open by oversight looks like one that works.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use orion_metrics::{Counter, FamilyType, Text};
use orion_model::{Clock, Timestamp};
use orion_trust::Keyring;

use crate::clients::{Admission, Clients, Failed, network_of};
use crate::problem::Problem;
use crate::tls::Tls;
use crate::token::{Bearer, Role, check};

/// What anybody may ask anywhere: programs that start and stop Orion have no token, and the console asks for one on a page that has
/// to be there first. Its files are those of every build and tell nothing of a deployment.
fn is_free(path: &str) -> bool {
    matches!(path, "/-/healthy" | "/-/ready" | "/" | "/console") || path.starts_with("/console/")
}

/// Where programs deliver, each with a secret of the hook instead of a token.
fn is_hook(path: &str) -> bool {
    path.starts_with("/hooks/")
}

/// What an agent may ask: for sets of rules, and to post what it saw. All of its own name, so that one whose token was stolen speaks for
/// no other.
fn is_for_agent(bearer: &Bearer, method: &Method, path: &str) -> bool {
    let own = path.strip_prefix("/api/v1/agents/").and_then(|rest| rest.strip_prefix(bearer.subject.as_str()));
    match *method {
        Method::GET | Method::HEAD => path.starts_with("/api/v1/sets/"),
        Method::POST => matches!(own, Some("/events" | "/status")),
        _ => false,
    }
}

/// How an interface is guarded.
#[derive(Clone, Default)]
pub struct Access {
    /// The keys of those who issue tokens.
    pub token_keys: Option<Keyring>,
    /// The certificate to show and its key.
    pub tls: Option<Tls>,
    /// Tokens may go over the wire as they are: TLS ends elsewhere.
    pub allow_plaintext: bool,
}

/// What is missing for an address that is not of this machine alone.
#[derive(Debug, thiserror::Error)]
#[error(
    "{address} can be reached from other machines, and this is missing:\n{}\nOr serve this machine alone: --listen 127.0.0.1:9600",
    list(missing)
)]
pub struct MissingAccess {
    address: SocketAddr,
    missing: Vec<&'static str>,
}

fn list(missing: &[&str]) -> String {
    missing.iter().map(|what| format!("  - {what}")).collect::<Vec<_>>().join("\n")
}

const NO_KEYS: &str = "who may ask: a folder with the public keys of those who issue tokens, --token-keys or ORION_API__TOKEN_KEYS, with \
                       one key at least (`orion-kit key new` makes one, `orion-kit token` issues tokens)";
const NO_TLS: &str = "TLS: a certificate and its key, --tls-certificate and --tls-key or ORION_API__TLS_CERTIFICATE and \
                      ORION_API__TLS_KEY; where something in front of Orion ends TLS, --allow-plaintext";

impl Access {
    /// Whether all is there that this address needs.
    pub fn check(&self, address: SocketAddr) -> Result<(), MissingAccess> {
        if address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        let has_keys = self.token_keys.as_ref().is_some_and(|keys| !keys.is_empty());
        let has_tls = self.tls.is_some() || self.allow_plaintext;
        let missing: Vec<&str> = [(has_keys, NO_KEYS), (has_tls, NO_TLS)]
            .into_iter()
            .filter(|(has, _)| !has)
            .map(|(_, what)| what)
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(MissingAccess { address, missing }) }
    }
}

/// Lets requests in, or not.
pub(crate) struct Guard {
    keys: Option<Keyring>,
    needs_token: bool,
    clients: Clients,
    clock: Arc<dyn Clock>,
    /// In the order of [`REASONS`].
    refused: [Counter; REASONS.len()],
}

/// Why requests are refused, for who counts them.
const REASONS: [&str; 5] = ["no_token", "bad_token", "too_many", "locked_out", "foreign_name"];

/// Who asks, where a token says so.
#[derive(Clone, Debug)]
pub(crate) struct Asker(pub(crate) Option<Bearer>);

/// A request that is not let in.
pub(crate) struct Refused {
    pub(crate) problem: Problem,
    /// The client that is locked out from now on, and why it was refused at last.
    pub(crate) locked_out: Option<(IpAddr, String)>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problem, locked_out: None }
    }
}

impl Guard {
    pub(crate) fn new(access: Access, address: SocketAddr, clock: Arc<dyn Clock>) -> Self {
        Self {
            keys: access.token_keys,
            needs_token: !address.ip().to_canonical().is_loopback(),
            clients: Clients::default(),
            clock,
            refused: Default::default(),
        }
    }

    /// Whether this host knows who issues tokens.
    pub(crate) const fn knows_bearers(&self) -> bool {
        self.keys.is_some()
    }

    /// The time by which tokens and signatures are checked.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets a request in, with who it is where it says so. Who delivers to a hook says it there.
    pub(crate) fn admit<B>(&self, peer: SocketAddr, request: &Request<B>) -> Result<Option<Bearer>, Refused> {
        let now = Instant::now();
        match self.clients.admit(peer.ip(), now) {
            Admission::Admitted => {}
            Admission::TooMany(wait) => {
                self.count("too_many");
                let what = "this client asks too much: see Retry-After";
                return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, what).retry_after(wait).into());
            }
            Admission::LockedOut(wait) => {
                self.count("locked_out");
                let what = "this client failed to log in too often, and is not heard for a while: see Retry-After";
                return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, what).retry_after(wait).into());
            }
        }
        if is_free(request.uri().path()) || is_hook(request.uri().path()) {
            return Ok(None);
        }
        match (token_of(request.headers()), &self.keys) {
            (Some(token), Some(keys)) => match check(token, keys, self.clock.now()) {
                Ok(bearer)
                    if bearer.role == Role::Agent && !is_for_agent(&bearer, request.method(), request.uri().path()) =>
                {
                    let what = "a token of the role `agent` fetches rules and posts what the agent of its `sub` saw, and nothing else";
                    Err(Problem::new(StatusCode::FORBIDDEN, what).into())
                }
                Ok(bearer) => Ok(Some(bearer)),
                Err(error) => Err(self.failed(peer, now, format!("the token does not hold: {error}"))),
            },
            // A token that nobody here can check is as good as none.
            (None, _) | (_, None) if !self.needs_token => self.reached_by_own_name(request.headers()),
            _ => {
                self.count("no_token");
                let what =
                    "a token is needed: `Authorization: Bearer …`, issued by one of the keys that this host knows";
                Err(Problem::new(StatusCode::UNAUTHORIZED, what).into())
            }
        }
    }

    /// A page from elsewhere can have a browser of this machine ask here under a name of its own that leads to this address, and
    /// read the answers. Names of others are not answered to.
    fn reached_by_own_name(&self, headers: &HeaderMap) -> Result<Option<Bearer>, Refused> {
        let host = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
        if host.is_none_or(is_own_name) {
            return Ok(None);
        }
        self.count("foreign_name");
        let what = "without a token Orion answers here to its address and to `localhost` alone, so that no web page of others reads \
                    along: ask for one of those, or have what stands in front of Orion send that as `Host`";
        Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, what).into())
    }

    /// Where whoever is on this machine may deliver, no web page may: a browser that comes from one says so, and the name it asks for is
    /// the page's.
    pub(crate) fn on_this_machine(&self, headers: &HeaderMap) -> Result<(), Refused> {
        if headers.contains_key(header::ORIGIN) {
            self.count("foreign_name");
            let what = "this hook has no secret, and takes nothing from web pages: leave `Origin` out, or give the hook a secret";
            return Err(Problem::new(StatusCode::FORBIDDEN, what).into());
        }
        self.reached_by_own_name(headers).map(drop)
    }

    /// What is said of a hook that is not there. Who has to know a secret is not told which there are.
    pub(crate) fn no_such_hook(&self) -> Problem {
        match self.needs_token {
            true => Problem::new(StatusCode::UNAUTHORIZED, "a hook is delivered to by who knows its secret"),
            false => Problem::new(
                StatusCode::NOT_FOUND,
                "there is no hook of this name: /api/v1/summary names those there are",
            ),
        }
    }

    /// Somebody showed a hook what does not hold.
    pub(crate) fn failed_at_hook(&self, peer: SocketAddr, why: &str) -> Refused {
        self.failed(peer, Instant::now(), why.to_owned())
    }

    fn failed(&self, peer: SocketAddr, now: Instant, why: String) -> Refused {
        self.count("bad_token");
        let locked_out = match self.clients.failed(peer.ip(), now) {
            Failed::Noted => None,
            Failed::LockedOut => Some((network_of(peer.ip()), why.clone())),
        };
        Refused { problem: Problem::new(StatusCode::UNAUTHORIZED, why), locked_out }
    }

    fn count(&self, reason: &str) {
        let counter = REASONS.iter().position(|it| *it == reason).and_then(|place| self.refused.get(place));
        counter.iter().for_each(|counter| counter.increase());
    }

    pub(crate) fn write(&self, text: &mut Text) {
        let help = "Requests to the HTTP interface that were not let in.";
        let mut family = text.family("orion_api_refused_total", FamilyType::Counter, help);
        for (reason, counter) in REASONS.iter().zip(&self.refused) {
            family.count(&[("reason", *reason)], counter.get());
        }
    }
}

/// The token of a request, if it has one.
fn token_of(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether this is an address, or what every machine calls itself.
fn is_own_name(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if host.parse::<SocketAddr>().is_ok() || bare.parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
    name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keyring {
        let dir = tempfile::tempdir().unwrap();
        let key = orion_trust::SecretKey::from_seed(&[7; 32], "test").public();
        std::fs::write(dir.path().join("test.pub"), key.to_pem()).unwrap();
        Keyring::read(dir.path()).unwrap()
    }

    #[test]
    fn what_is_missing_for_an_address_that_others_reach_is_named_and_this_machine_needs_nothing() {
        let missing = |access: &Access| access.check("0.0.0.0:9600".parse().unwrap()).map_err(|error| error.missing);
        for here in ["127.0.0.1:9600", "[::1]:9600", "[::ffff:127.0.0.1]:9600"] {
            assert!(Access::default().check(here.parse().unwrap()).is_ok(), "{here}");
        }
        assert_eq!(missing(&Access::default()), Err(vec![NO_KEYS, NO_TLS]));
        let plain = Access { allow_plaintext: true, ..Access::default() };
        assert_eq!(missing(&plain), Err(vec![NO_KEYS]));
        let empty = Access { token_keys: Some(Keyring::default()), ..plain.clone() };
        assert_eq!(missing(&empty), Err(vec![NO_KEYS]));
        assert_eq!(missing(&Access { token_keys: Some(keys()), ..Access::default() }), Err(vec![NO_TLS]));
        assert_eq!(missing(&Access { token_keys: Some(keys()), ..plain }), Ok(()));
    }

    #[test]
    fn free_are_the_probes_and_the_files_of_the_console_and_nothing_beside_them() {
        for free in ["/-/healthy", "/-/ready", "/", "/console", "/console/", "/console/0123/main.js"] {
            assert!(is_free(free), "{free}");
        }
        for guarded in ["", "/health", "/metrics", "/consoles", "/api/v1/summary", "/api/v1/../../console/", "//"] {
            assert!(!is_free(guarded), "{guarded}");
        }
    }

    #[test]
    fn an_agent_may_fetch_rules_and_speak_for_itself_and_nothing_else() {
        let bearer = Bearer { subject: "eu-1".to_owned(), role: Role::Agent };
        for (method, path) in [
            (Method::GET, "/api/v1/sets/default"),
            (Method::POST, "/api/v1/agents/eu-1/events"),
            (Method::POST, "/api/v1/agents/eu-1/status"),
        ] {
            assert!(is_for_agent(&bearer, &method, path), "{path}");
        }
        for (method, path) in [
            (Method::GET, "/api/v1/events"),
            (Method::GET, "/metrics"),
            (Method::PUT, "/api/v1/sets/default"),
            (Method::POST, "/api/v1/sets/default"),
            (Method::POST, "/api/v1/agents/eu-2/events"),
            (Method::POST, "/api/v1/agents/eu-12/events"),
            (Method::POST, "/api/v1/agents/eu-1/events/x"),
            (Method::GET, "/api/v1/agents/eu-1/events"),
            (Method::POST, "/api/v1/missed"),
        ] {
            assert!(!is_for_agent(&bearer, &method, path), "{method} {path}");
        }
    }

    #[test]
    fn names_of_others_are_told_from_addresses_and_from_localhost() {
        for own in
            ["127.0.0.1", "127.0.0.1:9600", "[::1]:9600", "[::1]", "localhost", "LocalHost:9600", "10.0.0.5:9600"]
        {
            assert!(is_own_name(own), "{own}");
        }
        for other in ["", "evil.example", "evil.example:9600", "localhost.evil.example", "127.0.0.1.evil.example:80"] {
            assert!(!is_own_name(other), "{other}");
        }
    }
}
