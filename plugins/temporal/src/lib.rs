//! Events of several kinds, all of them within one window, in whatever order: an incident.
//!
//! Events that fire or occur count, each for every kind that it fits. The kinds have come together when the newest event of
//! each lies in one window (t − window, t]. While the incident is open, every further event of a kind joins it.

use orion_plugin::pattern::{Few, Held, Life, Moment, Pattern, Role, Selectors, Watch};
use orion_plugin::{Event, Parameters, Refused, Stored, format_duration};

/// The correlator.
pub type Temporal = Watch<Together>;

/// Which kinds must come together.
pub struct Together {
    kinds: Selectors,
    at_least: usize,
    window_millis: i64,
}

/// The kinds that an event fits, a bit for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u32);

impl Role for Kinds {}

impl Stored for Kinds {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        u32::read(from).map(Self)
    }
}

impl Pattern for Together {
    type Role = Kinds;
    /// The newest event of each kind, in order of time.
    type Track = Few<Moment<Kinds>>;

    const STATE_VERSION: u32 = 1;

    fn configure(parameters: &Parameters, life: &mut Life) -> Result<Self, Refused> {
        let kinds = Selectors::of(parameters, "events")?;
        if kinds.is_empty() {
            return Err("`events` lists what must come together, such as `[host_down, disk_full]`".into());
        }
        let at_least = match parameters.integer("at_least")? {
            None => kinds.len(),
            Some(few) => usize::try_from(few).map_err(|_| "`at_least` must not be negative")?.max(1),
        };
        if at_least > kinds.len() {
            return Err(Refused(format!("`at_least: {at_least}` of {} kinds never come together", kinds.len())));
        }
        Ok(Self { kinds, at_least, window_millis: life.window_millis })
    }

    fn role(&self, event: &Event<'_>) -> Option<Kinds> {
        Some(Kinds(self.kinds.mask(event))).filter(|kinds| kinds.0 != 0)
    }

    fn follow(&self, newest: &mut Few<Moment<Kinds>>, moment: &Moment<Kinds>) -> Option<Held> {
        newest.push(*moment);
        let left_behind = moment.time.saturating_sub(self.window_millis);
        while newest.first().is_some_and(|first| first.time <= left_behind) {
            newest.pop_first();
        }
        self.keep_newest(newest);
        let until = self.last_needed(newest)?.saturating_add(self.window_millis);
        Some(Held { until, measure: f64::NAN })
    }

    fn members(&self, newest: &Few<Moment<Kinds>>) -> Vec<Moment<Kinds>> {
        newest.iter().copied().collect()
    }

    fn opening(&self, members: &[Moment<Kinds>]) -> String {
        let come = members.iter().fold(0, |come, member| come | member.role.0);
        let texts = self.kinds.texts().zip(0..).filter(|(_, bit)| come >> bit & 1 == 1).map(|(text, _)| text);
        format!("{} within {}", texts.collect::<Vec<_>>().join(" and "), format_duration(self.window_millis))
    }

    fn lapse(&self) -> String {
        format!("no longer {} kinds within {}", self.at_least, format_duration(self.window_millis))
    }
}

impl Together {
    /// Drops events of which every kind has come again.
    fn keep_newest(&self, moments: &mut Few<Moment<Kinds>>) {
        let mut come_again = 0;
        let mut superseded = 0_u64;
        for moment in moments.iter().rev() {
            superseded = superseded << 1 | u64::from(moment.role.0 & !come_again == 0);
            come_again |= moment.role.0;
        }
        if superseded == 0 {
            return;
        }
        moments.retain(|_| {
            let keep = superseded & 1 == 0;
            superseded >>= 1;
            keep
        });
    }

    /// The time of the event with which enough kinds are there, seen from the newest: while that is in the window, they are.
    fn last_needed(&self, newest: &Few<Moment<Kinds>>) -> Option<i64> {
        let mut come = 0_u32;
        let enough = |moment: &&Moment<Kinds>| {
            come |= moment.role.0;
            come.count_ones() as usize >= self.at_least
        };
        newest.iter().rev().find(enough).map(|moment| moment.time)
    }
}

orion_plugin::correlator!(Temporal);

#[cfg(test)]
mod tests;
