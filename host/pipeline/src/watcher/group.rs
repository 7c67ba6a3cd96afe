//! A rule group between two evaluations: its query sessions, its rules, what holds of it, and how far it has come.
//!
//! Plain state without I/O. The runner asks the sessions' queries, hands the answers to [`Group::compute`] on a worker
//! thread, and commits the draft that comes back.

use std::collections::{BTreeMap, BTreeSet};

use orion_bus::{Commit, Loaded};
use orion_model::{Frame, IdBuilder, Labels, SeriesId, Severity, Timestamp};
use orion_source::{QuerySession, SourceError};

use super::ended::{ENDED, end_saved, owner_of};
use super::plan::GroupPlan;
use super::rule::{ALERT_ROOM, BRIEF_SAMPLES, Effort, Moment, RuleRun};
use super::rule_watch::RuleWatch;
use crate::condition::{self, Condition, Conditions, kind};
use crate::draft::{Draft, NotWritable, key};
use crate::lifecycle::SavedAlert;
use crate::plugin_state::{OWNER_ROOM, PLUGIN_ROOM};
use crate::schedule::Slots;

/// First part of the state keys of series tables that stateful detectors rely on.
const SERIES_ROOM: &[u8] = b"series";

/// One answer per session; `None` for a session that was not asked.
pub type Answers = Vec<Option<Result<Frame, SourceError>>>;

/// A running group.
pub struct Group {
    plan: GroupPlan,
    slots: Slots,
    owner: String,
    sessions: Vec<Session>,
    rules: Vec<RuleRun>,
    conditions: Conditions,
    /// The last instant that was evaluated.
    last: Option<Timestamp>,
    /// The offset the store holds.
    committed: Option<i64>,
    /// What an adoption changed and the next commit carries.
    pending: Draft,
}

/// A query with what is known of its series.
struct Session {
    query: QuerySession,
    /// The generation of each series id that the store knows; kept only while a stateful detector reads the query.
    stored: Vec<Option<u32>>,
    stored_revision: Option<u64>,
    /// What the source said about its last answer, so that the same words are logged once and not every interval.
    warned: Vec<String>,
}

impl Session {
    fn new(expr: &str) -> Self {
        Self { query: QuerySession::new(expr), stored: Vec::new(), stored_revision: None, warned: Vec::new() }
    }

