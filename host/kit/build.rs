//! Puts the SDKs and the examples into the binary: an example is what `orion-kit new` writes.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What building an example in its place leaves there, and what the example cost: a new plugin has its own baseline.
const LEFTOVERS: [&str; 8] =
    ["target", "build", "node_modules", ".orion", "__pycache__", ".zig-cache", "Cargo.lock", "baseline.json"];

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let plugins = here.ancestors().nth(2).ok_or("this crate lies two folders below the workspace")?.join("plugins");
    let mut list = String::from("&[\n");
    for folder in ["sdk", "examples"] {
        println!("cargo::rerun-if-changed={}", plugins.join(folder).display());
        add(&plugins, &plugins.join(folder), &mut list)?;
    }
    list.push(']');
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("files.rs"), list)?;
    Ok(())
}

fn add(plugins: &Path, folder: &Path, list: &mut String) -> Result<(), Box<dyn Error>> {
    let mut entries =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        if LEFTOVERS.contains(&&*name) || name.ends_with(".wasm") {
            continue;
        }
        if entry.is_dir() {
            add(plugins, &entry, list)?;
        } else {
            let path = entry.strip_prefix(plugins)?.to_string_lossy();
            writeln!(list, "({path:?}, include_bytes!({:?})),", entry.display().to_string())?;
        }
    }
    Ok(())
}
