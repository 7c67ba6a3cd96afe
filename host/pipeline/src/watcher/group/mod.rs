//! A rule group between two evaluations: its query sessions, its rules, what holds of it, and how far it has come.
//!
//! Plain state without I/O. The runner asks the sessions' queries, hands the answers to [`Group::compute`] on a worker
//! thread, and commits what [`Group::next_commit`] gives until there is nothing left.
//!
//! What a large outage changes at one instant is committed in parts, so that it is never in memory as a whole and holds up no
//! other group's commit. A part carries alerts' events together with the alerts' state, and an offset that says: the instants
//! before are done. After a crash between two parts the instant is evaluated again; alerts that were committed are known
//! then and say nothing twice. What a detector keeps, and all else that must not be newer than the offset, goes with the
//! last part.

mod adopt;
mod restore;
mod session;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use orion_bus::{Commit, Loaded, NewRecord};
use orion_model::{Frame, Severity, Timestamp};
use orion_source::{QuerySession, SourceError};

use self::session::Session;
use super::ended::owner_of;
use super::outcome::RuleHealth;
use super::plan::GroupPlan;
use super::rule::{ActiveAlert, Moment, RuleRun};
use super::rule_watch::RuleWatch;
use super::seat::{BRIEF_SAMPLES, Effort};
use crate::condition::{Condition, Conditions, kind};
use crate::draft::{Draft, NotWritable};
use crate::schedule::Slots;

/// Changes of alerts in one commit: a megabyte or two of text, and few enough that other groups' commits wait for
/// milliseconds.
const PART_CHANGES: usize = 1_024;

/// The edition of an evaluation that comes with its instant, for a group that was always there. It is the same on every host;
/// generations are counted by each host for itself.
const FIRST_EDITION: u64 = 1;

/// The state key of a group that was removed and is there again: the same as [`FIRST_EDITION`], for it. Without it, an alert that fires
/// again at the instant at which it fired before the removal would pass for the same event, and be left out.
const RETURNED: &[u8] = b"returned";

/// Changes that are written down in a moment.
const BRIEF_CHANGES: usize = 128;

/// One answer per session; `None` for a session that was not asked.
pub type Answers = Vec<Option<Result<Frame, SourceError>>>;

/// A running group.
pub struct Group {
    plan: GroupPlan,
    owner: String,
    sessions: Vec<Session>,
    rules: Vec<RuleRun>,
    conditions: Conditions,
    /// The last instant that was evaluated.
    last: Option<Timestamp>,
    /// The offset the store holds.
    committed: Option<i64>,
    /// What the evaluations that come with their instants are told apart by from those before a removal.
    first_edition: u64,
    /// What the next commit carries in any case.
    pending: Draft,
    /// What the present evaluation changed and only its last commit may carry.
    closing: Draft,
    /// What to say of how far the group has come while the present evaluation is committed in part.
    before: Option<Timestamp>,
}

/// An evaluation of the group.
#[derive(Clone, Copy, Debug)]
pub struct Evaluating<'a> {
    /// The instant.
    pub instant: Timestamp,
    /// The generation of the edit that brings it; none for the evaluation that comes with the instant.
    pub edit: Option<u64>,
    /// Whether its next instant has come already.
    pub late: bool,
    /// Which rules.
    pub which: &'a Which,
    /// How long it may take.
    pub effort: Effort,
}

/// Which rules an evaluation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of the group.
    All,
    /// Those at these places in the group: they were edited.
    Some(BTreeSet<usize>),
}

impl Which {
    /// Whether it is about no rule at all.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Some(indices) if indices.is_empty())
    }

    fn has(&self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::Some(indices) => indices.contains(&index),
        }
    }
}

impl Group {
    /// The group as the store has it, under a plan that may be newer.
    pub fn open(plan: GroupPlan, loaded: Loaded, now: Timestamp) -> Result<Self, NotWritable> {
        let owner = owner_of(&plan.group.id);
        let mut group = Self {
            owner,
            sessions: Vec::new(),
            rules: Vec::new(),
            conditions: Conditions::default(),
            last: loaded.offset.map(Timestamp::from_millis),
            committed: loaded.offset,
            first_edition: FIRST_EDITION,
            pending: Draft::default(),
            closing: Draft::default(),
            before: None,
            plan,
        };
        group.set_up_rules(now)?;
        group.restore(loaded, now)?;
        Ok(group)
    }

