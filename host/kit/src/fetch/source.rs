//! Where plugins can be had, and how that is written.

use std::fmt;
use std::path::{Path, PathBuf};

use orion_model::Digest;
use orion_trust::SIGNATURE_SUFFIX;
use url::{Host, Url};

use super::{Fetched, MAX_PLUGIN_BYTES, MAX_SIGNATURE_BYTES, Wanted};
use crate::cli::Failure;

/// What stands before the digits of a digest, at the end of an address.
const DIGEST_MARK: &str = "@sha256:";

/// A place from which a plugin can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A file of this machine.
    File(PathBuf),
    /// A file on a web server.
    Web(Url),
    /// An artifact in a registry.
    #[cfg(feature = "oci")]
    Registry(super::oci::Artifact),
}

impl Source {
    /// How the lock writes it, so that it can be fetched from there again. A path of this machine says nothing on another one.
    pub(super) fn pin(&self, digest: Digest) -> Option<String> {
        match self {
            Self::File(_) => None,
            Self::Web(url) => Some(format!("{url}{DIGEST_MARK}{digest}")),
            #[cfg(feature = "oci")]
            Self::Registry(_) => Some(self.to_string()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Web(url) => write!(f, "{url}"),
            #[cfg(feature = "oci")]
            Self::Registry(artifact) => write!(f, "{artifact}"),
        }
    }
}

/// Reads an argument: a file, a folder of files, or an address. The error says what could have been written.
pub(super) fn read(text: &str) -> Result<Vec<Wanted>, String> {
    let Some((scheme, _)) = text.split_once("://") else { return files(Path::new(text)) };
    match scheme {
        "https" | "http" => web(text).map(|wanted| vec![wanted]),
        #[cfg(feature = "oci")]
        "oci" => {
            let artifact = super::oci::Artifact::read(text)?;
            Ok(vec![Wanted { source: Source::Registry(artifact), digest: None, file: None }])
        }
        #[cfg(not(feature = "oci"))]
        "oci" => Err(format!(
            "`{text}` is in a registry, and this orion-kit was built without that: build it with `--features oci`"
        )),
        _ => Err(format!(
            "`{text}` cannot be fetched: name a .wasm file, a folder of them, https://HOST/FILE.wasm{DIGEST_MARK}DIGEST or \
             oci://HOST/NAME{DIGEST_MARK}DIGEST"
        )),
    }
}

fn web(text: &str) -> Result<Wanted, String> {
    let (address, digest) = with_digest(text)?;
    let url = Url::parse(address).map_err(|error| format!("`{address}` is no address: {error}"))?;
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(format!("`{address}` would be fetched in the open: write https, or a loopback address"));
    }
    if url.password().is_some() {
        return Err("an address with a password in it would stand in the lock, and in the history of shells".to_owned());
    }
    Ok(Wanted { source: Source::Web(url), digest: Some(digest), file: None })
}

/// An address and the digest behind it.
pub(super) fn with_digest(text: &str) -> Result<(&str, Digest), String> {
    let Some((address, digits)) = text.rsplit_once(DIGEST_MARK) else {
        return Err(format!(
            "`{text}` does not say which bytes are meant: write {text}{DIGEST_MARK}DIGEST, as who publishes it states it"
        ));
    };
    let digest = digits.parse().map_err(|error| format!("`{digits}` in `{text}` is no digest: {error}"))?;
    Ok((address, digest))
}

/// Whether what is asked stays on this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The plugin files a path stands for.
fn files(path: &Path) -> Result<Vec<Wanted>, String> {
    let unreadable = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let wanted = |path: PathBuf| Wanted { source: Source::File(path), digest: None, file: None };
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![wanted(path.to_owned())]);
    }
    let entries = std::fs::read_dir(path).map_err(unreadable)?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let mut plugins: Vec<PathBuf> = paths.into_iter().filter(|path| is_plugin(path)).collect();
    plugins.sort();
    if plugins.is_empty() {
        return Err(format!("no plugin (*.wasm) is in {}", path.display()));
    }
    Ok(plugins.into_iter().map(wanted).collect())
}

fn is_plugin(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".wasm") && !name.starts_with('.') && !path.is_dir()
}

/// A plugin file of this machine, with its signatures when they lie beside it.
pub(super) fn read_file(path: &Path) -> Result<Fetched, Failure> {
    let bytes = read_bytes(path, MAX_PLUGIN_BYTES)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(SIGNATURE_SUFFIX);
    let beside = PathBuf::from(beside);
    let signature = beside.exists().then(|| read_bytes(&beside, MAX_SIGNATURE_BYTES)).transpose()?;
    Ok(Fetched { bytes, signature })
}

fn read_bytes(path: &Path, max_bytes: u64) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::Configuration(format!("{} cannot be read: {error}", path.display()));
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > max_bytes {
        return Err(Failure::BadFile(format!("{} has {length} bytes, and {max_bytes} are the most", path.display())));
    }
    std::fs::read(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "0101010101010101010101010101010101010101010101010101010101010101";

    fn refused(text: &str) -> String {
        read(text).map(|_| ()).unwrap_err()
    }

    #[test]
    fn an_address_is_taken_with_the_digest_behind_it_and_is_pinned_as_it_was_written() {
        for text in
            [format!("https://example.org/a.wasm@sha256:{DIGEST}"), format!("http://127.0.0.1:8080/a@sha256:{DIGEST}")]
        {
            let wanted = read(&text).unwrap().remove(0);
            let digest = wanted.digest.unwrap();
            assert_eq!(digest.to_string(), DIGEST);
            assert_eq!(wanted.source.pin(digest), Some(text));
        }
    }

    #[test]
    fn what_cannot_be_fetched_is_told_what_could_be_written() {
        insta::assert_snapshot!(refused("ftp://example.org/a.wasm"), @"`ftp://example.org/a.wasm` cannot be fetched: name a .wasm file, a folder of them, https://HOST/FILE.wasm@sha256:DIGEST or oci://HOST/NAME@sha256:DIGEST");
        insta::assert_snapshot!(refused("https://example.org/a.wasm"), @"`https://example.org/a.wasm` does not say which bytes are meant: write https://example.org/a.wasm@sha256:DIGEST, as who publishes it states it");
        insta::assert_snapshot!(refused(&format!("http://example.org/a.wasm@sha256:{DIGEST}")), @"`http://example.org/a.wasm` would be fetched in the open: write https, or a loopback address");
        insta::assert_snapshot!(refused(&format!("https://me:secret@example.org/a.wasm@sha256:{DIGEST}")), @"an address with a password in it would stand in the lock, and in the history of shells");
        assert!(
            refused("https://example.org/a.wasm@sha256:01")
                .contains("`01` in `https://example.org/a.wasm@sha256:01` is no digest")
        );
        assert!(refused("nowhere/a.wasm").starts_with("nowhere/a.wasm cannot be read: "));
    }

    #[test]
    fn a_folder_stands_for_the_plugins_in_it_in_the_order_of_their_names() {
        let dir = tempfile::tempdir().unwrap();
        assert!(refused(dir.path().to_str().unwrap()).starts_with("no plugin (*.wasm) is in "));
        for name in ["b.wasm", "a.wasm", ".c.wasm", "d.txt"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let names = read(dir.path().to_str().unwrap()).unwrap().into_iter().map(|wanted| wanted.source);
        let expected = ["a.wasm", "b.wasm"].map(|name| Source::File(dir.path().join(name)));
        assert_eq!(names.collect::<Vec<_>>(), expected);
    }
}
