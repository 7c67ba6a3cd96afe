//! One settings file, with everything that is wrong with it.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind as Refusal};
use orion_rules::{Diagnostic, Level, Setting, parse_settings, render};

use super::{Found, Key};

/// Far more than all settings with all that can be said about them.
const MAX_SETTINGS_BYTES: u64 = 256 * 1024;

/// A file that was read.
pub struct SettingsFile {
    /// Where it lies.
    pub path: PathBuf,
    text: String,
    found: Vec<(String, Found)>,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
}

impl SettingsFile {
    /// Reads a file; `None` when there is none.
    pub fn read(path: &Path, known: &[Key], cli: &Command) -> Result<Option<Self>, String> {
        let Some(text) = text_of(path)? else { return Ok(None) };
        let names: Vec<&str> = known.iter().map(|key| key.name.as_str()).collect();
        let (settings, mut diagnostics) = parse_settings(&text, &names);
        let mut found = Vec::new();
        for setting in &settings {
            let Some(key) = known.iter().find(|key| key.name == setting.key) else { continue };
            match refused(setting, key, cli) {
                Some(wrong) => diagnostics.push(wrong),
                None => found.push((setting.key.clone(), Found::of(setting, &key.argument, path))),
            }
        }
        diagnostics.sort_by_key(|it| it.span.as_ref().map(|span| span.bytes.start));
        Ok(Some(Self { path: path.to_owned(), text, found, diagnostics }))
    }

    /// What it sets.
    pub(super) fn found(&self) -> impl Iterator<Item = (String, Found)> {
        self.found.iter().map(|(key, found)| (key.clone(), found.clone()))
    }

    /// What is wrong with it, with the lines.
    pub fn rendered(&self) -> String {
        render(&self.diagnostics, &self.path.display().to_string(), &self.text, false)
    }
}

fn text_of(path: &Path) -> Result<Option<String>, String> {
    let unreadable = |why: std::io::Error| format!("the settings file {} cannot be read: {why}", path.display());
    let file = match std::fs::File::open(path) {
        Err(why) if matches!(why.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        opened => opened.map_err(unreadable)?,
    };
    let mut text = String::new();
    file.take(MAX_SETTINGS_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    match text.len() as u64 > MAX_SETTINGS_BYTES {
        true => Err(format!("the settings file {} has more than {MAX_SETTINGS_BYTES} bytes", path.display())),
        false => Ok(Some(text)),
    }
}

/// What is wrong with a value, if anything: what the flag itself would say.
fn refused(setting: &Setting, key: &Key, cli: &Command) -> Option<Diagnostic> {
    if setting.values.len() != 1 && !key.is_list() {
        return Some(wrong(setting, format!("`{}` takes one value, not a list", key.name), None));
    }
    if key.may_be_secret() && setting.values.iter().any(|value| holds_password(value)) {
        let help = "write the password to a file that only Orion can read, and name that; or set the variable";
        let message = format!("`{}` holds a password, and settings files are shown to people", key.name);
        return Some(wrong(setting, message, Some(help.to_owned())));
    }
    let flag = key.argument.get_long()?;
    let arguments = setting.values.iter().map(|value| format!("--{flag}={value}"));
    let words = ["orion".to_owned(), "run".to_owned()].into_iter().chain(arguments);
    let error = cli.clone().try_get_matches_from(words).err()?;
    let is_about_it = matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(name)) if name.starts_with(&format!("--{flag}")));
    if !is_about_it || !matches!(error.kind(), Refusal::InvalidValue | Refusal::ValueValidation) {
        return None;
    }
    let why = std::error::Error::source(&error).map(ToString::to_string);
    let words = key.words();
    let help = why.or_else(|| (!words.is_empty()).then(|| format!("one of {}", words.join(", "))));
    Some(wrong(setting, format!("`{}` cannot be `{}`", key.name, setting.values.join(", ")), help))
}

fn wrong(setting: &Setting, message: String, help: Option<String>) -> Diagnostic {
    Diagnostic { level: Level::Error, message, span: Some(setting.span.clone()), label: String::new(), help }
}

/// Whether an address names a password: `scheme://user:password@host`.
fn holds_password(value: &str) -> bool {
    let authority = value.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(""));
    authority
        .rsplit_once('@')
        .is_some_and(|(user, _)| user.split_once(':').is_some_and(|(_, password)| !password.is_empty()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;
    use crate::settings::keys;

    fn said(text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orion.yaml");
        std::fs::write(&path, text).unwrap();
        let cli = Cli::command();
        let file = SettingsFile::read(&path, &keys(&cli), &cli).unwrap().unwrap();
        let line = |it: &Diagnostic| it.span.as_ref().map_or(0, |span| span.line);
        file.diagnostics
            .iter()
            .map(|it| format!("{}: {}; {}", line(it), it.message, it.help.clone().unwrap_or_default()))
            .collect()
    }

    #[test]
    fn what_flags_take_is_taken() {
        let text = "poll_interval: 30s\nroles: [watcher, memory]\nlog: { format: json }\nmemory:\n  keep: 90d\n  keep_bytes: 1GiB\n\
                    prometheus:\n  url: http://prometheus:9090/prefix\n  timeout: 5\nredis:\n  url: redis://user@redis:6379/2\n";
        assert_eq!(said(text), [""; 0]);
    }

    #[test]
    fn what_a_flag_refuses_is_said_with_its_line() {
        assert_eq!(
            said(
                "poll_interval: soon\nroles: [watcher, cook]\nlog: { format: loud }\nconfinement: [a, b]\nredis: { port: 70000 }\n"
            ),
            [
                "1: `poll_interval` cannot be `soon`; write it as 15s, 1m30s or 500ms",
                "2: `roles` cannot be `watcher, cook`; one of watcher, guardian, brain, memory",
                "3: `log.format` cannot be `loud`; one of auto, text, json",
                "4: `confinement` takes one value, not a list; ",
                "5: `redis.port` cannot be `70000`; 70000 is not in 0..=65535",
            ]
        );
    }

    #[test]
    fn a_secret_in_a_file_is_refused() {
        let said = said("prometheus:\n  url: https://me:hunter2@p\nredis:\n  url: redis://:hunter2@r\n");
        assert_eq!(said.len(), 2);
        assert!(said.iter().all(|it| it.contains("holds a password") && !it.contains("hunter2")), "{said:?}");
        for fine in ["https://me@p", "https://p/a:b@c", "redis://r", "me:you@p"] {
            assert!(!holds_password(fine), "{fine}");
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orion.yaml");
        let cli = Cli::command();
        let mut text = "#".repeat(usize::try_from(MAX_SETTINGS_BYTES).unwrap());
        std::fs::write(&path, &text).unwrap();
        assert!(SettingsFile::read(&path, &keys(&cli), &cli).unwrap().is_some());
        text.push('#');
        std::fs::write(&path, &text).unwrap();
        assert!(SettingsFile::read(&path, &keys(&cli), &cli).err().unwrap().contains("more than 262144 bytes"));
        assert!(SettingsFile::read(&folder.path().join("none.yaml"), &keys(&cli), &cli).unwrap().is_none());
    }
}
