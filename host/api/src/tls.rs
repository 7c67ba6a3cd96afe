//! TLS: the certificate that is shown. Read once, before the process can read no files any more.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// A certificate and its key, ready to be shown.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

/// Why they cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the certificate and key for TLS cannot be used: {0}; they are two files in PEM, the certificate first in its chain"
)]
pub struct BadCertificate(String);

impl Tls {
    /// From a chain of certificates and the key of the first, both in PEM.
    pub fn of(certificates: &[u8], key: &[u8]) -> Result<Self, BadCertificate> {
        let bad = |why: &dyn std::fmt::Display| BadCertificate(why.to_string());
        let chain =
            CertificateDer::pem_slice_iter(certificates).collect::<Result<Vec<_>, _>>().map_err(|why| bad(&why))?;
        if chain.is_empty() {
            return Err(bad(&"there is no certificate in the file"));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|why| bad(&why))?;
        // Named here: a process may have several of them, and then none is the one.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = versions.map_err(|why| bad(&why))?.with_no_client_auth().with_single_cert(chain, key);
        let mut config = config.map_err(|why| bad(&why))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_said() {
        let said = Tls::of(b"", b"").map(drop).unwrap_err().to_string();
        assert!(said.contains("there is no certificate in the file"), "{said}");
    }
}
