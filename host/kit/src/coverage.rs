//! Which rules tests speak of, and which changes of state happened while they did.

use std::collections::{BTreeMap, BTreeSet};

use orion_model::Labels;
use orion_pipeline::library::Generation;
use serde_json::{Value, json};

use orion_suite::run::{Observed, is_input};
use orion_suite::suite::{Kind, Test};

/// A change of the state of an alert or incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It is seen, and waits.
    Pending,
    /// It is gone before it fired.
    Cancelled,
    /// It fires.
    Fired,
    /// It does not fire any more.
    Resolved,
    /// An incident begins.
    Opened,
    /// An incident is over.
    Closed,
}

impl Change {
    /// In words.
    pub const fn described(self) -> &'static str {
        match self {
            Self::Pending => "inactive → pending",
            Self::Cancelled => "pending → inactive",
            Self::Fired => "→ firing",
            Self::Resolved => "firing → inactive",
            Self::Opened => "→ opened",
            Self::Closed => "opened → resolved",
        }
    }
}

/// What tests saw of one rule or correlation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether any test speaks of it.
    pub is_tested: bool,
    /// Changes that it can have, and whether they happened in a test that speaks of it.
    pub changes: BTreeMap<Change, bool>,
}

/// What tests saw, by the id of rule or correlation.
#[derive(Clone, Debug, Default)]
pub struct Coverage(pub BTreeMap<String, Seen>);

impl Coverage {
    /// Takes in a test that was played.
    pub fn add(&mut self, generation: &Generation, test: &Test, observed: &Observed) {
        for rule in generation.groups.values().flat_map(|plan| &plan.group.rules) {
            let waits = rule.for_millis > 0;
            let can =
                [(Change::Pending, waits), (Change::Cancelled, waits), (Change::Fired, true), (Change::Resolved, true)];
            self.expect(&rule.id, can.into_iter().filter(|(_, can)| *can).map(|(change, _)| change));
            if test.speaks_of(&rule.name) {
                self.see(&rule.id, changes_of_rule(&rule.id, observed));
            }
        }
        let speaks_of_incidents = test.records.iter().any(|(kind, _)| *kind == Kind::Incident);
        for id in generation.correlations.keys() {
            self.expect(id, [Change::Opened, Change::Closed]);
            let changes = changes_of_correlation(id, observed);
            // A test that speaks of incidents speaks of all, and so of every correlation; those that stay silent learn nothing.
            if speaks_of_incidents && !changes.is_empty() {
                self.see(id, changes);
            }
        }
        self.0.retain(|id, _| !is_input(id));
    }

    fn expect(&mut self, id: &str, changes: impl IntoIterator<Item = Change>) {
        let seen = self.0.entry(id.to_owned()).or_insert(Seen { is_tested: false, changes: BTreeMap::new() });
        for change in changes {
            seen.changes.entry(change).or_insert(false);
        }
    }

    fn see(&mut self, id: &str, changes: BTreeSet<Change>) {
        let Some(seen) = self.0.get_mut(id) else { return };
        seen.is_tested = true;
        for change in changes {
            if let Some(happened) = seen.changes.get_mut(&change) {
                *happened = true;
            }
        }
    }

    /// How many of the changes that can happen did, and of how many.
    pub fn count(&self) -> (usize, usize) {
        let all = || self.0.values().flat_map(|seen| seen.changes.values());
        (all().filter(|happened| **happened).count(), all().count())
    }

    /// As data.
    pub fn value(&self) -> Value {
        let rules = self.0.iter().map(|(id, seen)| {
            let changes: serde_json::Map<String, Value> = seen
                .changes
                .iter()
                .map(|(change, happened)| (change.described().to_owned(), (*happened).into()))
                .collect();
            json!({ "id": id, "tested": seen.is_tested, "changes": changes })
        });
        Value::Array(rules.collect())
    }
}

fn changes_of_rule(id: &str, observed: &Observed) -> BTreeSet<Change> {
    let mut changes = BTreeSet::new();
    let mut before: BTreeMap<&Labels, bool> = BTreeMap::new();
    for alerts in observed.alerts().values() {
        let now: BTreeMap<&Labels, bool> = alerts
            .iter()
            .filter(|alert| alert.rule_id == id)
            .map(|alert| (&alert.labels, alert.fired_at.is_some()))
            .collect();
        for (labels, fires) in &now {
            match (before.get(labels), fires) {
                (None, false) => drop(changes.insert(Change::Pending)),
                (None | Some(false), true) => drop(changes.insert(Change::Fired)),
                _ => {}
            }
        }
        for (labels, fired) in before {
            if !now.contains_key(labels) {
                changes.insert(if fired { Change::Resolved } else { Change::Cancelled });
            }
        }
        before = now;
    }
    changes
}

fn changes_of_correlation(id: &str, observed: &Observed) -> BTreeSet<Change> {
    let text = |body: &Value, field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let revisions = observed.records(Kind::Incident).filter(|record| text(&record.body, "correlation") == id);
    let change = |status: String| match status.as_str() {
        "opened" => Some(Change::Opened),
        "resolved" => Some(Change::Closed),
        _ => None,
    };
    revisions.filter_map(|record| change(text(&record.body, "status"))).collect()
}
