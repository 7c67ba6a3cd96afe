//! `orion-kit dev`: an author saves, and sees at once what the plugin says otherwise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use orion_sandbox::Sandbox;

use super::{DevArgs, build, read, run, sandbox, write};
use crate::cli::Failure;
use crate::command::{plugin_cache, print};

/// How often the project is looked at: an author does not notice it, and neither does the machine.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// What building leaves in a project.
const LEFTOVERS: [&str; 4] = ["target", "build", "node_modules", "__pycache__"];

/// When each file of a project was written, and how long it is.
type Files = BTreeMap<PathBuf, (SystemTime, u64)>;

/// Goes on until it is interrupted. A project that was there and is away is waited for: a checkout or a move brings it back.
pub fn dev(args: &DevArgs) -> Result<ExitCode, Failure> {
    // Each build is compiled to be proven, and found compiled when it is run.
    let sandbox = sandbox(plugin_cache())?;
    look_at(&args.run.plugin)?;
    let mut seen = None;
    let mut before = Vec::new();
    loop {
        let now = look_at(&args.run.plugin).map_err(|failure| failure.to_string());
        if seen.as_ref() != Some(&now) {
            // What does not build, or is not there, is said; the next save may mend it.
            let said = match &now {
                Ok(_) => round(args, &sandbox, &before).map_err(|failure| failure.to_string()),
                Err(failure) => Err(failure.clone()),
            };
            match said {
                Ok(said) => before = said,
                Err(failure) => print(&format!("{failure}\nwhat was built and found before stays as it was\n\n"))?,
            }
            seen = Some(now);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Builds and runs it once. What it says, a line each.
fn round(args: &DevArgs, sandbox: &Sandbox, before: &[String]) -> Result<Vec<String>, Failure> {
    let (file, built) = build::make(&args.run.plugin, sandbox)?;
    if let Some(folder) = &args.into {
        write(&folder.join(file.file_name().unwrap_or_default()), &read(&file)?)?;
    }
    let mut said: Vec<String> = run::said(&args.run, sandbox)?.lines().map(str::to_owned).collect();
    let cost = said.pop().unwrap_or_default();
    let differences = differences(before, &said).iter().map(|line| format!("{line}\n")).collect::<String>();
    print(&format!("{built}{differences}{cost}\n\n"))?;
    Ok(said)
}

/// Lines that are not said any more, and lines that were not said before.
fn differences(before: &[String], now: &[String]) -> Vec<String> {
    let gone = without(before, now).into_iter().map(|line| format!("- {line}"));
    let new = without(now, before).into_iter().map(|line| format!("+ {line}"));
    gone.chain(new).collect()
}

/// The lines of one side that the other has not, or not as often.
fn without<'a>(lines: &'a [String], others: &[String]) -> Vec<&'a String> {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for line in others {
        *left.entry(line).or_default() += 1;
    }
    let is_alone = |line: &&String| match left.get_mut(line.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    lines.iter().filter(is_alone).collect()
}

fn look_at(folder: &Path) -> Result<Files, Failure> {
    let failed = |why| Failure::Configuration(format!("{} cannot be read: {why}", folder.display()));
    let mut files = Files::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || name.ends_with(".wasm") || LEFTOVERS.contains(&name.as_str()) {
            continue;
        }
        // An editor may be about to put another file in its place.
        let Ok(metadata) = path.metadata() else { continue };
        if metadata.is_dir() {
            match look_at(&path) {
                // It went while it was looked at.
                Err(_) if !path.exists() => {}
                inner => files.extend(inner?),
            }
        } else {
            files.insert(path, (metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len()));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_otherwise_is_shown() {
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(differences(&lines("a b b"), &lines("b c a")), ["- b", "+ c"]);
        assert!(differences(&lines("a b"), &lines("b a")).is_empty());
    }

    #[test]
    fn what_building_leaves_is_not_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("target")).unwrap();
        for name in ["plugin.toml", "mine.wasm", ".hidden", "target/x"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let seen = look_at(dir.path()).unwrap();
        assert_eq!(seen.into_keys().collect::<Vec<_>>(), [dir.path().join("plugin.toml")]);
    }
}
