//! Guests in the sandbox: the means to load them, and what to show them.

pub use orion_hostile_plugins::guest::*;
use orion_model::{Frame, Labels, Severity, Status, Timestamp};
use orion_sandbox::{Detector, EventBatch, Fault, Limits, LoadError, Plugin, Sandbox, Settings};

/// What a guest is that nobody calls by another name.
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

/// A guest in a sandbox of its own.
pub trait InASandbox {
    fn component(&self) -> Vec<u8>;
    fn load(&self, limits: Limits) -> Result<Plugin, LoadError>;
    fn start(&self, limits: Limits) -> Detector;
}

impl InASandbox for DetectorGuest {
    fn component(&self) -> Vec<u8> {
        self.component_with(DETECTOR)
    }

    fn load(&self, limits: Limits) -> Result<Plugin, LoadError> {
        sandbox(limits).load(&self.component())
    }

    fn start(&self, limits: Limits) -> Detector {
        self.load(limits).unwrap().detector().unwrap()
    }
}

/// A correlator that does this when it gets events.
pub fn correlator(correlate: &'static str) -> Vec<u8> {
    CorrelatorGuest { correlate, ..Default::default() }.component_with(CORRELATOR)
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
