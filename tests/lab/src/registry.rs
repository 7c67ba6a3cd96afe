//! A real registry for OCI artifacts, the one of the Debian package `docker-registry`.

use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use crate::certificate::Certificates;
use crate::error::LabError;
use crate::process::{Process, free_address, temporary_folder};

/// The program.
const PROGRAM: &str = "docker-registry";

/// A registry on a loopback port, in a folder of its own.
pub struct Registry {
    address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Registry {
    /// Starts one, in the open or with TLS, and waits until it listens.
    pub fn start(certificates: Option<&Certificates>) -> Result<Self, LabError> {
        let (address, folder) = (free_address()?, temporary_folder()?);
        let config = folder.path().join("config.yml");
        let failed = LabError::io(format!("cannot write {}", config.display()));
        std::fs::write(&config, configuration(address, folder.path(), certificates)).map_err(failed)?;
        let arguments = ["serve".to_owned(), config.display().to_string()];
        let mut process = Process::spawn(PROGRAM, &arguments, &folder.path().join("log"))?;
        process.wait_until(address, || std::net::TcpStream::connect(address).is_ok())?;
        Ok(Self { address, _process: process, _folder: folder })
    }

    /// Host and port, as they stand in the name of an artifact.
    pub fn host(&self) -> String {
        self.address.to_string()
    }
}

fn configuration(address: SocketAddr, folder: &Path, certificates: Option<&Certificates>) -> String {
    let tls = certificates.map(|files| {
        let (certificate, key) = (files.certificate(), files.key());
        format!("  tls:\n    certificate: {}\n    key: {}\n", certificate.display(), key.display())
    });
    format!(
        "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n{}",
        folder.join("blobs").display(),
        tls.unwrap_or_default()
    )
}
