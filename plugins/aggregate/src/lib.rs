//! The sum, the average or a percentile of what the events of a window carry, and a condition on it: an incident.
//!
//! It is made anew with each event that fires or occurs, over the window (t − window, t] that ends with it, and stands until
//! the next event, or until all of these are older than the window. A sum begins small, so a bound from above, `lt` or
//! `lte`, or `eq` or `neq` would be fulfilled by the first event of anything: such a sum is judged when a window is over,
//! which begins with a key's first event, and the next with the first after it.

use orion_plugin::pattern::{Condition, Few, Held, Life, Moment, Pattern, Watch};
use orion_plugin::{Event, Parameters, Refused, format_duration, format_number};

/// The correlator.
pub type Aggregate = Watch<Measure>;

/// Events of a key that are aggregated. All of them are looked at again with each event, so that the result does not depend
/// on rounding that came before; a key with more in its window is measured by its newest.
const MOST_EVENTS: usize = 2_000;

/// Where the value of an event is when the rule says nothing.
const VALUE: &str = "value";

/// What is measured, and when that is too much.
pub struct Measure {
    function: Function,
    name: String,
    field: Option<String>,
    at_least: usize,
    condition: Condition,
    window_millis: i64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    Sum,
    Avg,
    Percentile(f64),
}

impl Function {
    fn read(parameters: &Parameters) -> Result<Self, Refused> {
        let percentile = parameters.number("percentile")?.unwrap_or(95.0);
        match parameters.text("function")? {
            Some("sum") => Ok(Self::Sum),
            Some("avg") => Ok(Self::Avg),
            Some("percentile") if (0.0..=100.0).contains(&percentile) => Ok(Self::Percentile(percentile)),
            Some("percentile") => Err("`percentile` is a number from 0 to 100".into()),
            _ => Err("`function` is one of `sum`, `avg`, `percentile`".into()),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Sum => "sum".to_owned(),
            Self::Avg => "avg".to_owned(),
            Self::Percentile(percentile) => format!("p{percentile}"),
        }
    }

    /// Of numbers of which there is at least one.
    #[expect(clippy::cast_precision_loss, reason = "a window holds thousands of events")]
    fn of(self, numbers: Vec<f64>) -> f64 {
        match self {
            Self::Sum => numbers.iter().sum(),
            Self::Avg => numbers.iter().sum::<f64>() / numbers.len() as f64,
            Self::Percentile(percentile) => quantile(numbers, percentile / 100.0),
        }
    }
}

/// As `quantile_over_time` of Prometheus: between the two values that the rank lies between.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks within a window of thousands, never negative"
)]
fn quantile(mut numbers: Vec<f64>, quantile: f64) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let rank = quantile * (numbers.len().saturating_sub(1)) as f64;
    let below = numbers.get(rank.floor() as usize).copied().unwrap_or(f64::NAN);
    let above = numbers.get(rank.ceil() as usize).copied().unwrap_or(below);
    below + (above - below) * rank.fract()
}

impl Pattern for Measure {
    /// The value.
    type Role = f64;
    /// The events of the window.
    type Track = Few<Moment<f64>>;

    const STATE_VERSION: u32 = 1;

    fn configure(parameters: &Parameters, life: &mut Life) -> Result<Self, Refused> {
        let function = Function::read(parameters)?;
        let at_least = parameters.integer("at_least")?.unwrap_or(1);
        Ok(Self {
            function,
            name: function.name(),
            field: parameters.text("field")?.filter(|field| *field != VALUE).map(str::to_owned),
            at_least: usize::try_from(at_least).map_err(|_| "`at_least` must not be negative")?,
            condition: Condition::of_numbers(parameters)?,
            window_millis: life.window_millis,
        })
    }

    fn role(&self, event: &Event<'_>) -> Option<f64> {
        let value = match &self.field {
            None => event.value,
            Some(label) => event.label(label)?.trim().parse().ok()?,
        };
        value.is_finite().then_some(value)
    }

    fn follow(&self, window: &mut Few<Moment<f64>>, moment: &Moment<f64>) -> Option<Held> {
        window.push(*moment);
        let left_behind = moment.time.saturating_sub(self.window_millis);
        while window.len() > MOST_EVENTS || window.first().is_some_and(|first| first.time <= left_behind) {
            window.pop_first();
        }
        let measure = self.measured(window.iter())?;
        Some(Held { until: moment.time.saturating_add(self.window_millis), measure })
    }

    fn members(&self, window: &Few<Moment<f64>>) -> Vec<Moment<f64>> {
        window.iter().copied().collect()
    }

    fn is_judged_at_the_end(&self) -> bool {
        self.function == Function::Sum && !self.condition.is_kept_by_growth()
    }

    fn judge(&self, window: &[Moment<f64>]) -> Option<f64> {
        self.measured(window.iter())
    }

    fn measure(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn opening(&self, members: &[Moment<f64>]) -> String {
        let measure = self.function.of(members.iter().map(|member| member.role).collect());
        let (name, window) = (&self.name, format_duration(self.window_millis));
        format!("{name} of {} events within {window} is {}", members.len(), format_number(measure))
    }

    fn lapse(&self) -> String {
        format!("{} no longer {}", self.name, self.condition.words())
    }
}

impl Measure {
    /// The aggregate, if there is enough to make one and it is one to speak of.
    fn measured<'a>(&self, window: impl Iterator<Item = &'a Moment<f64>>) -> Option<f64> {
        let numbers: Vec<f64> = window.map(|moment| moment.role).collect();
        if numbers.len() < self.at_least.max(1) {
            return None;
        }
        let measure = self.function.of(numbers);
        self.condition.holds(measure).then_some(measure)
    }
}

orion_plugin::correlator!(Aggregate);

#[cfg(test)]
mod tests;
