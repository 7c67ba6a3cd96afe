//! `orion replay`: what these rules would have made of the past, by the code that runs live.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use orion_bus::{NewRecord, RecordKind};
use orion_model::{Event, Incident, IncidentStatus, Status, Timestamp, format_duration};
use orion_pipeline::library::Generation;
use orion_pipeline::replay::{Observer, Pace, Replay, ReplayCounts, ReplaySettings};
use serde_json::{Value, json};

use crate::cli::{Failure, Output, RuleArgs, duration};
use crate::output::{columns, form, print_value};
use crate::past::{MemoryArgs, Progress, SpanArgs};
use crate::text::event_line;
use crate::{rule_set, setup};

/// Arguments of `orion replay`.
#[derive(Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    pub span: SpanArgs,
    /// Evaluate every group this often [default: each group's own interval]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub step: Option<i64>,
    #[command(flatten)]
    pub rules: RuleArgs,
    /// Replay these rules as well (a folder or a file), and show what differs
    #[arg(long, value_name = "RULES")]
    pub diff: Option<PathBuf>,
    /// Answers that `orion record` has written, in the place of Prometheus
    #[arg(long, value_name = "FILE")]
    pub recorded: Option<PathBuf>,
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// How the result looks [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
}

/// Replays, and tells what would have been recorded.
pub fn replay(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let (from, to) = args.span.resolve()?;
    let pace = args.step.map_or(Pace::AsLive, Pace::Every);
    let settings = ReplaySettings { from, to, pace };
    let load = |rules| rule_set::load(rules, &args.rules.plugins, args.memory.poll_interval);
    let of_rules = go(args, &load(&args.rules.rules)?, settings, "replay")?;
    let Some(other) = &args.diff else {
        print_value(form(args.output), &of_rules.value(settings), || of_rules.table(settings))?;
        return Ok(ExitCode::SUCCESS);
    };
    let of_others = go(args, &load(other)?, settings, "replay of --diff")?;
    let difference = Difference::between(&of_rules, &of_others);
    print_value(form(args.output), &difference.value(), || difference.table())?;
    Ok(ExitCode::SUCCESS)
}

fn go(
    args: &ReplayArgs,
    generation: &Generation,
    settings: ReplaySettings,
    what: &'static str,
) -> Result<Outcome, Failure> {
    let sources = args.memory.sources(args.recorded.as_ref())?;
    let progress = Progress::new(what, settings.from, settings.to);
    let mut collected = Collected { outcome: Outcome::default(), progress };
    let replay = Replay::new(generation, &sources, settings).map_err(Failure::configuration)?;
    let counts = setup::runtime()?.block_on(replay.run(&mut collected)).map_err(Failure::configuration)?;
    let Collected { mut outcome, progress } = collected;
    progress.finish();
    outcome.counts = counts;
    Ok(outcome)
}

/// What a replay came to.
#[derive(Default)]
struct Outcome {
    counts: ReplayCounts,
    events: Vec<Event>,
    incidents: Vec<Incident>,
    decisions: Vec<Value>,
}

struct Collected {
    outcome: Outcome,
    progress: Progress,
}

impl Observer for Collected {
    fn record(&mut self, record: &NewRecord) {
        let Outcome { events, incidents, decisions, .. } = &mut self.outcome;
        // What was written a moment ago by this very program can be read.
        match record.kind {
            RecordKind::Event => events.extend(serde_json::from_str::<Event>(&record.body)),
            RecordKind::Incident => incidents.extend(serde_json::from_str::<Incident>(&record.body)),
            RecordKind::Decision => decisions.extend(serde_json::from_str::<Value>(&record.body)),
        }
    }

    fn reached(&mut self, instant: Timestamp) {
        self.progress.reached(instant);
    }
}

impl Outcome {
    fn value(&self, settings: ReplaySettings) -> Value {
        json!({
            "from": settings.from,
            "to": settings.to,
            "evaluations": self.counts.evaluations,
            "samples": self.counts.samples,
            "events": self.events,
            "incidents": self.incidents,
            "decisions": self.decisions,
        })
    }

    fn table(&self, settings: ReplaySettings) -> String {
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
struct Difference<'a> {
    /// Events that only the rules have.
    gone: Vec<&'a Event>,
    /// Events that only the others have.
    new: Vec<&'a Event>,
    same: usize,
    incidents: (usize, usize),
}

impl<'a> Difference<'a> {
    fn between(of_rules: &'a Outcome, of_others: &'a Outcome) -> Self {
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
        }
    }

    fn value(&self) -> Value {
        json!({
            "same_events": self.same,
            "only_rules": self.gone,
            "only_diff": self.new,
            "incidents_opened": { "rules": self.incidents.0, "diff": self.incidents.1 },
        })
    }

    fn table(&self) -> String {
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
        text
    }
}
