//! So many different values of a field in the events of one key within a window: an incident.
//!
//! Events that fire or occur count, with the value they have; one without the field does not. A condition that more values
//! can only fulfil further, `gte` and `gt`, is fulfilled with the event that makes it so, in any window (t − window, t].
//! Any other could be undone by the next event: it is judged when a window is over, which begins with a key's first event,
//! and the next with the first after it.
//!
//! Values are told apart by a hash of 64 bits and not remembered: two that are taken for one are less likely than a
//! failure of the machine, and would make the count one too small.

use std::collections::BTreeSet;

use orion_plugin::pattern::{Condition, Few, Held, Life, Moment, Pattern, Watch};
use orion_plugin::{Event, Parameters, Refused, format_duration, hash_text};

/// The correlator.
pub type Distinct = Watch<Values>;

/// Which values are counted, and when they are enough.
pub struct Values {
    field: String,
    condition: Condition,
    /// The first count that is enough, for a condition that growth keeps. More values need not be remembered.
    least: usize,
    window_millis: i64,
}

const EVENT_TYPE: &str = "event_type";

impl Pattern for Values {
    /// The hash of the value.
    type Role = u64;
    /// The newest event of each value in the window, as many as are enough.
    type Track = Few<Moment<u64>>;

    const STATE_VERSION: u32 = 1;

    fn configure(parameters: &Parameters, life: &mut Life) -> Result<Self, Refused> {
        let field = parameters.text("field")?.filter(|field| !field.is_empty());
        let field = field.ok_or("`field` says whose values are counted: a label, or `event_type`")?.to_owned();
        let condition = Condition::of_counts(parameters)?;
        Ok(Self { field, least: condition.least_count(), condition, window_millis: life.window_millis })
    }

    fn role(&self, event: &Event<'_>) -> Option<u64> {
        if self.field == EVENT_TYPE {
            return Some(hash_text(event.event_type()));
        }
        // As in Prometheus, an empty label is none.
        event.label(&self.field).filter(|value| !value.is_empty()).map(hash_text)
    }

    fn follow(&self, newest: &mut Few<Moment<u64>>, moment: &Moment<u64>) -> Option<Held> {
        newest.retain(|known| known.role != moment.role);
        newest.push(*moment);
        let left_behind = moment.time.saturating_sub(self.window_millis);
        while newest.len() > self.least || newest.first().is_some_and(|first| first.time <= left_behind) {
            newest.pop_first();
        }
        let first = newest.first().filter(|_| newest.len() == self.least)?;
        Some(Held { until: first.time.saturating_add(self.window_millis), measure: f64::NAN })
    }

    fn members(&self, newest: &Few<Moment<u64>>) -> Vec<Moment<u64>> {
        newest.iter().copied().collect()
    }

    fn is_judged_at_the_end(&self) -> bool {
        !self.condition.is_kept_by_growth()
    }

    fn judge(&self, window: &[Moment<u64>]) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a window holds thousands of events")]
        let count = different(window) as f64;
        self.condition.holds(count).then_some(count)
    }

    fn opening(&self, members: &[Moment<u64>]) -> String {
        let (count, field) = (different(members), &self.field);
        format!("{count} different values of {field} within {}", format_duration(self.window_millis))
    }

    fn lapse(&self) -> String {
        let (words, field) = (self.condition.words(), &self.field);
        format!("no longer {words} different values of {field} within {}", format_duration(self.window_millis))
    }
}

fn different(moments: &[Moment<u64>]) -> usize {
    moments.iter().map(|moment| moment.role).collect::<BTreeSet<_>>().len()
}

orion_plugin::correlator!(Distinct);

#[cfg(test)]
mod tests;
