//! The folders: what may be read, what may be written, and whether there is room.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use orion_pipeline::library::{check, read_rule_file, rule_files};
use rustix::fs::{Access, access, statvfs};
use serde_json::json;

use crate::agent::rules_of_agent;
use crate::cli::RunArgs;
use crate::finding::{Check, Fault, counted, some_of};
use crate::{rule_set, setup};

/// Room on the disk below which it is time to do something: some days of a busy deployment.
const MIN_FREE_BYTES: u64 = 1024 * 1024 * 1024;

/// Files that can still be made: closed files of the trail and compiled plugins are some hundred.
const MIN_FREE_FILES: u64 = 1_000;

/// The plugin files, and what vouches for them.
pub fn plugins(args: &RunArgs) -> Check {
    const NAME: &str = "plugins";
    let folder = &args.rules.plugins.plugins;
    let facts = json!({ "folder": folder });
    if let Some(fault) = not_readable(folder).filter(|_| folder.exists()) {
        return Check::of(NAME, String::new(), vec![fault], facts);
    }
    let failures = match rule_set::shelf(&args.rules.plugins) {
        Ok(_) => Vec::new(),
        Err(failure) => {
            let mend =
                "`orion plugin inspect FILE` says what a file is; rules that name no other plugin run on without it";
            vec![Fault::new(failure.to_string(), mend)]
        }
    };
    let said = match folder.exists() {
        true => format!("those of the binary and of {} load", folder.display()),
        false => format!("those of the binary load; there is no folder {}", folder.display()),
    };
    Check::of(NAME, said, failures, facts)
}

/// The rule files.
pub fn rules(args: &RunArgs) -> Check {
    const NAME: &str = "rules";
    let of_agent = args.agent.agent.then(|| rules_of_agent(&args.data.data));
    if of_agent.as_ref().is_some_and(|folder| !folder.is_dir()) {
        let why = "this agent has fetched none yet".to_owned();
        return Check::not_seen(NAME, why, json!({ "folder": of_agent, "files": 0 }));
    }
    let folder = of_agent.as_ref().unwrap_or(&args.rules.rules);
    let facts = |files: usize| json!({ "folder": folder, "files": files });
    if let Some(fault) = not_readable(folder) {
        return Check::of(NAME, String::new(), vec![fault], facts(0));
    }
    let files = match rule_files(folder) {
        Ok(files) => files,
        Err(why) => {
            return Check::of(NAME, String::new(), vec![Fault::new(why.to_string(), "see the folder")], facts(0));
        }
    };
    let Ok(shelf) = rule_set::shelf(&args.rules.plugins) else {
        let why = "not judged: the plugins that they may name do not load".to_owned();
        return Check::not_seen(NAME, why, facts(files.len()));
    };
    let defaults = setup::defaults_of_run(args.watch.poll_interval, args.watch.sources().into_iter(), &args.rules.logs);
    let is_refused = |path: &&PathBuf| {
        let text = read_rule_file(path);
        text.map_or(true, |text| check(&path.display().to_string(), &text, &shelf, &defaults).accepted.is_none())
    };
    let refused = files.iter().filter(is_refused);
    let failures: Vec<Fault> = refused
        .map(|path| {
            let what = format!("{} would be refused; its last good version, if there is one, runs on", path.display());
            Fault::new(what, format!("`orion check {}` shows what is wrong with it, line by line", path.display()))
        })
        .collect();
    let said = match files.len() {
        0 => format!("{} holds none: only Orion's own rules would run", folder.display()),
        count => format!("{} in {}, all of them good", counted(count, "file"), folder.display()),
    };
    Check::of(NAME, said, failures, facts(files.len()))
}

