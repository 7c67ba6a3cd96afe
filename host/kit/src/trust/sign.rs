//! `orion-kit sign`: stands behind a plugin file, in a file beside it.

use std::path::Path;
use std::process::ExitCode;

use orion_trust::{SIGNATURE_SUFFIX, SignatureFile};
use serde_json::json;

use super::key::read_secret;
use crate::cli::{Failure, Output, SignArgs};
use crate::command::print;

/// Signs. Other keys' signatures of the same bytes stay; those of other bytes vouch for nothing any more and go.
pub fn sign(args: &SignArgs) -> Result<ExitCode, Failure> {
    let key = read_secret(&args.key)?;
    let certificate = super::inspect(&super::sandbox()?, &args.plugin)?;
    let name = args.plugin.file_name().unwrap_or_default().to_string_lossy();
    let path = args.plugin.with_file_name(format!("{name}{SIGNATURE_SUFFIX}"));
    let mut signatures = match earlier(&path)? {
        Some(signatures) if signatures.digest() == certificate.digest => signatures,
        _ => SignatureFile::of(certificate.digest),
    };
    signatures.sign(&key);
    super::replace(&path, signatures.write().as_bytes())?;
    let (manifest, id) = (&certificate.manifest, key.public().id());
    print(&match args.output {
        Output::Json => {
            let value = json!({
                "plugin": args.plugin, "name": manifest.name, "version": manifest.version,
                "digest": certificate.digest, "imports": certificate.imports, "key": id, "signature": path,
            });
            format!("{value:#}\n")
        }
        Output::Text => format!(
            "signed   {} {}\ndigest   sha256:{}\nimports  {}\nkey      {id}\nwritten  {}\n",
            manifest.name,
            manifest.version,
            certificate.digest,
            certificate.imports.join(", "),
            path.display()
        ),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn earlier(path: &Path) -> Result<Option<SignatureFile>, Failure> {
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    SignatureFile::load(path).map(Some).map_err(|why| {
        Failure::Configuration(format!("{} cannot be added to: {why}; remove it and sign anew", path.display()))
    })
}
