//! `orion-kit lock`: writes down what a plugin folder holds, and says what has changed since the last time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use orion_trust::{LOCK_FILE, Lock, LockedPlugin};
use serde_json::{Value, json};

use crate::cli::{EXIT_FAILED, Failure, LockArgs, Output};
use crate::command::print;

/// Locks a folder, or with `--check` only tells whether its lock is what it would be.
pub fn lock(args: &LockArgs) -> Result<ExitCode, Failure> {
    let path = args.plugins.join(LOCK_FILE);
    let before = earlier(&path)?;
    let now = Lock { plugins: with_sources(look_at(&args.plugins)?, &before) };
    let changes = changes(&before.plugins, &now.plugins);
    if !args.check {
        super::replace(&path, now.write().as_bytes())?;
    }
    print(&match args.output {
        Output::Json => {
            format!("{:#}\n", json!({ "lock": path, "changes": changes.iter().map(Change::value).collect::<Vec<_>>() }))
        }
        Output::Text => {
            let lines: String = changes.iter().map(Change::line).collect();
            let count = now.plugins.len();
            let said = if args.check { "checked" } else { "written" };
            format!("{lines}{said:8}  {}: {count} plugin{}\n", path.display(), if count == 1 { "" } else { "s" })
        }
    })?;
    let differs = args.check && !changes.is_empty();
    Ok(if differs { ExitCode::from(EXIT_FAILED) } else { ExitCode::SUCCESS })
}

/// A damaged lock says nothing about what was there before; who locks anew wants it replaced.
fn earlier(path: &Path) -> Result<Lock, Failure> {
    Lock::load(path).map(Option::unwrap_or_default).map_err(|why| {
        Failure::Configuration(format!(
            "{} cannot be compared with: {why}; remove it, look at every plugin of the folder, and lock anew",
            path.display()
        ))
    })
}

/// From where bytes were fetched stays true as long as they are the same.
fn with_sources(mut plugins: BTreeMap<String, LockedPlugin>, before: &Lock) -> BTreeMap<String, LockedPlugin> {
    for (file, plugin) in &mut plugins {
        let earlier = before.plugins.get(file).filter(|earlier| earlier.digest == plugin.digest);
        plugin.source = earlier.and_then(|earlier| earlier.source.clone());
    }
    plugins
}

/// The plugin files that a host would read.
pub(crate) fn look_at(dir: &Path) -> Result<BTreeMap<String, LockedPlugin>, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::Configuration(format!("{} cannot be read: {error}", dir.display()));
    let entries = std::fs::read_dir(dir).map_err(unreadable)?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>, _>>().map_err(unreadable)?;
    let sandbox = super::sandbox()?;
    let mut plugins = BTreeMap::new();
    for path in paths {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !file.ends_with(".wasm") || file.starts_with('.') || path.is_dir() {
            continue;
        }
        let certificate = super::inspect(&sandbox, &path)?;
        let manifest = certificate.manifest;
        let (name, version) = (manifest.name, manifest.version);
        let locked = LockedPlugin { name, version, digest: certificate.digest, source: None };
        plugins.insert(file, locked);
    }
    Ok(plugins)
}

/// What differs about one file.
struct Change<'a> {
    file: &'a str,
    before: Option<&'a LockedPlugin>,
    now: Option<&'a LockedPlugin>,
}

fn changes<'a>(before: &'a BTreeMap<String, LockedPlugin>, now: &'a BTreeMap<String, LockedPlugin>) -> Vec<Change<'a>> {
    let files: std::collections::BTreeSet<&str> = before.keys().chain(now.keys()).map(String::as_str).collect();
    let changes = files.into_iter().map(|file| Change { file, before: before.get(file), now: now.get(file) });
    changes.filter(|change| change.before != change.now).collect()
}

impl Change<'_> {
    fn word(&self) -> &'static str {
        match (self.before, self.now) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        }
    }

    fn line(&self) -> String {
        let shown = |plugin: &LockedPlugin| format!("{} {} sha256:{}", plugin.name, plugin.version, plugin.digest);
        let sides: Vec<String> = self.before.into_iter().chain(self.now).map(shown).collect();
        format!("{:8}  {}: {}\n", self.word(), self.file, sides.join(" → "))
    }

    fn value(&self) -> Value {
        let side = |plugin: Option<&LockedPlugin>| {
            plugin.map(|it| json!({ "name": it.name, "version": it.version, "digest": it.digest }))
        };
        json!({ "change": self.word(), "file": self.file, "before": side(self.before), "now": side(self.now) })
    }
}
