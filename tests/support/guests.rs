//! Plugins written in WebAssembly text, for what no compiler would produce.

/// What both kinds need of a module: memory, a heap, and an `ok` at address 0 for `configure`.
const COMMON: &str = r#"
    (memory (export "memory") 4)
    (global $heap (mut i32) (i32.const 4096))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $heap (i32.add (global.get $heap) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))
      (i32.sub (global.get $heap) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))
"#;

fn component(text: &str, name: &str, kind: &str, version: &str) -> Vec<u8> {
    let manifest = format!(
        "name = \"{name}\"\nkind = \"{kind}\"\nversion = \"{version}\"\ncontract = \"v1\"\nsummary = \"A test.\"\n"
    );
    orion_componentize::componentize(&wat::parse_str(text).unwrap(), &manifest).unwrap()
}

/// Says one finding about the answer as a whole, with this value.
pub fn say(value: &str) -> String {
    format!(
        "(call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (local.get $now) (f64.const {value})
           (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))"
    )
}

/// A detector that does this in `observe`. There are `$now`, `$emit` and a local `$i`.
pub fn detector(name: &str, version: &str, observe: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
    (import "orion:plugin/findings@1.0.0" "emit"
      (func $emit (param i32 i32 i32 i32 i64 f64 i32 f64 i32 i32 i32 i32)))
    {COMMON}
    (func (export "orion:plugin/detector@1.0.0#configure") (param i32 i32) (result i32) (i32.const 0))
    (func (export "orion:plugin/detector@1.0.0#restore") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "orion:plugin/detector@1.0.0#define-series") (param i32 i32 i32 i32 i32 i32 i32 i32))
    (func (export "orion:plugin/detector@1.0.0#drop-series") (param i32 i32))
    (func (export "orion:plugin/detector@1.0.0#observe") (param $now i64) (param i32 i32 i32 i32 i32 i32)
      (local $i i32) {observe})
    (func (export "orion:plugin/detector@1.0.0#checkpoint") (result i32) (i32.const 16)))"#
    );
    component(&text, name, "detector", version)
}

/// A correlator that does this in `correlate`.
pub fn correlator(name: &str, version: &str, correlate: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
    (import "orion:plugin/incidents@1.0.0" "emit" (func (param i32 i32 i32 i32 i64 i32 i32 i32 i32 i32 i32)))
    {COMMON}
    (func (export "orion:plugin/correlator@1.0.0#configure") (param i32 i32) (result i32) (i32.const 0))
    (func (export "orion:plugin/correlator@1.0.0#restore") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "orion:plugin/correlator@1.0.0#correlate") (param i32) {correlate})
    (func (export "orion:plugin/correlator@1.0.0#checkpoint") (result i32) (i32.const 16)))"#
    );
    component(&text, name, "correlator", version)
}
