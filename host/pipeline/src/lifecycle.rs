//! The life of a rule's alerts: absent → pending → firing → resolved, as Prometheus has it. Pure: no clock, no I/O.
//!
//! An alert is known by its labels after templating. One [`Step`] tells the machine everything one evaluation saw;
//! only [`Step::finish`] changes anything, so an evaluation that turns out wrong in the middle leaves no trace.
//! An alert that merely goes on costs a table look-up: it is written nowhere and rendered never.

use std::collections::HashMap;

use orion_model::{Fingerprint, Labels, Timestamp};
use serde::{Deserialize, Serialize};

/// When alerts fire and end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// How long an alert must be seen before it fires.
    pub for_millis: i64,
    /// How long it goes on firing after it was last seen.
    pub keep_firing_for_millis: i64,
    /// How many alerts the rule may have; 0 is no limit.
    pub limit: usize,
}

/// One alert that is pending or firing.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its identity.
    pub labels: Labels,
    /// Hash of its identity.
    pub fingerprint: Fingerprint,
    /// The instant it was first seen.
    pub since: Timestamp,
    /// The instant it fired, and the value it had then.
    pub fired: Option<(Timestamp, f64)>,
    /// The first instant it was not seen, while it still fires.
    pub absent_since: Option<Timestamp>,
    /// The value last seen.
    pub value: f64,
    /// Which finding of the last evaluation showed it.
    pub sighting: u32,
    serial: u32,
    step: u64,
}

/// What the store keeps of an alert.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedAlert {
    labels: Labels,
    since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    fired_at: Option<Timestamp>,
    /// As bits, so that NaN and infinities come back as they were.
    fired_value: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent_since: Option<Timestamp>,
}

impl Alert {
    /// The form the store keeps.
    pub fn save(&self) -> SavedAlert {
        SavedAlert {
            labels: self.labels.clone(),
            since: self.since,
            fired_at: self.fired.map(|(at, _)| at),
            fired_value: self.fired.map_or(self.value, |(_, value)| value).to_bits(),
            absent_since: self.absent_since,
        }
    }
}

/// Finds an alert again without hashing its labels. Goes stale when the alert ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    slot: u32,
    serial: u32,
}

/// The alerts of one rule.
#[derive(Debug, Default)]
pub struct Lifecycle {
    alerts: Vec<Option<Alert>>,
    free: Vec<u32>,
    by_identity: HashMap<Fingerprint, u32>,
    next_serial: u32,
    step: u64,
}

/// Two findings of one evaluation have the same labels.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("two series of one answer give an alert with the same labels {labels}; let the rule's labels keep them apart")]
pub struct DuplicateIdentity {
    /// The labels both have.
    pub labels: Labels,
}

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It fires from now on.
    Fired,
    /// It is over.
    Resolved,
}

/// What one step changed.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// Alerts that fired or ended, in order of their labels.
    pub transitions: Vec<(Transition, Alert)>,
    /// Alerts the store must learn of.
    pub saved: Vec<Alert>,
    /// Alerts the store must forget.
    pub dropped: Vec<Fingerprint>,
    /// Handles of the new alerts, in the order of [`Step::see_new`]; `None` for one over the limit.
    pub admitted: Vec<Option<Handle>>,
    /// How many alerts were turned away because of the limit.
    pub turned_away: usize,
}

impl Lifecycle {
    /// How many alerts are pending or firing.
    fn len(&self) -> usize {
        self.by_identity.len()
    }

    /// Puts an alert back as the store kept it.
    pub fn restore(&mut self, saved: SavedAlert) {
        let value = f64::from_bits(saved.fired_value);
        let alert = Alert {
            fingerprint: saved.labels.fingerprint(),
            labels: saved.labels,
            since: saved.since,
            fired: saved.fired_at.map(|at| (at, value)),
            absent_since: saved.absent_since,
            value,
            sighting: 0,
            serial: 0,
            step: 0,
        };
        self.place(alert);
    }