    fn note_warnings(&mut self, answer: &Result<Frame, SourceError>) {
        let Ok(frame) = answer else { return };
        if frame.warnings != self.warned {
            for warning in &frame.warnings {
                tracing::warn!(expr = self.query.expr(), "the source warns: {warning}");
            }
            self.warned.clone_from(&frame.warnings);
        }
    }
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
        let slots = Slots::new(&plan.group.id, plan.interval_millis);
        let owner = owner_of(&plan.group.id);
        let mut group = Self {
            slots,
            owner,
            sessions: Vec::new(),
            rules: Vec::new(),
            conditions: Conditions::default(),
            last: loaded.offset.map(Timestamp::from_millis),
            committed: loaded.offset,
            pending: Draft::default(),
            plan,
        };
        group.set_up_rules(&mut BTreeMap::new(), &mut Vec::new());
        group.restore(loaded, now)?;
        Ok(group)
    }

    /// The plan it runs under.
    pub fn plan(&self) -> &GroupPlan {
        &self.plan
    }

    /// When it is due.
    pub fn slots(&self) -> Slots {
        self.slots
    }

    /// The last instant that was evaluated.
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Whether the store is behind: instants were evaluated in which nothing happened.
    pub fn is_ahead_of_store(&self) -> bool {
        self.last.map(Timestamp::as_millis) != self.committed
    }

    /// Goes on under a new plan. Answers which rules are new or edited: they are evaluated at once.
    pub fn adopt(&mut self, plan: GroupPlan, now: Timestamp) -> Result<BTreeSet<usize>, NotWritable> {
        let old_plan = std::mem::replace(&mut self.plan, plan);
        self.slots = Slots::new(&self.plan.group.id, self.plan.interval_millis);
        // What a rule knows of series is about one source.
        let of_other_source = old_plan.group.source != self.plan.group.source;
        let terms_differ = of_other_source || old_plan.group.limit != self.plan.group.limit;
        let same: BTreeSet<String> = old_plan
            .rules()
            .filter(|old| {
                !terms_differ && self.plan.rules().any(|new| new.rule.id == old.rule.id && new.is_same_as(old))
            })
            .map(|old| old.rule.id.clone())
            .collect();
        let mut old_rules: BTreeMap<String, RuleRun> =
            self.rules.drain(..).map(|run| (run.rule().id.clone(), run)).collect();
        let mut old_sessions = std::mem::take(&mut self.sessions);
        if of_other_source {
            old_sessions.clear();
        }
        self.keep_same(&same, &mut old_rules, &mut old_sessions);
        let changed = self.rules.iter().map(RuleRun::rule).enumerate();
        let changed = changed.filter(|(_, rule)| !same.contains(&rule.id)).map(|(index, _)| index).collect();
        for run in old_rules.values_mut() {
            run.end(now, self.plan.generation, &mut self.pending)?;
        }
        self.clear_conditions_of(old_rules.keys(), now)?;
        Ok(changed)
    }

    fn keep_same(
        &mut self,
        same: &BTreeSet<String>,
        old_rules: &mut BTreeMap<String, RuleRun>,
        old_sessions: &mut Vec<Session>,
    ) {
        // A rule whose query was edited keeps its detector state under the series ids it knows: the new session begins
        // with the old one's table.
        let mut seeds: BTreeMap<String, Vec<(SeriesId, Labels)>> = BTreeMap::new();
        for plan in self.plan.rules() {
            let Some(old) =
                old_rules.get(&plan.rule.id).filter(|old| old.is_stateful() && old.rule().expr != plan.rule.expr)
            else {
                continue;
            };
            if let Some(session) = old_sessions.get(old.session) {
                let rows = session.query.table.iter().map(|(id, labels)| (id, labels.clone())).collect();
                seeds.insert(plan.rule.expr.clone(), rows);
            }
        }
        let mut edited: BTreeMap<String, RuleRun> = BTreeMap::new();
        for (id, run) in std::mem::take(old_rules) {
            if self.plan.group.rules.iter().any(|rule| rule.id == id) {
                edited.insert(id, run);
            } else {
                old_rules.insert(id, run);
            }
        }
        let mut sessions = std::mem::take(old_sessions);
        self.set_up_rules_with(same, &mut edited, &mut sessions, &seeds);
    }

    fn set_up_rules(&mut self, runs: &mut BTreeMap<String, RuleRun>, sessions: &mut Vec<Session>) {
        self.set_up_rules_with(&BTreeSet::new(), runs, sessions, &BTreeMap::new());
    }

    fn set_up_rules_with(
        &mut self,
        same: &BTreeSet<String>,
        runs: &mut BTreeMap<String, RuleRun>,
        old_sessions: &mut Vec<Session>,
        seeds: &BTreeMap<String, Vec<(SeriesId, Labels)>>,
    ) {
        let plan = self.plan.clone();
        for rule in plan.rules() {
            let session = self.session_for(&rule.rule.expr, old_sessions, seeds);
            let run = match runs.remove(&rule.rule.id) {
                Some(mut run) => {
                    run.session = session;
                    if !same.contains(&rule.rule.id) {
                        run.adopt(rule, plan.group.limit, &mut self.pending);
                    }
                    run
                }
                None => RuleRun::new(rule, plan.group.limit, session),
            };
            self.rules.push(run);
        }
    }

    fn session_for(
        &mut self,
        expr: &str,
        old_sessions: &mut Vec<Session>,
        seeds: &BTreeMap<String, Vec<(SeriesId, Labels)>>,
    ) -> usize {
        if let Some(index) = self.sessions.iter().position(|session| session.query.expr() == expr) {
            return index;
        }
        let session = match old_sessions.iter().position(|session| session.query.expr() == expr) {
            Some(index) => old_sessions.swap_remove(index),
            None => {
                let mut session = Session::new(expr);
                for (id, labels) in seeds.get(expr).into_iter().flatten() {
                    session.query.table.restore(*id, labels.clone(), self.last.unwrap_or_default());
                }
                session
            }
        };
        self.sessions.push(session);
        self.sessions.len() - 1
    }

    fn restore(&mut self, loaded: Loaded, now: Timestamp) -> Result<(), NotWritable> {
        for (state_key, value) in loaded.state {
            let parts = key::split(&state_key, 3);
            match parts.as_slice() {
                [condition::ROOM, ..] => self.conditions.restore(&value),
                [ALERT_ROOM, rule, _] => match serde_json::from_slice::<SavedAlert>(&value) {
                    Ok(saved) => match self.run_of(rule) {
                        Some(run) => run.restore_alert(saved),
                        // The rule went away while Orion was down.
                        None => {
                            end_saved(rule, saved, now, self.plan.generation, &mut self.pending)?;
                            self.pending.delete(state_key);
                        }
                    },
                    Err(_) => self.pending.delete(state_key),
                },
                [ENDED] => {
                    self.last = None;
                    self.pending.delete(state_key);
                }
                [PLUGIN_ROOM, rule, name] => match self.run_of(rule) {
                    Some(run) => run.state().restore_entry(name, &value),
                    None => self.pending.delete(state_key),
                },
                [OWNER_ROOM, rule] => match self.run_of(rule) {
                    Some(run) => run.state().restore_owner(&value),
                    None => self.pending.delete(state_key),
                },
                [SERIES_ROOM, expr, id] => {
                    if !self.restore_series(expr, id, &value) {
                        self.pending.delete(state_key);
                    }
                }
                _ => self.pending.delete(state_key),
            }
        }
        for run in &mut self.rules {
            run.restored(&mut self.pending);
        }
        Ok(())
    }

    fn run_of(&mut self, rule: &[u8]) -> Option<&mut RuleRun> {
        self.rules.iter_mut().find(|run| run.rule().id.as_bytes() == rule)
    }

    fn restore_series(&mut self, expr: &[u8], id: &[u8], labels: &[u8]) -> bool {
        let at = self.last.unwrap_or_default();
        let session = self.sessions.iter_mut().find(|session| expr_id(session.query.expr()).as_bytes() == expr);
        let id = <[u8; 4]>::try_from(id).map(SeriesId::from_be_bytes);
        let (Some(session), Ok(id), Ok(labels)) = (session, id, serde_json::from_slice(labels)) else { return false };
        session.query.table.restore(id, labels, at);
        session.stored.resize(session.query.table.capacity().max(session.stored.len()), None);
        if let Some(stored) = session.stored.get_mut(id as usize) {
            *stored = session.query.table.generation_of(id);
        }
        true
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

    /// Takes in the answers for an instant. Everything that changed is in the draft for [`Self::commit`]. Returns the rules
    /// that need more than a moment, where no more was given.
    pub fn compute(
        &mut self,
        instant: Timestamp,
        answers: &Answers,
        which: &Which,
        effort: Effort,
    ) -> Result<BTreeSet<usize>, NotWritable> {
        let mut draft = std::mem::take(&mut self.pending);
        let result = self.compute_into(&mut draft, instant, answers, which, effort);
        self.pending = draft;
        self.last = self.last.max(Some(instant));
        result
    }

    fn compute_into(
        &mut self,
        draft: &mut Draft,
        instant: Timestamp,
        answers: &Answers,
        which: &Which,
        effort: Effort,
    ) -> Result<BTreeSet<usize>, NotWritable> {
        let Self { plan, sessions, rules, conditions, .. } = self;
        for (session, answer) in sessions.iter_mut().zip(answers) {
            answer.iter().for_each(|answer| session.note_warnings(answer));
        }
        let at = Moment { source: &plan.group.source, instant, generation: plan.generation };
        let mut need_time = BTreeSet::new();
        for (index, run) in rules.iter_mut().enumerate().filter(|(index, _)| which.has(*index)) {
            let (Some(Some(answer)), Some(session)) = (answers.get(run.session), sessions.get(run.session)) else {
                continue;
            };
            let watch = RuleWatch { run, at };
            if !watch.evaluate(&session.query, answer, effort, conditions, draft)? {
                need_time.insert(index);
            }
        }
        self.store_series(draft)?;
        Ok(need_time)
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
        self.pending.event(&event)
    }

    /// Keeps the ids of series that stateful detectors have put into their state.
    fn store_series(&mut self, draft: &mut Draft) -> Result<(), NotWritable> {
        let Self { sessions, rules, .. } = self;
        for (index, session) in sessions.iter_mut().enumerate() {
            let table = &session.query.table;
            let wanted = rules.iter().any(|run| run.session == index && run.is_stateful());
            if !wanted || session.stored_revision == Some(table.revision()) {
                continue;
            }
            session.stored.resize(table.capacity(), None);
            let expr = expr_id(session.query.expr());
            for (id, stored) in (0_u32..).zip(&mut session.stored) {
                let labels = table.labels(id);
                let now = labels.and_then(|_| table.generation_of(id));
                if *stored == now {
                    continue;
                }
                let key = key::of(&[SERIES_ROOM, expr.as_bytes(), &id.to_be_bytes()]);
                match labels {
                    Some(labels) => draft.put(key, labels)?,
                    None => draft.delete(key),
                }
                *stored = now;
            }
            session.stored_revision = Some(table.revision());
        }
        Ok(())
    }

    /// Whether there is anything to commit but the instant.
    pub fn is_quiet(&self) -> bool {
        self.pending.is_empty()
    }

    /// The commit for all that happened since the last. After it succeeded: [`Self::committed`].
    pub fn commit(&mut self) -> Option<Commit> {
        let offset = self.last?.as_millis();
        Some(std::mem::take(&mut self.pending).into_commit(&self.owner, self.committed, offset))
    }

    /// The store holds this offset now.
    pub fn committed(&mut self, offset: i64) {
        self.committed = Some(offset);
    }

    fn clear_conditions_of<'a>(
        &mut self,
        rules: impl Iterator<Item = &'a String>,
        now: Timestamp,
    ) -> Result<(), NotWritable> {
        let gone: BTreeSet<&String> = rules.collect();
        let of_gone =
            |condition: &&Condition| condition.labels.get("rule").is_some_and(|rule| gone.iter().any(|id| *id == rule));
        let over: Vec<Condition> = self.conditions.iter().filter(of_gone).cloned().collect();
        for condition in over {
            self.conditions.clear(&mut self.pending, &condition, now, self.plan.generation, "the rule was removed")?;
        }
        Ok(())
    }
}

fn expr_id(expr: &str) -> String {
    IdBuilder::new("expr").text(expr).finish().to_string()
}
