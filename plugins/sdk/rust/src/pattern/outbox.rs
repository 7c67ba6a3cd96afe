//! The changes of one call, in order.

use super::gains::{MOST_POSITIONS, Unsaid};
use crate::change::{Change, ChangeKind, Changes};
use crate::finding::{Field, Scalar};
use crate::severity::Severity;

/// Bytes of a reason, and of a fact. The host ends a call that says more, and both may quote what others wrote.
const MOST_REASON: usize = 1_000;
const MOST_FACT: usize = 4_000;

/// Changes that wait for the end of the call.
#[derive(Default)]
pub struct Outbox {
    changes: Vec<Change>,
}

/// What an incident gained with an event.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// When.
    pub time: i64,
    /// Of the incident, now.
    pub severity: Severity,
    /// Whether that is higher than before.
    pub rose: bool,
    /// Bus position of the event.
    pub position: u64,
    /// Whether it is an event that the incident did not have.
    pub is_new: bool,
}

/// What is said of an incident as a whole: when, how bad, why.
#[derive(Clone, Debug)]
pub struct Step {
    /// When.
    pub time: i64,
    /// How bad it is.
    pub severity: Severity,
    /// Why.
    pub reason: String,
}

impl Outbox {
    /// An incident opens.
    pub fn open(&mut self, key: &str, step: Step, positions: Vec<u64>, facts: Vec<Field>) {
        self.push(ChangeKind::Opened, key, step, positions, facts);
    }

    /// What an incident gained.
    pub fn update(&mut self, key: &str, severity: Severity, gained: Unsaid, facts: Vec<Field>) {
        let step = Step { time: gained.time, severity, reason: growth(&gained, severity) };
        self.push(ChangeKind::Updated, key, step, gained.positions, facts);
    }

    /// An incident is over.
    pub fn resolve(&mut self, key: &str, step: Step, facts: Vec<Field>) {
        self.push(ChangeKind::Resolved, key, step, Vec::new(), facts);
    }

    /// Hands the changes of the call over.
    pub fn send(&mut self, changes: &mut Changes) {
        self.changes.drain(..).for_each(|change| changes.emit(change));
    }

    /// A change, in as many steps as its positions need.
    fn push(&mut self, kind: ChangeKind, key: &str, step: Step, positions: Vec<u64>, mut fields: Vec<Field>) {
        let Step { time: timestamp, severity, mut reason } = step;
        shorten(&mut reason, MOST_REASON);
        for field in &mut fields {
            if let Scalar::Text(text) = &mut field.value {
                shorten(text, MOST_FACT);
            }
        }
        let mut change = Change { key: key.to_owned(), kind, severity, timestamp, reason, positions, fields };
        while change.positions.len() > MOST_POSITIONS {
            let positions = change.positions.split_off(MOST_POSITIONS);
            let (kind, reason) = (ChangeKind::Updated, "further events".to_owned());
            let further = Change { kind, reason, positions, ..change.clone() };
            self.changes.push(std::mem::replace(&mut change, further));
        }
        self.changes.push(change);
    }
}

fn growth(gained: &Unsaid, severity: Severity) -> String {
    let joined = match gained.joined {
        0 => None,
        1 => Some("1 new event".to_owned()),
        more => Some(format!("{more} new events")),
    };
    let rose = gained.rose.then(|| format!("severity rose to {}", severity.as_str()));
    let news = gained.news.as_deref().map(str::to_owned);
    joined.into_iter().chain(rose).chain(news).collect::<Vec<_>>().join(", ")
}

/// Cuts a text that is too long, and shows that.
fn shorten(text: &mut String, most: usize) {
    const CUT: &str = "…";
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most.saturating_sub(CUT.len())));
        text.push_str(CUT);
    }
}

#[cfg(test)]
mod tests {
    use super::super::gains::Gains;
    use super::*;

    fn step(time: i64, reason: &str) -> Step {
        Step { time, severity: Severity::Info, reason: reason.to_owned() }
    }

    fn sent(outbox: &mut Outbox) -> Vec<Change> {
        let mut changes = Changes::default();
        outbox.send(&mut changes);
        changes.said
    }

    #[test]
    fn what_was_gained_is_one_change_that_says_how_much() {
        let growth = |time, position| Growth { time, severity: Severity::Error, rose: true, position, is_new: true };
        let mut gains = Gains::default();
        gains.add(&growth(3, 9), 0);
        gains.add(&growth(2, 4), 0);
        gains.remark(1, "by the way", 0);
        let mut outbox = Outbox::default();
        outbox.update("k", Severity::Error, gains.take().unwrap(), Vec::new());
        let said = sent(&mut outbox);
        assert_eq!((said[0].timestamp, &said[0].positions[..], said.len()), (3, &[9, 4][..], 1));
        assert_eq!(said[0].reason, "2 new events, severity rose to error, by the way");
        assert_eq!(sent(&mut outbox), []);
    }

    #[test]
    fn more_positions_than_a_change_holds_are_several_changes() {
        let mut outbox = Outbox::default();
        outbox.open("k", step(1, "opens"), (0..2_500).collect(), Vec::new());
        let said = sent(&mut outbox);
        let steps: Vec<_> = said.iter().map(|change| (change.kind, change.positions.len(), &*change.reason)).collect();
        let updated = |count| (ChangeKind::Updated, count, "further events");
        assert_eq!(steps, [(ChangeKind::Opened, 1_000, "opens"), updated(1_000), updated(500)]);
    }

    #[test]
    fn what_is_too_long_is_cut_at_a_character() {
        let mut outbox = Outbox::default();
        outbox.open("k", step(1, &"ä".repeat(600)), vec![1], Vec::new());
        let reason = sent(&mut outbox).remove(0).reason;
        assert!(reason.len() <= 1_000 && reason.ends_with("ä…"), "{}", reason.len());
    }
}
