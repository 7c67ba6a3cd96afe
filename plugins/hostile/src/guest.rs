//! Plugins written in WebAssembly text, for what no compiler would produce: each does exactly one thing.

use orion_model::Manifest;

/// A detector whose functions do nothing but what is given here. In `observe` there are `$now` and a local `$i`; everywhere
/// there is `$emit`.
#[derive(Clone, Copy, Default)]
pub struct DetectorGuest {
    /// Module-level items.
    pub items: &'static str,
    /// What `configure` does.
    pub configure: &'static str,
    /// What `restore` does.
    pub restore: &'static str,
    /// What `define-series` does.
    pub define_series: &'static str,
    /// What `drop-series` does.
    pub drop_series: &'static str,
    /// What `observe` does.
    pub observe: &'static str,
    /// What `checkpoint` does.
    pub checkpoint: &'static str,
    /// What the allocator does before it allocates for what the host hands over.
    pub realloc: &'static str,
    /// Pages that the memory starts with, beyond the first.
    pub pages: u32,
}

/// A correlator, likewise. In `correlate` there is a local `$i`.
#[derive(Clone, Copy, Default)]
pub struct CorrelatorGuest {
    /// What `configure` does.
    pub configure: &'static str,
    /// What `restore` does.
    pub restore: &'static str,
    /// What `correlate` does.
    pub correlate: &'static str,
    /// What `checkpoint` does.
    pub checkpoint: &'static str,
}

/// No series.
pub const NO_SERIES: &str = "(i32.const 0) (i32.const 0)";
/// An empty text or list.
pub const NOTHING: &str = "(i32.const 0) (i32.const 0)";
/// The first instant that may be said.
pub const EPOCH: &str = "(i64.const 0)";
/// A loop without an end.
pub const SPIN: &str = "(loop $forever (br $forever))";

/// The manifest of a plugin that keeps state.
pub fn manifest(name: &str, kind: &str) -> String {
    format!("{}state-version = 1\n", stateless(name, kind, "1.0.0"))
}

fn stateless(name: &str, kind: &str, version: &str) -> String {
    format!(
        "name = \"{name}\"\nkind = \"{kind}\"\nversion = \"{version}\"\ncontract = \"v1\"\nsummary = \"A guest.\"\n"
    )
}

/// Memory at 0: the answer `ok` of configure and restore. At 16: the empty list. From 64: texts. From 4096: the heap.
fn common(realloc: &str, pages: u32) -> String {
    format!(
        r#"
  (memory (export "memory") {pages})
  (global $heap (mut i32) (i32.const 4096))
  (func $reserve (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    {realloc}
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (block $fits (loop $grow
      (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
      (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
      (br $grow)))
    (local.get $at))
"#
    )
}

/// `emit` with these in place of series, message, fields and timestamp.
pub fn emit(series: &str, message: &str, fields: &str, timestamp: &str) -> &'static str {
    format!(
        "(call $emit {series} (i32.const 0) (i32.const 0) {timestamp} (f64.const 1.5) (i32.const 0) (f64.const 0) {message} {fields})"
    )
    .leak()
}

/// A finding without anything.
pub fn emit_plain() -> &'static str {
    emit(NO_SERIES, NOTHING, NOTHING, EPOCH)
}

/// A finding about the answer as a whole, with this value, now.
pub fn say(value: &str) -> String {
    emit(NO_SERIES, NOTHING, NOTHING, "(local.get $now)").replace("f64.const 1.5", &format!("f64.const {value}"))
}

/// Something a number of times, in `observe` or `correlate`.
pub fn repeat(times: u32, what: &str) -> &'static str {
    format!(
        "(local.set $i (i32.const {times})) (block $done (loop $next (br_if $done (i32.eqz (local.get $i)))
         (local.set $i (i32.sub (local.get $i) (i32.const 1))) {what} (br $next)))"
    )
    .leak()
}

/// Fields with these names, each with a text of so many bytes: items for the module, and the list for [`emit`].
pub fn fields(names: &[&str], text_bytes: usize) -> (&'static str, &'static str) {
    const LIST: usize = 8_192;
    const NAMES: usize = 20_000;
    const TEXT: usize = 32_768;
    let mut list = Vec::new();
    let mut text = String::new();
    for name in names {
        // Name, padding with the variant's zero for `text`, value.
        for word in [NAMES + text.len(), name.len(), 0, 0, TEXT, text_bytes] {
            list.extend_from_slice(&(word as u32).to_le_bytes());
        }
        text.push_str(name);
    }
    let items = format!(
        r#"(data (i32.const {LIST}) "{}") (data (i32.const {NAMES}) "{}")"#,
        escaped(&list),
        escaped(text.as_bytes())
    );
    (items.leak(), format!("(i32.const {LIST}) (i32.const {})", names.len()).leak())
}

