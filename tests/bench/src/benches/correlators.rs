//! Events through the correlators that look for a pattern: `count`, `sequence`, `temporal`.
//!
//! Two streams: one about few services, whose incidents are open and grow, and one about so many that hardly any service has
//! two events, where keys come and nothing is fulfilled.

use orion_plugin::ParameterValue;
use orion_sandbox::Plugin;

use super::Context;
use crate::error::BenchError;
use crate::events::{Alert, Told, mixed, rate, require_same, stream};
use crate::plugins::{Given, load};
use crate::report::{Figure, Target};

const FEW_SERVICES: u64 = 64;
const MANY_SERVICES: u64 = 20_000;
const ALERTS_OF_A_SERVICE: u64 = 16;

const LEAST_COUNTED_PER_SECOND: f64 = 1e6;
const LEAST_PER_SECOND: f64 = 5e5;

/// The types of the events; two of the four are steps or kinds of the pattern.
const TYPES: [&str; 4] = ["config_changed", "service_down", "disk_full", "host_down"];

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let streams =
        Streams { few: stream(|index| alert(index, FEW_SERVICES)), many: stream(|index| alert(index, MANY_SERVICES)) };
    let sandbox = context.sandbox()?;
    let gte = [("gte", 5.into())];
    let kinds = [("events", ParameterValue::Texts(TYPES.iter().take(2).map(|kind| (*kind).to_owned()).collect()))];
    let mut figures = Vec::new();
    let count = load(sandbox, "count")?;
    figures.extend(streams.measure::<orion_count::Count>(&count, &gte, LEAST_COUNTED_PER_SECOND)?);
    let sequence = load(sandbox, "sequence")?;
    figures.extend(streams.measure::<orion_sequence::Sequence>(&sequence, &kinds, LEAST_PER_SECOND)?);
    let temporal = load(sandbox, "temporal")?;
    figures.extend(streams.measure::<orion_temporal::Temporal>(&temporal, &kinds, LEAST_PER_SECOND)?);
    Ok(figures)
}

struct Streams {
    few: Vec<Told>,
    many: Vec<Told>,
}

impl Streams {
    fn measure<C: orion_plugin::Correlator>(
        &self,
        plugin: &Plugin,
        given: Given<'_>,
        least: f64,
    ) -> Result<[Figure; 4], BenchError> {
        for events in [&self.few, &self.many] {
            require_same::<C>(plugin, given, events)?;
        }
        let name = &plugin.manifest().name;
        let figure = |what: &str, events, saving| -> Result<Figure, BenchError> {
            let rate = rate(plugin, given, events, saving)?;
            let target = if saving { Target::None } else { Target::AtLeast(least) };
            Ok(Figure::new(format!("{name}, {what}"), target, rate, "events/s"))
        };
        Ok([
            figure("incidents that grow", &self.few, false)?,
            figure("keys that come", &self.many, false)?,
            figure("incidents that grow, state saved each batch", &self.few, true)?,
            figure("keys that come, state saved each batch", &self.many, true)?,
        ])
    }
}

fn alert(index: u64, services: u64) -> Alert {
    let mixed = mixed(index);
    let number = (mixed / services) % ALERTS_OF_A_SERVICE;
    // The type belongs to the alert: its end is of the type of its beginning.
    let event_type = TYPES.get(number as usize % TYPES.len()).unwrap_or(&"other");
    Alert { service: mixed % services, number, event_type }
}