    /// The plan it runs under.
    pub fn plan(&self) -> &GroupPlan {
        &self.plan
    }

    /// When it is due.
    pub fn slots(&self) -> Slots {
        self.plan.slots
    }

    /// The last instant that was evaluated.
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Whether the store is behind: instants were evaluated in which nothing happened.
    pub fn is_ahead_of_store(&self) -> bool {
        self.last.map(Timestamp::as_millis) != self.committed
    }

    /// Whether anything of the group was ever committed.
    pub fn is_known_to_store(&self) -> bool {
        self.committed.is_some()
    }

    /// The queries to ask for an evaluation: place and session of each.
    pub fn questions(&mut self, which: &Which) -> impl Iterator<Item = (usize, &mut QuerySession)> {
        let rules = self.rules.iter().enumerate().filter(|(index, _)| which.has(*index));
        let wanted: BTreeSet<usize> = rules.map(|(_, run)| run.session).collect();
        let sessions = self.sessions.iter_mut().map(|session| &mut session.query).enumerate();
        sessions.filter(move |(index, _)| wanted.contains(index))
    }

    /// How many sessions there are.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Whether the answers are likely to take no more than a moment.
    pub fn is_brief(&self, answers: &Answers, which: &Which) -> bool {
        let mut samples = 0;
        let mut rules = self.rules.iter().enumerate().filter(|(index, _)| which.has(*index));
        rules.all(|(_, run)| match (answers.get(run.session), self.sessions.get(run.session)) {
            (Some(Some(Ok(frame))), Some(session)) => {
                samples += frame.len();
                samples <= BRIEF_SAMPLES && run.is_brief(&session.query.table, frame)
            }
            _ => true,
        })
    }

    /// Takes in the answers for an instant; all that changed is for [`Self::next_commit`]. Returns the rules that need more than
    /// a moment, where no more was given.
    pub fn compute(&mut self, evaluating: Evaluating<'_>, answers: &Answers) -> Result<BTreeSet<usize>, NotWritable> {
        let Evaluating { instant, edit, late, which, effort } = evaluating;
        let edition = edit.unwrap_or(self.first_edition);
        if self.before.is_none() || self.last < Some(instant) {
            // An edited rule is evaluated for an instant that the group has done already.
            self.before = self.last.max(Some(self.plan.slots.at_or_before(instant.plus_millis(-1))));
        }
        self.last = self.last.max(Some(instant));
        let Self { plan, sessions, rules, conditions, closing, .. } = self;
        for (session, answer) in sessions.iter_mut().zip(answers) {
            answer.iter().for_each(|answer| session.note_warnings(answer));
        }
        let (source, generation, is_again) = (plan.group.source.as_str(), plan.generation, edit.is_some());
        let at = Moment { source, instant, generation, edition, is_again };
        let mut need_time = BTreeSet::new();
        for (index, run) in rules.iter_mut().enumerate().filter(|(index, _)| which.has(*index)) {
            let (Some(Some(answer)), Some(session)) = (answers.get(run.session), sessions.get(run.session)) else {
                continue;
            };
            match (RuleWatch { run, at }).evaluate(&session.query, answer, effort, conditions, closing)? {
                Some(verdict) => run.note(verdict, instant, late, closing)?,
                None => drop(need_time.insert(index)),
            }
        }
        Ok(need_time)
    }

    /// Asks stateful detectors what is to be kept of all instants so far. As seldom as the group commits: it is asked of every
    /// series, and what it would have answered in between is computed again after a crash.
    fn checkpoint(&mut self) -> Result<(), NotWritable> {
        let Self { plan, rules, conditions, closing, last, first_edition, .. } = self;
        let instant = last.unwrap_or_default();
        for run in rules.iter_mut().filter(|run| run.seat.is_unsaved()) {
            let (source, generation) = (plan.group.source.as_str(), plan.generation);
            let at = Moment { source, instant, generation, edition: *first_edition, is_again: false };
            RuleWatch { run, at }.checkpoint(conditions, closing)?;
        }
        self.store_series()
    }

