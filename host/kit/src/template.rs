//! New projects. The example of a language is the template: it is written with another name, and with the SDK beside it, so
//! that a project stands alone.

use std::path::Path;

use orion_model::Kind;

use crate::bindings;
use crate::toolchain::Language;

/// Everything below `plugins/sdk` and `plugins/examples`: path and content.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The SDK of Rust as a crate that stands alone: in this repository its versions are those of the workspace, and its bindings are
/// made by a macro.
const RUST_SDK_MANIFEST: &str = r#"[package]
name = "orion-plugin"
description = "What a plugin is written with: a detector or correlator as a trait, without an offset in sight."
version = "0.1.0"
edition = "2024"
license = "Apache-2.0"
publish = false

[dependencies]
hashbrown = { version = "0.16", default-features = false, features = ["inline-more", "default-hasher"] }

[target.'cfg(target_arch = "wasm32")'.dependencies]
wit-bindgen = { version = "0.61", default-features = false, features = ["realloc"] }
"#;

/// What the example of a kind is called; in a project its own name stands there.
pub const fn example_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Detector => "surge",
        Kind::Correlator => "burst",
    }
}

/// A file of a new project: its path within, and what is in it.
pub type ProjectFile = (String, Vec<u8>);

/// All files of a new project, in order of their paths.
pub fn project(language: &Language, kind: Kind, name: &str) -> Result<Vec<ProjectFile>, String> {
    let example = format!("examples/{}/{}/", language.name, kind.as_str());
    let mut files = Vec::new();
    for (path, content) in FILES {
        if let Some(within) = path.strip_prefix(&example) {
            let named = replaced(content, example_name(kind), name);
            // The last one is the language's own, and the name of an earlier one may be the beginning of its name.
            let vendored = language
                .sdk
                .iter()
                .rev()
                .fold(named, |text, sdk| replaced(&text, &format!("../../../sdk/{sdk}"), "sdk"));
            files.push((within.to_owned(), vendored));
        }
    }
    for sdk in language.sdk {
        files.extend(sdk_files(sdk)?);
    }
    files.sort();
    Ok(files)
}

/// The files of one SDK as they lie in a project.
fn sdk_files(sdk: &str) -> Result<Vec<ProjectFile>, String> {
    let folder = format!("sdk/{sdk}/");
    let mut files = Vec::new();
    for (path, content) in FILES {
        let Some(within) = path.strip_prefix(&folder) else { continue };
        let content = match (sdk, within) {
            ("rust", "Cargo.toml") => RUST_SDK_MANIFEST.as_bytes().to_vec(),
            ("rust", "src/guest.rs") => bindings::written_out(&String::from_utf8_lossy(content))?.into_bytes(),
            // Beside each other, where in this repository they lie in folders of their own.
            _ => replaced(content, "../c/", ""),
        };
        files.push((format!("sdk/{within}"), content));
    }
    Ok(files)
}

fn replaced(content: &[u8], from: &str, to: &str) -> Vec<u8> {
    match std::str::from_utf8(content) {
        Ok(text) => text.replace(from, to).into_bytes(),
        Err(_) => content.to_vec(),
    }
}

/// Writes a project into a folder that is not there yet.
pub fn write(folder: &Path, files: &[ProjectFile]) -> std::io::Result<()> {
    std::fs::create_dir(folder)?;
    for (path, content) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, content)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::LANGUAGES;

    const WORKSPACE: &str = include_str!("../../../Cargo.toml");

    #[test]
    fn the_sdk_of_rust_asks_for_what_the_workspace_asks_for() {
        for line in RUST_SDK_MANIFEST.lines().filter(|line| line.contains("features")) {
            assert!(WORKSPACE.contains(&line.replace("[\"realloc\"]", "[\"macros\", \"realloc\"]")), "{line}");
        }
    }

    #[test]
    fn every_project_stands_alone_under_its_own_name() {
        for language in &LANGUAGES {
            for kind in [Kind::Detector, Kind::Correlator] {
                let files = project(language, kind, "my-own").unwrap();
                let has = |name: &str| files.iter().any(|(path, _)| path == name);
                for name in ["plugin.toml", "README.md", "rules.yaml", "rules.test.yaml", language.main] {
                    assert!(has(name), "{} {}: {name}", language.name, kind.as_str());
                }
                for (path, content) in &files {
                    let text = String::from_utf8_lossy(content);
                    assert!(!text.contains("../../"), "{path} points out of the project");
                    assert!(
                        path.starts_with("sdk/") || !text.contains(example_name(kind)),
                        "{path} has the example's name"
                    );
                }
            }
        }
    }
}
