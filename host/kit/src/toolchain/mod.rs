//! The languages that plugins are written in. What all of them have in common is data ([`Language`]); what differs, how a
//! toolchain is found and made to turn a project into WebAssembly, is one small room each.
//!
//! A toolchain that makes a core module for the contract has done enough: the kit takes WASI out and makes the component. One
//! that makes components by itself hands over the component, without a manifest.

mod assemblyscript;
mod c;
mod cpp;
mod desk;
mod go;
mod javascript;
mod node;
mod python;
mod rust;
mod typescript;
mod zig;

use std::path::{Path, PathBuf};

use orion_model::Kind;

pub use desk::{Desk, Program, ToolFailure, read, sources};

/// A language that plugins are written in.
pub struct Language {
    /// What `--lang` calls it, and its folder below `plugins/sdk` and `plugins/examples`.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The file by which a project of this language is known, and where its author begins to read.
    pub main: &'static str,
    /// The folders below `plugins/sdk` that its projects have side by side in `sdk`.
    pub sdk: &'static [&'static str],
    /// Turns a project into WebAssembly.
    pub make: fn(&Project, &Desk) -> Result<Made, ToolFailure>,
}

/// All of them, in the order in which they are listed everywhere. Of two whose main file is there, the first counts.
pub static LANGUAGES: [Language; 9] = [
    rust::LANGUAGE,
    c::LANGUAGE,
    cpp::LANGUAGE,
    zig::LANGUAGE,
    go::LANGUAGE,
    javascript::LANGUAGE,
    typescript::LANGUAGE,
    python::LANGUAGE,
    assemblyscript::LANGUAGE,
];

/// A project that is to be made into a plugin.
pub struct Project {
    /// Its folder, absolute.
    pub dir: PathBuf,
    /// Where the SDK of its language is, absolute: `sdk` in the project.
    pub sdk: PathBuf,
    /// What the manifest says it is.
    pub kind: Kind,
    /// A folder for whatever the toolchain makes on the way, absolute; it is there. `orion.wit`, the contract, lies in its `wit`.
    pub scratch: PathBuf,
}

/// What a toolchain made.
pub enum Made {
    /// A core module that exports what the contract wants.
    Module(Vec<u8>),
    /// A component without a manifest.
    Component(Vec<u8>),
}

/// The language of that name.
pub fn language(name: &str) -> Option<&'static Language> {
    LANGUAGES.iter().find(|language| language.name == name)
}

/// The language that a project is written in.
pub fn language_of(dir: &Path) -> Option<&'static Language> {
    LANGUAGES.iter().find(|language| dir.join(language.main).is_file())
}

/// The names of all languages, for messages.
pub fn names() -> String {
    LANGUAGES.iter().map(|language| language.name).collect::<Vec<_>>().join(", ")
}

/// The world of the contract that a kind of plugin implements.
pub const fn world(kind: Kind) -> &'static str {
    match kind {
        Kind::Detector => "detector-plugin",
        Kind::Correlator => "correlator-plugin",
    }
}

#[cfg(test)]
mod tests;
