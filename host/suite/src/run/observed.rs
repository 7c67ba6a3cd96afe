//! What came of a test: the alerts after every evaluation, and everything that would have been recorded.

use std::collections::BTreeMap;

use orion_bus::{NewRecord, RecordKind};
use orion_model::Timestamp;
use orion_pipeline::replay::Observer;
use orion_pipeline::watcher::{ActiveAlert, Group};
use serde_json::Value;

use crate::suite::{INPUT_EVENTS, Kind};

/// A record that would have been kept.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// When, since the beginning of the test.
    pub at_millis: i64,
    /// The record.
    pub body: Value,
}

/// Everything that came of a test.
#[derive(Debug)]
pub struct Observed {
    start_millis: i64,
    alerts: BTreeMap<Timestamp, Vec<ActiveAlert>>,
    records: Vec<Record>,
}

impl Observed {
    /// Nothing yet, of a test that begins then.
    pub fn new(start_millis: i64) -> Self {
        Self { start_millis, alerts: BTreeMap::new(), records: Vec::new() }
    }

    /// All pending and firing alerts, by instant.
    pub fn alerts(&self) -> &BTreeMap<Timestamp, Vec<ActiveAlert>> {
        &self.alerts
    }

    /// The alerts as the last evaluation not after that time left them.
    pub fn alerts_at(&self, at_millis: i64) -> &[ActiveAlert] {
        let at = Timestamp::from_millis(self.start_millis.saturating_add(at_millis));
        self.alerts.range(..=at).next_back().map_or(&[], |(_, alerts)| alerts)
    }

    /// Records of a kind, without those that the test put in itself.
    pub fn records(&self, kind: Kind) -> impl Iterator<Item = &Record> {
        let rule = |record: &Record| record.body.get("rule").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.records.iter().filter(move |record| record.kind == kind && !is_input(&rule(record)))
    }
}

/// Whether a rule or group, by its id, is one that the test made itself.
pub fn is_input(id: &str) -> bool {
    id.split('/').next() == Some(INPUT_EVENTS)
}

impl Observer for Observed {
    fn record(&mut self, record: &NewRecord) {
        let kind = match record.kind {
            RecordKind::Event => Kind::Event,
            RecordKind::Incident => Kind::Incident,
            RecordKind::Decision => Kind::Decision,
        };
        let at_millis = record.ts.as_millis().saturating_sub(self.start_millis);
        let body = serde_json::from_str(&record.body).unwrap_or_default();
        self.records.push(Record { kind, at_millis, body });
    }

    fn evaluated(&mut self, group: &Group, instant: Timestamp) {
        let alerts = self.alerts.entry(instant).or_default();
        if !is_input(&group.plan().group.id) {
            alerts.extend(group.alerts());
        }
    }
}
