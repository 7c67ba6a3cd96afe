//! Whether sources answer. A source fails while any query of it fails; that is said once, and its end once.
//!
//! Counting queries rather than answers keeps one slow query, that times out every time while all others succeed, from
//! being an outage and a recovery every minute.
//!
//! Hosts that share the rules meet the same outage. What is said of sources is theirs together: the first one says it, and the others find it
//! said. Who says that it is over is the first whose queries all succeed again; another host for which it is not over says
//! so with its next query that fails. What a host said while it was cut off may come late, and be of an outage that was over by
//! then; what hosts go on from follows the log ([`super::said`]), so the same rule ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orion_bus::{Bus, BusError};
use orion_model::{Severity, Timestamp};
use orion_source::SourceError;
use tokio::sync::Mutex;

use crate::condition::{Condition, Conditions, kind};
use crate::draft::{Draft, NotWritable};

/// Under which all hosts say how sources are.
pub const SOURCES_OWNER: &str = "sources";

/// How often something is said anew because another host said something meanwhile.
const MOST_CONFLICTS: usize = 8;

/// How often a host whose queries succeed looks whether an outage was said nevertheless: ending it may take as long, and looking is a
/// small read of its own file.
const HEAR_AGAIN: Duration = Duration::from_secs(1);

/// Keeps and tells the health of all sources.
pub struct SourceHealth {
    bus: Arc<dyn Bus>,
    /// This host's own file: what others said is there a moment later, also when the log is out of reach.
    own: Arc<dyn Bus>,
    /// Whether others say something, too.
    is_shared: bool,
    state: Mutex<State>,
}

struct State {
    known: Known,
    failing: BTreeMap<String, BTreeSet<Asker>>,
    /// What a source that fails said last, for people who look.
    said: BTreeMap<String, String>,
    heard: Instant,
}

/// What was said of all sources together.
pub(super) struct Known {
    pub(super) conditions: Conditions,
    pub(super) offset: Option<i64>,
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
    pub async fn open(bus: Arc<dyn Bus>, own: Arc<dyn Bus>) -> Result<Self, BusError> {
        let known = Known::load(&*bus).await?;
        let (failing, said, heard) = (BTreeMap::new(), BTreeMap::new(), Instant::now());
        let (is_shared, state) = (bus.history().is_some(), Mutex::new(State { known, failing, said, heard }));
        Ok(Self { bus, own, is_shared, state })
    }

    /// Takes in what other hosts said. A group that came from a host which is gone may find its source well again.
    pub async fn hear(&self) -> Result<(), BusError> {
        let mut state = self.state.lock().await;
        self.hear_into(&mut state).await
    }

