//! Rule sets that people push to this host, for agents near the sources: judged, kept in versions, recorded with who and when.
//!
//! This host evaluates nothing of them but their correlations, because what agents observe arrives on its bus: the library takes the
//! files of the newest versions that have any, under the names `SET/FILE`. Groups and logs are for the agents that fetch the set.

mod diff;
mod event;
mod judge;
mod meter;
mod rollout;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use orion_bus::{Bus, BusError};
use orion_metrics::Text;
use orion_model::{FileSaid, Push, Pushed, SetReport, SetVersion, Timestamp};
use serde_json::Value;
use tokio::sync::{Mutex, Notify, watch};

use self::judge::Judged;
use self::meter::PushMeter;
use self::rollout::{Moved, NodeRun};
use self::state::{Kept, State};
use crate::draft::{Draft, NotWritable};
use crate::library::{Defaults, Shelf};

/// The owner that keeps them. Hosts that share a Redis have the same sets: each commits behind what the others did.
pub(crate) const OWNER: &str = "rule-sets";

/// Sets of one host. Each is there for a kind of place; beyond this somebody makes one for each machine, and means labels.
const MAX_SETS: usize = 16;

/// A set as JSON, as agents fetch it: below what an answer of the interface may have, whatever is written as several bytes.
const MAX_SET_JSON_BYTES: usize = 6 << 20;

/// Why a set cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum NotApplied {
    /// Files of it cannot run.
    #[error("{} of its files cannot run", .0.iter().filter(|said| !said.ok).count())]
    Refused(Vec<FileSaid>),
    /// It can be looked at by nobody.
    #[error("{0}")]
    Malformed(String),
    /// Somebody else applied another version meanwhile.
    #[error(
        "the set `{set}` has version {found} by now, and this was made for version {base}: look at that one, and apply again"
    )]
    Overtaken {
        /// The set.
        set: String,
        /// What the one who pushes knew.
        base: u64,
        /// What there is; 0 for none.
        found: u64,
    },
    /// The store does not answer.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A defect of ours.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// A defect of ours.
    #[error("looking at the set panicked: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

/// What a set is judged with.
pub struct ApplyContext {
    /// The plugins that rules may name here.
    pub shelf: Shelf,
    /// What a file may leave out, and what it may name: everything that an agent could have.
    pub defaults: Defaults,
    /// The time.
    pub now: Timestamp,
    /// The generation that runs, for records.
    pub generation: u64,
}

/// The sets of this host.
pub struct RuleSets {
    bus: Arc<dyn Bus>,
    /// What the store has, but for versions that nobody runs any more.
    state: watch::Sender<Arc<State>>,
    /// One change at a time: each is made from what the one before left.
    turn: Mutex<()>,
    /// Has the library looked: it takes the correlations.
    look: Arc<Notify>,
    pushes: PushMeter,
}

impl RuleSets {
    /// Those that the store has. `look` is told when there is something for the library.
    pub async fn open(bus: Arc<dyn Bus>, look: Arc<Notify>) -> Result<Self, BusError> {
        let state = State::of(bus.load(OWNER).await?);
        Ok(Self {
            bus,
            state: watch::Sender::new(Arc::new(state)),
            turn: Mutex::default(),
            look,
            pushes: PushMeter::default(),
        })
    }

    /// Reads what another host has committed meanwhile.
    pub async fn refresh(&self) -> Result<(), BusError> {
        let _turn = self.turn.lock().await;
        self.catch_up().await
    }

    async fn catch_up(&self) -> Result<(), BusError> {
        match self.bus.offset(OWNER).await? == self.state().offset {
            true => Ok(()),
            false => self.reload().await,
        }
    }

    async fn reload(&self) -> Result<(), BusError> {
        self.state.send_replace(Arc::new(State::of(self.bus.load(OWNER).await?)));
        Ok(())
    }

    fn state(&self) -> Arc<State> {
        self.state.borrow().clone()
    }

    /// All of them, for people who look.
    pub fn list(&self) -> Vec<Value> {
        self.state().list()
    }

    /// Writes the numbers down.
    pub(crate) fn write_metrics(&self, text: &mut Text) {
        meter::write_sets(&self.state(), text);
        self.pushes.write(text);
    }

    /// The version of a set that a node is to run; the newest, where none is named.
    pub fn version(&self, set: &str, node: Option<&str>) -> Option<SetVersion> {
        self.state().version_for(set, node).map(|kept| kept.version.clone())
    }

    /// An older version that is still kept.
    pub async fn kept_version(&self, set: &str, version: u64) -> Result<Option<SetVersion>, BusError> {
        let loaded = self.bus.load(OWNER).await?;
        Ok(state::find(&loaded.state, set, version).map(|kept| kept.version))
    }

    /// The files of which the correlations run here, with the names that the library has for them.
    pub(crate) fn correlating(&self) -> Vec<(String, String)> {
        self.state().correlating()
    }

    /// Judges a set, and makes a version of it when it is good and other than the one before. It survives power loss when this
    /// returns.
    pub async fn apply(&self, push: Push, context: ApplyContext) -> Result<Pushed, NotApplied> {
        let is_dry_run = push.dry_run;
        let outcome = self.judge(push, context).await;
        self.pushes.note(is_dry_run, &outcome);
        outcome
    }

