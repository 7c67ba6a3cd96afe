//! Whether sources answer. A source fails while any query of it fails; that is said once, and its end once.
//!
//! Counting queries rather than answers keeps one slow query, that times out every time while all others succeed, from
//! being an outage and a recovery every minute.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orion_bus::{Bus, BusError};
use orion_model::{Severity, Timestamp};
use orion_source::SourceError;
use tokio::sync::Mutex;

use crate::condition::{self, Condition, Conditions, kind};
use crate::draft::{Draft, NotWritable, key};

const OWNER: &str = "sources";

/// Keeps and tells the health of all sources.
pub struct SourceHealth {
    bus: Arc<dyn Bus>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    conditions: Conditions,
    offset: Option<i64>,
    failing: BTreeMap<String, BTreeSet<Asker>>,
    /// What a source that fails said last, for people who look.
    said: BTreeMap<String, String>,
}

/// A query of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Asker {
    group: String,
    expr: String,
}

/// One answer's news of its source.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    /// The source that was asked.
    pub source: &'a str,
    /// The group that asked.
    pub group: &'a str,
    /// What it asked.
    pub expr: &'a str,
    /// The instant it asked for.
    pub instant: Timestamp,
    /// The live generation.
    pub generation: u64,
}

/// Why health could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The bus did not take it.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A defect of ours.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
}

impl SourceHealth {
    /// As the store has it.
    pub async fn open(bus: Arc<dyn Bus>) -> Result<Self, BusError> {
        let state = Mutex::new(load(&*bus).await?);
        Ok(Self { bus, state })
    }

    /// Takes in how an answer went. A query that the source refuses is no failure of the source.
    pub async fn report(&self, report: Report<'_>, error: Option<&SourceError>) -> Result<(), HealthError> {
        let mut state = self.state.lock().await;
        let failure = error.filter(|error| !error.is_query_fault());
        let asker = || Asker { group: report.group.to_owned(), expr: report.expr.to_owned() };
        match failure {
            Some(error) => {
                state.said.insert(report.source.to_owned(), error.to_string());
                state.failing.entry(report.source.to_owned()).or_default().insert(asker());
            }
            None if state.failing.is_empty() && state.conditions.is_empty() => return Ok(()),
            None => {
                state.failing.get_mut(report.source).map(|askers| askers.remove(&asker()));
            }
        }
        let still_fails = state.failing.get(report.source).is_some_and(|askers| !askers.is_empty());
        if failure.is_none() && still_fails {
            return Ok(());
        }
        self.say(&mut state, report, failure).await
    }

    async fn say(
        &self,
        state: &mut State,
        report: Report<'_>,
        failure: Option<&SourceError>,
    ) -> Result<(), HealthError> {
        let Report { source, instant, generation, .. } = report;
        let condition = Condition::new(
            kind::EXTERNAL_API_FAILURE,
            Severity::Error,
            source,
            [("source", source), ("service", source)],
        );
        let mut draft = Draft::default();
        match failure {
            Some(error) => state.conditions.raise(&mut draft, condition, instant, generation, &error.to_string())?,
            None => state.conditions.clear(&mut draft, &condition, instant, generation, "the source answers again")?,
        }
        if draft.is_empty() {
            return Ok(());
        }
        let offset = state.offset.map_or(0, |offset| offset + 1);
        orion_bus::crash_point!("health::before_commit");
        match self.bus.commit(draft.into_commit(OWNER, state.offset, offset)).await {
            Ok(_) => {
                orion_bus::crash_point!("health::after_commit");
                state.offset = Some(offset);
                Ok(())
            }
            Err(error) => {
                // Whether it was kept is not known. Start again from what the store has; the next answer says it again.
                let (failing, said) = (std::mem::take(&mut state.failing), std::mem::take(&mut state.said));
                *state = State { failing, said, ..load(&*self.bus).await? };
                Err(error.into())
            }
        }
    }

    /// Sources that do not answer all that they are asked, each with what it said last.
    pub async fn failing(&self) -> BTreeMap<String, String> {
        let state = self.state.lock().await;
        let failing = state.failing.iter().filter(|(_, askers)| !askers.is_empty());
        failing.map(|(source, _)| (source.clone(), state.said.get(source).cloned().unwrap_or_default())).collect()
    }

    /// A group asks only these queries from now on.
    pub async fn forget(&self, group: &str, still_asked: &BTreeSet<String>) {
        for askers in self.state.lock().await.failing.values_mut() {
            askers.retain(|asker| asker.group != group || still_asked.contains(&asker.expr));
        }
    }
}

async fn load(bus: &dyn Bus) -> Result<State, BusError> {
    let loaded = bus.load(OWNER).await?;
    let mut state = State { offset: loaded.offset, ..State::default() };
    for (state_key, value) in loaded.state {
        if let [condition::ROOM, ..] = key::split(&state_key, 2).as_slice() {
            state.conditions.restore(&value);
        }
    }
    Ok(state)
}
