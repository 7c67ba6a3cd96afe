//! An alert that fires and resolves again and again: an incident, until it is calm.
//!
//! What counts is how often one alert changes, firing or resolving, within a window (t − window, t]. Alerts of one key share
//! an incident; it opens when one of them fires once more than it should, and is over when no alert that flaps has changed
//! for `calm`, whether that left it firing or not. Where an alert fires at last and goes on, something else should speak of
//! it.

use orion_plugin::pattern::{Few, Held, Life, Moment, Pattern, Role, Watch};
use orion_plugin::{Event, Parameters, Refused, Status, Stored, format_duration};

/// The correlator.
pub type Flapping = Watch<Unrest>;

/// Changes of a key that are looked at. One with more has long had its incident, and the newest tell whether it is calm.
const MOST_CHANGES: usize = 2_000;

/// How often is too often.
pub struct Unrest {
    transitions: usize,
    window_millis: i64,
}

/// Whether an alert began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It fires.
    Began,
    /// It is resolved.
    Ended,
}

impl Role for Turn {}

impl Stored for Turn {
    fn write(&self, out: &mut Vec<u8>) {
        (*self == Self::Began).write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        bool::read(from).map(|began| if began { Self::Began } else { Self::Ended })
    }
}

impl Pattern for Unrest {
    type Role = Turn;
    /// The changes of the window.
    type Track = Few<Moment<Turn>>;

    const STATE_VERSION: u32 = 1;
    const READS_RESOLVED: bool = true;
    const WAITS_FOR_ALERTS: bool = false;

    fn configure(parameters: &Parameters, life: &mut Life) -> Result<Self, Refused> {
        let transitions = parameters.integer("transitions")?.unwrap_or(6);
        life.idle_millis = parameters.millis("calm")?.unwrap_or(life.idle_millis);
        let transitions = usize::try_from(transitions).map_err(|_| "`transitions` must not be negative")?;
        Ok(Self { transitions, window_millis: life.window_millis })
    }

    fn role(&self, event: &Event<'_>) -> Option<Turn> {
        match event.status {
            Status::Firing => Some(Turn::Began),
            Status::Resolved => Some(Turn::Ended),
            Status::Occurred => None,
        }
    }

    fn follow(&self, changes: &mut Few<Moment<Turn>>, moment: &Moment<Turn>) -> Option<Held> {
        let left_behind = moment.time.saturating_sub(self.window_millis);
        while changes.len() >= MOST_CHANGES || changes.first().is_some_and(|first| first.time <= left_behind) {
            changes.pop_first();
        }
        let before = changes.iter().rfind(|known| known.fingerprint == moment.fingerprint);
        // An alert that fires and is said to fire again did not change.
        if before.is_some_and(|before| before.role == moment.role) {
            return None;
        }
        changes.push(*moment);
        let count = of_alert(changes, moment.fingerprint).count();
        // It is unrest at this instant and not after it: from here on it is calm.
        (count >= self.transitions).then_some(Held { until: moment.time, measure: f64::NAN })
    }

    fn members(&self, changes: &Few<Moment<Turn>>) -> Vec<Moment<Turn>> {
        match changes.last() {
            Some(last) if last.role == Turn::Began => of_alert(changes, last.fingerprint).copied().collect(),
            _ => Vec::new(),
        }
    }

    fn opening(&self, members: &[Moment<Turn>]) -> String {
        format!("fired and resolved {} times within {}", members.len(), format_duration(self.window_millis))
    }

    fn lapse(&self) -> String {
        "calm".to_owned()
    }
}

fn of_alert(changes: &Few<Moment<Turn>>, fingerprint: u64) -> impl Iterator<Item = &Moment<Turn>> {
    changes.iter().filter(move |change| change.fingerprint == fingerprint)
}

orion_plugin::correlator!(Flapping);

#[cfg(test)]
mod tests;
