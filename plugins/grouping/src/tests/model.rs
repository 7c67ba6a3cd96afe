//! Grouping once more, as plainly as it can be said: every member of every key in a list, walked over for every question.

use std::collections::BTreeMap;

use orion_plugin::testing::of_each;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
struct Member {
    fingerprint: u64,
    time: i64,
    position: u64,
    severity: Severity,
    firing: bool,
    occurred: bool,
}

#[derive(Clone, Debug)]
struct Key {
    opened: Option<(i64, Severity, bool)>,
    last: i64,
    members: Vec<Member>,
}

#[derive(Clone, Copy, Debug)]
struct Rules {
    at_least: usize,
    window: i64,
    idle: i64,
    max: i64,
}

/// What is said; updates that follow each other are one.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Opened { key: String, time: i64, positions: Vec<u64>, severity: Severity },
    Grew { key: String, positions: Vec<u64>, severity: Severity },
    Resolved { key: String, time: i64, reason: String, severity: Severity },
}

#[derive(Default)]
struct Model {
    keys: BTreeMap<String, Key>,
    said: Vec<Said>,
}

impl Model {
    fn event(&mut self, event: &TestEvent, rules: Rules) {
        self.pass_of(&event.key, event.timestamp, rules);
        let name = event.key.clone();
        if event.status == Status::Resolved {
            let Some(key) = self.keys.get_mut(&name) else { return };
            let Some(index) = key.members.iter().position(|m| m.fingerprint == event.fingerprint && m.firing) else {
                return;
            };
            key.last = key.last.max(event.timestamp);
            let (last, window) = (key.last, rules.window);
            key.members.retain(|m| m.firing || m.time > last - window);
            let index = key.members.iter().position(|m| m.fingerprint == event.fingerprint).unwrap_or(index);
            key.members[index].firing = false;
            if let Some((_, severity, false)) = key.opened
                && key.members.iter().all(|m| !m.firing)
            {
                self.said.push(Said::Resolved {
                    key: name.clone(),
                    time: last,
                    reason: "all resolved".into(),
                    severity,
                });
                self.keys.remove(&name);
            }
            return;
        }
        let new = Key { opened: None, last: event.timestamp, members: vec![] };
        let key = self.keys.entry(name.clone()).or_insert(new);
        key.last = key.last.max(event.timestamp);
        let (last, window) = (key.last, rules.window);
        key.members.retain(|m| m.firing || m.time > last - window);
        let (firing, occurred) = (event.status == Status::Firing, event.status == Status::Occurred);
        let is_new = match key.members.iter_mut().find(|m| m.fingerprint == event.fingerprint) {
            Some(member) => {
                member.time = last;
                member.firing |= firing;
                member.occurred |= occurred;
                member.severity = member.severity.max(event.severity);
                false
            }
            None => {
                let (fingerprint, position, severity) = (event.fingerprint, event.position, event.severity);
                key.members.push(Member { fingerprint, time: last, position, severity, firing, occurred });
                true
            }
        };
        match &mut key.opened {
            None if key.members.len() >= rules.at_least => {
                let (severity, positions) = key.open(last);
                self.said.push(Said::Opened { key: name, time: last, positions, severity });
            }
            None => {}
            Some((_, severity, any_occurred)) => {
                *any_occurred |= occurred;
                if is_new || event.severity > *severity {
                    *severity = event.severity.max(*severity);
                    self.said.push(Said::Grew { key: name, positions: vec![event.position], severity: *severity });
                }
            }
        }
    }

    fn pass(&mut self, time: i64, rules: Rules) {
        let names: Vec<_> = self.keys.keys().cloned().collect();
        names.iter().for_each(|name| self.pass_of(name, time, rules));
    }

    fn pass_of(&mut self, of: &str, time: i64, rules: Rules) {
        loop {
            let known = self.keys.get(of).map(|key| (key.end(rules), of.to_owned()));
            let ends = known.into_iter().filter_map(|(end, name)| Some((end?, name)));
            let Some((end, name)) = ends.min().filter(|(end, _)| *end <= time) else { return };
            let key = self.keys.get_mut(&name).unwrap();
            let Some((since, severity, _)) = key.opened else {
                self.keys.remove(&name);
                continue;
            };
            let silent = key.members.iter().all(|m| !m.firing);
            let idle = silent && end == key.last + rules.idle && key.last + rules.idle <= since + rules.max;
            let (what, millis) = if idle { ("idle", rules.idle) } else { ("open", rules.max) };
            let reason = format!("{what} for {}", format_duration(millis));
            self.said.push(Said::Resolved { key: name.clone(), time: end, reason, severity });
            key.members.retain(|m| m.firing);
            if idle || key.members.is_empty() {
                self.keys.remove(&name);
            } else {
                let (severity, positions) = key.open(end);
                self.said.push(Said::Opened { key: name, time: end, positions, severity });
            }
        }
    }
}

