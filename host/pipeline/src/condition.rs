//! What Orion observes of itself and its sources: conditions that begin and end, each said once.
//!
//! A source that fails for an hour is one event when it begins and one when it ends, however many queries failed.
//! Conditions are part of their owner's state, so a restart in the middle neither repeats nor forgets one.

use std::collections::BTreeMap;

use orion_model::{Event, Fingerprint, IdBuilder, Labels, Severity, Status, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::draft::{Draft, NotWritable, key};

/// First part of the state keys of conditions.
pub const ROOM: &[u8] = b"condition";

/// Event types of what Orion says of itself.
pub mod kind {
    /// A source does not answer, or not with an answer.
    pub const EXTERNAL_API_FAILURE: &str = "external_api_failure";
    /// A source answers, but refuses a rule's query.
    pub const QUERY_FAILURE: &str = "query_failure";
    /// A plugin's call ended with a fault.
    pub const PLUGIN_FAULT: &str = "plugin_fault";
    /// A plugin keeps failing and is not called for a while.
    pub const PLUGIN_QUARANTINED: &str = "plugin_quarantined";
    /// A plugin cannot take an input, which is kept; the rest goes on.
    pub const INPUT_SET_ASIDE: &str = "input_set_aside";
    /// What a plugin remembered means nothing to the version of it that runs now.
    pub const STATE_RESET: &str = "state_reset";
    /// A new version of a detector was tried beside the old one.
    pub const SHADOW_ENDED: &str = "shadow_ended";
    /// A rule's findings cannot be told apart.
    pub const RULE_FAULT: &str = "rule_fault";
    /// A rule has more alerts than its limit.
    pub const ALERTS_LIMITED: &str = "alerts_limited";
    /// The disk is full; nothing is recorded until there is room.
    pub const STORE_FULL: &str = "store_full";
    /// The store cannot be written for another reason: a read-only file system, a lock, a damaged file.
    pub const STORE_UNWRITABLE: &str = "store_unwritable";
    /// The clock went back behind what was evaluated already.
    pub const CLOCK_WENT_BACK: &str = "clock_went_back";
    /// Instants are too far back to be evaluated.
    pub const INSTANTS_MISSED: &str = "instants_missed";
    /// The Redis that hosts share does not answer: correlations and decisions stand still, observations wait.
    pub const BUS_AWAY: &str = "bus_away";
    /// A rule file is refused; its last good version runs.
    pub const RULE_FILE_REFUSED: &str = "rule_file_refused";
    /// A plugin file is refused; its last good version runs.
    pub const PLUGIN_REFUSED: &str = "plugin_refused";
    /// Somebody failed to say who it is too often, and is not heard by the HTTP interface for a while.
    pub const API_CLIENT_LOCKED_OUT: &str = "api_client_locked_out";
    /// Somebody asked for a job.
    pub const JOB_REQUESTED: &str = "job_requested";
    /// Somebody wants a job no more.
    pub const JOB_CANCELLED: &str = "job_cancelled";
    /// A log cannot be read, or not all that an entry means.
    pub const LOG_UNREADABLE: &str = "log_unreadable";
    /// Of a log a line is longer than is taken.
    pub const LOG_LINE_CUT: &str = "log_line_cut";
    /// More lines of a log matched than its entry may make events of.
    pub const LOG_EVENTS_LEFT_OUT: &str = "log_events_left_out";
    /// An agent is not heard of.
    pub const AGENT_SILENT: &str = "agent_silent";
    /// An agent is heard of, and what it sees comes late.
    pub const AGENT_BEHIND: &str = "agent_behind";
    /// An agent's store is another one than before.
    pub const AGENT_BEGAN_ANEW: &str = "agent_began_anew";
    /// An agent forwarded what can never be taken.
    pub const AGENT_EVENTS_REFUSED: &str = "agent_events_refused";
    /// As much waits to be forwarded as may: nothing more is evaluated until the control host takes some of it.
    pub const FORWARD_BUFFER_FULL: &str = "forward_buffer_full";
    /// An event is too large to be forwarded.
    pub const EVENT_NOT_FORWARDED: &str = "event_not_forwarded";
    /// Somebody applied a version of a rule set. For the record.
    pub const RULE_SET_APPLIED: &str = "rule_set_applied";
    /// Every node runs the version of a rule set that was rolled out. For the record.
    pub const RULE_SET_ROLLED_OUT: &str = "rule_set_rolled_out";
    /// A node cannot run the version of a rule set that is rolled out, and no more nodes are given it.
    pub const RULE_SET_ROLLOUT_HALTED: &str = "rule_set_rollout_halted";
    /// What the process took away from itself when it started. For the record: it happens at every start, and no rule that
    /// ships reads it.
    pub const CONFINEMENT_ATTESTED: &str = "confinement_attested";
}

/// A condition: what it is, and about what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// One of [`kind`].
    pub event_type: String,
    /// How bad.
    pub severity: Severity,
    /// The source concerned, or `orion`.
    pub source: String,
    /// What it is about; its identity together with the type.
    pub labels: Labels,
}

