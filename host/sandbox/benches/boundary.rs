//! What crossing the boundary costs: the same work inside and outside of the sandbox, the median of many calls.
//! `cargo bench -p orion-sandbox`. Ratios are what counts; the numbers are those of one machine.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench that cannot run should stop right there")]

use std::hint::black_box;
use std::time::Instant;

use orion_model::{Frame, Labels, Parameter, ParameterValue, Severity, Status, Timestamp};
use orion_plugin::testing::DetectorProbe;
use orion_sandbox::{EventBatch, Plugin, Sandbox, Settings};
use orion_standard_plugins::STANDARD;

const ROUNDS: usize = 301;

fn main() {
    let sandbox = Sandbox::new(Settings::default()).unwrap();
    let plugin = |name: &str| {
        let standard = STANDARD.iter().find(|standard| standard.name == name).unwrap();
        sandbox.load(standard.component).unwrap()
    };
    instances(&plugin("threshold"));
    columns(&sandbox);
    frames(&plugin("threshold"));
    events(&plugin("grouping"));
}

/// Nanoseconds of the median call.
fn median(mut call: impl FnMut()) -> f64 {
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[ROUNDS / 2].as_secs_f64() * 1e9
}

fn instances(plugin: &Plugin) {
    println!("instance: {:.1} µs", median(|| drop(black_box(plugin.detector().unwrap()))) / 1e3);
}

/// A detector that takes its columns and does nothing: what is left is the crossing itself.
const IDLE: &str = r#"(module
  (memory (export "memory") 64)
  (global $heap (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (global.set $heap (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.get $heap) (global.set $heap (i32.add (global.get $heap) (local.get 3))))
  (func (export "orion:plugin/detector@1.0.0#configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "orion:plugin/detector@1.0.0#restore") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "orion:plugin/detector@1.0.0#define-series") (param i32 i32 i32 i32 i32 i32 i32 i32))
  (func (export "orion:plugin/detector@1.0.0#drop-series") (param i32 i32))
  (func (export "orion:plugin/detector@1.0.0#observe") (param i64 i32 i32 i32 i32 i32 i32)
    (global.set $heap (i32.const 4096)))
  (func (export "orion:plugin/detector@1.0.0#checkpoint") (result i32) (i32.const 16)))"#;

const IDLE_MANIFEST: &str = r#"
name = "idle"
kind = "detector"
version = "1.0.0"
contract = "v1"
summary = "Does nothing."
"#;

fn columns(sandbox: &Sandbox) {
    let module = wat::parse_str(IDLE).unwrap();
    let component = orion_componentize::componentize(&module, IDLE_MANIFEST).unwrap();
    let mut detector = sandbox.load(&component).unwrap().detector().unwrap();
    for series in [1_000, 10_000, 100_000] {
        let frame = frame(series);
        let call = median(|| {
            black_box(detector.observe(&frame, &mut Vec::new()).unwrap());
        });
        println!("columns, {series} series: {:.2} ns/sample", call / f64::from(series));
    }
}

fn frame(series: u32) -> Frame {
    Frame {
        instant: Timestamp::from_millis(60_000),
        ids: (0..series).collect(),
        timestamps: vec![60_000; series as usize],
        // One in a hundred is beyond the bound.
        values: (0..series).map(|id| f64::from(id % 100)).collect(),
        warnings: vec![],
    }
}

fn frames(plugin: &Plugin) {
    // Values are 0 to 99: beyond this bound are none of them, one in a hundred, all.
    for (name, bound) in [("nothing found", 99.5), ("1 % found", 98.5), ("all found", -1.0)] {
        for series in [1_000, 10_000, 100_000] {
            threshold(plugin, name, bound, &frame(series));
        }
    }
}

fn threshold(plugin: &Plugin, name: &str, bound: f64, frame: &Frame) {
    let labels: Labels = [("instance", "a"), ("job", "node")].into_iter().collect();
    let mut inside = plugin.detector().unwrap();
    inside.configure(&[Parameter { name: "above".to_owned(), value: ParameterValue::Number(bound) }]).unwrap();
    inside.define_series(frame.ids.iter().map(|id| (*id, &labels))).unwrap();
    let mut findings = Vec::new();
    let mut fuel = 0;
    let in_sandbox = median(|| {
        findings.clear();
        fuel = inside.observe(frame, &mut findings).unwrap().fuel;
        black_box(&findings);
    });
    let mut outside = DetectorProbe::<orion_threshold::Threshold>::new(&[("above", bound.into())]).unwrap();
    let Frame { ids, timestamps, values, .. } = frame;
    let native = median(|| drop(black_box(outside.observe_columns(60_000, ids, timestamps, values))));
    let each = frame.len() as f64;
    println!(
        "threshold, {name}, {each} series: {:.2} ns/sample in the sandbox, {:.2} native, ×{:.2}; {:.1} fuel/sample",
        in_sandbox / each,
        native / each,
        in_sandbox / native,
        fuel as f64 / each,
    );
}

fn events(plugin: &Plugin) {
    let labels: Labels =
        [("instance", "host-17.example.org:9100"), ("job", "node"), ("name", "jellyfin"), ("zone", "eu")]
            .into_iter()
            .collect();
    let keys: Vec<_> = (0..200).map(|key| format!("{{cluster=\"eu-{key}\", service=\"media-{key}\"}}")).collect();
    // Alerts that fire again and again, as most do; and every alert new and resolved in the next batch, the worst case.
    for (name, fresh) in [("known alerts", false), ("new and resolved alerts", true)] {
        let mut correlator = plugin.correlator().unwrap();
        correlator.configure(&plugin.manifest().complete(&[])).unwrap();
        let mut batch = EventBatch::new();
        let mut changes = Vec::new();
        let mut bus = Bus { keys: &keys, labels: &labels, fresh, batches: 0 };
        let fill = median(|| bus.next(&mut batch));
        bus.batches = 0;
        let call = median(|| {
            bus.next(&mut batch);
            changes.clear();
            correlator.correlate(Timestamp::from_millis(0), &batch, &mut changes).unwrap();
        });
        let saved = correlator.checkpoint().unwrap().len();
        println!(
            "grouping, {name}: {:.0} ns/event with filling ({:.0} of them), {:.2} M events/s; {saved} entries saved",
            call / BATCH as f64,
            fill / BATCH as f64,
            BATCH as f64 / call * 1e3,
        );
    }
}

const BATCH: u64 = 256;

/// Fills batches like a bus that never ends.
struct Bus<'a> {
    keys: &'a [String],
    labels: &'a Labels,
    fresh: bool,
    batches: u64,
}

impl Bus<'_> {
    fn next(&mut self, batch: &mut EventBatch) {
        let at = Timestamp::from_millis(i64::try_from(self.batches * 1_000).unwrap());
        let resolves = self.fresh && self.batches % 2 == 1;
        let status = if resolves { Status::Resolved } else { Status::Firing };
        batch.clear();
        for index in 0..BATCH {
            let position = self.batches * BATCH + index;
            let key = &self.keys[(index * 7 % self.keys.len() as u64) as usize];
            batch.push(position, at, Severity::Error, status, index, 1.0, key, "service_down", self.labels);
        }
        self.batches += 1;
    }
}
