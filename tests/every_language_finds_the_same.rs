//! The same detector and the same correlator in every language: built as a stranger would build them, line by line as the guide says,
//! run in the sandbox of a deployment over the same frames and events, and compared to the last bit with a model of what they should
//! say. So they agree with each other, too. Then what they cost is held against what they cost before. A language whose toolchain
//! is missing fails here, by its name and with what to install.
#![expect(clippy::disallowed_types, reason = "these tests start the binary; none of it is deployed")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect has failed"
)]

#[path = "every_language_finds_the_same/burst.rs"]
mod burst;
#[path = "every_language_finds_the_same/fuel.rs"]
mod fuel;
#[path = "every_language_finds_the_same/surge.rs"]
mod surge;
#[path = "support/toolchains.rs"]
mod toolchains;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use orion_model::StateEntry;
use orion_sandbox::{Limits, Plugin, Sandbox, Settings};
use tempfile::TempDir;

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

/// An author's desk: a folder, the kit, and the toolchains on the PATH.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Runs lines as a person would; gives back all that they say.
    fn shell(&self, lines: &str) -> String {
        let kit = Path::new(env!("CARGO_BIN_EXE_orion-kit")).parent().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", lines]).current_dir(self.0.path());
        let output = toolchains::give(&mut shell).env("PATH", toolchains::path(&[kit])).output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success(), "{lines}: {said}");
        said
    }

    /// What a project was built to, compiled. The kit compiled it before, and what it compiled is found here: one engine is like
    /// another.
    fn plugin(&self, name: &str) -> Plugin {
        let component = std::fs::read(self.0.path().join(format!("{name}/{name}.wasm"))).unwrap();
        let cache_dir = Some(toolchains::cache().join("orion-kit"));
        let sandbox = Sandbox::new(Settings { cache_dir, limits: Limits::default() }).unwrap();
        sandbox.load(&component).unwrap_or_else(|why| panic!("{name}: {why}"))
    }
}

/// The lines of the guide that begin a project in this language.
fn first_steps(language: &str) -> &'static str {
    let blocks = include_str!("../docs/first-plugin.md").split("```sh\n").skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("```").next());
    let begins = format!("--lang {language}\n");
    blocks.find(|block| block.contains(&begins)).unwrap_or_else(|| panic!("{language} has no first steps"))
}

/// The detector that the first steps of the guide make.
fn detector(language: &str) {
    let desk = Desk::new();
    let lines = first_steps(language);
    let said = desk.shell(lines);
    assert!(said.contains("2 findings"), "{lines}{said}");
    let name = lines.split_whitespace().nth(2).unwrap();
    let plugin = desk.plugin(name);
    surge::compare(language, &plugin);
    fuel::holds(language, "detector", &plugin);
}

fn correlator(language: &str) {
    let desk = Desk::new();
    desk.shell(&format!("orion-kit new sample --lang {language} --kind correlator\norion-kit build sample"));
    let plugin = desk.plugin("sample");
    burst::compare(language, &plugin);
    fuel::holds(language, "correlator", &plugin);
}

/// The first place where two texts differ, for a message that can be read.
pub fn assert_same(who: &str, said: &[String], wanted: &[String]) {
    for (place, (said, wanted)) in said.iter().zip(wanted).enumerate() {
        assert_eq!(said, wanted, "{who}: number {place}");
    }
    assert_eq!(said.len(), wanted.len(), "{who}");
}

/// Two tests for each language: a build takes long in some of them, and two cores can build two at a time.
macro_rules! languages {
    ($($language:ident)*) => {
        $(mod $language {
            #[test]
            fn detector_finds_the_same() {
                crate::detector(stringify!($language));
            }

            #[test]
            fn correlator_finds_the_same() {
                crate::correlator(stringify!($language));
            }
        })*

        const TESTED: &[&str] = &[$(stringify!($language)),*];
    };
}

languages! { rust c cpp zig go javascript typescript python assemblyscript }

#[test]
fn every_language_is_among_these_tests() {
    let all: Vec<_> = orion_kit::toolchain::LANGUAGES.iter().map(|language| language.name).collect();
    assert_eq!(TESTED, all);
}
