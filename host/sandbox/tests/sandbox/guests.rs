//! Small guests, written by hand so that each does exactly one thing, and the means to load them.

use orion_model::{Frame, Labels, Severity, Status, Timestamp};
use orion_sandbox::{Detector, EventBatch, Fault, Limits, LoadError, Plugin, Sandbox, Settings};

/// A detector whose functions do nothing but what is given here.
#[derive(Clone, Copy, Default)]
pub struct DetectorGuest {
    /// Module-level items.
    pub items: &'static str,
    pub configure: &'static str,
    pub restore: &'static str,
    pub define_series: &'static str,
    pub observe: &'static str,
    pub checkpoint: &'static str,
    /// Pages that the memory starts with, beyond the first.
    pub pages: u32,
}

pub const DETECTOR: &str = r#"
name = "guest"
kind = "detector"
version = "1.0.0"
contract = "v1"
summary = "A guest."
state-version = 1
"#;

pub const CORRELATOR: &str = r#"
name = "guest"
kind = "correlator"
version = "1.0.0"
contract = "v1"
summary = "A guest."
state-version = 1
"#;

/// Memory at 0: the answer `ok` of configure and restore. At 16: the empty list. From 64: texts. From 4096: the heap.
const COMMON: &str = r#"
  (global $heap (mut i32) (i32.const 4096))
  (func $reserve (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (block $fits (loop $grow
      (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
      (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
      (br $grow)))
    (local.get $at))
"#;

/// `emit` with these in place of series, message, fields and timestamp.
pub fn emit(series: &str, message: &str, fields: &str, timestamp: &str) -> &'static str {
    format!(
        "(call $emit {series} (i32.const 0) (i32.const 0) {timestamp} (f64.const 1.5) (i32.const 0) (f64.const 0) {message} {fields})"
    )
    .leak()
}

pub const NO_SERIES: &str = "(i32.const 0) (i32.const 0)";
pub const NOTHING: &str = "(i32.const 0) (i32.const 0)";
pub const EPOCH: &str = "(i64.const 0)";

/// A finding without anything.
pub fn emit_plain() -> &'static str {
    emit(NO_SERIES, NOTHING, NOTHING, EPOCH)
}

/// Something a number of times.
pub fn repeat(times: u32, what: &str) -> &'static str {
    format!(
        "(local $i i32) (local.set $i (i32.const {times})) (block $done (loop $next (br_if $done (i32.eqz (local.get $i)))
         (local.set $i (i32.sub (local.get $i) (i32.const 1))) {what} (br $next)))"
    )
    .leak()
}

pub const SPIN: &str = "(loop $forever (br $forever))";

impl DetectorGuest {
    pub fn component(&self) -> Vec<u8> {
        self.component_with(DETECTOR)
    }

    pub fn component_with(&self, manifest: &str) -> Vec<u8> {
        let Self { items, configure, restore, define_series, observe, checkpoint, pages } = self;
        let pages = pages + 1;
        let text = format!(
            r#"(module
  (import "orion:plugin/findings@1.0.0" "emit" (func $emit
    (param i32 i32 i32 i32 i64 f64 i32 f64 i32 i32 i32 i32)))
  (memory (export "memory") {pages})
  {COMMON} {items}
  (func (export "orion:plugin/detector@1.0.0#configure") (param i32 i32) (result i32) {configure} (i32.const 0))
  (func (export "orion:plugin/detector@1.0.0#restore") (param i32 i32 i32) (result i32) {restore} (i32.const 0))
  (func (export "orion:plugin/detector@1.0.0#define-series") (param i32 i32 i32 i32 i32 i32 i32 i32) {define_series})
  (func (export "orion:plugin/detector@1.0.0#drop-series") (param i32 i32))
  (func (export "orion:plugin/detector@1.0.0#observe") (param i64 i32 i32 i32 i32 i32 i32) {observe})
  (func (export "orion:plugin/detector@1.0.0#checkpoint") (result i32) {checkpoint} (i32.const 16)))"#
        );
        orion_componentize::componentize(&wat::parse_str(text).unwrap(), manifest).unwrap()
    }

    pub fn load(&self, limits: Limits) -> Result<Plugin, LoadError> {
        sandbox(limits).load(&self.component())
    }

    pub fn start(&self, limits: Limits) -> Detector {
        self.load(limits).unwrap().detector().unwrap()
    }
}

/// A correlator that does this when it gets events.
pub fn correlator(correlate: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
  (import "orion:plugin/incidents@1.0.0" "emit" (func $emit (param i32 i32 i32 i32 i64 i32 i32 i32 i32 i32 i32)))
  (memory (export "memory") 4)
  {COMMON}
  (func (export "orion:plugin/correlator@1.0.0#configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "orion:plugin/correlator@1.0.0#restore") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "orion:plugin/correlator@1.0.0#correlate") (param i32) {correlate})
  (func (export "orion:plugin/correlator@1.0.0#checkpoint") (result i32) (i32.const 16)))"#
    );
    orion_componentize::componentize(&wat::parse_str(text).unwrap(), CORRELATOR).unwrap()
}

pub fn sandbox(limits: Limits) -> Sandbox {
    Sandbox::new(Settings { cache_dir: None, limits }).unwrap()
}

/// A frame of so many series, 0 and up, at second one.
pub fn frame(series: u32) -> Frame {
    Frame {
        instant: Timestamp::from_millis(1_000),
        ids: (0..series).collect(),
        timestamps: vec![1_000; series as usize],
        values: (0..series).map(f64::from).collect(),
        warnings: vec![],
    }
}

/// What one frame of so many series leads to: the number of findings, or the message of the fault.
pub fn observed(guest: DetectorGuest, limits: Limits, series: u32) -> Result<usize, (&'static str, String)> {
    let mut detector = guest.start(limits);
    let mut findings = Vec::new();
    match detector.observe(&frame(series), &mut findings) {
        Ok(_) => Ok(findings.len()),
        Err(fault) => {
            assert!(findings.is_empty(), "a call that faulted has said nothing");
            assert_eq!(detector.observe(&frame(1), &mut findings), Err(Fault::Poisoned { call: "observe" }));
            Err((fault.kind(), fault.to_string()))
        }
    }
}

/// One event of the key `k`.
pub fn one_event() -> EventBatch {
    let mut batch = EventBatch::new();
    let at = Timestamp::from_millis(1_000);
    batch.push(1, at, Severity::Error, Status::Firing, 7, f64::NAN, "k", "service_down", &Labels::empty());
    batch
}
