//! Events of several kinds, one after the other, all within one window: an incident.
//!
//! Events that fire or occur count. Their order is that of time; at one instant nobody can tell which was first, so events
//! of one instant are taken in the order in which the sequence wants them. An event stands for one step of a sequence
//! only. While the incident is open, every further event of a step joins it, and the sequence coming again prolongs it.

mod chains;

use orion_plugin::pattern::{Held, Life, Moment, Pattern, Role, Selectors, Watch};
use orion_plugin::{Event, Parameters, Refused, Stored, format_duration};

use chains::Chains;

/// The correlator.
pub type Sequence = Watch<InOrder>;

/// Longest sequence. What is remembered of a key grows with the square of it.
const MOST_STEPS: usize = 16;

/// What must come one after the other.
pub struct InOrder {
    steps: Selectors,
    window_millis: i64,
}

/// The steps that an event may stand for, a bit for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps(u32);

impl Role for Steps {
    fn rank(self) -> u32 {
        self.0.trailing_zeros()
    }
}

impl Stored for Steps {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        u32::read(from).map(Self)
    }
}

impl Pattern for InOrder {
    type Role = Steps;
    type Track = Chains;

    const STATE_VERSION: u32 = 1;

    fn configure(parameters: &Parameters, life: &mut Life) -> Result<Self, Refused> {
        let steps = Selectors::of(parameters, "events")?;
        if steps.is_empty() {
            return Err(
                "`events` lists what must come one after the other, such as `[config_changed, service_down]`".into()
            );
        }
        if steps.len() > MOST_STEPS {
            return Err(Refused(format!("`events` has {} steps, and a sequence at most {MOST_STEPS}", steps.len())));
        }
        Ok(Self { steps, window_millis: life.window_millis })
    }

    fn role(&self, event: &Event<'_>) -> Option<Steps> {
        Some(Steps(self.steps.mask(event))).filter(|steps| steps.0 != 0)
    }

    fn follow(&self, chains: &mut Chains, moment: &Moment<Steps>) -> Option<Held> {
        chains.forget(moment.time.saturating_sub(self.window_millis));
        // Backwards: the event must not stand for a step and for the one after it.
        for step in (0..self.steps.len()).rev().filter(|step| moment.role.0 >> step & 1 == 1) {
            chains.extend(step, moment);
        }
        let whole = chains.ending_at(self.steps.len().checked_sub(1)?);
        let until = whole.first()?.time.saturating_add(self.window_millis);
        Some(Held { until, measure: f64::NAN })
    }

    fn members(&self, chains: &Chains) -> Vec<Moment<Steps>> {
        chains.ending_at(self.steps.len().saturating_sub(1)).to_vec()
    }

    fn opening(&self, _members: &[Moment<Steps>]) -> String {
        let steps = self.steps.texts().collect::<Vec<_>>().join(" then ");
        format!("{steps} within {}", format_duration(self.window_millis))
    }

    fn lapse(&self) -> String {
        format!("not again within {}", format_duration(self.window_millis))
    }
}

orion_plugin::correlator!(Sequence);

#[cfg(test)]
mod tests;
