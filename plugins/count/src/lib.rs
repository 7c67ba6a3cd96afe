//! So many events of one key within a window: an incident.
//!
//! Every event counts that fires or occurs, each time it does: an alert that fires three times counts three. (How many
//! alerts are there at once is `at_least` of `grouping`.) A condition that more events can only fulfil further, `gte` and
//! `gt`, is fulfilled with the event that makes it so, in any window (t − window, t]. Any other could be undone by the next
//! event: it is judged when a window is over, which begins with a key's first event, and the next with the first after it.

use orion_plugin::pattern::{Condition, Few, Held, Life, Moment, Pattern, Watch};
use orion_plugin::{Event, Parameters, Refused, format_duration};

/// The correlator.
pub type Count = Watch<Counting>;

/// What is counted, and when that is enough.
pub struct Counting {
    condition: Condition,
    /// The first count that is enough, for a condition that growth keeps. More events need not be remembered.
    least: usize,
    window_millis: i64,
}

impl Pattern for Counting {
    type Role = ();
    /// The newest events of the window, as many as are enough.
    type Track = Few<Moment<()>>;

    const STATE_VERSION: u32 = 1;

    fn configure(parameters: &Parameters, life: &mut Life) -> Result<Self, Refused> {
        let condition = Condition::of_counts(parameters)?;
        Ok(Self { least: condition.least_count(), condition, window_millis: life.window_millis })
    }

    fn role(&self, _event: &Event<'_>) -> Option<()> {
        Some(())
    }

    fn follow(&self, newest: &mut Few<Moment<()>>, moment: &Moment<()>) -> Option<Held> {
        newest.push(*moment);
        let left_behind = moment.time.saturating_sub(self.window_millis);
        while newest.len() > self.least || newest.first().is_some_and(|first| first.time <= left_behind) {
            newest.pop_first();
        }
        let first = newest.first().filter(|_| newest.len() == self.least)?;
        Some(Held { until: first.time.saturating_add(self.window_millis), measure: f64::NAN })
    }

    fn members(&self, newest: &Few<Moment<()>>) -> Vec<Moment<()>> {
        newest.iter().copied().collect()
    }

    fn is_judged_at_the_end(&self) -> bool {
        !self.condition.is_kept_by_growth()
    }

    fn judge(&self, window: &[Moment<()>]) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a window holds thousands of events")]
        let count = window.len() as f64;
        self.condition.holds(count).then_some(count)
    }

    fn opening(&self, members: &[Moment<()>]) -> String {
        format!("{} events within {}", members.len(), format_duration(self.window_millis))
    }

    fn lapse(&self) -> String {
        format!("no longer {} events within {}", self.condition.words(), format_duration(self.window_millis))
    }
}

orion_plugin::correlator!(Count);

#[cfg(test)]
mod tests;
