//! Plugins from registries: an artifact whose manifest has one layer of WebAssembly, as `oras push` and `wkg` make them.
//!
//! The digest in an address is that of the manifest, which names the digest of the plugin. Both are checked here.

use std::fmt;

use futures_util::StreamExt;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use orion_model::Digest;
use url::Url;

use super::http::{CONNECT_TIMEOUT, READ_TIMEOUT, authorities, provide_cryptography};
use super::source::{is_loopback, with_digest};
use super::{Fetched, MAX_PLUGIN_BYTES};
use crate::cli::{Failure, FetchArgs};

/// What an address begins with.
const SCHEME: &str = "oci://";

/// What a layer of WebAssembly is called, today and before it was agreed on.
const WASM_LAYERS: [&str; 2] = ["application/wasm", "application/vnd.wasm.content.layer.v1+wasm"];

/// An artifact in a registry, by the digest of its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Artifact {
    reference: Reference,
    digest: Digest,
}

impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.reference)
    }
}

impl Artifact {
    /// Reads `oci://HOST/NAME[:TAG]@sha256:DIGEST`.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let (_, digest) = with_digest(text)?;
        let written = text.strip_prefix(SCHEME).unwrap_or(text);
        let reference = written.parse().map_err(|error| format!("`{text}` names no artifact: {error}"))?;
        Ok(Self { reference, digest })
    }

    /// A registry on this machine may be asked in the open.
    fn protocol(&self) -> ClientProtocol {
        let registry = self.reference.resolve_registry();
        match Url::parse(&format!("http://{registry}")) {
            Ok(url) if is_loopback(&url) => ClientProtocol::HttpsExcept(vec![registry.to_owned()]),
            _ => ClientProtocol::Https,
        }
    }

    fn failed(&self, error: &oci_client::errors::OciDistributionError) -> Failure {
        Failure::Configuration(format!("{self} cannot be fetched: {error}"))
    }

    fn bad(&self, why: &str) -> Failure {
        Failure::BadFile(format!("{self} {why}; nothing was changed"))
    }
}

/// The plugin of an artifact. Signatures of plugins are files beside them, which registries do not have.
pub(super) async fn plugin(artifact: &Artifact, args: &FetchArgs) -> Result<Fetched, Failure> {
    let client = Client::new(config(artifact, args)?);
    let auth = credentials(args)?;
    let accepted = [OCI_IMAGE_MEDIA_TYPE];
    let pulled = client.pull_manifest_raw(&artifact.reference, &auth, &accepted).await;
    let (manifest, _) = pulled.map_err(|error| artifact.failed(&error))?;
    if orion_pipeline::library::digest_of(&manifest) != artifact.digest {
        return Err(artifact.bad("has another manifest than was asked for"));
    }
    let layer = plugin_layer(artifact, &manifest)?;
    let bytes = blob(&client, artifact, &layer).await?;
    if format!("sha256:{}", orion_pipeline::library::digest_of(&bytes)) != layer.digest {
        return Err(artifact.bad("has other bytes than its manifest says"));
    }
    Ok(Fetched { bytes, signature: None })
}

async fn blob(client: &Client, artifact: &Artifact, layer: &OciDescriptor) -> Result<Vec<u8>, Failure> {
    let pulled = client.pull_blob_stream(&artifact.reference, layer).await;
    let mut stream = pulled.map_err(|error| artifact.failed(&error))?.stream;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| Failure::Configuration(format!("{artifact} cannot be fetched: {error}")))?;
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > MAX_PLUGIN_BYTES {
            return Err(artifact.bad(&format!("has more than {MAX_PLUGIN_BYTES} bytes, the most that is taken")));
        }
    }
    Ok(bytes)
}

/// The one layer that is WebAssembly. It says its size, so nothing larger is asked for.
fn plugin_layer(artifact: &Artifact, manifest: &[u8]) -> Result<OciDescriptor, Failure> {
    let manifest: OciImageManifest =
        serde_json::from_slice(manifest).map_err(|error| artifact.bad(&format!("is no artifact: {error}")))?;
    let mut layers = manifest.layers.into_iter().filter(|layer| WASM_LAYERS.contains(&layer.media_type.as_str()));
    match (layers.next(), layers.next()) {
        (Some(layer), None) if layer.size.unsigned_abs() <= MAX_PLUGIN_BYTES => Ok(layer),
        (Some(layer), None) => {
            Err(artifact.bad(&format!("has {} bytes, and {MAX_PLUGIN_BYTES} are the most", layer.size)))
        }
        (None, _) => Err(artifact.bad(&format!("has no layer of type {}", WASM_LAYERS[0]))),
        (Some(_), Some(_)) => Err(artifact.bad("has more than one plugin in it")),
    }
}

fn config(artifact: &Artifact, args: &FetchArgs) -> Result<ClientConfig, Failure> {
    provide_cryptography();
    let authorities = args.ca_file.as_deref().map(authorities).transpose()?;
    let certificate = |data| Certificate { encoding: CertificateEncoding::Pem, data };
    Ok(ClientConfig {
        protocol: artifact.protocol(),
        tls_certs_only: authorities.map(certificate).into_iter().collect(),
        read_timeout: Some(READ_TIMEOUT),
        connect_timeout: Some(CONNECT_TIMEOUT),
        user_agent: concat!("orion-kit/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    })
}

fn credentials(args: &FetchArgs) -> Result<RegistryAuth, Failure> {
    let (Some(user), Some(file)) = (&args.registry_user, &args.registry_password_file) else {
        return Ok(RegistryAuth::Anonymous);
    };
    let password = std::fs::read_to_string(file)
        .map_err(|error| Failure::Configuration(format!("{} cannot be read: {error}", file.display())))?;
    Ok(RegistryAuth::Basic(user.clone(), password.trim_end().to_owned()))
}
