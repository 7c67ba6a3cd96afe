//! Edits: a group goes on under a new plan and keeps everything that the edit did not touch.

use std::collections::{BTreeMap, BTreeSet};

use orion_model::{Labels, SeriesId, Timestamp};

use super::Group;
use super::session::Session;
use crate::condition::Condition;
use crate::draft::NotWritable;
use crate::watcher::plan::GroupPlan;
use crate::watcher::rule::RuleRun;

impl Group {
    /// Goes on under a new plan. Answers which rules are new or edited: they are evaluated at once.
    pub fn adopt(&mut self, plan: GroupPlan, now: Timestamp) -> Result<BTreeSet<usize>, NotWritable> {
        // A detector that makes room for an edited one is asked for its state first.
        self.checkpoint()?;
        self.pending.append(std::mem::take(&mut self.closing));
        let old_plan = std::mem::replace(&mut self.plan, plan);
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
        self.keep_same(&same, &mut old_rules, &mut old_sessions, now)?;
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
        now: Timestamp,
    ) -> Result<(), NotWritable> {
        // A rule whose query was edited keeps its detector state under the series ids it knows: the new session begins
        // with the old one's table.
        let mut seeds: BTreeMap<String, Vec<(SeriesId, Labels)>> = BTreeMap::new();
        for plan in self.plan.rules() {
            let Some(old) =
                old_rules.get(&plan.rule.id).filter(|old| old.seat.is_stateful() && old.rule().expr != plan.rule.expr)
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
        self.set_up_rules_with(same, &mut edited, &mut sessions, &seeds, now)
    }

    /// Sets up rules that nothing is known of.
    pub(super) fn set_up_rules(&mut self, now: Timestamp) -> Result<(), NotWritable> {
        self.set_up_rules_with(&BTreeSet::new(), &mut BTreeMap::new(), &mut Vec::new(), &BTreeMap::new(), now)
    }

    fn set_up_rules_with(
        &mut self,
        same: &BTreeSet<String>,
        runs: &mut BTreeMap<String, RuleRun>,
        old_sessions: &mut Vec<Session>,
        seeds: &BTreeMap<String, Vec<(SeriesId, Labels)>>,
        now: Timestamp,
    ) -> Result<(), NotWritable> {
        let plan = self.plan.clone();
        for rule in plan.rules() {
            let session = self.session_for(&rule.rule.expr, old_sessions, seeds);
            let run = match runs.remove(&rule.rule.id) {
                Some(mut run) => {
                    run.session = session;
                    if !same.contains(&rule.rule.id) {
                        run.adopt(rule, plan.group.limit, now, plan.generation, &mut self.pending)?;
                    }
                    run
                }
                None => RuleRun::new(rule, plan.group.limit, session),
            };
            self.rules.push(run);
        }
        Ok(())
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
