//! Shows a plugin what it would see on a deployment, and counts what that costs.

use std::time::{Duration, Instant};

use orion_model::{Change, Finding, Parameter, Timestamp};
use orion_sandbox::{EventBatch, Plugin, Report};

use crate::cli::Failure;
use crate::input::{Frames, RecordedEvent, Shown};

/// Events in one batch: what the Guardian reads at once.
const BATCH_EVENTS: usize = 256;

/// What calls took, all together.
#[derive(Default)]
pub struct Cost {
    /// Frames or batches.
    pub calls: usize,
    /// Samples or events.
    pub items: usize,
    /// Work, the same on every machine.
    pub fuel: u64,
    /// Memory that the instance held in the end.
    pub memory_bytes: usize,
    /// Time on this machine.
    pub time: Duration,
}

impl Cost {
    fn add(&mut self, items: usize, report: Report, time: Duration) {
        self.calls += 1;
        self.items += items;
        self.fuel = self.fuel.saturating_add(report.fuel);
        self.memory_bytes = report.memory_bytes;
        self.time += time;
    }
}

/// The findings of a detector about each frame.
pub fn frames(plugin: &Plugin, parameters: &[Parameter], input: &Frames) -> Result<(Vec<Finding>, Cost), Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::BadFile(format!("{}: {why}", plugin.manifest().name));
    let mut detector = plugin.detector().map_err(|why| failed(&why))?;
    detector.configure(parameters).map_err(|why| failed(&why))?;
    let (mut findings, mut cost) = (Vec::new(), Cost::default());
    for Shown { new, frame } in &input.frames {
        let series = new.iter().map(|(id, labels)| (*id, labels));
        detector.define_series(series).map_err(|why| failed(&why))?;
        let began = Instant::now();
        let report =
            detector.observe(frame, &mut findings).map_err(|why| failed(&format!("at {}: {why}", frame.instant)))?;
        cost.add(frame.len(), report, began.elapsed());
        // A host asks from time to time; what is never asked for would pile up.
        detector.checkpoint().map_err(|why| failed(&why))?;
    }
    Ok((findings, cost))
}

/// The changes of a correlator about events, and about the time after them.
pub fn events(
    plugin: &Plugin,
    parameters: &[Parameter],
    input: &[RecordedEvent],
    afterwards_millis: i64,
) -> Result<(Vec<Change>, Cost), Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::BadFile(format!("{}: {why}", plugin.manifest().name));
    let mut correlator = plugin.correlator().map_err(|why| failed(&why))?;
    correlator.configure(parameters).map_err(|why| failed(&why))?;
    let (mut changes, mut cost) = (Vec::new(), Cost::default());
    let mut batch = EventBatch::new();
    let mut now = Timestamp::default();
    for events in input.chunks(BATCH_EVENTS) {
        batch.clear();
        for event in events {
            now = now.max(event.timestamp);
            let RecordedEvent { position, timestamp, severity, status, fingerprint, value, key, event_type, labels } =
                event;
            batch.push(*position, *timestamp, *severity, *status, *fingerprint, *value, key, event_type, labels);
        }
        let began = Instant::now();
        let report = correlator.correlate(now, &batch, &mut changes).map_err(|why| failed(&why))?;
        cost.add(events.len(), report, began.elapsed());
        correlator.checkpoint().map_err(|why| failed(&why))?;
    }
    batch.clear();
    let after = now.plus_millis(afterwards_millis);
    let began = Instant::now();
    let report = correlator.correlate(after, &batch, &mut changes).map_err(|why| failed(&why))?;
    cost.add(0, report, began.elapsed());
    Ok((changes, cost))
}
