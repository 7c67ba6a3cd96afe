//! What agents near other sources forward: recorded once, in their order, before they are told so; and what they say of themselves.
//!
//! The events of a batch and the place on the agent's line up to which everything is taken are one commit. So a batch that comes again,
//! because its answer was lost or because who sent it or who took it was killed, begins where nothing stands any more, and is
//! answered with the place. Ids of events follow from who saw them and from what they say, so that also an agent that begins anew, with
//! a store that was wiped or put back, doubles nothing.

mod known;
mod lag;
mod read;
mod silence;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orion_bus::{Bus, BusError, Reader};
use orion_model::{AgentName, AgentStatus, Clock, Forwarded, LineTaken, Receipt, Severity, Status, Timestamp};
use serde::Serialize;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use self::known::{Known, Said};
use self::lag::Moment;
pub use self::read::{MAX_EVENT_BYTES, MAX_EVENTS, within_limits};
use crate::condition::{Condition, kind};
use crate::draft::{Draft, NotWritable};
use crate::library::Generation;
use crate::watermark::Watermark;

/// What the names of their owners begin with.
pub const OWNERS: &str = "agent/";

/// Agents of one deployment. Each is a row of state, a label of metrics and a lock; a name that nobody gave is no reason for more.
const MAX_AGENTS: usize = 1_000;

/// How long a batch waits until it is recorded. Who forwards has to be answered before the connection is given up.
const RECORD_MILLIS: u64 = 4_000;

/// How often it is kept that an agent was heard of when it says nothing new: after a restart it is known as well as that.
const KEEP_HEARD_MILLIS: i64 = 30_000;

/// How often a commit is tried that another host, or one that was given up, came before.
const MOST_TRIES: usize = 3;

/// Why nothing was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// It cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// It has more events than a batch may have.
    #[error("it has {0} events; at most {MAX_EVENTS} are taken at once")]
    TooMany(usize),
    /// There are as many agents as may be.
    #[error("{MAX_AGENTS} agents are known, and no more may be: is each named once, with ORION_NODE_NAME?")]
    TooManyAgents,
    /// It cannot be recorded now.
    #[error("it is not known to be recorded ({0}): sent again it is recorded once, whether this one was or not")]
    NotNow(&'static str),
}

/// What one agent is to whoever looks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgentSeen {
    /// Its name.
    pub agent: String,
    /// Whether it was heard of lately.
    pub is_live: bool,
    /// When it was heard of last.
    pub heard_at: Timestamp,
    /// Up to where on its line everything is taken.
    pub taken: Option<LineTaken>,
    /// Up to when everything that it saw is here, as far as it said since this host began.
    pub reached: Option<Timestamp>,
    /// What it said of itself last.
    pub status: Option<AgentStatus>,
}

impl AgentSeen {
    fn of(name: &AgentName, known: &Known, silent_millis: i64, now: Timestamp) -> Self {
        Self {
            agent: name.to_string(),
            is_live: now.millis_since(known.heard_at) <= silent_millis,
            heard_at: known.heard_at,
            taken: known.taken,
            reached: known.reached,
            status: known.said.as_ref().map(|said| said.status.clone()),
        }
    }
}

/// The agents that a store knows, as of when they were last written down.
pub fn seen_in(store: &mut Reader, silent_millis: i64, now: Timestamp) -> Result<Vec<AgentSeen>, BusError> {
    let mut seen = Vec::new();
    for owner in store.owners(OWNERS)? {
        let known = Known::of(store.load(&owner)?);
        let name = owner.strip_prefix(OWNERS).and_then(|name| name.parse::<AgentName>().ok());
        if let Some(name) = name.filter(|_| known.is_there()) {
            seen.push(AgentSeen::of(&name, &known, silent_millis, now));
        }
    }
    Ok(seen)
}

/// The agents of a host.
pub struct Agents {
    bus: Arc<dyn Bus>,
    clock: Arc<dyn Clock>,
    watermark: Arc<Watermark>,
    generation: watch::Receiver<Arc<Generation>>,
    /// The last position in this host's own file.
    kept: watch::Receiver<u64>,
    silent_millis: i64,
    began: Timestamp,
    known: Mutex<BTreeMap<AgentName, Arc<Mutex<Option<Known>>>>>,
}

/// What is needed to take from agents.
pub(crate) struct Parts {
    pub(crate) bus: Arc<dyn Bus>,
    /// The last position in this host's own file.
    pub(crate) kept: watch::Receiver<u64>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) watermark: Arc<Watermark>,
    pub(crate) generation: watch::Receiver<Arc<Generation>>,
    pub(crate) silent_millis: i64,
}

