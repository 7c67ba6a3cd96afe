//! What came of a replay, and what differs between two of the same past.

use std::collections::{BTreeMap, BTreeSet};

use orion_bus::{NewRecord, RecordKind};
use orion_model::{Event, Incident, IncidentStatus, Status, Timestamp, format_duration};
use orion_pipeline::library::Generation;
use orion_pipeline::replay::{Observer, ReplayCounts, ReplaySettings};
use serde_json::{Value, json};

use crate::left_out::LeftOut;
use crate::output::columns;
use crate::text::event_line;

/// What a replay came to.
#[derive(Default)]
pub struct Outcome {
    counts: ReplayCounts,
    events: Vec<Event>,
    incidents: Vec<Incident>,
    decisions: Vec<Value>,
    left_out: LeftOut,
}

/// Collects what a replay tells, and asks at every step whether it is to go on: of the instant that was reached, and of the bytes of records
/// so far.
pub struct Collected<P> {
    outcome: Outcome,
    bytes: usize,
    goes_on: P,
}

impl<P: FnMut(Timestamp, usize) -> bool> Collected<P> {
    /// Nothing yet of a replay of these rules.
    pub fn new(generation: &Generation, goes_on: P) -> Self {
        let outcome = Outcome { left_out: LeftOut::of(generation), ..Outcome::default() };
        Self { outcome, bytes: 0, goes_on }
    }

    /// All of it.
    pub fn end(self, counts: ReplayCounts) -> Outcome {
        Outcome { counts, ..self.outcome }
    }
}

impl<P: FnMut(Timestamp, usize) -> bool> Observer for Collected<P> {
    fn record(&mut self, record: &NewRecord) {
        self.bytes = self.bytes.saturating_add(record.body.len());
        let Outcome { events, incidents, decisions, .. } = &mut self.outcome;
        // What was written a moment ago by this very program can be read.
        match record.kind {
            RecordKind::Event => events.extend(serde_json::from_str::<Event>(&record.body)),
            RecordKind::Incident => incidents.extend(serde_json::from_str::<Incident>(&record.body)),
            RecordKind::Decision => decisions.extend(serde_json::from_str::<Value>(&record.body)),
        }
    }

    fn reached(&mut self, instant: Timestamp) -> bool {
        (self.goes_on)(instant, self.bytes)
    }
}

impl Outcome {
    /// As data.
    pub fn value(&self, settings: ReplaySettings) -> Value {
        json!({
            "from": settings.from,
            "to": settings.to,
            "evaluations": self.counts.evaluations,
            "samples": self.counts.samples,
            "events": self.events,
            "incidents": self.incidents,
            "decisions": self.decisions,
            "left_out": self.left_out.value(),
        })
    }

    /// For people.
    pub fn table(&self, settings: ReplaySettings) -> String {
        let mut text = self.rules_table();
        text.push('\n');
        text.push_str(&self.incidents_table());
        let lasted = format_duration(settings.to.millis_since(settings.from) / 1_000 * 1_000);
        let ReplayCounts { evaluations, samples } = self.counts;
        text.push_str(&format!(
            "\n{lasted} replayed: {evaluations} evaluations, {samples} samples, {} events, {} decisions (all NO_ACTION)\n",
            self.events.len(),
            self.decisions.len()
        ));
        text.push_str(&self.left_out.line());
        text
    }

    fn rules_table(&self) -> String {
        let mut rules: BTreeMap<&str, (u64, u64, Option<Timestamp>)> = BTreeMap::new();
        for event in &self.events {
            let (fired, resolved, last) = rules.entry(&event.rule).or_default();
            match event.status {
                Status::Firing | Status::Occurred => *fired += 1,
                Status::Resolved => *resolved += 1,
            }
            *last = Some(event.ts);
        }
        if rules.is_empty() {
            return "no events\n".to_owned();
        }
        let row = |(rule, (fired, resolved, last)): (&str, (u64, u64, Option<Timestamp>))| {
            let last = last.map(|last| last.to_string()).unwrap_or_default();
            vec![fired.to_string(), resolved.to_string(), last, rule.to_owned()]
        };
        columns(&["FIRED", "RESOLVED", "LAST", "RULE"], &rules.into_iter().map(row).collect::<Vec<_>>())
    }

