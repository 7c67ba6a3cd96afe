//! Hooks: what is read of them, and of the files with their secrets, before the process confines itself.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use orion_api::{Access, Listen, Secret};
use orion_pipeline::outside::hook;
use orion_rules::{HookSetting, parse_hooks, render};

use crate::cli::Failure;

/// Far more than all hooks with all that can be said about them.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// More than a secret may have, so that one that is too long is told by its length.
const MAX_SECRET_FILE_BYTES: u64 = 64 * 1024;

/// What programs may deliver, and where.
#[derive(Args, Clone)]
pub struct HookArgs {
    /// File of the hooks at which other programs deliver what they observed (YAML); without it there is none
    #[arg(long, value_name = "FILE", env = "ORION_API__WEBHOOKS")]
    pub webhooks: Option<PathBuf>,
}

/// Hooks: how each is guarded, and how what comes there is read.
#[derive(Default)]
pub struct Hooks {
    /// For the interface.
    pub guarded: Vec<orion_api::Hook>,
    /// For the pipeline.
    pub read: Vec<hook::Hook>,
}

impl HookArgs {
    /// The hooks, where each has what this address needs.
    pub fn read(&self, listen: Listen) -> Result<Hooks, Failure> {
        let Some(path) = &self.webhooks else { return Ok(Hooks::default()) };
        let settings = settings_of(path)?;
        let Listen::At(address) = listen else {
            let said =
                "--webhooks: nothing is served, so nobody can deliver: give an address with --listen, or leave it out";
            return Err(Failure::Configuration(said.to_owned()));
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut hooks = Hooks::default();
        for setting in settings {
            hooks.guarded.push(guarded(&setting, folder)?);
            let HookSetting { name, kind, event_type, labels, .. } = setting;
            hooks.read.push(hook::Hook { name, kind, event_type, labels });
        }
        Access::check_hooks(address, &hooks.guarded).map_err(Failure::configuration)?;
        Ok(hooks)
    }
}

fn settings_of(path: &Path) -> Result<Vec<HookSetting>, Failure> {
    let bytes = contents(path, MAX_FILE_BYTES)
        .map_err(|why| Failure::Configuration(format!("--webhooks: {} cannot be read: {why}", path.display())))?;
    let text = String::from_utf8_lossy(&bytes);
    let (settings, diagnostics) = parse_hooks(&text);
    match diagnostics.is_empty() {
        true => Ok(settings),
        false => {
            let said = render(&diagnostics, &path.display().to_string(), &text, false);
            Err(Failure::Configuration(format!("the hooks cannot be used\n{}", said.trim_end())))
        }
    }
}

/// A path is seen from the folder of the file that names it, wherever Orion is started.
fn guarded(setting: &HookSetting, folder: &Path) -> Result<orion_api::Hook, Failure> {
    let secret = |file: &String| {
        let path = folder.join(file);
        let failed = |why: String| {
            Failure::Configuration(format!("the secret of the hook `{}`, {}: {why}", setting.name, path.display()))
        };
        let bytes = contents(&path, MAX_SECRET_FILE_BYTES).map_err(|why| failed(format!("cannot be read: {why}")))?;
        Secret::of(&bytes).map_err(|why| failed(why.to_string()))
    };
    let secret = setting.secret_file.as_ref().map(secret).transpose()?;
    let (name, kind, origins) = (setting.name.clone(), setting.kind, setting.origins.clone());
    Ok(orion_api::Hook { name, kind, origins, secret })
}

fn contents(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(std::io::Error::other(format!("it has more than {limit} bytes"))),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Listen =
        Listen::At(std::net::SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0)));
    const EVERYWHERE: Listen =
        Listen::At(std::net::SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 0)));

    fn read(hooks: &str, listen: Listen) -> Result<usize, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hooks.yaml");
        std::fs::write(&path, hooks).unwrap();
        std::fs::write(folder.path().join("good.secret"), "0123456789abcdef\n").unwrap();
        std::fs::write(folder.path().join("short.secret"), "hunter2\n").unwrap();
        let read = HookArgs { webhooks: Some(path) }.read(listen);
        let said = |why: Failure| why.to_string().replace(&folder.path().display().to_string(), "");
        read.map(|hooks| hooks.guarded.iter().filter(|hook| hook.secret.is_some()).count()).map_err(said)
    }

    #[test]
    fn secrets_are_read_from_beside_the_file_and_what_is_wrong_with_one_is_said_without_it() {
        let both = "hooks:\n  - { name: a, kind: grafana }\n  - { name: b, kind: generic, secret_file: good.secret }\n";
        assert_eq!(read(both, HERE), Ok(1));
        assert_eq!(
            read("hooks: [{ name: b, kind: generic, secret_file: gone.secret }]", HERE).unwrap_err(),
            "the secret of the hook `b`, /gone.secret: cannot be read: No such file or directory (os error 2)"
        );
        let short = read("hooks: [{ name: b, kind: generic, secret_file: short.secret }]", HERE).unwrap_err();
        assert!(short.contains("it has 7 bytes") && !short.contains("hunter2"), "{short}");
    }

    #[test]
    fn where_others_reach_it_each_hook_needs_a_secret_and_those_without_are_named() {
        let open = "hooks: [{ name: a, kind: grafana }, { name: b, kind: alertmanager }]";
        let said = read(open, EVERYWHERE).unwrap_err();
        assert!(said.contains("0.0.0.0:0") && said.contains(": a, b. Give each"), "{said}");
        let guarded = "hooks: [{ name: a, kind: grafana, secret_file: good.secret }]";
        assert_eq!(read(guarded, EVERYWHERE), Ok(1));
        assert!(read(guarded, Listen::Nowhere).unwrap_err().contains("--listen"));
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said_with_its_line() {
        let said = read("hooks:\n  - { name: a, kind: grafna }\n", HERE).unwrap_err();
        assert!(said.contains("hooks.yaml:2:") && said.contains("did you mean `grafana`?"), "{said}");
        let large = format!("#{}", "x".repeat(usize::try_from(MAX_FILE_BYTES).unwrap()));
        assert!(read(&large, HERE).unwrap_err().contains("more than 262144 bytes"));
        assert_eq!(read(&large[..large.len() - 1], HERE), Ok(0));
    }
}
