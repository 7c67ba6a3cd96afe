//! `orion-kit key`: makes a pair of keys, and shows what a key file holds.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use orion_trust::{KEY_EXTENSION, PublicKey, SecretKey};
use serde_json::json;

use crate::cli::{Failure, KeyArgs, KeyCommand, Output};
use crate::command::print;

/// What the name of a secret key ends with.
const SECRET_EXTENSION: &str = "key";

/// For nobody but its owner.
const SECRET_MODE: u32 = 0o600;
/// For everybody.
const PUBLIC_MODE: u32 = 0o644;

/// Runs `new` or `show`.
pub fn key(args: &KeyArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        KeyCommand::New { name, comment, output } => {
            let comment = comment.clone().unwrap_or_else(|| file_name(name));
            new(name, &comment, *output)?;
        }
        KeyCommand::Show { file, output } => {
            let found = Found::read(file)?;
            print(&found.shown(*output))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn new(name: &Path, comment: &str, output: Output) -> Result<(), Failure> {
    if comment.contains(['\n', '\r']) || comment.starts_with('-') {
        return Err(Failure::Configuration("a comment is one line and does not begin with a dash".to_owned()));
    }
    let (secret_path, public_path) = (with(name, SECRET_EXTENSION), with(name, KEY_EXTENSION));
    // Both are looked at before either is written: half a pair helps nobody.
    for path in [&secret_path, &public_path] {
        if path.symlink_metadata().is_ok() {
            return Err(Failure::Configuration(format!(
                "{} is there already and is not written over: what it signed could never be signed again; choose another \
                 name",
                path.display()
            )));
        }
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::Configuration(format!("the system gives no random numbers: {error}")))?;
    let secret = SecretKey::from_seed(&seed, comment);
    write_new(&secret_path, &secret.to_pem(), SECRET_MODE)?;
    write_new(&public_path, &secret.public().to_pem(), PUBLIC_MODE)?;
    let id = secret.public().id();
    print(&match output {
        Output::Json => {
            let value = json!({ "id": id, "comment": comment, "secret": secret_path, "public": public_path });
            format!("{value:#}\n")
        }
        Output::Text => format!(
            "key      {id}\nsecret   {} (keep it to yourself; it signs)\npublic   {} (goes into the folder that --trusted-keys \
             names)\n",
            secret_path.display(),
            public_path.display()
        ),
    })
}

fn with(name: &Path, extension: &str) -> PathBuf {
    name.with_file_name(format!("{}.{extension}", file_name(name)))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| Failure::Configuration(format!("{} cannot be written: {error}", path.display())))
}

/// Reads a secret key.
pub fn read_secret(path: &Path) -> Result<SecretKey, Failure> {
    SecretKey::load(path).map_err(|why| unusable(path, &why))
}

fn unusable(path: &Path, why: &str) -> Failure {
    Failure::Configuration(format!("the key {} cannot be used: {why}", path.display()))
}

/// What a key file holds. Of a secret key only its public part is shown.
struct Found {
    kind: &'static str,
    key: PublicKey,
}

impl Found {
    fn read(path: &Path) -> Result<Self, Failure> {
        match SecretKey::load(path) {
            Ok(secret) => Ok(Self { kind: "secret", key: secret.public() }),
            Err(_) => {
                let key = PublicKey::load(path).map_err(|why| unusable(path, &why))?;
                Ok(Self { kind: "public", key })
            }
        }
    }

    fn shown(&self, output: Output) -> String {
        let Self { kind, key } = self;
        match output {
            Output::Json => {
                let value = json!({ "id": key.id(), "kind": kind, "comment": key.comment(), "public": key.to_pem() });
                format!("{value:#}\n")
            }
            Output::Text => {
                format!("key      {}\nkind     {kind}\ncomment  {}\n\n{}", key.id(), key.comment(), key.to_pem())
            }
        }
    }
}
