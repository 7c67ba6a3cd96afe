//! Attacks on time and memory, and everything that traps.

use wasm_encoder::{
    CanonicalFunctionSection, ComponentSection, ComponentSectionId, ComponentTypeSection, ExportKind, InstanceSection,
    ModuleArg, RawSection, ValType,
};
use wasmparser::{Validator, WasmFeatures};

use crate::guest::{CorrelatorGuest, DetectorGuest, SPIN, repeat};
use crate::{Attack, End, correlator, detector, observes, refused};

pub(crate) fn attacks() -> Vec<Attack> {
    [spins(), bulk(), memory(), traps(), turncoats()].concat()
}

const GROW_AND_SPIN: &str = "(loop $forever (drop (memory.grow (i32.const 1))) (br $forever))";

/// A checkpoint of one entry, without which nothing would ever be restored.
const SAVES: &str = "(i32.store (i32.const 16) (i32.const 32)) (i32.store (i32.const 20) (i32.const 1))
    (i32.store (i32.const 32) (i32.const 64)) (i32.store (i32.const 36) (i32.const 1))
    (i32.store8 (i32.const 40) (i32.const 0))";

fn spins() -> Vec<Attack> {
    let guest = DetectorGuest::default();
    let other = CorrelatorGuest::default();
    vec![
        refused(
            "spins-when-started",
            DetectorGuest { items: "(func $s (loop $l (br $l))) (start $s)", ..guest }.named("spins-when-started"),
        ),
        refused(
            "traps-when-started",
            DetectorGuest { items: "(func $s unreachable) (start $s)", ..guest }.named("traps-when-started"),
        ),
        detector("spins-in-configure", "configure", "fuel", DetectorGuest { configure: SPIN, ..guest }),
        detector("spins-in-restore", "restore", "fuel", DetectorGuest { restore: SPIN, checkpoint: SAVES, ..guest }),
        detector("spins-in-define-series", "define-series", "fuel", DetectorGuest { define_series: SPIN, ..guest }),
        detector("spins-in-drop-series", "drop-series", "fuel", DetectorGuest { drop_series: SPIN, ..guest }),
        observes("spins-in-observe", "fuel", SPIN),
        detector("spins-in-checkpoint", "checkpoint", "fuel", DetectorGuest { checkpoint: SPIN, ..guest }),
        // Called by the host, in the middle of handing something over: the first thing is no parameters.
        detector("spins-in-its-allocator", "configure", "fuel", DetectorGuest { realloc: SPIN, ..guest }),
        correlator("spins-in-correlate", "correlate", "fuel", CorrelatorGuest { correlate: SPIN, ..other }),
        correlator(
            "spins-as-correlator-in-configure",
            "configure",
            "fuel",
            CorrelatorGuest { configure: SPIN, ..other },
        ),
        correlator(
            "spins-as-correlator-in-restore",
            "restore",
            "fuel",
            CorrelatorGuest { restore: SPIN, checkpoint: SAVES, ..other },
        ),
        correlator(
            "spins-as-correlator-in-checkpoint",
            "checkpoint",
            "fuel",
            CorrelatorGuest { checkpoint: SPIN, ..other },
        ),
    ]
}

/// One instruction that does as much as a million: it has to cost as much.
fn bulk() -> Vec<Attack> {
    const MIB_16: u32 = 256;
    let over_memory = |name, what: &str| {
        let observe = format!("(loop $forever {what} (br $forever))").leak();
        detector(name, "observe", "fuel", DetectorGuest { observe, pages: MIB_16, ..Default::default() })
    };
    let over_table = |name, what: &str| {
        let observe = format!("(loop $forever {what} (br $forever))").leak();
        let items = "(table $t 19000 funcref) (elem $e func $reserve $reserve)";
        detector(name, "observe", "fuel", DetectorGuest { observe, items, ..Default::default() })
    };
    vec![
        over_memory("fills-memory-forever", "(memory.fill (i32.const 65536) (i32.const 0) (i32.const 0x1000000))"),
        over_memory("copies-memory-forever", "(memory.copy (i32.const 65536) (i32.const 4096) (i32.const 0x1000000))"),
        over_table("fills-a-table-forever", "(table.fill $t (i32.const 0) (ref.null func) (i32.const 19000))"),
        over_table("copies-a-table-forever", "(table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 18999))"),
        over_table("initialises-a-table-forever", "(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 2))"),
        over_table("grows-a-table-by-nothing-forever", "(drop (table.grow $t (ref.null func) (i32.const 0)))"),
        over_memory("grows-memory-by-nothing-forever", "(drop (memory.grow (i32.const 0)))"),
    ]
}

