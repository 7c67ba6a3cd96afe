//! Builds of one detector that differ in what they find and agree in what they remember.
//!
//! It finds the first series of an answer, with a value that tells two things: the millisecond at which it first looked at
//! anything, which is all it remembers, and in the fraction the number of its build. A rule that prints the value in a label
//! so shows by which build it was evaluated, and whether the memory was ever lost.

use orion_componentize::componentize;

/// What tells the build apart from the time: a fraction that a double holds exactly beside the milliseconds of this age.
const BUILDS: u32 = 4_096;

/// The build of this number.
pub fn build(number: u32) -> Vec<u8> {
    component(number, number)
}

/// Another file of the build of number 0: it finds and remembers the same.
pub fn same_build(version: u32) -> Vec<u8> {
    component(version, 0)
}

fn component(version: u32, told: u32) -> Vec<u8> {
    let manifest = format!(
        "name = \"drilled\"\nkind = \"detector\"\nversion = \"1.0.{version}\"\ncontract = \"v1\"\nsummary = \"A test.\"\n\
         state-version = 1\n"
    );
    componentize(&wat::parse_str(module(told)).unwrap(), &manifest).unwrap()
}

/// What a value that was found tells: since when is remembered, and which build found it.
pub fn told_by(value: &str) -> (i64, u32) {
    let value: f64 = value.parse().unwrap();
    (value.trunc() as i64, (value.fract() * f64::from(BUILDS)) as u32)
}

/// Memory at 0: the answer `ok`. At 16: no entries. At 32: one entry, which lies at 48, has its key at 80 and its value, the
/// millisecond, at 1024. From 4096: what the host hands over in one call.
fn module(number: u32) -> String {
    let fraction = f64::from(number % BUILDS) / f64::from(BUILDS);
    format!(
        r#"(module
  (import "orion:plugin/findings@1.0.0" "emit" (func $emit (param i32 i32 i32 i32 i64 f64 i32 f64 i32 i32 i32 i32)))
  (memory (export "memory") 4)
  (data (i32.const 32) "\30\00\00\00\01\00\00\00")
  (data (i32.const 48) "\50\00\00\00\01\00\00\00\01\00\00\00\00\04\00\00\08\00\00\00")
  (data (i32.const 80) "s")
  (global $heap (mut i32) (i32.const 4096))
  (global $changed (mut i32) (i32.const 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (global.set $heap (i32.add (global.get $heap) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))
    (i32.sub (global.get $heap) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))
  (func (export "orion:plugin/detector@1.0.0#configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "orion:plugin/detector@1.0.0#restore") (param i32 i32 i32) (result i32)
    (i64.store (i32.const 1024) (i64.load (i32.load offset=12 (local.get 1))))
    (i32.const 0))
  (func (export "orion:plugin/detector@1.0.0#define-series") (param i32 i32 i32 i32 i32 i32 i32 i32))
  (func (export "orion:plugin/detector@1.0.0#drop-series") (param i32 i32))
  (func (export "orion:plugin/detector@1.0.0#observe") (param $now i64) (param $ids i32) (param $count i32)
    (param i32 i32 i32 i32)
    (global.set $heap (i32.const 4096))
    (if (i32.eqz (local.get $count)) (then (return)))
    (if (i64.eqz (i64.load (i32.const 1024)))
      (then (i64.store (i32.const 1024) (local.get $now)) (global.set $changed (i32.const 1))))
    (call $emit (i32.const 1) (i32.load (local.get $ids)) (i32.const 0) (i32.const 0) (local.get $now)
      (f64.add (f64.convert_i64_s (i64.load (i32.const 1024))) (f64.const {fraction}))
      (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
  (func (export "orion:plugin/detector@1.0.0#checkpoint") (result i32)
    (if (result i32) (global.get $changed)
      (then (global.set $changed (i32.const 0)) (i32.const 32))
      (else (i32.const 16)))))"#
    )
}
