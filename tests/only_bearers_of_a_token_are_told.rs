//! At an address that others reach, nobody is told anything without a token; whoever tries too often is not heard for a while, and
//! that is recorded. Without what that needs, nothing starts.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use orion_lab::Certificates;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::Deployment;
use crate::support::asked::{Answer, ask, connect, exchange, get};
use crate::support::issuer::{self, token, token_of};

/// Every address of this machine.
const EVERYWHERE: &str = "0.0.0.0:0";

/// A deployment with a pair of keys, of which it knows the public one.
fn deployment() -> Deployment {
    let deployment = Deployment::new("http://127.0.0.1:9");
    issuer::known_to(&deployment);
    deployment
}

/// Serving everywhere, with tokens that go over the wire as they are.
fn reachable() -> Deployment {
    deployment()
        .with("ORION_API__LISTEN", EVERYWHERE)
        .with("ORION_API__TOKEN_KEYS", "token-keys")
        .with("ORION_API__ALLOW_PLAINTEXT", "true")
}

fn here(address: SocketAddr) -> SocketAddr {
    SocketAddr::new([127, 0, 0, 1].into(), address.port())
}

fn with_token(address: SocketAddr, target: &str, token: &str) -> Answer {
    ask(address, "GET", target, &[("Authorization", &format!("Bearer {token}"))])
}

#[test]
fn what_is_missing_stops_the_start_and_is_named() {
    let deployment = deployment();
    let said = |arguments: &[&str]| {
        let output = deployment.orion(&[&["run", "--listen", EVERYWHERE], arguments].concat());
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(!deployment.path("memory").exists());
        String::from_utf8(output.stderr).unwrap()
    };
    for (arguments, missing) in [
        (&[][..], &["--token-keys", "--tls-certificate", "--allow-plaintext"][..]),
        (&["--token-keys", "token-keys"], &["--tls-certificate", "--allow-plaintext"]),
        (&["--allow-plaintext"], &["--token-keys"]),
        (&["--token-keys", "nowhere"], &["nowhere"]),
        (&["--token-keys", "token-keys", "--tls-certificate", "gone.pem", "--tls-key", "gone.key"], &["gone.pem"]),
        (
            &["--token-keys", "token-keys", "--tls-certificate", "issuer.key", "--tls-key", "issuer.key"],
            &["issuer.key"],
        ),
    ] {
        let said = said(arguments);
        assert!(missing.iter().all(|what| said.contains(what)), "{arguments:?}: {said}");
    }
}

#[test]
fn who_has_a_token_is_told_what_who_has_none_is_not() {
    let deployment = reachable();
    let orion = deployment.start_with(&[("ORION_CONFINEMENT", "require")]);
    let address = here(deployment.served_at());
    deployment.wait_until("it to be ready", |_| get(address, "/-/ready").status == 200);
    let issued = token_of("ada", "viewer");
    for target in ["/health", "/metrics", "/api/v1/events", "/api/v1/openapi.json", "/nowhere", "/api/v1/stream"] {
        let refused = get(address, target);
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")), "{target}");
    }
    assert_eq!(get(address, "/-/healthy").status, 200);
    for target in ["/health", "/metrics", "/api/v1/events"] {
        assert_eq!(with_token(address, target, &issued).status, 200, "{target}");
    }
    assert!(orion.terminate().success());
    deployment.check_promises();
}

#[test]
fn who_fails_too_often_is_not_heard_for_a_while_and_that_becomes_an_incident() {
    let deployment = reachable();
    let orion = deployment.start();
    let address = here(deployment.served_at());
    deployment.wait_until("it to be ready", |_| get(address, "/-/ready").status == 200);
    let expired = token(&serde_json::json!({ "sub": "eve", "aud": "orion", "role": "admin", "exp": 1 }));
    let answers: Vec<u16> = (0..11).map(|_| with_token(address, "/api/v1/events", &expired).status).collect();
    assert_eq!(answers, [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 429]);
    let locked_out = get(address, "/-/healthy");
    assert_eq!(locked_out.status, 429);
    assert!(locked_out.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    deployment.wait_until("the incident", |it| it.incidents_of("access_refused", "opened").len() == 1);
    let events = deployment.events_of("api_client_locked_out", "occurred");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["labels"]["client"], "127.0.0.1");
    assert_eq!(events[0]["data"]["message"], "the token does not hold: it has expired, or does not hold yet");
    assert!(orion.terminate().success());
    deployment.check_promises();
}