fn memory() -> Vec<Attack> {
    let items = |items: &'static str| DetectorGuest { items, ..Default::default() };
    let start = |name, guest: DetectorGuest| refused(name, guest.named(name));
    let or_give_up = "(if (i32.eq (memory.grow (i32.const 16384)) (i32.const -1)) (then (return)))";
    vec![
        observes("grows-and-spins", "memory", GROW_AND_SPIN),
        observes("wants-a-gigabyte", "memory", "(drop (memory.grow (i32.const 16384)))"),
        // It would take a no. It gets none: what a plugin says must not depend on what it was given.
        observes("wants-a-gigabyte-or-gives-up", "memory", or_give_up),
        detector(
            "fails-to-grow-forever",
            "observe",
            "fuel",
            DetectorGuest {
                items: "(memory $small 1 2)",
                observe: "(loop $forever (drop (memory.grow $small (i32.const 5))) (br $forever))",
                ..Default::default()
            },
        ),
        start("starts-with-a-gigabyte", DetectorGuest { pages: 16_384, ..Default::default() }),
        start("has-many-memories", items("(memory 0) ".repeat(16).leak())),
        start("has-many-tables", items("(table 0 funcref) ".repeat(64).leak())),
        start("has-a-huge-table", items("(table 9000000 funcref)")),
        refused("hoards-handles", hoarding(1_000_000)),
        detector(
            "grows-a-huge-table",
            "observe",
            "memory",
            DetectorGuest {
                items: "(table $t 0 funcref)",
                observe: "(drop (table.grow $t (ref.null func) (i32.const 100000)))",
                ..Default::default()
            },
        ),
    ]
}

fn traps() -> Vec<Attack> {
    let traps = |name, observe| observes(name, "trap", observe);
    let with = |name, kind, items, observe| {
        detector(name, "observe", kind, DetectorGuest { items, observe, ..Default::default() })
    };
    let realloc =
        |name, kind, realloc| detector(name, "configure", kind, DetectorGuest { realloc, ..Default::default() });
    let recursion = "(func $down (param i64 i64 i64 i64) (result i64)
        (i64.add (local.get 0) (call $down (local.get 1) (local.get 2) (local.get 3) (local.get 0))))";
    let long_name = format!("(func ${} unreachable)", "n".repeat(90_000)).leak();
    vec![
        traps("panics", "unreachable"),
        traps("divides-by-zero", "(drop (i32.div_u (i32.const 1) (i32.const 0)))"),
        traps("divides-too-far", "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))"),
        traps("makes-an-integer-of-nan", "(drop (i32.trunc_f64_s (f64.const nan)))"),
        traps("reads-the-last-address", "(drop (i32.load (i32.const -1)))"),
        traps("writes-beyond-the-last-address", "(i64.store offset=0xffffffff (i32.const -1) (i64.const 1))"),
        traps("fills-beyond-its-memory", "(memory.fill (i32.const 65535) (i32.const 0) (i32.const 70000))"),
        with(
            "calls-null",
            "trap",
            "(type $t (func)) (table $c 1 funcref)",
            "(call_indirect $c (type $t) (i32.const 0))",
        ),
        with(
            "calls-another-type",
            "trap",
            "(type $t (func)) (table $c funcref (elem $reserve))",
            "(call_indirect $c (type $t) (i32.const 0))",
        ),
        with(
            "recurses-forever",
            "trap",
            recursion,
            "(drop (call $down (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)))",
        ),
        with(
            "recurses-deeply",
            "trap",
            "(func $down (param i32) (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1))))))",
            "(call $down (i32.const 10000000))",
        ),
        with("traps-under-a-long-name", "trap", long_name, "(call 2)"),
        // Address zero is memory like any other.
        Attack {
            end: End::Taken,
            ..traps("reads-and-writes-at-null", "(i32.store (i32.const 0) (i32.load (i32.const 0)))")
        },
        realloc("traps-in-its-allocator", "trap", "unreachable"),
        realloc("allocates-beyond-its-memory", "contract", "(return (i32.const -8))"),
        realloc("allocates-askew", "contract", "(return (i32.const 4099))"),
        realloc("emits-in-its-allocator", "trap", crate::guest::emit_plain()),
        detector(
            "returns-a-pointer-beyond-its-memory",
            "configure",
            "contract",
            DetectorGuest { configure: "(return (i32.const -8))", ..Default::default() },
        ),
        correlator(
            "panics-in-correlate",
            "correlate",
            "trap",
            CorrelatorGuest { correlate: "unreachable", ..Default::default() },
        ),
    ]
}

