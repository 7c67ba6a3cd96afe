//! Redis over TLS.
//!
//! Not by the client's own means: that one reads the system's certificates anew for each connection, whatever it is given, and a
//! confined process reads no file. Here the authorities are read once, before.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Why certificate authorities cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate authorities for Redis cannot be used: {0}; they are one file in PEM")]
pub struct BadAuthorities(String);

/// Trusts these authorities, in PEM, and nobody else.
pub(super) fn trusting(pem: &[u8]) -> Result<Arc<ClientConfig>, BadAuthorities> {
    let bad = |why: &dyn std::fmt::Display| BadAuthorities(why.to_string());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|error| bad(&error))?).map_err(|error| bad(&error))?;
    }
    if roots.is_empty() {
        return Err(bad(&"there is no certificate among them"));
    }
    // Named here: a process may have several of them, and then none is the one.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = versions.map_err(|error| bad(&error))?.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}

/// Connects, and makes sure that it is who it should be.
pub(super) async fn connect(config: Arc<ClientConfig>, host: &str, port: u16) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    TlsConnector::from(config).connect(name, stream).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_said() {
        for pem in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let said = trusting(pem.as_bytes()).unwrap_err().to_string();
            assert!(said.contains("cannot be used"), "{said}");
        }
    }
}
