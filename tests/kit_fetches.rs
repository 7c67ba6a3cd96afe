//! How `orion-kit fetch` behaves: from files, from a web server, and from a real registry, in the open and with TLS.
#![expect(clippy::disallowed_types, reason = "these tests start the binary; none of it is deployed")]
#![expect(clippy::unwrap_used, reason = "a test that meets what it does not expect has failed")]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/toolchains.rs"]
mod toolchains;

use std::collections::BTreeMap;

use desk::Desk;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use orion_lab::{Certificates, Registry, WebServer};
use orion_pipeline::library::digest_of;
use orion_trust::Gate;
use reqwest::header::HeaderValue;
use serde_json::Value;

impl Desk {
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.path(name)).ok()
    }

    /// What the command says, on both streams.
    fn kit(&self, arguments: &[&str], code: i32) -> String {
        self.said(arguments, code).concat()
    }

    /// What a deployment that looks at the plugin folder says of a file.
    fn is_taken(&self, file: &str) -> bool {
        let gate = Gate::read(&self.path("plugins"), None);
        let bytes = self.read(&format!("plugins/{file}")).unwrap();
        gate.vet(file, digest_of(&bytes), None).unwrap().locked
    }
}

fn standard(name: &str) -> &'static [u8] {
    orion_standard_plugins::STANDARD.iter().find(|plugin| plugin.name == name).unwrap().component
}

/// The text with what differs from run to run and build to build only named.
fn steady(text: &str, known: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for name in ["threshold", "absence", "flatline"] {
        text = text.replace(&digest_of(standard(name)).to_string(), &format!("{}…", name.to_uppercase()));
    }
    known.iter().fold(text, |text, (what, name)| text.replace(what, name))
}

