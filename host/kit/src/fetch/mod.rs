//! `orion-kit fetch`: brings plugin files into a plugin folder and pins them in its lock.
//!
//! Which bytes are meant is said before anything is asked for: what comes over a network comes by its digest, so neither who
//! serves it nor who sits between can exchange it. Everything is fetched and proven before anything is written, and a folder
//! without a lock gets one that holds what was there as well, because a deployment refuses what is not in a lock.
//!
//! The deployed `orion` fetches nothing, ever: it reads the folder.

mod folder;
mod http;
#[cfg(feature = "oci")]
mod oci;
mod pinned;
mod source;

use std::process::ExitCode;

use orion_model::Digest;
use serde_json::json;

use self::folder::{Installed, PluginFolder};
use self::source::Source;
use crate::cli::{Failure, FetchArgs, Output};
use crate::command::print;

/// Most that is fetched of one plugin: `component_bytes`, the most that a deployment takes.
const MAX_PLUGIN_BYTES: u64 = 32 * 1024 * 1024;

/// Most that is fetched of the signatures of one plugin; each takes about 200 bytes.
const MAX_SIGNATURE_BYTES: u64 = 64 * 1024;

/// A plugin file that is to be had.
struct Wanted {
    source: Source,
    /// The bytes that are meant. For a file of this machine they are what is there.
    digest: Option<Digest>,
    /// What the file is to be called; by default as the plugin.
    file: Option<String>,
}

/// A plugin file that was fetched.
struct Fetched {
    bytes: Vec<u8>,
    /// The text of its signatures, if it has any.
    signature: Option<Vec<u8>>,
}

/// Fetches what was named, or, with nothing named, what the folder's lock holds and the folder does not.
pub fn fetch(args: &FetchArgs) -> Result<ExitCode, Failure> {
    let folder = PluginFolder::open(&args.into)?;
    let wanted = if args.sources.is_empty() { pinned::missing(&folder)? } else { named(args)? };
    let mut remote = Remote::new(args)?;
    let mut fetched = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        let plugin = remote.fetch(&wanted)?;
        fetched.push((wanted, plugin));
    }
    let installed = folder.install(fetched)?;
    print(&match args.output {
        Output::Json => format!("{:#}\n", json!({ "folder": args.into, "plugins": values(&installed) })),
        Output::Text => text(args, &installed),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What the arguments name: all are read before the first is fetched.
fn named(args: &FetchArgs) -> Result<Vec<Wanted>, Failure> {
    let mut wanted = Vec::new();
    for text in &args.sources {
        wanted.extend(source::read(text).map_err(Failure::Configuration)?);
    }
    Ok(wanted)
}

fn values(installed: &[Installed]) -> Vec<serde_json::Value> {
    let value = |plugin: &Installed| {
        json!({
            "file": plugin.file, "name": plugin.locked.name, "version": plugin.locked.version,
            "digest": plugin.locked.digest, "source": plugin.locked.source, "signed": plugin.is_signed,
            "change": plugin.change(), "before": plugin.before,
        })
    };
    installed.iter().map(value).collect()
}

fn text(args: &FetchArgs, installed: &[Installed]) -> String {
    let line = |plugin: &Installed| {
        let signed = if plugin.is_signed { ", with its signatures" } else { "" };
        let before = plugin.before.map(|digest| format!(" (was sha256:{digest})")).unwrap_or_default();
        let locked = &plugin.locked;
        let what = format!("{}: {} {} sha256:{}", plugin.file, locked.name, locked.version, locked.digest);
        format!("{:9} {what}{before}{signed}\n", plugin.change())
    };
    let lines: String = installed.iter().map(line).collect();
    let (count, folder) = (installed.len(), args.into.display());
    match count {
        0 => format!("{folder} holds everything that its lock says\n"),
        1 => format!("{lines}pinned    {folder}: 1 plugin\n"),
        _ => format!("{lines}pinned    {folder}: {count} plugins\n"),
    }
}

/// Whatever is asked over a network, set up when it is first needed.
struct Remote<'a> {
    args: &'a FetchArgs,
    runtime: tokio::runtime::Runtime,
    http: Option<http::Client>,
}

impl<'a> Remote<'a> {
    fn new(args: &'a FetchArgs) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::Configuration(format!("no runtime can be started: {error}")))?;
        Ok(Self { args, runtime, http: None })
    }

    fn fetch(&mut self, wanted: &Wanted) -> Result<Fetched, Failure> {
        let fetched = match &wanted.source {
            Source::File(path) => source::read_file(path)?,
            Source::Web(url) => {
                let http = match self.http.take() {
                    Some(http) => http,
                    None => http::Client::new(self.args.ca_file.as_deref())?,
                };
                self.runtime.block_on(self.http.insert(http).plugin(url))?
            }
            #[cfg(feature = "oci")]
            Source::Registry(reference) => self.runtime.block_on(oci::plugin(reference, self.args))?,
        };
        // In a registry the digest is that of a manifest, which names the one of the bytes; they are compared where both are known.
        let found = orion_pipeline::library::digest_of(&fetched.bytes);
        match wanted.digest {
            Some(meant) if meant != found => Err(Failure::BadFile(format!(
                "{} holds other bytes than were asked for: sha256:{found} instead of sha256:{meant}; nothing was changed",
                wanted.source
            ))),
            _ => Ok(fetched),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn as_much_is_fetched_as_a_deployment_takes() {
        assert_eq!(super::MAX_PLUGIN_BYTES, orion_sandbox::Limits::default().component_bytes as u64);
    }
}
