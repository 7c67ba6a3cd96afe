//! How a call into a plugin can end badly, and how a plugin can be refused. Each message says what happened, the limit,
//! what was used or asked for, and the setting to change.

use std::path::PathBuf;

use orion_model::{Kind, ManifestError};

/// A call that the sandbox ended. The instance is finished after it: make a new one and restore its state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The plugin trapped by itself: panic, division by zero, stack overflow, …
    #[error("`{call}` trapped: {reason}")]
    Trap {
        /// The function that was called.
        call: &'static str,
        /// What the trap says, with the innermost function where known.
        reason: String,
    },
    /// More work than the call may do.
    #[error("`{call}` spent its fuel of {limit} on {items} items; {setting}")]
    FuelSpent {
        /// The function that was called.
        call: &'static str,
        /// Fuel the call had.
        limit: u64,
        /// Samples, events or entries it was given.
        items: usize,
        /// Which fields of `Limits` to look at, in words.
        setting: &'static str,
    },
    /// More time than a call may take.
    #[error("`{call}` was still running after {limit_millis} ms; the setting is `call_millis`")]
    DeadlinePassed {
        /// The function that was called.
        call: &'static str,
        /// Time the call had.
        limit_millis: u64,
    },
    /// More of something than an instance may hold: memory, tables, instances.
    #[error("`{call}` asked for {requested} {what}, {used} are in use and {limit} allowed; the setting is `{setting}`")]
    MemoryLimit {
        /// The function that was called.
        call: &'static str,
        /// What was asked for, with its unit.
        what: &'static str,
        /// How much more.
        requested: usize,
        /// How much there is already.
        used: usize,
        /// How much there may be.
        limit: usize,
        /// The field of `Limits`.
        setting: &'static str,
    },
    /// Made of more parts than an instance may have.
    #[error("`{call}` ended: {what}; the settings are `core_instances`, `memories` and `tables`")]
    Parts {
        /// The function that was called.
        call: &'static str,
        /// Which part, and how many there would be.
        what: String,
    },
    /// More live handles than an instance may have.
    #[error("`{call}` asked for another handle, and {limit} are live and allowed; the setting is `component_handles`")]
    Handles {
        /// The function that was called.
        call: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// Emitted more often, or more text, than a call may.
    #[error("`{call}` emitted more than the {limit} {what} it may for {items} items; the setting is `{setting}`")]
    EmitQuota {
        /// The function that was called.
        call: &'static str,
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: usize,
        /// Samples or events it was given.
        items: usize,
        /// The field of `Limits`.
        setting: &'static str,
    },
    /// Emitted something that breaks the contract.
    #[error("`{call}` emitted something malformed: {what}")]
    EmitMalformed {
        /// The function that was called.
        call: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// Handed the host more bytes in one go than it copies.
    #[error("`{call}` handed over more than {limit_bytes} bytes in one go; the setting is `{setting}`")]
    HostCallLimit {
        /// The function that was called.
        call: &'static str,
        /// What the host copies at most.
        limit_bytes: usize,
        /// The field of `Limits`.
        setting: &'static str,
    },
    /// Broke the rules by which values cross: a pointer beyond its memory, text that is not UTF-8, …
    #[error("`{call}` broke the plugin contract: {what}")]
    Contract {
        /// The function that was called.
        call: &'static str,
        /// What is wrong.
        what: String,
    },
    /// A plugin of the other kind was asked for.
    #[error("`{name}` is a {is}, and a {wanted} is needed here")]
    WrongKind {
        /// The plugin.
        name: String,
        /// What it is.
        is: &'static str,
        /// What was asked for.
        wanted: &'static str,
    },
    /// The instance faulted before.
    #[error("`{call}` was refused: this instance faulted before and has to be replaced")]
    Poisoned {
        /// The function that was called.
        call: &'static str,
    },
}

impl Fault {
    /// All words of [`Self::kind`].
    pub const KINDS: [&'static str; 6] = ["trap", "fuel", "deadline", "memory", "emit", "contract"];

    /// One word for metrics: `trap`, `fuel`, `deadline`, `memory`, `emit` or `contract`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Trap { .. } => "trap",
            Self::FuelSpent { .. } => "fuel",
            Self::DeadlinePassed { .. } => "deadline",
            Self::MemoryLimit { .. } | Self::Parts { .. } | Self::Handles { .. } => "memory",
            Self::EmitQuota { .. } | Self::EmitMalformed { .. } => "emit",
            Self::HostCallLimit { .. } | Self::Contract { .. } | Self::WrongKind { .. } | Self::Poisoned { .. } => {
                "contract"
            }
        }
    }
}