const CALLS: &str = "(global $calls (mut i32) (i32.const 0))";

fn turncoats() -> Vec<Attack> {
    let counted = |name, kind, then: &str| {
        let count = "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))";
        let observe = format!("{count} {then}").leak();
        detector(name, "observe", kind, DetectorGuest { items: CALLS, observe, ..Default::default() })
    };
    vec![
        counted(
            "behaves-twice-and-then-traps",
            "trap",
            "(if (i32.gt_u (global.get $calls) (i32.const 2)) (then unreachable))",
        ),
        // Every call is within its rights, so none is ended. That equal inputs give equal outputs is a promise of the plugin
        // to its users: what it keeps beyond its checkpoints is forgotten whenever the instance is.
        Attack { end: End::Taken, ..counted("says-something-else-each-time", "", repeat_of_calls()) },
    ]
}

/// As many findings as there were calls, up to ten.
fn repeat_of_calls() -> &'static str {
    repeat(1, crate::guest::emit_plain())
        .replace("(i32.const 1)) (block", "(i32.rem_u (global.get $calls) (i32.const 10))) (block")
        .leak()
}

/// A detector that makes handles of a type of its own when it is started, and keeps them. The contract has no use for a handle,
/// so no toolchain would make this one: it is a detector with something added at its end.
pub fn hoarding(handles: u32) -> Vec<u8> {
    let mut bytes = DetectorGuest::default().named("hoards-handles");
    let validated = Validator::new_with_features(WasmFeatures::all()).validate_all(&bytes).unwrap();
    let known = validated.as_ref();
    let (resource, make) = (known.component_type_count(), known.function_count());
    let (instance, module) = (known.core_instance_count(), known.module_count());
    let text = format!(
        r#"(module (import "host" "make" (func $make (param i32) (result i32)))
          (func $start (local $i i32) {} ) (start $start))"#,
        repeat(handles, "(drop (call $make (i32.const 7)))")
    );
    let mut types = ComponentTypeSection::new();
    types.resource(ValType::I32, None);
    types.append_to_component(&mut bytes);
    let mut functions = CanonicalFunctionSection::new();
    functions.resource_new(resource);
    functions.append_to_component(&mut bytes);
    let mut host = InstanceSection::new();
    host.export_items([("make", ExportKind::Func, make)]);
    host.append_to_component(&mut bytes);
    let hoarder = wat::parse_str(text).unwrap();
    RawSection { id: ComponentSectionId::CoreModule as u8, data: &hoarder }.append_to_component(&mut bytes);
    let mut started = InstanceSection::new();
    started.instantiate(module, [("host", ModuleArg::Instance(instance))]);
    started.append_to_component(&mut bytes);
    bytes
}