#[test]
fn over_tls_it_is_the_same_and_without_it_nothing_is_told() {
    let deployment = deployment()
        .with("ORION_API__LISTEN", EVERYWHERE)
        .with("ORION_API__TOKEN_KEYS", "token-keys")
        .with("ORION_API__TLS_CERTIFICATE", "server.pem")
        .with("ORION_API__TLS_KEY", "server.key");
    let certificates = Certificates::make(&deployment.path("")).unwrap();
    let orion = deployment.start_with(&[("ORION_CONFINEMENT", "require")]);
    let address = here(deployment.served_at());
    let issued = token_of("ada", "admin");
    let ask = |token: Option<&str>| over_tls(address, &certificates.authority(), token).status;
    deployment.wait_until("it to answer", |_| ask(Some(&issued)) == 200);
    assert_eq!(ask(None), 401);
    check_commands(&deployment, address, &issued, &certificates);
    let mut plain = connect(address);
    plain.write_all(b"GET /-/healthy HTTP/1.0\r\n\r\n").unwrap();
    let mut said = Vec::new();
    // It may hang up in the middle.
    let _ = plain.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&said));
    assert!(orion.terminate().success());
}

/// Commands reach it with what they are told of certificates and tokens, and not without.
fn check_commands(deployment: &Deployment, address: SocketAddr, issued: &str, certificates: &Certificates) {
    let run = |arguments: &[&str]| {
        let output = deployment.orion(arguments);
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let listen = address.to_string();
    let healthy = run(&["healthcheck", "--ready", "--listen", &listen]);
    assert_eq!(healthy.0, Some(0), "{}", healthy.1);
    let authority = certificates.authority().to_str().unwrap().to_owned();
    let (code, said) = run(&["healthcheck", "--listen", &listen, "--tls-certificate", &authority]);
    assert!(code == Some(1) && said.contains("another certificate is shown"), "{said}");
    std::fs::write(deployment.path("token"), format!("{issued}\n")).unwrap();
    let url = format!("https://localhost:{}", address.port());
    let top = ["top", "--once", "--output", "json", "--url", &url];
    let shown = run(&[&top[..], &["--ca", &authority, "--token-file", "token"]].concat());
    assert!(shown.0 == Some(0) && shown.1.contains("\"autonomy_level\""), "{}", shown.1);
    for (arguments, why) in [
        (&["--ca", authority.as_str()][..], "--token-file or ORION_API_TOKEN_FILE"),
        (&["--token-file", "token"], "certificate"),
        (&["--ca", "token", "--token-file", "token"], "it holds no certificate"),
        (&["--ca", &authority, "--token-file", "gone"], "--token-file gone"),
    ] {
        let (code, said) = run(&[&top[..], arguments].concat());
        assert!(code == Some(3) && said.contains(why) && !said.contains(issued), "{arguments:?}: {said}");
    }
}

/// What a client is told that trusts this authority and nobody else.
fn over_tls(address: SocketAddr, authority: &Path, token: Option<&str>) -> Answer {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = versions.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), connect(address));
    let header = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    exchange(&mut stream, &format!("GET /api/v1/summary HTTP/1.0\r\n{header}\r\n"))
}

#[test]
fn a_web_page_of_others_that_gives_itself_this_address_reads_nothing() {
    let deployment = Deployment::new("http://127.0.0.1:9").serving();
    let _orion = deployment.start();
    let address = deployment.served_at();
    let named = |host: &str| {
        let mut stream = connect(address);
        exchange(&mut stream, &format!("GET /api/v1/summary HTTP/1.0\r\nHost: {host}\r\n\r\n"))
    };
    assert_eq!(named("evil.example").status, 421);
    assert_ne!(named("localhost:9600").status, 421);
}
