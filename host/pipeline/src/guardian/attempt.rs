//! How a correlator is called that may fail: again with a fresh instance, then about fewer events, down to the one that it
//! cannot take. That one is set aside, and the rest goes on.
//!
//! A fault may depend on what the instance went through, so one that failed is tried once more from what was kept. One that
//! fails with several events is left alone for a while: see [`crate::supervision`].

use orion_model::{Change, Event, StateEntry, Timestamp};

use super::correlation::CorrelationRun;
use crate::aside::Input;

/// What a correlator made of a step.
#[derive(Default)]
pub struct Answer {
    /// What it said.
    pub changes: Vec<Change>,
    /// What it wants kept.
    pub entries: Vec<StateEntry>,
    /// Events that it cannot take.
    pub unfit: Vec<Unfit>,
    /// How it failed at last, if it did.
    pub fault: Option<String>,
    /// Up to when it is left alone, if it failed once too often.
    pub quarantined: Option<Timestamp>,
    /// Events that were not given to it, because it failed before.
    pub passed_over: usize,
    /// Whether what is held against it has changed.
    pub supervised: bool,
}

/// An event that the correlator cannot take.
pub struct Unfit {
    /// Its time.
    pub at: Timestamp,
    /// The event.
    pub input: Input,
    /// How the call about it alone ended.
    pub fault: String,
}

/// A step of one correlation.
pub(super) struct Attempt<'a> {
    pub(super) run: &'a mut CorrelationRun,
    pub(super) answer: Answer,
}

/// The time of the latest of some events.
pub(super) fn latest(events: &[&(u64, Event)]) -> Option<Timestamp> {
    events.iter().map(|(_, event)| event.ts).max()
}

impl Attempt<'_> {
    /// Shows it events at a time, or with none the time alone.
    pub(super) fn at(mut self, events: &[&(u64, Event)], now: Timestamp) -> Answer {
        if self.takes(events, now) || self.takes(events, now) {
            self.answer.supervised |= self.run.supervisor.succeeded(now);
            // It was the instance, and there is a new one.
            self.answer.fault = None;
        } else if events.is_empty() {
            self.fail(now);
        } else {
            self.halve(events);
        }
        self.answer
    }

    /// One call. Whether it came to an end.
    fn takes(&mut self, events: &[&(u64, Event)], now: Timestamp) -> bool {
        match self.run.call(events, now, &self.answer.entries) {
            Ok((changes, entries)) => {
                self.answer.changes.extend(changes);
                self.answer.entries.extend(entries);
                true
            }
            Err(fault) => {
                self.answer.fault = Some(fault.to_string());
                false
            }
        }
    }

    /// It failed about all of them.
    fn halve(&mut self, events: &[&(u64, Event)]) {
        if let [alone] = events {
            return self.set_aside(events, alone);
        }
        let (first, second) = events.split_at(events.len() / 2);
        for half in [first, second] {
            if self.answer.quarantined.is_some() {
                self.answer.passed_over += half.len();
            } else if latest(half).is_some_and(|now| !self.takes(half, now)) {
                self.halve(half);
            }
        }
    }

    /// The third call about one event; the first two failed.
    fn set_aside(&mut self, events: &[&(u64, Event)], (position, event): &(u64, Event)) {
        if self.takes(events, event.ts) {
            return;
        }
        let fault = self.answer.fault.clone().unwrap_or_default();
        let input = Input::Event { position: *position, event: Box::new(event.clone()) };
        self.answer.unfit.push(Unfit { at: event.ts, input, fault });
        self.fail(event.ts);
    }

    fn fail(&mut self, now: Timestamp) {
        self.run.plan().plugin.note_failure();
        self.answer.quarantined = self.run.supervisor.failed(now);
        self.answer.supervised = true;
    }
}
