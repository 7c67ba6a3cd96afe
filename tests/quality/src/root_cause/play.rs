//! The rules over a past: the pipeline that runs live, with the detectors and correlators that ship, and what it would have recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orion_bus::{NewRecord, RecordKind};
use orion_model::{Incident, Timestamp};
use orion_pipeline::library::{Accepted, Defaults, Shelf, StandardPlugin, check};
use orion_pipeline::replay::{Observer, Pace, Replay, ReplaySettings};
use orion_sandbox::{Sandbox, Settings};
use orion_source::Source;
use orion_standard_plugins::STANDARD;

use super::past::{Past, SOURCE, STEP_MILLIS};
use crate::QualityError;

/// The plugins that ship.
pub struct Player {
    shelf: Shelf,
    runtime: tokio::runtime::Runtime,
}

/// What was recorded.
#[derive(Default)]
pub struct Recorded {
    /// Revisions of incidents, in the order in which they were.
    pub incidents: Vec<Incident>,
    /// All records as they would lie on the bus.
    pub bodies: Vec<String>,
}

impl Observer for Recorded {
    fn record(&mut self, record: &NewRecord) {
        if record.kind == RecordKind::Incident {
            self.incidents.extend(serde_json::from_str::<Incident>(&record.body));
        }
        self.bodies.push(record.body.to_string());
    }
}

impl Player {
    /// Loads them.
    pub fn new() -> Result<Self, QualityError> {
        let sandbox = Sandbox::new(Settings::default()).map_err(QualityError::failed("start the sandbox"))?;
        let standard = STANDARD.iter();
        let standard: Vec<_> =
            standard.map(|plugin| StandardPlugin { name: plugin.name, component: plugin.component }).collect();
        let shelf = Shelf::of_standard(&Arc::new(sandbox), &standard)
            .map_err(|(name, why)| QualityError::Failed("load a plugin", format!("{name}: {why}")))?;
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        Ok(Self { shelf, runtime: runtime.map_err(QualityError::failed("start"))? })
    }

    /// Plays a rule file over a past.
    pub fn play(&self, rules: &str, past: Past) -> Result<Recorded, QualityError> {
        let defaults =
            Defaults { interval_millis: STEP_MILLIS, sources: BTreeSet::from([SOURCE.to_owned()]), log_dirs: None };
        let checked = check("services.yaml", rules, &self.shelf, &defaults);
        let accepted = checked.accepted.ok_or(QualityError::Wrong(checked.report))?;
        let generation = Accepted::generation([&accepted]);
        let settings = ReplaySettings {
            from: Timestamp::from_millis(past.span.0),
            to: Timestamp::from_millis(past.span.1),
            pace: Pace::Aligned(STEP_MILLIS),
        };
        let sources = BTreeMap::from([(SOURCE.to_owned(), Arc::new(past) as Arc<dyn Source>)]);
        let mut recorded = Recorded::default();
        let failed = || QualityError::failed("play the rules");
        let replay = Replay::new(&generation, &sources, settings).map_err(failed())?;
        self.runtime.block_on(replay.run(&mut recorded)).map_err(failed())?;
        Ok(recorded)
    }
}