/// A change with lengths of its key, reason and positions.
pub fn change(key: u32, reason: u32, positions: u32) -> &'static str {
    format!(
        "(call $emit (i32.const 16384) (i32.const {key}) (i32.const 0) (i32.const 2) (i64.const 5)
         (i32.const 16384) (i32.const {reason}) (i32.const 16384) (i32.const {positions}) (i32.const 0) (i32.const 0))"
    )
    .leak()
}

/// Bytes as WebAssembly text writes them.
pub fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// A component as text, with a manifest at its end.
pub fn component(body: &str, manifest: &str) -> Vec<u8> {
    let manifest = escaped(manifest.as_bytes());
    wat::parse_str(format!("(component {body} (@custom \"{}\" \"{manifest}\"))", Manifest::SECTION)).unwrap()
}

impl DetectorGuest {
    /// As a component with this manifest.
    pub fn component_with(&self, manifest: &str) -> Vec<u8> {
        orion_componentize::componentize(&wat::parse_str(self.module()).unwrap(), manifest).unwrap()
    }

    /// As a component of that name, which keeps state.
    pub fn named(&self, name: &str) -> Vec<u8> {
        self.component_with(&manifest(name, "detector"))
    }

    fn module(&self) -> String {
        let Self { items, configure, restore, define_series, drop_series, observe, checkpoint, realloc, pages } = self;
        let common = common(realloc, pages + 1);
        format!(
            r#"(module
  (import "orion:plugin/findings@1.0.0" "emit" (func $emit
    (param i32 i32 i32 i32 i64 f64 i32 f64 i32 i32 i32 i32)))
  {common} {items}
  (func (export "orion:plugin/detector@1.0.0#configure") (param i32 i32) (result i32) {configure} (i32.const 0))
  (func (export "orion:plugin/detector@1.0.0#restore") (param i32 i32 i32) (result i32) {restore} (i32.const 0))
  (func (export "orion:plugin/detector@1.0.0#define-series") (param i32 i32 i32 i32 i32 i32 i32 i32) {define_series})
  (func (export "orion:plugin/detector@1.0.0#drop-series") (param i32 i32) {drop_series})
  (func (export "orion:plugin/detector@1.0.0#observe") (param $now i64) (param i32 i32 i32 i32 i32 i32)
    (local $i i32) {observe})
  (func (export "orion:plugin/detector@1.0.0#checkpoint") (result i32) {checkpoint} (i32.const 16)))"#
        )
    }
}

impl CorrelatorGuest {
    /// As a component with this manifest.
    pub fn component_with(&self, manifest: &str) -> Vec<u8> {
        let Self { configure, restore, correlate, checkpoint } = self;
        let common = common("", 1);
        let text = format!(
            r#"(module
  (import "orion:plugin/incidents@1.0.0" "emit" (func $emit (param i32 i32 i32 i32 i64 i32 i32 i32 i32 i32 i32)))
  {common}
  (func (export "orion:plugin/correlator@1.0.0#configure") (param i32 i32) (result i32) {configure} (i32.const 0))
  (func (export "orion:plugin/correlator@1.0.0#restore") (param i32 i32 i32) (result i32) {restore} (i32.const 0))
  (func (export "orion:plugin/correlator@1.0.0#correlate") (param i32) (local $i i32) {correlate})
  (func (export "orion:plugin/correlator@1.0.0#checkpoint") (result i32) {checkpoint} (i32.const 16)))"#
        );
        orion_componentize::componentize(&wat::parse_str(text).unwrap(), manifest).unwrap()
    }

    /// As a component of that name, which keeps state.
    pub fn named(&self, name: &str) -> Vec<u8> {
        self.component_with(&manifest(name, "correlator"))
    }
}

/// A detector without state that does this in `observe`.
pub fn detector(name: &str, version: &str, observe: &str) -> Vec<u8> {
    let observe = observe.to_owned().leak();
    DetectorGuest { observe, ..Default::default() }.component_with(&stateless(name, "detector", version))
}

/// A correlator without state that does this in `correlate`.
pub fn correlator(name: &str, version: &str, correlate: &str) -> Vec<u8> {
    let correlate = correlate.to_owned().leak();
    CorrelatorGuest { correlate, ..Default::default() }.component_with(&stateless(name, "correlator", version))
}
