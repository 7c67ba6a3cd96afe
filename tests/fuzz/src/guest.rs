//! Guests that say whatever an input says: their memory holds the input, and every word they hand to the host is read from
//! there, pointers and lengths too.
//!
//! The input lies at 65536. Its first word is what `restore` returns, its second what `checkpoint` returns; from byte 16 on
//! each 64 bytes are the words of one `emit`. Address 0 is the answer `ok`, address 16 an empty list.

use orion_componentize::componentize;

/// Where an input lies in a guest's memory.
pub(crate) const INPUT_AT: u32 = 65_536;

/// More of an input is not seen by the guest.
pub(crate) const MAX_INPUT_BYTES: usize = 65_536;

/// Takes the input, which comes as the value of the first entry of the state, and reserves what the host hands over.
const COMMON: &str = r#"
  (memory (export "memory") 8)
  (global $heap (mut i32) (i32.const 131072))
  (global $length (mut i32) (i32.const 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func $take (param $entries i32) (result i32)
    (global.set $length (i32.load offset=16 (local.get $entries)))
    (memory.copy (i32.const 65536) (i32.load offset=12 (local.get $entries)) (global.get $length))
    (i32.load (i32.const 65536)))
  (func $saved (result i32) (i32.load (i32.const 65540)))
"#;

/// For each 64 bytes of the input, with `$at` where they are.
fn for_each(emit: &str) -> String {
    format!(
        "(local $at i32) (local $end i32)
         (local.set $at (i32.const 65552))
         (local.set $end (i32.sub (i32.add (i32.const 65536) (global.get $length)) (i32.const 63)))
         (block $done (loop $next
           (br_if $done (i32.ge_s (local.get $at) (local.get $end)))
           {emit}
           (local.set $at (i32.add (local.get $at) (i32.const 64)))
           (br $next)))"
    )
}

/// A detector that says in `observe` what its input says.
pub(crate) fn detector() -> Vec<u8> {
    let emit = for_each(
        "(call $emit (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)) (i32.load offset=8 (local.get $at))
           (i32.load offset=12 (local.get $at)) (i64.load offset=16 (local.get $at)) (f64.load offset=24 (local.get $at))
           (i32.load offset=32 (local.get $at)) (f64.load offset=40 (local.get $at)) (i32.load offset=48 (local.get $at))
           (i32.load offset=52 (local.get $at)) (i32.load offset=56 (local.get $at)) (i32.load offset=60 (local.get $at)))",
    );
    let module = format!(
        r#"(module
  (import "orion:plugin/findings@1.0.0" "emit" (func $emit (param i32 i32 i32 i32 i64 f64 i32 f64 i32 i32 i32 i32)))
  {COMMON}
  (func (export "orion:plugin/detector@1.0.0#configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "orion:plugin/detector@1.0.0#restore") (param i32 i32 i32) (result i32) (call $take (local.get 1)))
  (func (export "orion:plugin/detector@1.0.0#define-series") (param i32 i32 i32 i32 i32 i32 i32 i32))
  (func (export "orion:plugin/detector@1.0.0#drop-series") (param i32 i32))
  (func (export "orion:plugin/detector@1.0.0#observe") (param i64 i32 i32 i32 i32 i32 i32) {emit})
  (func (export "orion:plugin/detector@1.0.0#checkpoint") (result i32) (call $saved)))"#
    );
    component(&module, "detector")
}

/// A correlator that says in `correlate` what its input says.
pub(crate) fn correlator() -> Vec<u8> {
    let emit = for_each(
        "(call $emit (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)) (i32.load offset=8 (local.get $at))
           (i32.load offset=12 (local.get $at)) (i64.load offset=16 (local.get $at)) (i32.load offset=24 (local.get $at))
           (i32.load offset=28 (local.get $at)) (i32.load offset=32 (local.get $at)) (i32.load offset=36 (local.get $at))
           (i32.load offset=40 (local.get $at)) (i32.load offset=44 (local.get $at)))",
    );
    let module = format!(
        r#"(module
  (import "orion:plugin/incidents@1.0.0" "emit" (func $emit (param i32 i32 i32 i32 i64 i32 i32 i32 i32 i32 i32)))
  {COMMON}
  (func (export "orion:plugin/correlator@1.0.0#configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "orion:plugin/correlator@1.0.0#restore") (param i32 i32 i32) (result i32) (call $take (local.get 1)))
  (func (export "orion:plugin/correlator@1.0.0#correlate") (param i32) {emit})
  (func (export "orion:plugin/correlator@1.0.0#checkpoint") (result i32) (call $saved)))"#
    );
    component(&module, "correlator")
}

fn component(module: &str, kind: &str) -> Vec<u8> {
    componentize(&wat::parse_str(module).unwrap(), &manifest(kind)).unwrap()
}

fn manifest(kind: &str) -> String {
    format!(
        "name = \"fuzzed\"\nkind = \"{kind}\"\nversion = \"1.0.0\"\ncontract = \"v1\"\nsummary = \"Says its input.\"\n\
         state-version = 1\n"
    )
}
