//! Every limit a plugin lives under, each with its unit in the name and its reason beside it.
//!
//! The values fit the largest honest plugins known (Python and JavaScript components) and end everything else early.

use serde::Serialize;

/// What a plugin may use. One set for all plugins of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Size of a component file. Python makes 18 MB, JavaScript 12 MB; compiling takes half a millisecond per kB.
    pub component_bytes: usize,
    /// Functions in all modules of a component. One takes the compiler a tenth of a millisecond and 5 kB however small it is,
    /// and four bytes of the file: without this, a file within `component_bytes` could take it minutes and gigabytes.
    /// With it, no longer than the largest that toolchains make.
    pub functions: usize,
    /// Bytes of one function. One thread compiles it, at some seconds a megabyte, and holds six hundred times as much.
    pub function_bytes: usize,
    /// Values of one function times its blocks and calls, roughly. Compiling takes seconds and 200 MB for a million, and a file
    /// of 20 kB is enough for that.
    pub function_joins: usize,
    /// The same over all functions. What honest plugins have is far below in sum, and near it only in single functions.
    pub joins: usize,
    /// Functions, globals, imports and elements of tables in all core instances together: each takes some bytes of the host, in
    /// every instance, and none of them counts as memory of the plugin.
    pub instance_items: usize,
    /// Linear memory of one instance, all its memories together. Python starts with 13 MB; 100,000 series as labels
    /// and columns need about 30 MB.
    pub memory_bytes: usize,
    /// The same for one instance of a correlator, which holds all keys that it knows: a million of `count` need 200 MB once
    /// they are given back after a restart, and others keep more of a key.
    pub correlator_memory_bytes: usize,
    /// Elements of all tables of one instance together. JavaScript has 7,700; each costs the host a pointer.
    pub table_elements: usize,
    /// Core instances inside one instance. Python links 38.
    pub core_instances: usize,
    /// Memories inside one instance: each reserves address space, however small it is.
    pub memories: usize,
    /// Tables inside one instance.
    pub tables: usize,
    /// Live component-model handles. The contract has none; toolchains keep a few of their own.
    pub component_handles: usize,
    /// Native stack of a call. Deep recursion ends here instead of in the host's own stack, so the thread that calls needs
    /// more than this: two megabytes, as Rust gives a thread, are plenty.
    pub stack_bytes: usize,
    /// Work of one call of `observe` or `correlate`, before anything is added per sample. Python spends 2 million
    /// on an empty frame.
    pub call_fuel: u64,
    /// Work added per sample or event. Python spends 5,000 on a sample, Rust 20.
    pub item_fuel: u64,
    /// Work of one `configure`, `define-series`, `drop-series`, `restore` or `checkpoint`, and of the start, before anything is
    /// added per parameter, series or piece of state, as per sample: five hundred times what Python spends on an empty frame.
    /// One that spins holds up a worker for a second and not for five.
    pub setup_base_fuel: u64,
    /// The most of it, whatever such a call is about.
    pub setup_fuel: u64,
    /// Time of one call on the wall. Only a backstop behind fuel, for a machine that is starved: which of the two ends a
    /// call must not depend on its load, so this is far beyond what the fuel lasts for.
    pub call_millis: u64,
    /// Findings of one call beyond one for each series of the frame.
    pub spare_findings: usize,
    /// Changes of one call beyond one for each event of the batch: a tick may end all incidents that are open.
    pub spare_changes: usize,
    /// Bytes of text that one call may emit, before anything is added per series or event.
    pub emitted_bytes: usize,
    /// Bytes of text added per series or event. Without a bound on the sum, 100,000 findings of the largest allowed
    /// size would be gigabytes.
    pub item_emitted_bytes: usize,
    /// Bytes the host copies out of a plugin for one `emit` before it looks at them.
    pub emit_copy_bytes: usize,
    /// Bytes the host copies out of a plugin for one `checkpoint`.
    pub checkpoint_bytes: usize,
    /// Message of a finding.
    pub message_bytes: usize,
    /// Reason of a change.
    pub reason_bytes: usize,
    /// Key of a change.
    pub key_bytes: usize,
    /// Bus positions of a change.
    pub positions: usize,
    /// Fields of a finding or change.
    pub fields: usize,
    /// Name of a field.
    pub field_name_bytes: usize,
    /// Text of a field.
    pub field_text_bytes: usize,
    /// Bytes of labels told in one `define-series`: a plugin gets them as one list, and should not have to hold all
    /// labels of a large answer twice.
    pub define_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_bytes: 32 * MIB,
            functions: 100_000,
            function_bytes: 512 * KIB,
            function_joins: 10_000_000,
            joins: 50_000_000,
            instance_items: 500_000,
            memory_bytes: 64 * MIB,
            correlator_memory_bytes: 512 * MIB,
            table_elements: 20_000,
            core_instances: 100,
            memories: 16,
            tables: 64,
            component_handles: 1_000,
            stack_bytes: 512 * KIB,
            call_fuel: 500_000_000,
            item_fuel: 20_000,
            setup_base_fuel: 1_000_000_000,
            setup_fuel: 5_000_000_000,
            call_millis: 60_000,
            spare_findings: 1_000,
            spare_changes: 100_000,
            emitted_bytes: 16 * MIB,
            item_emitted_bytes: KIB,
            emit_copy_bytes: MIB,
            checkpoint_bytes: 16 * MIB,
            message_bytes: 4 * KIB,
            reason_bytes: KIB,
            key_bytes: 8 * KIB,
            positions: 10_000,
            fields: 32,
            field_name_bytes: 128,
            field_text_bytes: 4 * KIB,
            define_bytes: 256 * KIB,
        }
    }
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
