//! One evaluation on its way into the machine: everything it saw first, then all consequences at once.

use std::collections::HashMap;

use orion_model::{Fingerprint, Labels, Timestamp};

use super::{Absence, Alert, Ending, Handle, Lifecycle, Outcome, SeriesKey, Terms, Transition};

/// Two findings of one evaluation have the same labels.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("two series of one answer give an alert with the same labels {labels}; let the rule's labels keep them apart")]
pub struct DuplicateIdentity {
    /// The labels both have.
    pub labels: Labels,
}

/// One evaluation on its way in.
pub struct Step<'a> {
    lifecycle: &'a mut Lifecycle,
    instant: Timestamp,
    is_again: bool,
    seen: Vec<(u32, f64, u32)>,
    fresh: Vec<Fresh>,
    fresh_index: HashMap<Fingerprint, usize>,
}

struct Fresh {
    fingerprint: Fingerprint,
    labels: Labels,
    series: Option<SeriesKey>,
    value: f64,
    sighting: u32,
}

/// What [`Step::see_new`] made of a sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// The alert was known; this finds it quicker next time.
    Known(Handle),
    /// The alert is new: its place in [`Outcome::admitted`].
    New(usize),
}

impl<'a> Step<'a> {
    pub(super) fn new(lifecycle: &'a mut Lifecycle, instant: Timestamp, is_again: bool) -> Self {
        Self { lifecycle, instant, is_again, seen: Vec::new(), fresh: Vec::new(), fresh_index: HashMap::new() }
    }

    /// Sees an alert again, on that series, in the finding of that index. `Ok(false)`: the handle is stale, say it with
    /// [`Step::see_new`].
    pub fn see(
        &mut self,
        handle: Handle,
        series: SeriesKey,
        value: f64,
        sighting: u32,
    ) -> Result<bool, DuplicateIdentity> {
        match self.lifecycle.alerts.get_mut(handle.slot as usize) {
            Some(Some(alert)) if alert.serial == handle.serial => {
                mark(alert, self.lifecycle.step)?;
                // Several series may give one alert, one after the other.
                alert.series = Some(series);
                self.seen.push((handle.slot, value, sighting));
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Sees an alert by its labels, on that series, in the finding of that index.
    pub fn see_new(
        &mut self,
        labels: Labels,
        series: Option<SeriesKey>,
        value: f64,
        sighting: u32,
    ) -> Result<Sighting, DuplicateIdentity> {
        let fingerprint = labels.fingerprint();
        if let Some(&slot) = self.lifecycle.by_identity.get(&fingerprint) {
            let step = self.lifecycle.step;
            if let Some(alert) = self.lifecycle.get_mut(slot) {
                mark(alert, step)?;
                alert.series = series;
                let handle = Handle { slot, serial: alert.serial };
                self.seen.push((slot, value, sighting));
                return Ok(Sighting::Known(handle));
            }
        }
        if self.fresh_index.insert(fingerprint, self.fresh.len()).is_some() {
            return Err(DuplicateIdentity { labels });
        }
        self.fresh.push(Fresh { fingerprint, labels, series, value, sighting });
        Ok(Sighting::New(self.fresh.len() - 1))
    }

    /// Takes the evaluation as complete. What was not seen is absent, for the reason that `absence` gives.
    pub fn finish(self, terms: Terms, mut absence: impl FnMut(&Alert) -> Absence) -> Outcome {
        let Self { lifecycle, instant, is_again, seen, fresh, .. } = self;
        // What is missing at an instant is missing once there, however often somebody saves a rule meanwhile.
        let absence = |alert: &Alert| match absence(alert) {
            Absence::Missing if is_again && alert.missing > 0 => Absence::Held,
            absence => absence,
        };
        let mut outcome = Outcome::default();
        for (slot, value, sighting) in seen {
            if let Some(alert) = lifecycle.get_mut(slot) {
                alert.value = value;
                alert.sighting = sighting;
                let missed = std::mem::take(&mut alert.missing) > 0;
                let returned = alert.absent_since.take().is_some();
                let transition = fire_or_demote(alert, instant, terms);
                outcome.note(alert, returned || missed, transition);
                if transition == Some(Transition::Resolved(Ending::Demoted)) {
                    alert.fired = None;
                }
            }
        }
        lifecycle.take_absent(instant, terms, absence, &mut outcome);
        for fresh in fresh {
            if terms.limit != 0 && lifecycle.len() >= terms.limit {
                outcome.turned_away += 1;
                outcome.admitted.push(None);
                continue;
            }
            let mut alert = fresh.into_alert(instant, lifecycle.step);
            let transition = fire_or_demote(&mut alert, instant, terms);
            outcome.note(&alert, true, transition);
            outcome.admitted.push(Some(lifecycle.place(alert)));
        }
        outcome.in_order()
    }
}

impl Fresh {
    fn into_alert(self, since: Timestamp, step: u64) -> Alert {
        let Self { fingerprint, labels, series, value, sighting } = self;
        let (fired, absent_since, missing, serial) = (None, None, 0, 0);
        Alert { labels, fingerprint, series, since, fired, absent_since, missing, value, sighting, serial, step }
    }
}

/// What an alert that was not seen comes to.
enum Fate {
    /// It stays. Whether anything about it changed.
    Stays(bool),
    Ends(Ending),
}

impl Lifecycle {
    fn take_absent(
        &mut self,
        instant: Timestamp,
        terms: Terms,
        mut absence: impl FnMut(&Alert) -> Absence,
        outcome: &mut Outcome,
    ) {
        for (slot, place) in (0_u32..).zip(&mut self.alerts) {
            let Some(alert) = place.as_mut().filter(|alert| alert.step != self.step) else { continue };
            match fate(alert, instant, terms, absence(alert)) {
                Fate::Stays(changed) => outcome.note(alert, changed, None),
                Fate::Ends(ending) => {
                    if let Some(alert) = place.take() {
                        self.by_identity.remove(&alert.fingerprint);
                        self.free.push(slot);
                        outcome.drop_alert(alert, ending);
                    }
                }
            }
        }
    }
}

fn fate(alert: &mut Alert, instant: Timestamp, terms: Terms, absence: Absence) -> Fate {
    let ending = match absence {
        Absence::Held => return Fate::Stays(false),
        Absence::Missing if alert.missing < terms.missing_for => {
            alert.missing += 1;
            return Fate::Stays(true);
        }
        Absence::Missing => Ending::Missing,
        Absence::Recovered => Ending::Recovered,
    };
    if alert.fired.is_some() && terms.keep_firing_for_millis > 0 {
        let newly_absent = alert.absent_since.is_none();
        let absent_since = *alert.absent_since.get_or_insert(instant);
        if instant.millis_since(absent_since) < terms.keep_firing_for_millis {
            return Fate::Stays(newly_absent);
        }
    }
    Fate::Ends(ending)
}

fn mark(alert: &mut Alert, step: u64) -> Result<(), DuplicateIdentity> {
    if alert.step == step {
        return Err(DuplicateIdentity { labels: alert.labels.clone() });
    }
    alert.step = step;
    Ok(())
}

fn fire_or_demote(alert: &mut Alert, instant: Timestamp, terms: Terms) -> Option<Transition> {
    let is_due = instant.millis_since(alert.since) >= terms.for_millis;
    match alert.fired {
        None if is_due => {
            alert.fired = Some((instant, alert.value));
            Some(Transition::Fired)
        }
        Some(_) if !is_due => Some(Transition::Resolved(Ending::Demoted)),
        _ => None,
    }
}