impl Key {
    fn open(&mut self, time: i64) -> (Severity, Vec<u64>) {
        let severity = self.members.iter().map(|m| m.severity).max().unwrap();
        self.opened = Some((time, severity, self.members.iter().any(|m| m.occurred)));
        let mut positions: Vec<_> = self.members.iter().map(|m| m.position).collect();
        positions.sort_unstable();
        (severity, positions)
    }

    fn end(&self, rules: Rules) -> Option<i64> {
        let silent = self.members.iter().all(|m| !m.firing);
        match self.opened {
            Some((since, ..)) if silent => Some((self.last + rules.idle).min(since + rules.max)),
            Some((since, ..)) => Some(since + rules.max),
            None if silent => Some(self.members.iter().map(|m| m.time).max().unwrap_or(self.last) + rules.window),
            None => None,
        }
    }
}

/// Takes changes apart into what the model says: joins may share a change.
fn merged(said: Vec<Said>) -> BTreeMap<String, Vec<Said>> {
    let mut by_key: BTreeMap<String, Vec<Said>> = BTreeMap::new();
    for next in said {
        let (Said::Opened { key, .. } | Said::Grew { key, .. } | Said::Resolved { key, .. }) = &next;
        let row = by_key.entry(key.clone()).or_default();
        match (row.last_mut(), next) {
            (Some(Said::Grew { positions, severity, .. }), Said::Grew { positions: more, severity: now, .. }) => {
                positions.extend(more);
                *severity = now;
            }
            (_, next) => row.push(next),
        }
    }
    by_key
}

fn as_said(change: Change) -> Said {
    let (key, positions, severity, time) = (change.key, change.positions, change.severity, change.timestamp);
    match change.kind {
        ChangeKind::Opened => Said::Opened { key, time, positions, severity },
        ChangeKind::Updated => Said::Grew { key, positions, severity },
        ChangeKind::Resolved => Said::Resolved { key, time, reason: change.reason, severity },
    }
}

/// So that events of one second and of several follow each other.
const STEP: i64 = 300;

fn events() -> impl Strategy<Value = Vec<(TestEvent, bool, bool)>> {
    let status =
        prop_oneof![Just(Status::Occurred), Just(Status::Firing), Just(Status::Firing), Just(Status::Resolved)];
    let event = (0_u64..3, 0_u64..4, -2_i64..8, 0_u8..4, status, any::<bool>(), proptest::bool::weighted(0.2));
    proptest::collection::vec(event, 1..60).prop_map(|drawn| {
        let mut time = 0;
        let of = |(index, (key, fingerprint, steps, rank, status, cut, restart)): (usize, _)| {
            let severity = Severity::from_rank(rank);
            time += steps * STEP;
            let (position, timestamp, key) = (index as u64, time, format!("k{key}"));
            (TestEvent { position, timestamp, severity, status, fingerprint, key }, cut, restart)
        };
        drawn.into_iter().enumerate().map(of).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn grouping_is_its_model_whatever_the_batches_ticks_and_restarts(
        events in events(),
        at_least in 1_usize..4,
        window in 1_i64..12, idle in 1_i64..12, max in 1_i64..40,
    ) {
        let rules = Rules { at_least, window: window * STEP, idle: idle * STEP, max: max * STEP };
        let start = || probe(&[
            ("at_least", at_least as i64), ("window", rules.window), ("idle", rules.idle), ("max", rules.max),
            ("lateness", HOUR),
        ]);
        let mut model = Model::default();
        let mut grouping = start();
        let (mut one_by_one, mut said_one_by_one) = (start(), Vec::new());
        let mut saved = Saved::default();
        let mut said = Vec::new();
        let mut batch = Vec::new();
        for (event, cut, restart) in &events {
            model.event(event, rules);
            said_one_by_one.extend(one_by_one.correlate(event.timestamp, std::slice::from_ref(event)));
            batch.push(event.clone());
            if *cut || *restart {
                said.extend(grouping.correlate(event.timestamp, &batch));
                batch.clear();
                saved.keep(grouping.checkpoint());
            }
            if *restart {
                grouping = start();
                grouping.restore(STATE_VERSION, &saved).unwrap();
            }
        }
        let end = events.iter().map(|(event, ..)| event.timestamp).max().unwrap_or_default() + 10 * STEP;
        said.extend(grouping.correlate(end, &batch));
        said.extend(grouping.correlate(end, &[]));
        said_one_by_one.extend(one_by_one.correlate(end, &[]));
        model.pass(end, rules);
        prop_assert_eq!(of_each(said.clone()), of_each(said_one_by_one));
        prop_assert_eq!(merged(said.into_iter().map(as_said).collect()), merged(model.said));
    }
}
