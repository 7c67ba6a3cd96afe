//! The life of a rule's alerts: absent → pending → firing → resolved, as Prometheus has it. Pure: no clock, no I/O.
//!
//! An alert is known by its labels after templating. One [`Step`] tells the machine everything one evaluation saw;
//! only [`Step::finish`] changes anything, so an evaluation that turns out wrong in the middle leaves no trace.
//! An alert that merely goes on costs a table look-up: it is written nowhere and rendered never.
//!
//! Missing data is not recovery. Of an alert that is not seen somebody has to say why ([`Absence`]): one whose data are
//! missing is kept for a few evaluations before it ends, and its end says that nobody saw it recover.

mod saved;
mod step;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use orion_model::{Fingerprint, Labels, SeriesId, Timestamp};

pub use saved::SavedAlert;
pub use step::{DuplicateIdentity, Sighting, Step};

/// When alerts fire and end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// How long an alert must be seen before it fires.
    pub for_millis: i64,
    /// How long it goes on firing after it was last seen.
    pub keep_firing_for_millis: i64,
    /// How many evaluations without data it outlives.
    pub missing_for: u32,
    /// How many alerts the rule may have; 0 is no limit.
    pub limit: usize,
}

/// A series as one answer has it: its id, and the generation that tells whether the id still stands for it.
pub type SeriesKey = (SeriesId, u32);

/// One alert that is pending or firing.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its identity.
    pub labels: Labels,
    /// Hash of its identity.
    pub fingerprint: Fingerprint,
    /// The series it was last seen on; `None` when it is about no series, or was restored and not seen since.
    pub series: Option<SeriesKey>,
    /// The instant it was first seen.
    pub since: Timestamp,
    /// The instant it fired, and the value it had then.
    pub fired: Option<(Timestamp, f64)>,
    /// The first instant it was not seen, while it still fires.
    pub absent_since: Option<Timestamp>,
    /// At how many instants in a row its data have been missing.
    pub missing: u32,
    /// The value last seen.
    pub value: f64,
    /// Which finding of the last evaluation showed it.
    pub sighting: u32,
    serial: u32,
    step: u64,
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

/// Why an alert was not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The data say that it is over.
    Recovered,
    /// The data it is about are missing.
    Missing,
    /// There are no data, and the rule keeps what it has for as long as that lasts.
    Held,
}

/// Why an alert ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The data said so.
    Recovered,
    /// Its data have been missing for too long.
    Missing,
    /// The rule's `for` was raised above its age: it is pending again.
    Demoted,
    /// Its rule is gone.
    Removed,
}

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It fires from now on.
    Fired,
    /// It does not fire any more.
    Resolved(Ending),
}

/// What became of one alert: what is to be said of it, and what the store has to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// The alert as it is now, or as it was last.
    pub alert: Alert,
    /// What is said about it.
    pub transition: Option<Transition>,
    /// The store forgets it; otherwise it keeps the new form.
    pub is_over: bool,
}

impl Changed {
    /// The form the store keeps. Of a demoted alert that is the pending one; what is said of it still tells when it fired.
    pub fn save(&self) -> SavedAlert {
        match self.transition {
            Some(Transition::Resolved(Ending::Demoted)) => Alert { fired: None, ..self.alert.clone() }.save(),
            _ => self.alert.save(),
        }
    }
}

/// What one step changed.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// Alerts that changed, in order of their labels.
    pub changed: Vec<Changed>,
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
        self.place(saved.into_alert());
    }

    /// The alerts that are pending or firing, in no order.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().flatten()
    }

    /// Ids of series mean nothing any more: the query is another.
    pub fn forget_series(&mut self) {
        self.alerts.iter_mut().flatten().for_each(|alert| alert.series = None);
    }

    /// Begins an evaluation.
    pub fn begin(&mut self, instant: Timestamp) -> Step<'_> {
        self.step += 1;
        Step::new(self, instant, false)
    }

    /// Begins an evaluation of an instant that was evaluated before, under a rule or plugin that was another one.
    pub fn begin_again(&mut self, instant: Timestamp) -> Step<'_> {
        self.step += 1;
        Step::new(self, instant, true)
    }

    /// Ends everything: the rule is gone.
    pub fn end(&mut self) -> Vec<Changed> {
        let alerts: Vec<Alert> = self.alerts.drain(..).flatten().collect();
        *self = Self { next_serial: self.next_serial, step: self.step, ..Self::default() };
        let mut outcome = Outcome::default();
        for alert in alerts {
            outcome.drop_alert(alert, Ending::Removed);
        }
        outcome.in_order().changed
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

impl Outcome {
    fn note(&mut self, alert: &Alert, changed: bool, transition: Option<Transition>) {
        if changed || transition.is_some() {
            self.changed.push(Changed { alert: alert.clone(), transition, is_over: false });
        }
    }

    fn drop_alert(&mut self, alert: Alert, ending: Ending) {
        let transition = alert.fired.map(|_| Transition::Resolved(ending));
        self.changed.push(Changed { alert, transition, is_over: true });
    }

    /// Slots are given in an order that a restart changes; labels are not.
    fn in_order(mut self) -> Self {
        self.changed.sort_by(|a, b| a.alert.labels.cmp(&b.alert.labels));
        self
    }
}