    fn incidents_table(&self) -> String {
        let mut last: BTreeMap<(Timestamp, String), &Incident> = BTreeMap::new();
        for incident in &self.incidents {
            last.insert((incident.opened_at, incident.incident_id.to_string()), incident);
        }
        if last.is_empty() {
            return "no incidents\n".to_owned();
        }
        let row = |incident: &&Incident| {
            let lasted = format_duration(incident.ts.millis_since(incident.opened_at) / 1_000 * 1_000);
            let state = match incident.status {
                IncidentStatus::Resolved => format!("resolved after {lasted}"),
                _ => "open at the end".to_owned(),
            };
            let Incident { opened_at, severity, incident_type, event_count, summary, .. } = incident;
            let facts = [severity.to_string(), incident_type.clone(), event_count.to_string(), summary.clone()];
            [opened_at.to_string(), state].into_iter().chain(facts).collect()
        };
        let rows: Vec<Vec<String>> = last.values().map(row).collect();
        columns(&["OPENED", "STATE", "SEVERITY", "TYPE", "EVENTS", "SUMMARY"], &rows)
    }
}

/// What two rule sets make differently of the same past.
pub struct Difference<'a> {
    /// Events that only the rules have.
    gone: Vec<&'a Event>,
    /// Events that only the others have.
    new: Vec<&'a Event>,
    same: usize,
    incidents: (usize, usize),
    left_out: LeftOut,
}

impl<'a> Difference<'a> {
    /// Between what the rules make of it and what others make of it.
    pub fn between(of_rules: &'a Outcome, of_others: &'a Outcome) -> Self {
        // Of the same rule, about the same thing, at the same time: how it is worded does not count.
        let identity = |event: &'a Event| (event.ts, &event.rule, event.status.rank(), &event.labels);
        let keys = |outcome: &'a Outcome| outcome.events.iter().map(identity).collect::<BTreeSet<_>>();
        let (mine, theirs) = (keys(of_rules), keys(of_others));
        let opened = |outcome: &Outcome| {
            outcome.incidents.iter().filter(|incident| incident.status == IncidentStatus::Opened).count()
        };
        Self {
            gone: of_rules.events.iter().filter(|event| !theirs.contains(&identity(event))).collect(),
            new: of_others.events.iter().filter(|event| !mine.contains(&identity(event))).collect(),
            same: mine.intersection(&theirs).count(),
            incidents: (opened(of_rules), opened(of_others)),
            left_out: of_rules.left_out.and(&of_others.left_out),
        }
    }

    /// As data.
    pub fn value(&self) -> Value {
        json!({
            "same_events": self.same,
            "only_rules": self.gone,
            "only_diff": self.new,
            "incidents_opened": { "rules": self.incidents.0, "diff": self.incidents.1 },
            "left_out": self.left_out.value(),
        })
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut lines: Vec<(Timestamp, String)> = Vec::new();
        lines.extend(self.gone.iter().map(|event| (event.ts, format!("- {}  {}\n", event_line(event), event.rule))));
        lines.extend(self.new.iter().map(|event| (event.ts, format!("+ {}  {}\n", event_line(event), event.rule))));
        lines.sort();
        let mut text: String = lines.into_iter().map(|(_, line)| line).collect();
        let (gone, new, same) = (self.gone.len(), self.new.len(), self.same);
        let (rules, diff) = self.incidents;
        text.push_str(&format!(
            "{same} events are the same, {gone} only with --rules (-), {new} only with --diff (+)\n"
        ));
        text.push_str(&format!("incidents opened: {rules} with --rules, {diff} with --diff\n"));
        text.push_str(&self.left_out.line());
        text
    }
}