/// The memory folder, which is written to.
pub fn memory(memory: &Path) -> Check {
    const NAME: &str = "memory";
    let (uid, facts) = (rustix::process::geteuid().as_raw(), json!({ "folder": memory }));
    let place = existing(memory);
    let failures = match access(&place, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if place == memory => not_writable(memory, uid).into_iter().chain(writable_by_others(memory)).collect(),
        Ok(()) => Vec::new(),
        Err(why) => {
            let mend = format!("`chown --recursive {uid} {}`, or run it as the user whose it is", place.display());
            let what = format!("{} cannot be written by this user ({uid}): {why}", place.display());
            vec![Fault::new(what, mend)]
        }
    };
    let said = match place == memory {
        true => format!("{} can be written by this user ({uid})", memory.display()),
        false => format!("{} is not there yet and can be made by this user ({uid})", memory.display()),
    };
    Check::of(NAME, said, failures, facts)
}

/// What lies in the memory folder and is not this user's to write. One command that root ran there is enough for it.
fn not_writable(memory: &Path, uid: u32) -> Option<Fault> {
    let inside = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let top = inside(memory);
    let below = top.iter().filter(|path| path.is_dir()).flat_map(|folder| inside(folder));
    let all = top.iter().cloned().chain(below);
    let foreign = all.filter(|path| access(path, Access::READ_OK | Access::WRITE_OK).is_err());
    let mut names: Vec<String> =
        foreign.map(|path| path.strip_prefix(memory).unwrap_or(&path).display().to_string()).collect();
    names.sort();
    (!names.is_empty()).then(|| {
        let what = format!("in {} this user ({uid}) cannot write {}", memory.display(), some_of(&names));
        Fault::new(what, format!("`chown --recursive {uid} {}`, with Orion stopped", memory.display()))
    })
}

/// Whether others may write where compiled plugins lie, which are native code: a start refuses that.
fn writable_by_others(memory: &Path) -> Option<Fault> {
    const BY_OTHERS: u32 = 0o022;
    let compiled = memory.join("compiled");
    let mode = compiled.metadata().ok()?.permissions().mode();
    (mode & BY_OTHERS != 0).then(|| {
        let what =
            format!("others may write to {} (mode {:03o}), and it holds native code", compiled.display(), mode & 0o777);
        Fault::new(what, format!("`chmod 700 {}`", compiled.display()))
    })
}

/// Room on the disk of the memory folder.
pub fn room(memory: &Path) -> Check {
    const NAME: &str = "room";
    let place = existing(memory);
    let disk = match statvfs(&place) {
        Ok(disk) => disk,
        Err(why) => return Check::not_seen(NAME, format!("{}: {why}", place.display()), json!({})),
    };
    let (bytes, files) = (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_favail);
    let mebibytes = bytes / (1024 * 1024);
    let mend = "free some, give the folder a larger disk, or let old records go: --keep, --keep-bytes. Until there is room Orion records \
                nothing and loses nothing of what Prometheus remembers";
    let mut failures = Vec::new();
    if bytes < MIN_FREE_BYTES {
        failures.push(Fault::new(format!("{mebibytes} MiB are left on the disk of {}", place.display()), mend));
    }
    // Some file systems have no such number.
    if disk.f_files > 0 && files < MIN_FREE_FILES {
        failures
            .push(Fault::new(format!("only {files} more files can be made on the disk of {}", place.display()), mend));
    }
    let facts = json!({ "free_bytes": bytes, "free_files": files });
    Check::of(NAME, format!("{mebibytes} MiB are left"), failures, facts)
}

/// Why a folder cannot be read, if it cannot.
fn not_readable(folder: &Path) -> Option<Fault> {
    if !folder.is_dir() {
        let what = format!("{} is no folder", folder.display());
        return Some(Fault::new(what, "make it, or name another one with --rules (ORION_RULES__DIR)"));
    }
    let why = access(folder, Access::READ_OK | Access::EXEC_OK).err()?;
    let uid = rustix::process::geteuid().as_raw();
    let what = format!("{} cannot be read by this user ({uid}): {why}", folder.display());
    Some(Fault::new(what, format!("`chmod --recursive a+rX {}`, or run it as the user whose it is", folder.display())))
}

/// The path, or the nearest above it that is there.
fn existing(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.ancestors().find(|path| path.exists()).unwrap_or(&path).to_owned()
}