impl Condition {
    /// A condition about the things named by `labels`.
    pub fn new<const N: usize>(event_type: &str, severity: Severity, source: &str, labels: [(&str, &str); N]) -> Self {
        let labels = labels.into_iter().collect();
        Self { event_type: event_type.to_owned(), severity, source: source.to_owned(), labels }
    }

    /// What its beginning and its end have in common.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let (text, ends) = self.labels.as_text_and_ends();
        let mut id = IdBuilder::new("condition").text(&self.event_type).text(text);
        for end in ends {
            id = id.number(i64::from(*end));
        }
        id.finish().into()
    }

    /// The event that says this. Of two about the same things at one instant only the first would be recorded: what can happen
    /// twice at once has a label that tells it apart.
    pub fn event(&self, status: Status, at: Timestamp, generation: u64, message: &str) -> Event {
        self.event_of("", status, at, generation, message)
    }

    /// The same of what a host says of itself. Others that share its log may say it of themselves at the same instant, and each is
    /// recorded: were one the other, an end would be known already where it stands before the beginning that it ends.
    pub fn event_of(&self, host: &str, status: Status, at: Timestamp, generation: u64, message: &str) -> Event {
        let fingerprint = self.fingerprint();
        let id = IdBuilder::new("event")
            .text(&self.event_type)
            .bytes(fingerprint.as_bytes())
            .number(at.as_millis())
            .number(i64::from(status.rank()));
        let event_id = if host.is_empty() { id.finish() } else { id.text(host).finish() };
        let mut data = Map::new();
        data.insert("message".to_owned(), message.into());
        Event {
            event_id,
            event_type: self.event_type.clone(),
            severity: self.severity,
            status,
            ts: at,
            rule: format!("orion/{}", self.event_type),
            source: self.source.clone(),
            generation,
            fingerprint,
            labels: self.labels.clone(),
            annotations: Labels::empty(),
            data,
            evidence: None,
        }
    }

    /// Under which it is kept while it holds.
    pub(crate) fn key(&self) -> Vec<u8> {
        key::of(&[ROOM, self.fingerprint().to_string().as_bytes()])
    }
}

/// The conditions of one owner that hold now.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    holding: BTreeMap<Fingerprint, Condition>,
    /// Whose they are; empty where they are of the deployment.
    host: String,
}

impl Conditions {
    /// Those that an owner's state has.
    pub fn in_state(state: &[(Vec<u8>, Vec<u8>)]) -> Self {
        let mut conditions = Self::default();
        for (state_key, value) in state {
            if let [ROOM, ..] = key::split(state_key, 2).as_slice() {
                conditions.restore(value);
            }
        }
        conditions
    }

