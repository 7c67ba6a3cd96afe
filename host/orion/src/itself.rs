//! The HTTP interface of this very deployment, asked from the same machine with the same settings: for supervisors, and for who looks
//! for what is wrong.
//!
//! Over TLS whoever answers has to show the certificate of the settings and have its key. That it is made out to another name, or that
//! no authority is known that vouches for it, does not matter here.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use crate::cli::Failure;

/// More than an answer about health ever has.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// The interface, and how it is reached.
pub struct Itself {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    answers_within: Duration,
}

impl Itself {
    /// At the address where it serves.
    /// With a certificate in PEM it is asked over TLS.
    pub fn at(serves: SocketAddr, certificate: Option<&Path>, answers_within: Duration) -> Result<Self, Failure> {
        let tls = certificate.map(config).transpose()?;
        Ok(Self { address: reachable(serves), tls, answers_within })
    }

    /// Where a path is, for who reads of it.
    pub fn shown(&self, path: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    /// Whether the answer is 200, and its text.
    pub fn ask(&self, path: &str) -> std::io::Result<(bool, String)> {
        let stream = TcpStream::connect_timeout(&self.address, self.answers_within)?;
        stream.set_read_timeout(Some(self.answers_within))?;
        stream.set_write_timeout(Some(self.answers_within))?;
        let answer = match &self.tls {
            None => exchange(stream, self.address, path)?,
            Some(config) => {
                let name = ServerName::from(self.address.ip());
                let connection = ClientConnection::new(config.clone(), name).map_err(std::io::Error::other)?;
                exchange(StreamOwned::new(connection, stream), self.address, path)?
            }
        };
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let is_well = head.split_whitespace().nth(1) == Some("200");
        Ok((is_well, body.to_owned()))
    }
}

fn exchange(mut stream: impl Read + Write, address: SocketAddr, path: &str) -> std::io::Result<String> {
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    match stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer) {
        // Whoever hangs up without the farewell of TLS has said all the same what it said.
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => return Err(error),
        _ => {}
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Who serves at every address is asked at the one of this machine.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn config(certificate: &Path) -> Result<Arc<ClientConfig>, Failure> {
    let shown = CertificateDer::from_pem_file(certificate).map_err(|why| {
        Failure::Configuration(format!("--tls-certificate {}: no certificate in PEM: {why}", certificate.display()))
    })?;
    let provider = Arc::new(ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let verifier = Arc::new(ThisOne { shown, provider });
    let config = versions.map_err(Failure::configuration)?;
    Ok(Arc::new(config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

/// Takes one certificate, and no other.
#[derive(Debug)]
struct ThisOne {
    shown: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ThisOne {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match *end_entity == self.shown {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(rustls::Error::General("another certificate is shown than that of --tls-certificate".into())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