    async fn hear_into(&self, state: &mut State) -> Result<(), BusError> {
        state.heard = Instant::now();
        let heard = Known::load(&*self.own).await?;
        // What this host said itself may not be there yet.
        if heard.offset > state.known.offset {
            state.known = heard;
        }
        Ok(())
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
                self.hear_into(&mut state).await?;
            }
            None => {
                if self.is_shared && state.heard.elapsed() >= HEAR_AGAIN {
                    self.hear_into(&mut state).await?;
                }
                if state.failing.is_empty() && state.known.conditions.is_empty() {
                    return Ok(());
                }
                state.failing.get_mut(report.source).map(|askers| askers.remove(&asker()));
            }
        }
        let still_fails = state.failing.get(report.source).is_some_and(|askers| !askers.is_empty());
        if failure.is_none() && still_fails {
            return Ok(());
        }
        for _ in 1..MOST_CONFLICTS {
            match self.say(&mut state, report, failure).await {
                // What it said is known now, and may be the same.
                Err(HealthError::Bus(BusError::Conflict { .. })) => {}
                said => return said,
            }
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
        let condition = does_not_answer(source);
        let mut draft = Draft::default();
        let Known { conditions, offset } = &mut state.known;
        match failure {
            Some(error) => conditions.raise(&mut draft, condition, instant, generation, &error.to_string())?,
            None => conditions.clear(&mut draft, &condition, instant, generation, "the source answers again")?,
        }
        if draft.is_empty() {
            return Ok(());
        }
        let next = next_offset(*offset);
        orion_bus::crash_point!("health::before_commit");
        match self.bus.commit(draft.into_commit(SOURCES_OWNER, *offset, next)).await {
            Ok(_) => {
                orion_bus::crash_point!("health::after_commit");
                *offset = Some(next);
                Ok(())
            }
            Err(error) => {
                // Whether it was kept is not known. Start again from what the store has; the next answer says it again.
                state.known = Known::load(&*self.bus).await?;
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

impl Known {
    pub(super) async fn load(bus: &dyn Bus) -> Result<Self, BusError> {
        let loaded = bus.load(SOURCES_OWNER).await?;
        Ok(Self { conditions: Conditions::in_state(&loaded.state), offset: loaded.offset })
    }
}

/// What is said of a source that does not answer.
pub(super) fn does_not_answer(source: &str) -> Condition {
    let labels = [("source", source), ("service", source)];
    Condition::new(kind::EXTERNAL_API_FAILURE, Severity::Error, source, labels)
}

/// Whoever says something of sources moves their offset by one.
pub(super) fn next_offset(offset: Option<i64>) -> i64 {
    offset.map_or(0, |offset| offset.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use orion_bus::{Entry, SqliteBus};
    use orion_model::{Event, Status};

    use super::*;

    /// Two hosts that say what they see in one log.
    async fn two_hosts() -> ([SourceHealth; 2], Arc<dyn Bus>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let bus: Arc<dyn Bus> = Arc::new(SqliteBus::open(folder.path()).unwrap());
        let host = async || SourceHealth::open(bus.clone(), bus.clone()).await.unwrap();
        ([host().await, host().await], bus.clone(), folder)
    }

    async fn fails(host: &SourceHealth, group: &str, at: i64) {
        let (url, why) = ("http://prometheus:9090".to_owned(), "connection refused".to_owned());
        let error = SourceError::Unreachable { url, why };
        host.report(report(group, at), Some(&error)).await.unwrap();
    }

    async fn answers(host: &SourceHealth, group: &str, at: i64) {
        host.report(report(group, at), None).await.unwrap();
    }

    fn report(group: &str, at: i64) -> Report<'_> {
        Report { source: "prometheus", group, expr: "up", instant: Timestamp::from_millis(at), generation: 1 }
    }

    async fn said(bus: &dyn Bus) -> Vec<(Status, i64)> {
        let event = |entry: &Entry| serde_json::from_str::<Event>(&entry.body).unwrap();
        let events = bus.read(0, 99).await.unwrap();
        events.iter().map(event).map(|event| (event.status, event.ts.as_millis())).collect()
    }

    #[tokio::test]
    async fn an_outage_that_two_hosts_meet_is_said_once_and_so_is_its_end() {
        let ([one, two], bus, _folder) = two_hosts().await;
        for outage in [0, 100] {
            fails(&one, "a", outage + 1).await;
            fails(&two, "b", outage + 2).await;
            fails(&two, "c", outage + 3).await;
            answers(&two, "b", outage + 4).await;
            answers(&two, "c", outage + 5).await;
            answers(&one, "a", outage + 6).await;
        }
        let expected = [(Status::Firing, 1), (Status::Resolved, 5), (Status::Firing, 101), (Status::Resolved, 105)];
        assert_eq!(said(&*bus).await, expected);
    }

    #[tokio::test]
    async fn who_goes_on_with_the_groups_of_a_host_that_is_gone_says_that_it_is_over() {
        let ([one, two], bus, _folder) = two_hosts().await;
        fails(&one, "a", 1).await;
        drop(one);
        two.hear().await.unwrap();
        answers(&two, "a", 2).await;
        assert_eq!(said(&*bus).await, [(Status::Firing, 1), (Status::Resolved, 2)]);
    }

    #[tokio::test]
    async fn an_outage_that_is_over_for_one_host_alone_is_said_again() {
        let ([one, two], bus, _folder) = two_hosts().await;
        fails(&one, "a", 1).await;
        fails(&two, "b", 2).await;
        answers(&one, "a", 3).await;
        fails(&two, "b", 4).await;
        fails(&two, "b", 5).await;
        answers(&two, "b", 6).await;
        let expected = [(Status::Firing, 1), (Status::Resolved, 3), (Status::Firing, 4), (Status::Resolved, 6)];
        assert_eq!(said(&*bus).await, expected);
    }
}