#[test]
fn files_and_folders_are_copied_with_their_signatures_and_pinned() {
    let desk = Desk::new();
    desk.write("made/mine.wasm", standard("threshold"));
    desk.write("made/other.wasm", standard("absence"));
    desk.kit(&["key", "new", "me"], 0);
    desk.kit(&["sign", "made/mine.wasm", "--key", "me.key"], 0);
    insta::assert_snapshot!(steady(&desk.kit(&["fetch", "made"], 0), &[]), @r"
    fetched   threshold.wasm: threshold 1.0.0 sha256:THRESHOLD…, with its signatures
    fetched   absence.wasm: absence 1.0.0 sha256:ABSENCE…
    pinned    plugins: 2 plugins
    ");
    assert_eq!(desk.read("plugins/threshold.wasm.sig"), desk.read("made/mine.wasm.sig"));
    assert!(desk.is_taken("threshold.wasm") && desk.is_taken("absence.wasm"));
    insta::assert_snapshot!(steady(&desk.kit(&["fetch", "made/other.wasm"], 0), &[]), @r"
    unchanged absence.wasm: absence 1.0.0 sha256:ABSENCE…
    pinned    plugins: 1 plugin
    ");
}

#[test]
fn a_folder_without_a_lock_gets_one_that_holds_what_was_there_as_well() {
    let desk = Desk::new();
    desk.write("plugins/before.wasm", standard("flatline"));
    desk.write("made/mine.wasm", standard("threshold"));
    desk.kit(&["fetch", "made/mine.wasm"], 0);
    assert!(desk.is_taken("before.wasm") && desk.is_taken("threshold.wasm"));
}

#[test]
fn what_a_web_server_has_comes_by_its_digest_and_again_by_the_lock() {
    let desk = Desk::new();
    desk.write("made/mine.wasm", standard("threshold"));
    desk.kit(&["key", "new", "me"], 0);
    desk.kit(&["sign", "made/mine.wasm", "--key", "me.key"], 0);
    let files = [
        ("/a.wasm", standard("threshold").to_vec()),
        ("/a.wasm.sig", desk.read("made/mine.wasm.sig").unwrap()),
        ("/b.wasm", standard("absence").to_vec()),
        ("/b.wasm.sig", desk.read("made/mine.wasm.sig").unwrap()),
        ("/text.wasm", b"hello".to_vec()),
    ];
    let server = WebServer::start(BTreeMap::from(files.map(|(path, bytes)| (path.to_owned(), bytes)))).unwrap();
    let (url, digest) = (server.url(), digest_of(standard("threshold")));
    let known = [(url.as_str(), "http://SERVER")];
    let source = format!("{url}/a.wasm@sha256:{digest}");
    insta::assert_snapshot!(steady(&desk.kit(&["fetch", &source], 0), &known), @r"
    fetched   threshold.wasm: threshold 1.0.0 sha256:THRESHOLD…, with its signatures
    pinned    plugins: 1 plugin
    ");
    assert_eq!(desk.read("plugins/threshold.wasm.sig"), desk.read("made/mine.wasm.sig"));
    let lock = String::from_utf8(desk.read("plugins/plugins.lock").unwrap()).unwrap();
    assert!(lock.contains(&format!("source = \"{source}\"\n")), "{lock}");
    // Locking anew forgets nothing that is still so.
    desk.kit(&["lock", "plugins"], 0);
    assert_eq!(desk.read("plugins/plugins.lock").unwrap(), lock.as_bytes());

    // What is missing or different is fetched again, and nothing else.
    insta::assert_snapshot!(desk.kit(&["fetch"], 0), @"plugins holds everything that its lock says");
    desk.write("plugins/threshold.wasm", b"torn");
    insta::assert_snapshot!(steady(&desk.kit(&["fetch"], 0), &known), @r"
    fetched   threshold.wasm: threshold 1.0.0 sha256:THRESHOLD…, with its signatures
    pinned    plugins: 1 plugin
    ");
    assert!(desk.is_taken("threshold.wasm"));

    // What cannot be had changes nothing, not even the plugin beside it that could.
    desk.write("made/other.wasm", standard("flatline"));
    let other = format!("{url}/b.wasm@sha256:{digest}");
    insta::assert_snapshot!(steady(&desk.kit(&["fetch", "made/other.wasm", &other], 2), &known), @"orion-kit: http://SERVER/b.wasm holds other bytes than were asked for: sha256:ABSENCE… instead of sha256:THRESHOLD…; nothing was changed");
    let signed_wrongly = format!("{url}/b.wasm@sha256:{}", digest_of(standard("absence")));
    insta::assert_snapshot!(steady(&desk.kit(&["fetch", &signed_wrongly], 2), &known), @"orion-kit: http://SERVER/b.wasm has signatures of other bytes: sha256:THRESHOLD…; nothing was changed");
    let text = format!("{url}/text.wasm@sha256:{}", digest_of(b"hello"));
    insta::assert_snapshot!(steady(&desk.kit(&["fetch", &text], 2), &[known[0], (&digest_of(b"hello").to_string(), "HELLO…")]), @"orion-kit: http://SERVER/text.wasm is no plugin: the file is not WebAssembly; nothing was changed");
    let gone = format!("{url}/gone.wasm@sha256:{digest}");
    insta::assert_snapshot!(steady(&desk.kit(&["fetch", &gone], 3), &known), @"orion-kit: http://SERVER/gone.wasm is not there (404)");
    assert!(!desk.path("plugins/flatline.wasm").exists());
    assert_eq!(desk.read("plugins/plugins.lock").unwrap(), lock.as_bytes());
}

#[test]
fn what_is_pinned_without_a_source_cannot_be_fetched_again() {
    let desk = Desk::new();
    insta::assert_snapshot!(desk.kit(&["fetch"], 3), @"orion-kit: nothing to fetch: no source is named, and plugins has no plugins.lock that names any");
    desk.write("made/mine.wasm", standard("threshold"));
    desk.kit(&["fetch", "made/mine.wasm"], 0);
    std::fs::remove_file(desk.path("plugins/threshold.wasm")).unwrap();
    insta::assert_snapshot!(desk.kit(&["fetch"], 3), @"orion-kit: plugins/threshold.wasm is not what plugins.lock says, which does not say from where to get it: put it there, or fetch it by its source");
    desk.write("plugins/plugins.lock", b"x");
    insta::assert_snapshot!(desk.kit(&["fetch", "made/mine.wasm"], 3), @"orion-kit: plugins/plugins.lock cannot be added to: it is not as `orion-kit lock` writes it: key with no value, expected `=`; mend or remove it");
}

#[test]
fn an_artifact_of_a_registry_comes_by_the_digest_of_its_manifest() {
    let desk = Desk::new();
    let registry = Registry::start(None).unwrap();
    let host = registry.host();
    let layers = [("application/wasm", standard("threshold")), ("text/plain", b"a text beside it".as_slice())];
    let manifest = push(&format!("{host}/plugins/threshold:1"), &layers, None);
    let known = [(host.as_str(), "REGISTRY"), (manifest.as_str(), "MANIFEST")];
    let source = format!("oci://{host}/plugins/threshold:1@{manifest}");
    insta::assert_snapshot!(steady(&desk.kit(&["fetch", &source], 0), &known), @r"
    fetched   threshold.wasm: threshold 1.0.0 sha256:THRESHOLD…
    pinned    plugins: 1 plugin
    ");
    assert!(desk.is_taken("threshold.wasm"));
    std::fs::remove_file(desk.path("plugins/threshold.wasm")).unwrap();
    let again: Value = serde_json::from_str(&desk.kit(&["fetch", "--output", "json"], 0)).unwrap();
    assert_eq!(again["plugins"][0]["source"].as_str(), Some(source.as_str()));
    assert_eq!(desk.read("plugins/threshold.wasm").unwrap(), standard("threshold"));

    let two = push(&format!("{host}/two:1"), &[layers[0], layers[0]], None);
    let (source, known_two) =
        (format!("oci://{host}/two@{two}"), [(host.as_str(), "REGISTRY"), (two.as_str(), "MANIFEST")]);
    insta::assert_snapshot!(steady(&desk.kit(&["fetch", &source], 2), &known_two), @"orion-kit: oci://REGISTRY/two@MANIFEST has more than one plugin in it; nothing was changed");
    let none = push(&format!("{host}/none:1"), &[layers[1]], None);
    let (source, known_none) =
        (format!("oci://{host}/none@{none}"), [(host.as_str(), "REGISTRY"), (none.as_str(), "MANIFEST")]);
    insta::assert_snapshot!(steady(&desk.kit(&["fetch", &source], 2), &known_none), @"orion-kit: oci://REGISTRY/none@MANIFEST has no layer of type application/wasm; nothing was changed");
    insta::assert_snapshot!(desk.kit(&["fetch", "oci://example.org/plugins/threshold:1"], 3), @"orion-kit: `oci://example.org/plugins/threshold:1` does not say which bytes are meant: write oci://example.org/plugins/threshold:1@sha256:DIGEST, as who publishes it states it");
}

#[test]
fn with_tls_the_authorities_that_were_named_are_trusted_and_no_others() {
    let desk = Desk::new();
    let certificates = Certificates::make(&desk.path("")).unwrap();
    let authority = std::fs::read(certificates.authority()).unwrap();
    let registry = Registry::start(Some(&certificates)).unwrap();
    // By this name it is no address of this machine to the client, which then insists on TLS.
    let (host, digest) = (registry.host(), digest_of(standard("threshold")));
    let manifest =
        push(&format!("{host}/threshold:1"), &[("application/wasm", standard("threshold"))], Some(authority));
    // A registry is also a web server that has every blob at an address.
    let blob = format!("https://{host}/v2/threshold/blobs/sha256:{digest}@sha256:{digest}");
    let refused = desk.kit(&["fetch", &blob], 3);
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    let said = desk.kit(&["fetch", &blob, "--ca-file", "authority.pem"], 0);
    insta::assert_snapshot!(steady(&said, &[(&host, "REGISTRY"), (&manifest, "MANIFEST")]), @r"
    fetched   threshold.wasm: threshold 1.0.0 sha256:THRESHOLD…
    pinned    plugins: 1 plugin
    ");
    assert!(desk.is_taken("threshold.wasm"));
    insta::assert_snapshot!(desk.kit(&["fetch", &blob, "--ca-file", "gone.pem"], 3), @"orion-kit: gone.pem cannot be read: No such file or directory (os error 2)");
}

/// Pushes layers as an artifact, and says the digest of its manifest.
fn push(name: &str, layers: &[(&str, &[u8])], authority: Option<Vec<u8>>) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let reference: Reference = name.parse().unwrap();
    drop(rustls::crypto::ring::default_provider().install_default());
    let protocol = match authority {
        Some(_) => ClientProtocol::Https,
        None => ClientProtocol::HttpsExcept(vec![reference.registry().to_owned()]),
    };
    let certificate = |data| Certificate { encoding: CertificateEncoding::Pem, data };
    let tls_certs_only = authority.map(certificate).into_iter().collect();
    let client = Client::new(ClientConfig { protocol, tls_certs_only, ..ClientConfig::default() });
    let descriptor = |media_type: &str, bytes: &[u8]| OciDescriptor {
        media_type: media_type.to_owned(),
        digest: format!("sha256:{}", digest_of(bytes)),
        size: bytes.len().try_into().unwrap(),
        ..OciDescriptor::default()
    };
    let config = ("application/vnd.wasm.config.v0+json", b"{}".as_slice());
    let manifest = OciImageManifest {
        config: descriptor(config.0, config.1),
        layers: layers.iter().map(|(media_type, bytes)| descriptor(media_type, bytes)).collect(),
        media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
        ..OciImageManifest::default()
    };
    let text = serde_json::to_vec(&manifest).unwrap();
    runtime.block_on(async {
        client.auth(&reference, &RegistryAuth::Anonymous, RegistryOperation::Push).await.unwrap();
        for (_, bytes) in layers.iter().chain([&config]) {
            client.push_blob(&reference, bytes.to_vec(), &format!("sha256:{}", digest_of(bytes))).await.unwrap();
        }
        let media_type = HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE);
        client.push_manifest_raw(&reference, text.clone(), media_type).await.unwrap();
    });
    format!("sha256:{}", digest_of(&text))
}
