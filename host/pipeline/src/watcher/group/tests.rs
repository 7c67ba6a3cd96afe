//! A group that is interrupted anywhere says what one that never was would have said: alerts, detectors that learn, missing
//! data, and what holds of rules and sources.

use std::collections::BTreeMap;

use orion_bus::{Commit, Loaded, StateChange};
use orion_model::{Frame, Labels, RecordId, Timestamp};
use orion_source::SourceError;
use proptest::prelude::*;
use serde_json::Value;

use super::{Answers, Evaluating, Group, Which};
use crate::shipped::generation;
use crate::watcher::Effort;
use crate::watcher::GroupPlan;

const RULES: &str = "
groups:
  - name: g
    interval: 15s
    rules:
      - { alert: Plain, expr: q, for: 30s, keep_firing_for: 30s }
      - { alert: Bound, expr: q, plugin: threshold, with: { above: 5 }, for: 15s, missing_for: 1 }
      - { alert: Gone, expr: q, plugin: absence }
      - { alert: Restarted, expr: q, plugin: counter-reset, with: { window: 1m } }
      - { alert: Fast, expr: q, plugin: rate-of-change, with: { at_least: 3, window: 1m } }
      - { alert: NoData, expr: q, on_empty: fire }
      - { alert: Alike, expr: q, labels: { job: same } }
";

const SERIES: usize = 3;

fn plan() -> GroupPlan {
    generation(RULES).groups.into_values().next().unwrap()
}

/// What a store keeps of commits.
#[derive(Default)]
struct Store {
    offset: Option<i64>,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    records: BTreeMap<RecordId, Value>,
}

impl Store {
    fn take(&mut self, commit: Commit) {
        assert_eq!(commit.expected, self.offset);
        self.offset = Some(commit.offset);
        for change in commit.state {
            match change {
                StateChange::Put { key, value } => drop(self.state.insert(key, value)),
                StateChange::Delete { key } => drop(self.state.remove(&key)),
                StateChange::Clear => self.state.clear(),
            }
        }
        for record in commit.records {
            let mut body: Value = serde_json::from_str(&record.body).unwrap();
            // How much work a call was depends on what the instance did before.
            if let Some(evidence) = body.get_mut("evidence") {
                evidence.as_object_mut().unwrap().remove("fuel");
            }
            self.records.entry(record.id).or_insert(body);
        }
    }

    fn loaded(&self) -> Loaded {
        Loaded { offset: self.offset, state: self.state.clone().into_iter().collect() }
    }
}

/// What the source says at one instant: the value of each series that is there, or that it does not answer.
#[derive(Clone, Debug)]
enum Said {
    Values([Option<u8>; SERIES]),
    Nothing,
}

/// What happens to the process at one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    GoesOn,
    Flushes,
    DiesBefore,
    DiesUncommitted,
}

fn answers(group: &mut Group, said: &Said, instant: Timestamp) -> Answers {
    let mut answers: Answers = (0..group.session_count()).map(|_| None).collect();
    for (index, session) in group.questions(&Which::All) {
        let Said::Values(values) = said else {
            let (url, timeout_millis) = ("http://p".to_owned(), 1);
            answers[index] = Some(Err(SourceError::TimedOut { url, timeout_millis }));
            continue;
        };
        let mut frame = Frame { instant, ..Frame::default() };
        for (series, value) in values.iter().enumerate().filter_map(|(series, value)| Some((series, (*value)?))) {
            let labels: Labels = [("job", series.to_string())].into_iter().collect();
            frame.ids.push(session.table.define(&labels, instant));
            frame.timestamps.push(instant.as_millis());
            frame.values.push(f64::from(value));
        }
        answers[index] = Some(Ok(frame));
    }
    answers
}

/// Goes through all instants; each fate comes once.
fn records(plan: &GroupPlan, day: &[Said], fates: &[Fate]) -> BTreeMap<RecordId, Value> {
    let mut fates = fates.to_vec();
    let mut store = Store::default();
    let first = plan.slots.after(Timestamp::from_millis(1_000_000_000));
    let instant_of = |index: usize| first.plus_millis(15_000 * i64::try_from(index).unwrap());
    let index_after = |store: &Store| match store.offset {
        Some(offset) => usize::try_from((offset - first.as_millis()) / 15_000 + 1).unwrap(),
        None => 0,
    };
    let open = |store: &Store| Group::open(plan.clone(), store.loaded(), first).unwrap();
    let commit_all = |group: &mut Group, store: &mut Store| {
        while !group.is_quiet() || group.is_ahead_of_store() {
            let commit = group.next_commit().unwrap().unwrap();
            let offset = commit.offset;
            store.take(commit);
            group.committed(offset);
        }
    };
    let mut group = open(&store);
    let mut index = 0;
    while index < day.len() {
        let fate = std::mem::replace(&mut fates[index], Fate::GoesOn);
        if fate == Fate::DiesBefore {
            group = open(&store);
            index = index_after(&store);
            continue;
        }
        let instant = instant_of(index);
        let answers = answers(&mut group, &day[index], instant);
        let evaluating = Evaluating { instant, edit: None, late: false, which: &Which::All, effort: Effort::Full };
        group.compute(evaluating, &answers).unwrap();
        if fate == Fate::DiesUncommitted {
            group = open(&store);
            index = index_after(&store);
            continue;
        }
        if !group.is_quiet() || fate == Fate::Flushes {
            commit_all(&mut group, &mut store);
        }
        index += 1;
    }
    commit_all(&mut group, &mut store);
    store.records
}

fn said() -> impl Strategy<Value = Said> {
    let value = || proptest::option::weighted(0.7, 0_u8..10);
    prop_oneof![
        9 => [value(), value(), value()].prop_map(Said::Values),
        1 => Just(Said::Nothing),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::GoesOn),
        1 => Just(Fate::Flushes),
        1 => Just(Fate::DiesBefore),
        1 => Just(Fate::DiesUncommitted),
    ]
}

#[test]
fn a_group_that_is_interrupted_anywhere_says_what_one_that_never_was_says() {
    let plan = plan();
    let config = ProptestConfig { cases: 64, ..ProptestConfig::default() };
    let days = proptest::collection::vec((said(), fate()), 1..24);
    proptest::test_runner::TestRunner::new(config)
        .run(&days, |day| {
            let (day, fates): (Vec<Said>, Vec<Fate>) = day.into_iter().unzip();
            let whole = records(&plan, &day, &vec![Fate::GoesOn; day.len()]);
            prop_assert_eq!(records(&plan, &day, &fates), whole);
            Ok(())
        })
        .unwrap();
}