    /// Instants that were too far back to be evaluated are said.
    pub fn say_missed(
        &mut self,
        first: Timestamp,
        last: Timestamp,
        count: u64,
        now: Timestamp,
    ) -> Result<(), NotWritable> {
        let id = self.plan.group.id.as_str();
        let condition = Condition::new(kind::INSTANTS_MISSED, Severity::Warning, "orion", [("group", id)]);
        let message = format!("{count} instants from {first} to {last} are too far back to be evaluated: see catch_up");
        tracing::warn!(group = id, "{message}");
        let event = condition.event(orion_model::Status::Occurred, now, self.plan.generation, &message);
        self.pending.event(&event)?;
        self.rules.iter_mut().try_for_each(|run| run.skip(count, &mut self.pending))
    }

    /// The clock went back behind what was evaluated already. Said at the group's own time, behind which nothing is reported.
    pub fn say_clock_went_back(&mut self, now: Timestamp) -> Result<(), NotWritable> {
        let Some(last) = self.last else { return Ok(()) };
        let id = self.plan.group.id.as_str();
        let condition = Condition::new(kind::CLOCK_WENT_BACK, Severity::Warning, "orion", [("group", id)]);
        let message = format!(
            "the clock went back to {now}, behind {last}, which is evaluated already: the source is asked about the present, \
             and what it says is recorded under times that go on from {last}, half as fast until the clock has caught up"
        );
        tracing::warn!(group = id, "{message}");
        self.pending.event(&condition.event(orion_model::Status::Occurred, last, self.plan.generation, &message))
    }

    /// Whether there is anything to commit but the instant.
    pub fn is_quiet(&self) -> bool {
        self.pending.is_empty() && self.closing.is_empty() && self.unwritten() == 0
    }

    /// Whether writing down what changed takes no more than a moment.
    pub fn is_briefly_written(&self) -> bool {
        self.unwritten() <= BRIEF_CHANGES
    }

    fn unwritten(&self) -> usize {
        self.rules.iter().map(RuleRun::unwritten).sum()
    }

    /// The next commit of what happened since the last. After it succeeded: [`Self::committed`]. There is more while the group
    /// is not quiet.
    pub fn next_commit(&mut self) -> Result<Option<Commit>, NotWritable> {
        let Some(last) = self.last else { return Ok(None) };
        let mut draft = std::mem::take(&mut self.pending);
        self.write_changes(PART_CHANGES, &mut draft)?;
        let offset = match (self.unwritten(), self.before) {
            (1.., Some(before)) => before,
            _ => {
                self.before = None;
                self.checkpoint()?;
                draft.append(std::mem::take(&mut self.closing));
                last
            }
        };
        Ok(Some(draft.into_commit(&self.owner, self.committed, offset.as_millis())))
    }

    fn write_changes(&mut self, mut room: usize, draft: &mut Draft) -> Result<(), NotWritable> {
        for run in &mut self.rules {
            if let Some(session) = self.sessions.get(run.session) {
                run.write_changes(&self.plan.group.source, &session.query.table, &mut room, draft)?;
            }
        }
        Ok(())
    }

    /// How the rules are after an evaluation, each with whether that was about it.
    pub fn healths<'a>(&'a self, which: &'a Which) -> impl Iterator<Item = (&'a str, bool, Option<&'a RuleHealth>)> {
        let rules = self.rules.iter().enumerate();
        rules.map(|(index, run)| (run.rule().id.as_str(), which.has(index), run.health()))
    }

    /// What happened since it was last asked, for somebody who keeps no state: a replay. Detectors are asked for theirs all the
    /// same, as live: what they have to tell would grow in them without end, and one that faults goes on from there.
    pub fn take_records(&mut self) -> Result<Vec<NewRecord>, NotWritable> {
        let mut draft = std::mem::take(&mut self.pending);
        self.write_changes(usize::MAX, &mut draft)?;
        self.checkpoint()?;
        draft.append(std::mem::take(&mut self.closing));
        Ok(draft.into_records())
    }

    /// The alerts of all rules that are pending or firing, by rule in file order and then by labels.
    pub fn alerts(&self) -> Vec<ActiveAlert> {
        let of_rule = |run: &RuleRun| Some(run.alerts(&self.sessions.get(run.session)?.query.table));
        self.rules.iter().filter_map(of_rule).flatten().collect()
    }

    /// The store holds this offset now.
    pub fn committed(&mut self, offset: i64) {
        self.committed = Some(offset);
    }
}
