//! What a plugin has done since it was loaded, for people who look: nothing is decided by it.

use std::time::Duration;

use orion_metrics::{Counter, Gauge, Histogram};

use crate::fault::Fault;
use crate::guest::Report;

/// From a small frame, which takes microseconds, to the deadline.
const CALL_SECONDS: &[f64] = &[0.000_1, 0.000_5, 0.002, 0.01, 0.05, 0.25, 1.0, 5.0];

/// The numbers of one plugin.
#[derive(Debug)]
pub struct PluginMeter {
    /// How long its calls about frames and events took; how many there were.
    pub calls: Histogram,
    /// How many of them ended with a fault, in the order of [`Fault::KINDS`].
    failures: [Counter; Fault::KINDS.len()],
    /// Work of the calls that ended well.
    pub fuel: Counter,
    /// The most work of one call.
    pub most_fuel: Gauge,
    /// The most memory that an instance held.
    pub most_memory_bytes: Gauge,
    /// Findings or changes that it said.
    pub emitted: Counter,
    /// Those of them that were thrown away, because the call that said them ended with a fault.
    pub dropped: Counter,
    /// How long it took to check and compile it, and to start it once.
    pub load_seconds: Gauge,
}

impl Default for PluginMeter {
    fn default() -> Self {
        Self {
            calls: Histogram::new(CALL_SECONDS),
            failures: Default::default(),
            fuel: Counter::default(),
            most_memory_bytes: Gauge::default(),
            most_fuel: Gauge::default(),
            emitted: Counter::default(),
            dropped: Counter::default(),
            load_seconds: Gauge::default(),
        }
    }
}

impl PluginMeter {
    /// A call took so long, said so much and came to this.
    pub(crate) fn called(&self, took: Duration, said: usize, outcome: Result<&Report, &Fault>) {
        let said = said as u64;
        self.calls.observe(took);
        self.emitted.add(said);
        match outcome {
            Ok(report) => {
                self.fuel.add(report.fuel);
                // Of two at once one may be overlooked; the next call says it again.
                for (most, now) in
                    [(&self.most_memory_bytes, report.memory_bytes as f64), (&self.most_fuel, report.fuel as f64)]
                {
                    if now > most.get() {
                        most.set(now);
                    }
                }
            }
            Err(fault) => {
                self.dropped.add(said);
                let place = Fault::KINDS.iter().position(|kind| *kind == fault.kind());
                if let Some(counter) = place.and_then(|place| self.failures.get(place)) {
                    counter.increase();
                }
            }
        }
    }

    /// How many calls ended with a fault, by [`Fault::kind`], also of those kinds of which there was none.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Fault::KINDS.into_iter().zip(self.failures.iter().map(Counter::get))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_faulted_call_said_is_dropped_and_the_fault_is_counted_by_its_kind() {
        let meter = PluginMeter::default();
        let took = Duration::from_millis(1);
        meter.called(took, 3, Ok(&Report { fuel: 7, memory_bytes: 64 }));
        meter.called(took, 2, Err(&Fault::DeadlinePassed { call: "observe", limit_millis: 1 }));
        assert_eq!([meter.emitted.get(), meter.dropped.get(), meter.fuel.get()], [5, 2, 7]);
        assert_eq!([meter.most_fuel.get(), meter.most_memory_bytes.get()], [7.0, 64.0]);
        let failures: Vec<_> = meter.failures().filter(|(_, count)| *count > 0).collect();
        assert_eq!(failures, [("deadline", 1)]);
        assert_eq!(meter.failures().count(), Fault::KINDS.len());
    }
}
