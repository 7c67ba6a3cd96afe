//! Who may ask over HTTP: what is read of it before the process confines itself.

use std::path::{Path, PathBuf};

use clap::Args;
use orion_api::{Access, Listen, Listener, Tls};
use orion_trust::Keyring;

use crate::cli::Failure;

/// Who may ask at an address that others reach.
#[derive(Args, Clone)]
pub struct AccessArgs {
    /// Folder of the public keys (*.pub) of those who issue tokens; needed at any address that is not of this machine alone
    #[arg(long, value_name = "DIR", env = "ORION_API__TOKEN_KEYS")]
    pub token_keys: Option<PathBuf>,
    /// Certificate to show over TLS, and those that vouch for it, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key", env = "ORION_API__TLS_CERTIFICATE")]
    pub tls_certificate: Option<PathBuf>,
    /// Its secret key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate", env = "ORION_API__TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Take tokens without TLS: something in front of Orion ends it
    #[arg(long, env = "ORION_API__ALLOW_PLAINTEXT")]
    pub allow_plaintext: bool,
}

impl AccessArgs {
    /// Opens the socket, where there is to be one and all is there that its address needs.
    pub fn open(&self, listen: Listen) -> Result<(Option<Listener>, Access), Failure> {
        let access = self.check(listen)?;
        let listener = listen.open().map_err(Failure::configuration)?;
        Ok((listener, access))
    }

    /// What is read of it, where all is there that the address needs.
    pub fn check(&self, listen: Listen) -> Result<Access, Failure> {
        let Listen::At(address) = listen else { return Ok(Access::default()) };
        let access = self.read()?;
        access.check(address).map_err(Failure::configuration)?;
        Ok(access)
    }

    fn read(&self) -> Result<Access, Failure> {
        let token_keys = self.token_keys.as_deref().map(keys).transpose()?;
        let tls = match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => Some(tls(certificate, key)?),
            _ => None,
        };
        Ok(Access { token_keys, tls, allow_plaintext: self.allow_plaintext })
    }
}

fn keys(dir: &Path) -> Result<Keyring, Failure> {
    Keyring::read(dir).map_err(|faults| {
        let said: Vec<String> = faults.into_iter().map(|fault| fault.message).collect();
        Failure::Configuration(format!("--token-keys: {}", said.join("; ")))
    })
}

fn tls(certificate: &Path, key: &Path) -> Result<Tls, Failure> {
    let read = |path: &Path| {
        std::fs::read(path)
            .map_err(|error| Failure::Configuration(format!("{} cannot be read for TLS: {error}", path.display())))
    };
    Tls::of(&read(certificate)?, &read(key)?)
        .map_err(|error| Failure::Configuration(format!("{} and {}: {error}", certificate.display(), key.display())))
}
