//! The same detector and the same correlator in every language: built as a stranger would build them, run in the sandbox of a
//! deployment over the same frames and events, and compared to the last bit with a model of what they should say. So they agree
//! with each other, too. A language whose toolchain is missing fails here, by its name and with what to install.
#![expect(clippy::disallowed_types, reason = "these tests start the binary; none of it is deployed")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect has failed"
)]

#[path = "every_language_finds_the_same/burst.rs"]
mod burst;
#[path = "every_language_finds_the_same/surge.rs"]
mod surge;
#[path = "support/toolchains.rs"]
mod toolchains;

use std::collections::BTreeMap;
use std::process::Command;

use orion_model::StateEntry;
use orion_sandbox::{Limits, Plugin, Sandbox, Settings};

/// Numbers that look like chance and are the same each time.
pub struct Numbers(u64);

impl Numbers {
    /// One of them.
    pub fn below(&mut self, end: u64) -> u64 {
        // The constants of Knuth's MMIX.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// What a host keeps of a plugin's state.
#[derive(Default)]
pub struct Saved(BTreeMap<Vec<u8>, Vec<u8>>);

impl Saved {
    /// Takes what a checkpoint returned.
    pub fn keep(&mut self, entries: Vec<StateEntry>) {
        for StateEntry { key, value } in entries {
            match value {
                Some(value) => drop(self.0.insert(key, value)),
                None => drop(self.0.remove(&key)),
            }
        }
    }

    /// All of it, to restore from.
    pub fn entries(&self) -> Vec<StateEntry> {
        self.0.iter().map(|(key, value)| StateEntry { key: key.clone(), value: Some(value.clone()) }).collect()
    }
}

/// The example of a language as a plugin.
fn built(language: &str, kind: &str) -> Plugin {
    let desk = tempfile::tempdir().unwrap();
    let kit = |arguments: &[&str], folder: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orion-kit"));
        command.args(arguments).current_dir(desk.path().join(folder));
        let output = toolchains::give(&mut command).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{kind} in {language}: orion-kit {}: {said}", arguments.join(" "));
    };
    kit(&["new", "sample", "--lang", language, "--kind", kind], "");
    kit(&["build"], "sample");
    let component = std::fs::read(desk.path().join("sample/sample.wasm")).unwrap();
    let sandbox = Sandbox::new(Settings { cache_dir: None, limits: Limits::default() }).unwrap();
    sandbox.load(&component).unwrap_or_else(|why| panic!("{kind} in {language}: {why}"))
}

/// The first place where two texts differ, for a message that can be read.
pub fn assert_same(who: &str, said: &[String], wanted: &[String]) {
    for (place, (said, wanted)) in said.iter().zip(wanted).enumerate() {
        assert_eq!(said, wanted, "{who}: number {place}");
    }
    assert_eq!(said.len(), wanted.len(), "{who}");
}

fn finds_the_same(language: &str) {
    surge::compare(language, &built(language, "detector"));
    burst::compare(language, &built(language, "correlator"));
}

#[test]
fn rust_finds_the_same() {
    finds_the_same("rust");
}

#[test]
fn c_finds_the_same() {
    finds_the_same("c");
}

#[test]
fn cpp_finds_the_same() {
    finds_the_same("cpp");
}

#[test]
fn zig_finds_the_same() {
    finds_the_same("zig");
}

#[test]
fn go_finds_the_same() {
    finds_the_same("go");
}

#[test]
fn javascript_finds_the_same() {
    finds_the_same("javascript");
}

#[test]
fn typescript_finds_the_same() {
    finds_the_same("typescript");
}

#[test]
fn python_finds_the_same() {
    finds_the_same("python");
}

#[test]
fn assemblyscript_finds_the_same() {
    finds_the_same("assemblyscript");
}

#[test]
fn every_language_is_among_these_tests() {
    let source = include_str!("every_language_finds_the_same.rs");
    for language in &orion_kit::toolchain::LANGUAGES {
        assert!(source.contains(&format!("finds_the_same({:?})", language.name)), "{} is not compared", language.name);
    }
}
