//! Plugins from web servers.

use std::path::Path;
use std::time::Duration;

use orion_trust::SIGNATURE_SUFFIX;
use reqwest::redirect::Policy;
use reqwest::{Certificate, StatusCode};
use url::Url;

use super::source::is_loopback;
use super::{Fetched, MAX_PLUGIN_BYTES, MAX_SIGNATURE_BYTES};
use crate::cli::Failure;

/// How long a server may take to be reached.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may say nothing.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Servers pass on what they publish to others, once or twice.
const MAX_REDIRECTS: usize = 5;

/// Asks web servers.
pub(super) struct Client {
    http: reqwest::Client,
}

impl Client {
    /// With certificate authorities of its own, or those that the system trusts.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, Failure> {
        provide_cryptography();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("orion-kit/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::custom(|attempt| {
                let stays_closed = attempt.url().scheme() == "https" || is_loopback(attempt.url());
                match attempt.previous().len() <= MAX_REDIRECTS && stays_closed {
                    true => attempt.follow(),
                    false => attempt.stop(),
                }
            }))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT);
        if let Some(path) = ca_file {
            let unusable = |why: String| Failure::Configuration(format!("{} cannot be used: {why}", path.display()));
            let certificates = Certificate::from_pem_bundle(&authorities(path)?);
            builder = builder.tls_certs_only(certificates.map_err(|error| unusable(error.to_string()))?);
        }
        let http = builder.build().map_err(|error| Failure::Configuration(format!("TLS cannot be set up: {error}")))?;
        Ok(Self { http })
    }

    /// A plugin, and the file of signatures that a server may have beside it.
    pub(super) async fn plugin(&self, url: &Url) -> Result<Fetched, Failure> {
        let Some(bytes) = self.get(url, MAX_PLUGIN_BYTES).await? else {
            return Err(Failure::Configuration(format!("{url} is not there (404)")));
        };
        let mut beside = url.clone();
        beside.set_path(&format!("{}{SIGNATURE_SUFFIX}", url.path()));
        let signature = self.get(&beside, MAX_SIGNATURE_BYTES).await?;
        Ok(Fetched { bytes, signature })
    }

    /// What is at an address; `None` when the server says that nothing is.
    async fn get(&self, url: &Url, max_bytes: u64) -> Result<Option<Vec<u8>>, Failure> {
        let failed =
            |error: reqwest::Error| Failure::Configuration(format!("{url} cannot be fetched: {}", root(&error)));
        let mut answer = self.http.get(url.clone()).send().await.map_err(failed)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(Failure::Configuration(format!("{url} cannot be fetched: the server says {status}"))),
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > max_bytes {
                let why = format!("{url} has more than {max_bytes} bytes, the most that is taken");
                return Err(Failure::BadFile(why));
            }
        }
        Ok(Some(bytes))
    }
}

/// The bytes of a file of certificate authorities.
pub(super) fn authorities(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::Configuration(format!("{} cannot be read: {error}", path.display())))
}

/// The first caller installs it; for all later ones it is there, and that is no error.
pub(super) fn provide_cryptography() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// What went wrong at the bottom; the layers above repeat the address.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
