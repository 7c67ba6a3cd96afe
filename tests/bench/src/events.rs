//! Events through a correlator in batches, as the Guardian hands them over, without the bus: in the sandbox, and the same code
//! without one.

use std::collections::HashSet;

use orion_model::{Change, Labels, Severity, Status, Timestamp};
use orion_plugin::testing::{CorrelatorProbe, TestEvent, ToldEvent};
use orion_sandbox::{Correlator, EventBatch, Plugin};

use crate::error::{BenchError, require, require_equal};
use crate::median;
use crate::plugins::{Given, correlator};

/// Events of one call, as the Guardian reads them.
pub const BATCH: usize = 256;

/// Batches of a stream.
const BATCHES: usize = 100;

/// Time between two events.
const STEP_MILLIS: i64 = 10;

const FIRST_MILLIS: i64 = 1_732_174_269_000;

/// An event as both are told it.
pub struct Told {
    event: ToldEvent,
    labels: Labels,
}

/// The alert that an event is about.
pub struct Alert {
    /// Its service, by which events are grouped.
    pub service: u64,
    /// Which of the service's alerts.
    pub number: u64,
    /// The type of its events.
    pub event_type: &'static str,
}

/// Spreads neighbours over everything.
pub fn mixed(index: u64) -> u64 {
    let mixed = index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 16
}

/// A stream of events, each of the alert that `alert` says. An alert fires, then resolves, then fires.
pub fn stream(alert: impl Fn(u64) -> Alert) -> Vec<Told> {
    let mut firing = HashSet::new();
    let tell = |index| {
        let alert = alert(index);
        let fingerprint = mixed(alert.service * 1_000_003 + alert.number);
        let fires = !firing.remove(&fingerprint) && firing.insert(fingerprint);
        told(index, &alert, fingerprint, fires)
    };
    (0..(BATCH * BATCHES) as u64).map(tell).collect()
}

fn told(index: u64, alert: &Alert, fingerprint: u64, fires: bool) -> Told {
    let name = format!("service-{:02}", alert.service);
    let instance = format!("10.0.{}.7:9100", alert.service);
    let labels = [("alertname", "TargetDown"), ("instance", &instance), ("job", "node"), ("service", &name)];
    let event = TestEvent {
        position: index + 1,
        timestamp: FIRST_MILLIS + index.cast_signed() * STEP_MILLIS,
        severity: orion_plugin::Severity::Error,
        status: if fires { orion_plugin::Status::Firing } else { orion_plugin::Status::Resolved },
        fingerprint,
        key: Labels::from_iter([("service", name.as_str())]).to_string(),
    };
    let mut event = ToldEvent::from(event).of_type(alert.event_type).valued(1.0);
    event.labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Told { event, labels: labels.into_iter().collect() }
}

/// Events a second through a correlator of its own for each run. `saving`: its state is asked for after each batch, as the
/// Guardian does.
pub fn rate(plugin: &Plugin, given: Given<'_>, events: &[Told], saving: bool) -> Result<f64, BenchError> {
    let mut batch = EventBatch::new();
    let mut changes = Vec::new();
    let nanos = median::nanos(&mut || {
        let mut correlator = correlator(plugin, given)?;
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
    for Told { event: ToldEvent { event, event_type, value, .. }, labels } in told {
        let status = match event.status {
            orion_plugin::Status::Occurred => Status::Occurred,
            orion_plugin::Status::Firing => Status::Firing,
            orion_plugin::Status::Resolved => Status::Resolved,
        };
        let TestEvent { position, timestamp, fingerprint, key, .. } = event;
        now = Timestamp::from_millis(*timestamp);
        batch.push(*position, now, Severity::Error, status, *fingerprint, *value, key, event_type, labels);
    }
    correlator.correlate(now, batch, changes).map_err(BenchError::failed("correlate"))?;
    Ok(())
}

/// The sandboxed correlator says and saves what the same code says and saves without a sandbox.
pub fn require_same<C: orion_plugin::Correlator>(
    plugin: &Plugin,
    given: Given<'_>,
    events: &[Told],
) -> Result<(), BenchError> {
    let mut correlator = correlator(plugin, given)?;
    let mut probe = CorrelatorProbe::<C>::new(given).map_err(|refused| BenchError::Failed {
        what: format!("set up the correlator {} without a sandbox", plugin.manifest().name),
        why: refused.0,
    })?;
    let (mut batch, mut said) = (EventBatch::new(), 0);
    for told in events.chunks(BATCH) {
        let mut changes = Vec::new();
        correlate(&mut correlator, told, &mut batch, &mut changes)?;
        let plain: Vec<ToldEvent> = told.iter().map(|told| told.event.clone()).collect();
        let now = plain.last().map_or(0, |told| told.event.timestamp);
        let native = probe.tell(now, &plain);
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

/// A change in the words that the types of both sides share.
type Words = (String, String, i64, String, Vec<u64>, String);

fn words(change: &Change) -> Words {
    let (kind, facts) = (format!("{:?} {:?}", change.kind, change.severity), format!("{:?}", change.fields));
    (change.key.clone(), kind, change.timestamp.as_millis(), change.reason.clone(), change.positions.clone(), facts)
}

fn native_words(change: &orion_plugin::Change) -> Words {
    let (kind, facts) = (format!("{:?} {:?}", change.kind, change.severity), format!("{:?}", change.fields));
    (change.key.clone(), kind, change.timestamp, change.reason.clone(), change.positions.clone(), facts)
}