    /// Begins an evaluation.
    pub fn begin(&mut self, instant: Timestamp) -> Step<'_> {
        self.step += 1;
        Step { lifecycle: self, instant, seen: Vec::new(), fresh: Vec::new(), fresh_index: HashMap::new() }
    }

    /// Ends everything: the rule is gone.
    pub fn end(&mut self) -> Outcome {
        let alerts: Vec<Alert> = self.alerts.drain(..).flatten().collect();

        *self = Self { next_serial: self.next_serial, step: self.step, ..Self::default() };
        let mut outcome = Outcome::default();
        for alert in alerts {
            outcome.drop_alert(alert);
        }
        outcome.in_order()
    }

    fn place(&mut self, mut alert: Alert) -> Handle {
        self.next_serial = self.next_serial.wrapping_add(1);
        alert.serial = self.next_serial;
        // Alerts are bounded by the series of an answer, far below 2^32.
        let slot = self.free.pop().unwrap_or_else(|| u32::try_from(self.alerts.len()).unwrap_or(u32::MAX));
        let handle = Handle { slot, serial: alert.serial };
        self.by_identity.insert(alert.fingerprint, slot);
        match self.alerts.get_mut(slot as usize) {
            Some(place) => *place = Some(alert),
            None => self.alerts.push(Some(alert)),
        }
        handle
    }

    fn get_mut(&mut self, slot: u32) -> Option<&mut Alert> {
        self.alerts.get_mut(slot as usize)?.as_mut()
    }
}

/// One evaluation on its way in.
pub struct Step<'a> {
    lifecycle: &'a mut Lifecycle,
    instant: Timestamp,
    seen: Vec<(u32, f64, u32)>,
    fresh: Vec<(Fingerprint, Labels, f64, u32)>,
    fresh_index: HashMap<Fingerprint, usize>,
}

/// What [`Step::see_new`] made of a sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// The alert was known; this finds it quicker next time.
    Known(Handle),
    /// The alert is new: its place in [`Outcome::admitted`].
    New(usize),
}

