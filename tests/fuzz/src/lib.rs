//! What is fuzzed: every door at which bytes of others come in.
//!
//! A target is a function of some bytes that panics when a property does not hold: what is refused is refused with an error,
//! what is accepted is whole and within its limits, and work on it comes to an end. Two drivers call them: libFuzzer, which
//! learns from the code that an input reaches (`guided.rs`, `cargo xtask fuzz`), and the tests of this crate, which replay the
//! corpus and blind changes of it in every run of the tests.
#![expect(clippy::unwrap_used, reason = "a property that does not hold is a panic: that is what a fuzzer looks for")]

mod answer;
mod component;
mod corpus;
mod emit;
mod event;
mod guest;
mod hook;
mod job;
mod mutation;
mod recording;
mod rule_file;
#[cfg(test)]
mod tests;

pub use corpus::seeds;
pub use mutation::Mutation;

/// A door.
pub struct Target {
    /// Also the name of its folder of the corpus.
    pub name: &'static str,
    /// What comes in there.
    pub about: &'static str,
    /// Panics when a property does not hold.
    pub run: fn(&[u8]),
}

/// All of them.
pub static TARGETS: [Target; 10] = [
    Target { name: "rule_file", about: "a rule file, with its queries and templates", run: rule_file::run },
    Target { name: "answer", about: "answers to one query, one after the other", run: answer::instants },
    Target { name: "answer_range", about: "answers about many instants", run: answer::range },
    Target { name: "event", about: "an event as it is on the bus", run: event::run },
    Target { name: "component", about: "a plugin file", run: component::run },
    Target { name: "emit_finding", about: "what a detector says, bit by bit", run: emit::finding },
    Target { name: "emit_change", about: "what a correlator says, bit by bit", run: emit::change },
    Target { name: "hook", about: "what is delivered to a hook", run: hook::run },
    Target { name: "job", about: "what is asked of a host, with tests", run: job::run },
    Target { name: "recording", about: "a recording of a source", run: recording::run },
];

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