/// Why `configure` or `restore` did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigureError {
    /// The plugin says no, in its own words.
    #[error("the plugin refuses: {0}")]
    Refused(String),
    /// The call was ended.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The folder for compiled plugins cannot be used.
    #[error("compiled plugins cannot be kept in {}: {why}", dir.display())]
    Cache {
        /// The folder.
        dir: PathBuf,
        /// Why not.
        why: String,
    },
    /// The engine does not start on this machine.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// The thread that keeps deadlines does not start.
    #[error("the thread that keeps the deadlines of plugins does not start: {0}")]
    Ticker(#[source] std::io::Error),
}

/// Why a plugin is refused.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Too many bytes.
    #[error("the file has {size} bytes; at most {limit} are loaded; the setting is `component_bytes`")]
    TooLarge {
        /// Bytes it has.
        size: usize,
        /// Bytes it may have.
        limit: usize,
    },
    /// Too much to compile.
    #[error("the component has at least {found} {what}; at most {limit} are compiled; the setting is `{setting}`")]
    Workload {
        /// What there is too much of.
        what: &'static str,
        /// How much was counted when it was refused.
        found: usize,
        /// How much there may be.
        limit: usize,
        /// The field of `Limits`.
        setting: &'static str,
    },
    /// Several components in one.
    #[error("the component is composed of others; a plugin is one component, as toolchains make it of a core module")]
    Composed,
    /// Native code in disguise.
    #[error(
        "the file is precompiled native code (.cwasm), which no sandbox can check; give the .wasm it was made from"
    )]
    Precompiled,
    /// Not WebAssembly.
    #[error("the file is not WebAssembly")]
    NotWasm,
    /// A module where a component belongs.
    #[error("the file is a core module, not a component; `orion-kit build` makes a component of it")]
    CoreModule,
    /// Not valid.
    #[error("the component is not valid: {0}")]
    Malformed(String),
    /// No manifest inside.
    #[error("the component carries no manifest; `orion-kit annotate` adds its plugin.toml")]
    NoManifest,
    /// Two manifests inside: which one counts must not depend on the reader.
    #[error("the component carries more than one manifest; build it anew")]
    TwoManifests,
    /// A manifest that is refused.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Made for another contract.
    #[error("the plugin speaks contract `{found}`; this Orion speaks `{spoken}`", spoken = orion_model::CONTRACT)]
    Contract {
        /// What the manifest says.
        found: String,
    },
    /// Asks for more than `emit`.
    #[error("a {kind} may import `{wanted}` and nothing else; this one imports {found}", kind = kind.as_str(), found = listed(found))]
    Imports {
        /// What the manifest says it is.
        kind: Kind,
        /// The one import allowed.
        wanted: &'static str,
        /// All that it imports.
        found: Vec<String>,
    },
    /// Does not offer what the host calls.
    #[error("a {kind} exports `{wanted}`; this one exports {found}", kind = kind.as_str(), found = listed(found))]
    Exports {
        /// What the manifest says it is.
        kind: Kind,
        /// The export that is missing.
        wanted: &'static str,
        /// All that it exports.
        found: Vec<String>,
    },
    /// Right names, wrong types.
    #[error("the component does not fit the contract: {0}")]
    World(String),
    /// The compiler gave up.
    #[error("the component does not compile: {0}")]
    Compile(String),
    /// It does not survive being started.
    #[error("the plugin does not start: {0}")]
    Start(#[from] Fault),
}

/// What the engine or the parser says of a plugin may hold its names, and so be as long as the plugin.
const SAID_BYTES: usize = 1_024;

/// A name of something inside a plugin that is shown.
pub(crate) const NAME_BYTES: usize = 128;

/// Names of a list that are shown.
const NAMES: usize = 20;

impl LoadError {
    /// What the parser says.
    pub(crate) fn malformed(error: wasmparser::BinaryReaderError) -> Self {
        Self::Malformed(clipped(&error.to_string(), SAID_BYTES))
    }

    /// What the compiler says.
    pub(crate) fn compile(error: &wasmtime::Error) -> Self {
        Self::Compile(clipped(&format!("{error:#}"), SAID_BYTES))
    }

    /// What the linker says.
    pub(crate) fn world(error: &wasmtime::Error) -> Self {
        Self::World(clipped(&format!("{error:#}"), SAID_BYTES))
    }
}

/// The beginning of a text that a plugin's author chose: nobody has to keep or read all of it.
pub(crate) fn clipped(text: &str, most: usize) -> String {
    let end = text.floor_char_boundary(most);
    let (shown, rest) = text.split_at(end);
    if rest.is_empty() { shown.to_owned() } else { format!("{shown}… (and {} bytes more)", rest.len()) }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let shown = names.iter().take(NAMES).map(|name| format!("`{}`", clipped(name, NAME_BYTES)));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
