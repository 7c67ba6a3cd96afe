//! A certificate authority that nobody trusts, and a certificate of it for a server of the lab.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::LabError;
use crate::process::{run, temporary_folder};

/// What a certificate has to say of a server on the loopback address.
const EXTENSIONS: &str = "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n";

/// An elliptic curve: made in a moment.
const KEY: [&str; 6] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-batch"];

/// An authority, and a server's key and certificate, in files.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes all of them, with `openssl`.
    pub fn make() -> Result<Self, LabError> {
        let folder = temporary_folder()?;
        let extensions = folder.path().join("extensions");
        std::fs::write(&extensions, EXTENSIONS).map_err(LabError::io("cannot write what a certificate is to say"))?;
        let openssl = |head: &[&str], tail: &[&str]| run("openssl", &[head, tail].concat(), folder.path());
        let request = [&["req"], &KEY[..]].concat();
        openssl(
            &request,
            &["-x509", "-days", "2", "-subj", "/CN=authority", "-keyout", "authority.key", "-out", "authority.pem"],
        )?;
        openssl(&request, &["-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr"])?;
        let sign = ["x509", "-req", "-in", "server.csr", "-CA", "authority.pem", "-CAkey", "authority.key"];
        openssl(&sign, &["-CAcreateserial", "-days", "2", "-extfile", "extensions", "-out", "server.pem"])?;
        Ok(Self { folder })
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}
