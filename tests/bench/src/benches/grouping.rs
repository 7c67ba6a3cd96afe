//! Events through the grouping correlator in batches, as the Guardian hands them over, without the bus.
//!
//! Two streams: one in which the same alerts fire and resolve again and again, where nearly nothing changes for an incident,
//! and one in which every event is a new alert, where every incident of a batch grows.

use orion_model::{Change, Labels, Severity, Status, Timestamp};
use orion_plugin::testing::{CorrelatorProbe, TestEvent};
use orion_sandbox::{Correlator, EventBatch};

use super::Context;
use crate::error::{BenchError, require, require_equal};
use crate::median;
use crate::plugins::grouping;
use crate::report::{Figure, Target};

const BATCH: usize = 256;
const BATCHES: usize = 100;
const SERVICES: u64 = 64;
const ALERTS_OF_A_SERVICE: u64 = 16;
const LEAST_EVENTS_PER_SECOND: f64 = 1e6;

/// Time between two events.
const STEP_MILLIS: i64 = 10;

const FIRST_MILLIS: i64 = 1_732_174_269_000;

struct Told {
    event: TestEvent,
    labels: Labels,
}

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let (flapping, storm) = (stream(flap), stream(burst));
    for events in [&flapping, &storm] {
        same_changes(context, events)?;
    }
    let target = Target::AtLeast(LEAST_EVENTS_PER_SECOND);
    Ok(vec![
        Figure::new("alerts that fire and resolve", target, rate(context, &flapping, false)?, "events/s"),
        Figure::new("every event a new alert", target, rate(context, &storm, false)?, "events/s"),
        Figure::new("fire and resolve, state saved each batch", target, rate(context, &flapping, true)?, "events/s"),
        Figure::new("every event new, state saved each batch", Target::None, rate(context, &storm, true)?, "events/s")
            .note("the state of an incident is saved whole"),
    ])
}

/// Spreads neighbours over everything.
fn mixed(index: u64) -> u64 {
    let mixed = index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 16
}

/// One of a few alerts of a service; its next status is the other one.
fn flap(index: u64) -> (u64, u64) {
    let mixed = mixed(index);
    (mixed % SERVICES, (mixed / SERVICES) % ALERTS_OF_A_SERVICE)
}

/// A new alert of a service.
fn burst(index: u64) -> (u64, u64) {
    (mixed(index) % SERVICES, index)
}

fn stream(alert: fn(u64) -> (u64, u64)) -> Vec<Told> {
    let mut firing = std::collections::HashSet::new();
    let mut tell = |index: u64| {
        let (service, number) = alert(index);
        let fingerprint = mixed(service * 1_000_003 + number);
        let fires = !firing.remove(&fingerprint) && firing.insert(fingerprint);
        let name = format!("service-{service:02}");
        let key = Labels::from_iter([("service", name.as_str())]).to_string();
        let status = if fires { orion_plugin::Status::Firing } else { orion_plugin::Status::Resolved };
        let instance = format!("10.0.{service}.7:9100");
        let labels = [("alertname", "TargetDown"), ("instance", &instance), ("job", "node"), ("service", &name)];
        let event = TestEvent {
            position: index + 1,
            timestamp: FIRST_MILLIS + index.cast_signed() * STEP_MILLIS,
            severity: orion_plugin::Severity::Error,
            status,
            fingerprint,
            key,
        };
        Told { event, labels: labels.into_iter().collect() }
    };
    (0..(BATCH * BATCHES) as u64).map(&mut tell).collect()
}

fn rate(context: &Context, events: &[Told], saving: bool) -> Result<f64, BenchError> {
    let mut batch = EventBatch::new();
    let mut changes = Vec::new();
    let nanos = median::nanos(&mut || {
        let mut correlator = grouping(context.sandbox()?)?;
        for told in events.chunks(BATCH) {
            changes.clear();
            correlate(&mut correlator, told, &mut batch, &mut changes)?;
            if saving {
                correlator.checkpoint().map_err(BenchError::failed("checkpoint"))?;
            }
        }
        Ok(())
    })?;
    Ok(events.len() as f64 / nanos * 1e9)
}

fn correlate(
    correlator: &mut Correlator,
    told: &[Told],
    batch: &mut EventBatch,
    changes: &mut Vec<Change>,
) -> Result<(), BenchError> {
    batch.clear();
    let mut now = Timestamp::default();
    for Told { event, labels } in told {
        let status = match event.status {
            orion_plugin::Status::Occurred => Status::Occurred,
            orion_plugin::Status::Firing => Status::Firing,
            orion_plugin::Status::Resolved => Status::Resolved,
        };
        let TestEvent { position, timestamp, fingerprint, key, .. } = event;
        now = Timestamp::from_millis(*timestamp);
        batch.push(*position, now, Severity::Error, status, *fingerprint, 1.0, key, "service_down", labels);
    }
    correlator.correlate(now, batch, changes).map_err(BenchError::failed("correlate"))?;
    Ok(())
}

/// The sandboxed correlator says and saves what the same code says and saves without a sandbox.
fn same_changes(context: &Context, events: &[Told]) -> Result<(), BenchError> {
    let mut correlator = grouping(context.sandbox()?)?;
    let mut probe = CorrelatorProbe::<orion_grouping::Grouping>::new(&[]).map_err(|refused| BenchError::Failed {
        what: "set up the grouping correlator without a sandbox".to_owned(),
        why: refused.0,
    })?;
    let (mut batch, mut said) = (EventBatch::new(), 0);
    for told in events.chunks(BATCH) {
        let mut changes = Vec::new();
        correlate(&mut correlator, told, &mut batch, &mut changes)?;
        let plain: Vec<TestEvent> = told.iter().map(|told| told.event.clone()).collect();
        let now = plain.last().map_or(0, |event| event.timestamp);
        let native = probe.correlate(now, &plain);
        let words = |change: &Change| {
            let kind = format!("{:?}", change.kind);
            (change.key.clone(), kind, change.timestamp.as_millis(), change.reason.clone(), change.positions.clone())
        };
        let native_words = |change: &orion_plugin::Change| {
            let kind = format!("{:?}", change.kind);
            (change.key.clone(), kind, change.timestamp, change.reason.clone(), change.positions.clone())
        };
        said += changes.len();
        require_equal(
            "changes",
            &changes.iter().map(words).collect(),
            &native.iter().map(native_words).collect::<Vec<_>>(),
        )?;
        let saved = correlator.checkpoint().map_err(BenchError::failed("checkpoint"))?;
        let saved: Vec<_> = saved.into_iter().map(|entry| (entry.key, entry.value)).collect();
        let native_saved: Vec<_> = probe.checkpoint().into_iter().map(|entry| (entry.key, entry.value)).collect();
        require_equal("saved states", &saved, &native_saved)?;
    }
    require(said > 0, || "no incident changed".to_owned())
}
