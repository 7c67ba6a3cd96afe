//! Events through the grouping correlator.
//!
//! Two streams: one in which the same alerts fire and resolve again and again, where nearly nothing changes for an incident,
//! and one in which every event is a new alert, where every incident of a batch grows.

use super::Context;
use crate::error::BenchError;
use crate::events::{Alert, mixed, rate, require_same, stream};
use crate::plugins::load;
use crate::report::{Figure, Target};

const SERVICES: u64 = 64;
const ALERTS_OF_A_SERVICE: u64 = 16;
const LEAST_EVENTS_PER_SECOND: f64 = 1e6;

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let plugin = load(context.sandbox()?, "grouping")?;
    let (flapping, storm) = (stream(flap), stream(burst));
    for events in [&flapping, &storm] {
        require_same::<orion_grouping::Grouping>(&plugin, &[], events)?;
    }
    let target = Target::AtLeast(LEAST_EVENTS_PER_SECOND);
    let rate = |events, saving| rate(&plugin, &[], events, saving);
    Ok(vec![
        Figure::new("alerts that fire and resolve", target, rate(&flapping, false)?, "events/s"),
        Figure::new("every event a new alert", target, rate(&storm, false)?, "events/s"),
        Figure::new("fire and resolve, state saved each batch", target, rate(&flapping, true)?, "events/s"),
        Figure::new("every event new, state saved each batch", Target::None, rate(&storm, true)?, "events/s")
            .note("the state of an incident is saved whole"),
    ])
}

/// One of a few alerts of a service; its next status is the other one.
fn flap(index: u64) -> Alert {
    let mixed = mixed(index);
    let number = (mixed / SERVICES) % ALERTS_OF_A_SERVICE;
    Alert { service: mixed % SERVICES, number, event_type: "service_down" }
}

/// A new alert of a service.
fn burst(index: u64) -> Alert {
    Alert { service: mixed(index) % SERVICES, number: index, event_type: "service_down" }
}