    async fn judge(&self, push: Push, context: ApplyContext) -> Result<Pushed, NotApplied> {
        let push = push.checked().map_err(|error| NotApplied::Malformed(error.to_string()))?;
        let bytes = serde_json::to_string(&push.files).map_or(0, |text| text.len());
        if bytes > MAX_SET_JSON_BYTES {
            let what = format!("the set has {bytes} bytes as JSON; at most {MAX_SET_JSON_BYTES} are taken");
            return Err(NotApplied::Malformed(what));
        }
        let _turn = self.turn.lock().await;
        self.catch_up().await?;
        let state = self.state();
        let before = state.version_for(&push.set, None);
        let found = before.as_ref().map_or(0, |kept| kept.version.version);
        if let Some(base) = push.base_version.filter(|base| *base != found) {
            return Err(NotApplied::Overtaken { set: push.set, base, found });
        }
        if before.is_none() && state.sets.len() >= MAX_SETS {
            return Err(NotApplied::Malformed(format!("there are {MAX_SETS} sets already, the most that are kept")));
        }
        let ApplyContext { shelf, defaults, now, generation } = context;
        let (push, judged) = tokio::task::spawn_blocking(move || {
            let judged = Judged::of(&push.files, before.as_deref(), &shelf, &defaults);
            (push, judged)
        })
        .await?;
        let Judged { said, diff, digest, correlating } = judged;
        if said.iter().any(|said| !said.ok) {
            return Err(NotApplied::Refused(said));
        }
        let before = state.version_for(&push.set, None);
        let is_as_it_was = before.as_ref().is_some_and(|kept| kept.version.digest == digest);
        let version = found + u64::from(!is_as_it_was);
        let applied = !is_as_it_was && !push.dry_run;
        let pushed = Pushed { set: push.set.clone(), version, digest, applied, diff, said };
        if applied {
            let Push { set, files, by, at_a_time, .. } = push;
            let version = SetVersion { set, version, digest, applied_at: now, applied_by: by, files };
            let kept = Kept { version, correlating };
            self.keep(&state, kept, at_a_time, &pushed, generation).await?;
        }
        Ok(pushed)
    }

    async fn keep(
        &self,
        state: &State,
        kept: Kept,
        at_a_time: Option<u32>,
        pushed: &Pushed,
        generation: u64,
    ) -> Result<(), NotApplied> {
        let now = kept.version.applied_at;
        let (head, dropped) = state.with(&kept, at_a_time, now);
        let mut draft = Draft::default();
        let rolling = head.rollout.as_ref().map(|rollout| rollout.at_a_time);
        draft.event(&event::applied(&kept.version, &pushed.diff, rolling, generation))?;
        state::put_version(&mut draft, &kept)?;
        state::put_head(&mut draft, &kept.version.set, &head)?;
        dropped.into_iter().for_each(|version| state::drop_version(&mut draft, &kept.version.set, version));
        self.commit(state, draft).await?;
        tracing::info!(set = pushed.set, version = pushed.version, by = kept.version.applied_by, "rule set applied");
        self.look.notify_one();
        Ok(())
    }

    /// What is said here is what the store has by now, whether this commit or another one came through.
    async fn commit(&self, state: &State, draft: Draft) -> Result<(), BusError> {
        let offset = state.offset.map_or(0, |offset| offset.saturating_add(1));
        let committed = self.bus.commit(draft.into_commit(OWNER, state.offset, offset)).await;
        self.reload().await?;
        committed.map(drop)
    }

    /// Takes what a node says of a set, and gives the version that is rolled out to the next ones when their turn has come.
    pub async fn reported(
        &self,
        node: &str,
        report: SetReport,
        now: Timestamp,
        generation: u64,
    ) -> Result<(), NotApplied> {
        let _turn = self.turn.lock().await;
        let state = self.state();
        let Some(head) = state.sets.get(&report.set) else { return Ok(()) };
        let run = NodeRun::of(report.version, report.refused, now);
        let mut known = state.nodes_of(&report.set);
        let gone = rollout::take_gone(&mut known, now);
        if !known.contains_key(node) && (known.len() >= rollout::MAX_NODES || !rollout::is_node_name(node)) {
            let what =
                format!("`{node}` is not taken note of: at most {} nodes of a set are known", rollout::MAX_NODES);
            return Err(NotApplied::Malformed(what));
        }
        let (mut nodes, mut next) = (known.clone(), head.clone());
        let is_news = nodes.get(node).is_none_or(|before| before.is_outdated_by(&run));
        nodes.insert(node.to_owned(), run.clone());
        let moved = rollout::step(&mut next, &nodes, now);
        if !is_news && next == *head {
            return Ok(());
        }
        let mut draft = Draft::default();
        gone.iter().for_each(|node| state::drop_node(&mut draft, &report.set, node));
        state::put_node(&mut draft, &report.set, node, &run)?;
        if next != *head {
            state::put_head(&mut draft, &report.set, &next)?;
        }
        if let Some(said) = event::moved(&report.set, next.newest, &moved, now, generation) {
            draft.event(&said)?;
        }
        self.commit(&state, draft).await?;
        if !matches!(moved, Moved::Nothing) {
            tracing::info!(set = report.set, version = next.newest, "rollout: {moved}");
        }
        Ok(())
    }
}