impl Agents {
    /// The agents that the bus knows.
    pub(crate) async fn open(parts: Parts) -> Result<Self, BusError> {
        let Parts { bus, kept, clock, watermark, generation, silent_millis } = parts;
        let began = clock.now();
        let mut known = BTreeMap::new();
        for owner in bus.owners(OWNERS).await? {
            let name = owner.strip_prefix(OWNERS).and_then(|name| name.parse::<AgentName>().ok());
            let Some(name) = name else { continue };
            let loaded = Known::of(bus.load(&owner).await?);
            if loaded.is_there() {
                // Until it says more it is waited for as one that says nothing.
                watermark.hear(name.as_str(), None, began, silent_millis);
                known.insert(name, Arc::new(Mutex::new(Some(loaded))));
            }
        }
        let known = Mutex::new(known);
        Ok(Self { bus, clock, watermark, generation, kept, silent_millis, began, known })
    }

    /// Takes a batch: returns when it is on the disk. Dropping the future does not take it back.
    pub async fn take(&self, agent: &AgentName, body: Vec<u8>) -> Result<Forwarded, NotTaken> {
        let now = self.clock.now();
        let name = agent.clone();
        let read = tokio::task::spawn_blocking(move || read::batch(&body, &name, now)).await;
        let batch = read.map_err(|_| NotTaken::Malformed("the batch cannot be read".to_owned()))??;
        self.in_time(async {
            for _ in 1..MOST_TRIES {
                match self.try_to_take(agent, &batch).await {
                    Err(TakeError::Bus(BusError::Conflict { .. })) => {}
                    outcome => return outcome,
                }
            }
            self.try_to_take(agent, &batch).await
        })
        .await
    }

    async fn try_to_take(&self, agent: &AgentName, batch: &read::Batch) -> Result<Forwarded, TakeError> {
        let mut place = self.of(agent).await?;
        let mut known = self.taken_out(&mut place, agent).await?;
        if let Some(taken) = elsewhere(&known, batch) {
            *place = Some(known);
            return Ok(Forwarded::Elsewhere(taken));
        }
        let (now, generation) = (self.clock.now(), self.generation.borrow().number);
        let mut draft = Draft::default();
        for event in &batch.events {
            draft.event(event)?;
        }
        let taken = LineTaken { line: batch.line, place: batch.to };
        if known.taken.is_some_and(|before| before.line != taken.line) {
            draft.event(&began_anew(agent, taken).event(Status::Occurred, now, generation, BEGAN_ANEW))?;
        }
        if let Some(reason) = &batch.reason {
            draft.event(&not_taken(agent, batch).event(Status::Occurred, now, generation, reason))?;
        }
        known.keep_taken(&mut draft, taken)?;
        self.hear(agent, &mut known, &mut draft, batch.reached)?;
        orion_bus::crash_point!("agent::before_take");
        let committed = known.commit(&*self.bus, agent, draft).await?;
        orion_bus::crash_point!("agent::after_take");
        *place = Some(known);
        self.is_kept(committed.positions.end).await?;
        let known = committed.duplicates.min(batch.events.len());
        Ok(Forwarded::Taken(Receipt {
            position: batch.to.position,
            recorded: batch.events.len() - known,
            known,
            put_aside: batch.put_aside,
            reason: batch.reason.clone(),
        }))
    }

    /// Takes what an agent says of itself.
    pub async fn note(&self, agent: &AgentName, body: &[u8]) -> Result<AgentStatus, NotTaken> {
        let status = read::status(body, self.clock.now())?;
        self.in_time(async {
            for _ in 1..MOST_TRIES {
                match self.try_to_note(agent, &status).await {
                    Err(TakeError::Bus(BusError::Conflict { .. })) => {}
                    outcome => return outcome,
                }
            }
            self.try_to_note(agent, &status).await
        })
        .await?;
        Ok(status)
    }

    async fn try_to_note(&self, agent: &AgentName, status: &AgentStatus) -> Result<(), TakeError> {
        let mut place = self.of(agent).await?;
        let mut known = self.taken_out(&mut place, agent).await?;
        let now = self.clock.now();
        let mut draft = Draft::default();
        self.hear(agent, &mut known, &mut draft, status.reached)?;
        let is_news = |said: &Said| !says_the_same(&said.status, status) || is_old(said, now);
        if known.said.as_ref().is_none_or(is_news) {
            known.keep_said(&mut draft, Said { heard_at: now, status: status.clone() })?;
        } else if let Some(said) = &mut known.said {
            said.status = status.clone();
        }
        if !draft.is_empty() {
            let committed = known.commit(&*self.bus, agent, draft).await?;
            self.is_kept(committed.positions.end).await?;
        }
        *place = Some(known);
        Ok(())
    }

    /// It was heard of now: who was silent is not any more.
    fn hear(
        &self,
        agent: &AgentName,
        known: &mut Known,
        draft: &mut Draft,
        reached: Option<Timestamp>,
    ) -> Result<(), NotWritable> {
        let (now, generation, patience_millis) =
            (self.clock.now(), self.generation.borrow().number, self.silent_millis);
        known.heard_of(now, reached, patience_millis);
        self.watermark.hear(agent.as_str(), known.reached, now, patience_millis);
        known.conditions.clear(draft, &known::silence(agent), now, generation, "it is heard of again")?;
        known.measure_lag(agent, draft, Moment { now, patience_millis, generation })
    }