impl Step<'_> {
    /// Sees an alert again, in the finding of that index. `Ok(false)`: the handle is stale, say it with [`Step::see_new`].
    pub fn see(&mut self, handle: Handle, value: f64, sighting: u32) -> Result<bool, DuplicateIdentity> {
        match self.lifecycle.alerts.get_mut(handle.slot as usize) {
            Some(Some(alert)) if alert.serial == handle.serial => {
                mark(alert, self.lifecycle.step)?;
                self.seen.push((handle.slot, value, sighting));
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Sees an alert by its labels, in the finding of that index.
    pub fn see_new(&mut self, labels: Labels, value: f64, sighting: u32) -> Result<Sighting, DuplicateIdentity> {
        let fingerprint = labels.fingerprint();
        if let Some(&slot) = self.lifecycle.by_identity.get(&fingerprint) {
            let step = self.lifecycle.step;
            if let Some(alert) = self.lifecycle.get_mut(slot) {
                mark(alert, step)?;
                let handle = Handle { slot, serial: alert.serial };
                self.seen.push((slot, value, sighting));
                return Ok(Sighting::Known(handle));
            }
        }
        if self.fresh_index.insert(fingerprint, self.fresh.len()).is_some() {
            return Err(DuplicateIdentity { labels });
        }
        self.fresh.push((fingerprint, labels, value, sighting));
        Ok(Sighting::New(self.fresh.len() - 1))
    }

    /// Takes the evaluation as complete: what was not seen is absent.
    pub fn finish(self, terms: Terms) -> Outcome {
        let Self { lifecycle, instant, seen, fresh, .. } = self;
        let mut outcome = Outcome::default();
        for (slot, value, sighting) in seen {
            if let Some(alert) = lifecycle.get_mut(slot) {
                alert.value = value;
                alert.sighting = sighting;
                let returned = alert.absent_since.take().is_some();
                let fired = fire_when_due(alert, instant, terms);
                outcome.note(alert, returned, fired);
            }
        }
        lifecycle.end_absent(instant, terms, &mut outcome);
        for (fingerprint, labels, value, sighting) in fresh {
            if terms.limit != 0 && lifecycle.len() >= terms.limit {
                outcome.turned_away += 1;
                outcome.admitted.push(None);
                continue;
            }
            let (since, step) = (instant, lifecycle.step);
            let mut alert =
                Alert { labels, fingerprint, since, fired: None, absent_since: None, value, sighting, serial: 0, step };
            let fired = fire_when_due(&mut alert, instant, terms);
            outcome.note(&alert, true, fired);
            outcome.admitted.push(Some(lifecycle.place(alert)));
        }
        outcome.in_order()
    }
}

impl Lifecycle {
    fn end_absent(&mut self, instant: Timestamp, terms: Terms, outcome: &mut Outcome) {
        for (slot, place) in (0_u32..).zip(&mut self.alerts) {
            let Some(alert) = place.as_mut().filter(|alert| alert.step != self.step) else { continue };
            if alert.fired.is_some() && terms.keep_firing_for_millis > 0 {
                let newly_absent = alert.absent_since.is_none();
                let absent_since = *alert.absent_since.get_or_insert(instant);
                if instant.millis_since(absent_since) < terms.keep_firing_for_millis {
                    outcome.note(alert, newly_absent, false);
                    continue;
                }
            }
            if let Some(alert) = place.take() {
                self.by_identity.remove(&alert.fingerprint);
                self.free.push(slot);
                outcome.drop_alert(alert);
            }
        }
    }
}

fn mark(alert: &mut Alert, step: u64) -> Result<(), DuplicateIdentity> {
    if alert.step == step {
        return Err(DuplicateIdentity { labels: alert.labels.clone() });
    }
    alert.step = step;
    Ok(())
}

fn fire_when_due(alert: &mut Alert, instant: Timestamp, terms: Terms) -> bool {
    let due = alert.fired.is_none() && instant.millis_since(alert.since) >= terms.for_millis;
    if due {
        alert.fired = Some((instant, alert.value));
    }
    due
}

impl Outcome {
    fn note(&mut self, alert: &Alert, changed: bool, fired: bool) {
        if fired {
            self.transitions.push((Transition::Fired, alert.clone()));
        }
        if changed || fired {
            self.saved.push(alert.clone());
        }
    }

    fn drop_alert(&mut self, alert: Alert) {
        self.dropped.push(alert.fingerprint);
        if alert.fired.is_some() {
            self.transitions.push((Transition::Resolved, alert));
        }
    }

    /// Slots are given in an order that a restart changes; labels are not.
    fn in_order(mut self) -> Self {
        self.transitions.sort_by(|a, b| a.1.labels.cmp(&b.1.labels));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: i64 = 60_000;

    fn labels(name: &str) -> Labels {
        [("name", name)].into_iter().collect()
    }

    /// Evaluates once a minute; each string lists the alerts seen, and the answer is the trace of transitions.
    fn trace(terms: Terms, minutes: &[&str]) -> String {
        let mut lifecycle = Lifecycle::default();
        let mut trace = Vec::new();
        for (minute, seen) in (0_i64..).zip(minutes) {
            let mut step = lifecycle.begin(Timestamp::from_millis(minute * MINUTE));
            for name in seen.split_terminator("").filter(|name| !name.is_empty()) {
                step.see_new(labels(name), 1.0, 0).unwrap();
            }
            for (transition, alert) in step.finish(terms).transitions {
                trace.push(format!("{minute}:{}{transition:?}", alert.labels.get("name").unwrap()));
            }
        }
        trace.join(" ")
    }

    fn for_minutes(minutes: i64) -> Terms {
        Terms { for_millis: minutes * MINUTE, ..Terms::default() }
    }

    #[test]
    fn without_for_an_alert_fires_at_once_and_resolves_when_absent() {
        assert_eq!(trace(for_minutes(0), &["a", "a", "", "a"]), "0:aFired 2:aResolved 3:aFired");
    }

    #[test]
    fn an_alert_fires_at_age_for_and_pending_ends_in_silence() {
        assert_eq!(trace(for_minutes(2), &["a", "a", "", "a", "a", "a", ""]), "5:aFired 6:aResolved");
    }

    #[test]
    fn a_for_shorter_than_the_interval_fires_on_the_second_evaluation() {
        let terms = Terms { for_millis: 1, ..Terms::default() };
        assert_eq!(trace(terms, &["a", "a"]), "1:aFired");
    }

    #[test]
    fn keep_firing_counts_from_the_first_absent_instant_and_a_return_resets_it() {
        let terms = Terms { keep_firing_for_millis: 2 * MINUTE, ..Terms::default() };
        assert_eq!(trace(terms, &["a", "", "", ""]), "0:aFired 3:aResolved");
        assert_eq!(trace(terms, &["a", "", "a", "", "", ""]), "0:aFired 5:aResolved");
    }

    #[test]
    fn over_the_limit_the_active_stay_and_no_more_are_admitted() {
        let terms = Terms { limit: 2, ..Terms::default() };
        assert_eq!(trace(terms, &["ab", "abc", "bc", "bc"]), "0:aFired 0:bFired 2:aResolved 2:cFired");
    }

    #[test]
    fn a_duplicate_identity_leaves_the_state_untouched() {
        let mut lifecycle = Lifecycle::default();
        let mut step = lifecycle.begin(Timestamp::from_millis(0));
        step.see_new(labels("a"), 1.0, 0).unwrap();
        step.finish(Terms::default());

        let mut step = lifecycle.begin(Timestamp::from_millis(MINUTE));
        step.see_new(labels("a"), 2.0, 0).unwrap();
        step.see_new(labels("b"), 2.0, 0).unwrap();
        assert_eq!(step.see_new(labels("b"), 3.0, 0), Err(DuplicateIdentity { labels: labels("b") }));
        assert_eq!(step.see_new(labels("a"), 3.0, 0), Err(DuplicateIdentity { labels: labels("a") }));
        drop(step);
        assert_eq!(lifecycle.alerts.iter().flatten().map(|alert| alert.value).collect::<Vec<_>>(), [1.0]);
    }

    #[test]
    fn a_handle_finds_its_alert_until_it_ends() {
        let mut lifecycle = Lifecycle::default();
        let mut step = lifecycle.begin(Timestamp::from_millis(0));
        step.see_new(labels("a"), 1.0, 0).unwrap();
        let handle = step.finish(Terms::default()).admitted[0].unwrap();
        let mut step = lifecycle.begin(Timestamp::from_millis(1));
        assert_eq!(step.see(handle, 2.0, 0), Ok(true));
        assert!(step.see(handle, 2.0, 0).is_err());
        step.finish(Terms::default());
        lifecycle.begin(Timestamp::from_millis(2)).finish(Terms::default());
        let mut step = lifecycle.begin(Timestamp::from_millis(3));
        step.see_new(labels("b"), 1.0, 0).unwrap();
        assert_eq!(step.see(handle, 2.0, 0), Ok(false));
    }

    proptest! {
        /// A run that is cut anywhere and restored from what was saved gives the transitions of an uninterrupted one.
        #[test]
        fn restoring_what_was_saved_changes_nothing(
            minutes in proptest::collection::vec("[abc]?[d]?", 1..20),
            cut in 0_usize..20,
            for_minutes in 0_i64..3,
            keep_minutes in 0_i64..3,
        ) {
            let terms = Terms { for_millis: for_minutes * MINUTE, keep_firing_for_millis: keep_minutes * MINUTE, limit: 0 };
            let run = |cut: Option<usize>| {
                let mut lifecycle = Lifecycle::default();
                let mut store: std::collections::BTreeMap<Fingerprint, String> = std::collections::BTreeMap::new();
                let mut transitions = Vec::new();
                for (minute, seen) in minutes.iter().enumerate() {
                    if cut == Some(minute) {
                        lifecycle = Lifecycle::default();
                        for json in store.values() {
                            lifecycle.restore(serde_json::from_str(json).unwrap());
                        }
                    }
                    let instant = Timestamp::from_millis(i64::try_from(minute).unwrap() * MINUTE);
                    let mut step = lifecycle.begin(instant);
                    for name in seen.chars() {
                        step.see_new(labels(&name.to_string()), 1.0, 0).unwrap();
                    }
                    let outcome = step.finish(terms);
                    for alert in &outcome.saved {
                        store.insert(alert.fingerprint, serde_json::to_string(&alert.save()).unwrap());
                    }
                    for fingerprint in &outcome.dropped {
                        store.remove(fingerprint);
                    }
                    for (transition, alert) in outcome.transitions {
                        transitions.push((minute, transition, alert.labels, alert.since, alert.fired));
                    }
                }
                transitions
            };
            prop_assert_eq!(run(Some(cut)), run(None));
        }
    }
}