    /// The same as of one host alone, among others; of one that has no name because there are none.
    pub fn of_host(self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self }
    }

    /// Puts back a condition that held when the owner last committed. Bytes that are none are ignored: a condition that
    /// still holds is said again at once.
    pub fn restore(&mut self, value: &[u8]) {
        if let Ok(condition) = serde_json::from_slice::<Condition>(value) {
            self.holding.insert(condition.fingerprint(), condition);
        }
    }

    /// Those of a type that are about a rule, whatever else they say: the plugin of the rule may be another by now.
    pub fn about_rule(&self, event_type: &str, rule: &str) -> Vec<Condition> {
        let is_it = |held: &&Condition| held.event_type == event_type && held.labels.get("rule") == Some(rule);
        self.holding.values().filter(is_it).cloned().collect()
    }

    /// Those that hold.
    pub fn iter(&self) -> impl Iterator<Item = &Condition> {
        self.holding.values()
    }

    /// Whether none holds.
    pub fn is_empty(&self) -> bool {
        self.holding.is_empty()
    }

    /// Whether it holds.
    pub fn holds(&self, condition: &Condition) -> bool {
        self.holding.contains_key(&condition.fingerprint())
    }

    /// It holds, because of `message`. Said only when it did not hold before.
    pub fn raise(
        &mut self,
        draft: &mut Draft,
        condition: Condition,
        at: Timestamp,
        generation: u64,
        message: &str,
    ) -> Result<(), NotWritable> {
        if self.holds(&condition) {
            return Ok(());
        }
        let first_line = message.lines().next().unwrap_or_default();
        tracing::warn!(event_type = condition.event_type, labels = %condition.labels, "{first_line}");
        draft.event(&condition.event_of(&self.host, Status::Firing, at, generation, message))?;
        draft.put(condition.key(), &condition)?;
        self.holding.insert(condition.fingerprint(), condition);
        Ok(())
    }

    /// It does not hold. Said only when it did before.
    pub fn clear(
        &mut self,
        draft: &mut Draft,
        condition: &Condition,
        at: Timestamp,
        generation: u64,
        message: &str,
    ) -> Result<(), NotWritable> {
        if self.holding.remove(&condition.fingerprint()).is_none() {
            return Ok(());
        }
        tracing::info!(event_type = condition.event_type, labels = %condition.labels, "over: {message}");
        draft.event(&condition.event_of(&self.host, Status::Resolved, at, generation, message))?;
        draft.delete(condition.key());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_hosts_say_of_themselves_at_one_instant_is_about_one_thing_and_two_events() {
        let condition = Condition::new(kind::PLUGIN_REFUSED, Severity::Warning, "orion", [("file", "a.wasm")]);
        let said = |host: &str| {
            let (mut conditions, mut draft) = (Conditions::default().of_host(host), Draft::default());
            let at = Timestamp::from_millis(1);
            conditions.raise(&mut draft, condition.clone(), at, 1, "no plugin").unwrap();
            conditions.clear(&mut draft, &condition, at, 1, "one again").unwrap();
            draft.into_records()
        };
        let ids = |host: &str| said(host).iter().map(|record| record.id).collect::<Vec<_>>();
        let fingerprint = |host: &str| serde_json::from_str::<Event>(&said(host)[0].body).unwrap().fingerprint;
        assert_eq!(fingerprint("one"), fingerprint("two"));
        let all: std::collections::BTreeSet<_> = ["one", "two", ""].into_iter().flat_map(ids).collect();
        assert_eq!(all.len(), 6);
        let alone = condition.event(Status::Firing, Timestamp::from_millis(1), 1, "no plugin");
        assert_eq!(ids("")[0], alone.event_id, "of a host that is alone it is what it always was");
    }

    #[test]
    fn a_condition_is_said_once_when_it_begins_and_once_when_it_ends() {
        let condition =
            || Condition::new(kind::EXTERNAL_API_FAILURE, Severity::Error, "prometheus", [("source", "prometheus")]);
        let mut conditions = Conditions::default();
        let mut records = |at: i64, raise: bool| {
            let mut draft = Draft::default();
            let at = Timestamp::from_millis(at);
            if raise {
                conditions.raise(&mut draft, condition(), at, 1, "connection refused").unwrap();
            } else {
                conditions.clear(&mut draft, &condition(), at, 1, "answers again").unwrap();
            }
            draft.into_commit("test", None, 0).records.len()
        };
        assert_eq!(
            [records(1, false), records(2, true), records(3, true), records(4, false), records(5, false)],
            [0, 1, 0, 1, 0]
        );
    }
}