    /// All of them, in the order of their names.
    pub async fn seen(&self) -> Vec<AgentSeen> {
        let all: Vec<_> = self.known.lock().await.iter().map(|(name, place)| (name.clone(), place.clone())).collect();
        let mut seen = Vec::new();
        for (name, place) in all {
            if let Some(known) = &*place.lock().await {
                seen.push(AgentSeen::of(&name, known, self.silent_millis, self.clock.now()));
            }
        }
        seen
    }

    /// The place of an agent, for one at a time.
    async fn of(&self, agent: &AgentName) -> Result<OwnedMutexGuard<Option<Known>>, TakeError> {
        let mut known = self.known.lock().await;
        let place = match known.get(agent) {
            Some(place) => place.clone(),
            None if known.len() >= MAX_AGENTS => return Err(TakeError::TooManyAgents),
            None => known.entry(agent.clone()).or_default().clone(),
        };
        drop(known);
        Ok(place.lock_owned().await)
    }

    /// What is known of it. Until it is put back it is not known: a commit that is given up may have taken place.
    async fn taken_out(&self, place: &mut Option<Known>, agent: &AgentName) -> Result<Known, BusError> {
        match place.take() {
            Some(known) => Ok(known),
            None => Known::load(&*self.bus, agent).await,
        }
    }

    /// Where hosts share a Redis it has the records in its memory, and this host's own disk has them a moment later.
    async fn is_kept(&self, end: u64) -> Result<(), TakeError> {
        let last = end.saturating_sub(1);
        self.kept.clone().wait_for(|kept| *kept >= last).await.map(drop).map_err(|_| BusError::Closed.into())
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, TakeError>>) -> Result<T, NotTaken> {
        match tokio::time::timeout(Duration::from_millis(RECORD_MILLIS), work).await {
            Ok(outcome) => outcome.map_err(NotTaken::from),
            Err(_) => Err(NotTaken::NotNow("it takes too long")),
        }
    }
}

/// What is said when an agent's line is another than before.
const BEGAN_ANEW: &str = "the agent's store is another one than before: it was wiped or put back, or two agents have the same name; \
                          what was taken stays, and nothing of it is recorded again";

fn began_anew(agent: &AgentName, taken: LineTaken) -> Condition {
    let (agent, line) = (agent.as_str(), taken.line.to_string());
    Condition::new(kind::AGENT_BEGAN_ANEW, Severity::Warning, "orion", [("agent", agent), ("line", &line)])
}

fn not_taken(agent: &AgentName, batch: &read::Batch) -> Condition {
    let (count, position) = (batch.put_aside.to_string(), batch.to.position.to_string());
    let labels = [("agent", agent.as_str()), ("count", &count), ("position", &position)];
    Condition::new(kind::AGENT_EVENTS_REFUSED, Severity::Error, "orion", labels)
}

/// Where everything is taken, when the batch does not begin there. An agent that is not known, or whose line is another one, begins where
/// it says.
fn elsewhere(known: &Known, batch: &read::Batch) -> Option<LineTaken> {
    let taken = known.taken.filter(|taken| taken.line == batch.line)?;
    let is_same_record =
        taken.place.record.is_none() || batch.after.record.is_none() || taken.place.record == batch.after.record;
    (taken.place.position != batch.after.position || !is_same_record).then_some(taken)
}

/// Whether there is nothing to keep of what it says now. Its backlog changes all the time.
fn says_the_same(before: &AgentStatus, now: &AgentStatus) -> bool {
    before.rules == now.rules
        && before.refused == now.refused
        && before.orion == now.orion
        && before.generation == now.generation
}

fn is_old(said: &Said, now: Timestamp) -> bool {
    now.millis_since(said.heard_at) >= KEEP_HEARD_MILLIS
}

/// Why a step came to nothing.
#[derive(Debug, thiserror::Error)]
enum TakeError {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    #[error("too many agents")]
    TooManyAgents,
}

impl From<TakeError> for NotTaken {
    /// What is said of an error of the bus goes to a stranger, so it is without paths and addresses.
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::TooManyAgents => Self::TooManyAgents,
            TakeError::Bus(BusError::StoreFull { .. }) => Self::NotNow("the disk is full"),
            TakeError::Bus(BusError::OutboxFull { .. }) => Self::NotNow("as much waits for Redis as may"),
            TakeError::Bus(BusError::Conflict { .. }) => Self::NotNow("another host takes from this agent, too"),
            TakeError::Bus(error) if error.is_away() => Self::NotNow("Redis does not answer"),
            TakeError::Bus(_) => Self::NotNow("the store cannot be written"),
            TakeError::NotWritable(error) => Self::Malformed(error.to_string()),
        }
    }
}
