//! Certificates for servers on loopback: an authority of its own, and what it vouches for.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::error::LabError;

/// The files that a server with TLS and its clients need.
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes a new authority and a certificate for `localhost` and `127.0.0.1`, as files in PEM.
    pub fn make(folder: &Path) -> Result<Self, LabError> {
        let made = Self { folder: folder.to_owned() };
        let (authority, certificate, key) = generate().map_err(|why| LabError::Certificate { why: why.to_string() })?;
        for (path, text) in [(made.authority(), authority), (made.certificate(), certificate), (made.key(), key)] {
            let failed = LabError::io(format!("cannot write {}", path.display()));
            std::fs::write(&path, text).map_err(failed)?;
        }
        Ok(made)
    }

    /// What clients trust.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// What the server shows.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    /// The server's secret.
    pub fn key(&self) -> PathBuf {
        self.folder.join("server.key")
    }
}

fn generate() -> Result<(String, String, String), rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "authority of the lab");
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);
    let server = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let server_key = KeyPair::generate()?;
    let certificate = server.signed_by(&server_key, &issuer)?;
    Ok((authority_certificate.pem(), certificate.pem(), server_key.serialize_pem()))
}
