//! Taking a snapshot, beside a host that runs or without one.
//!
//! The order is that of what may go meanwhile: checkpoints before the database, so that none is about records that it does not
//! have; plugin files before it and after it, because an edit may need one more or discard one; last what the database has
//! forgotten, which only grows.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use orion_bus::{DATABASE_FILE, RecordKind, SqliteBus, check_whole, copy_database, crash_point};
use orion_model::Timestamp;

use super::{MANIFEST_FILE, Manifest, SCHEMA, SnapshotError, SnapshotFile};
use super::{chains_of, copy, create_dir, measure, parent_of, sync_dir};
use crate::library::{self, LAST_GOOD_DIR, digest_of, kept_plugins};
use crate::memory::{Begins, CHECKPOINTS_FILE, CLOSED_DIR, MEMORY_OWNER, cut_after, trail_files};

/// Takes a snapshot of a memory folder. `to` must not be there; it is there when all is well.
pub fn create(memory_dir: &Path, to: &Path, now: Timestamp) -> Result<Manifest, SnapshotError> {
    if to.symlink_metadata().is_ok() {
        return Err(SnapshotError::Exists { path: to.to_owned() });
    }
    let partial = partial_name(to);
    discard(&partial)?;
    let taken = take(memory_dir, &partial, now);
    if taken.is_err() {
        // Give a full disk its bytes back; should that fail too, the next snapshot of this name tries again.
        let _ = discard(&partial);
    }
    let manifest = taken?;
    crash_point!("snapshot::before_named");
    fs::rename(&partial, to).map_err(SnapshotError::io("name", to))?;
    sync_dir(parent_of(to))?;
    Ok(manifest)
}

fn take(memory_dir: &Path, partial: &Path, now: Timestamp) -> Result<Manifest, SnapshotError> {
    create_dir(partial)?;
    let mut files = BTreeSet::new();
    let checkpoints = memory_dir.join(CHECKPOINTS_FILE);
    if checkpoints.exists() {
        copy(&checkpoints, &partial.join(CHECKPOINTS_FILE))?;
        files.insert(CHECKPOINTS_FILE.to_owned());
    }
    copy_plugins(memory_dir, partial, &mut files)?;
    copy_database(memory_dir, partial)?;
    files.insert(DATABASE_FILE.to_owned());
    copy_plugins(memory_dir, partial, &mut files)?;
    check_whole(partial)?;
    check_plugins(partial)?;
    copy_forgotten(memory_dir, partial, &mut files)?;
    let (position, chains) = chains_of(partial, partial)?;
    let manifest = Manifest { schema: SCHEMA.to_owned(), at: now, position, chains, files: measured(partial, files)? };
    write_manifest(partial, &manifest)?;
    Ok(manifest)
}

/// The plugin files that were accepted and may run.
fn copy_plugins(memory_dir: &Path, partial: &Path, files: &mut BTreeSet<String>) -> Result<(), SnapshotError> {
    let (from, to) = (memory_dir.join(LAST_GOOD_DIR), partial.join(LAST_GOOD_DIR));
    let entries = match fs::read_dir(&from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(SnapshotError::io("read", &from)(error)),
    };
    if !to.exists() {
        create_dir(&to)?;
    }
    for entry in entries {
        let name = entry.map_err(SnapshotError::io("read", &from))?.file_name();
        let Some(name) = name.to_str().filter(|name| name.ends_with(".wasm")) else { continue };
        // Named by their content: one that is there is the same.
        if !files.insert(format!("{LAST_GOOD_DIR}/{name}")) {
            continue;
        }
        match copy(&from.join(name), &to.join(name)) {
            // An edit has discarded it since; whether it is needed shows below.
            Err(SnapshotError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                files.remove(&format!("{LAST_GOOD_DIR}/{name}"));
            }
            copied => copied?,
        }
    }
    sync_dir(&to)
}

/// Whether every plugin file that the database names is there, as it was accepted.
fn check_plugins(partial: &Path) -> Result<(), SnapshotError> {
    let state = SqliteBus::open_read_only(partial)?.load(library::OWNER)?.state;
    for (name, kept) in kept_plugins(&state) {
        for version in kept.versions() {
            let path = library::last_good_path(partial, version.digest);
            let is_it = fs::read(path).is_ok_and(|bytes| digest_of(&bytes) == version.digest);
            if !is_it {
                return Err(SnapshotError::Moved { what: format!("the accepted version of the plugin file `{name}`") });
            }
        }
    }
    Ok(())
}

/// Of the audit trail what the database has forgotten, up to where it goes on.
fn copy_forgotten(memory_dir: &Path, partial: &Path, files: &mut BTreeSet<String>) -> Result<(), SnapshotError> {
    let begins = Begins::of(&SqliteBus::open_read_only(partial)?.load(MEMORY_OWNER)?)?;
    if begins.store.position == 0 {
        return Ok(());
    }
    create_dir(&partial.join(CLOSED_DIR))?;
    for kind in RecordKind::ALL {
        let head = begins.store.heads.of(kind);
        if head.last_seq() == 0 {
            continue;
        }
        for name in trail_files(memory_dir, kind, head.last_seq())? {
            copy(&memory_dir.join(&name), &partial.join(&name))?;
        }
        cut_after(partial, kind, head)?;
        files.extend(trail_files(partial, kind, u64::MAX)?.iter().map(|name| name.display().to_string()));
    }
    sync_dir(&partial.join(CLOSED_DIR))
}

fn measured(partial: &Path, names: BTreeSet<String>) -> Result<Vec<SnapshotFile>, SnapshotError> {
    let measured = names.into_iter().map(|name| {
        let path = partial.join(&name);
        let (bytes, hash) = measure(&path).map_err(SnapshotError::io("read", &path))?;
        Ok(SnapshotFile { name, bytes, hash })
    });
    measured.collect()
}

fn write_manifest(partial: &Path, manifest: &Manifest) -> Result<(), SnapshotError> {
    let path = partial.join(MANIFEST_FILE);
    let text =
        serde_json::to_string_pretty(manifest).map_err(|error| SnapshotError::io("write", &path)(error.into()))?;
    let written = File::create(&path).and_then(|mut file| {
        writeln!(file, "{text}")?;
        file.sync_all()
    });
    written.map_err(SnapshotError::io("write", &path))?;
    sync_dir(partial)
}

/// Beside the snapshot, so that giving it its name is one step; hidden, so that nobody takes it for one.
fn partial_name(to: &Path) -> PathBuf {
    let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
    to.with_file_name(format!(".{name}.partial"))
}

fn discard(partial: &Path) -> Result<(), SnapshotError> {
    match fs::remove_dir_all(partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SnapshotError::io("remove", partial)(error)),
        _ => Ok(()),
    }
}
