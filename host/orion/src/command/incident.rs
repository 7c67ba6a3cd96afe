//! `orion incident`: what happened, for a person who comes later.

use std::collections::BTreeMap;
use std::process::ExitCode;

use orion_bus::{Entry, Reader, RecordKind, SqliteBus};
use orion_model::{Decision, Event, Incident, IncidentStatus, RecordId};
use serde_json::json;

use crate::cli::{DataArgs, Failure, IncidentArgs, IncidentCommand};
use crate::output::{columns, form, print_list, print_value};
use crate::text::{self, short_id, span};

/// Records read at once.
const BATCH: usize = 1_024;

/// Runs `list` or `show`.
pub fn incident(args: &IncidentArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        IncidentCommand::List { data, open, output } => {
            let mut stories = read_stories(data)?;
            stories.retain(|story| !*open || !story.is_resolved());
            let values = stories.iter().map(|story| json!(story.last())).collect();
            print_list(form(*output), values, |_| list_table(&stories))?;
        }
        IncidentCommand::Show { id, data, output } => {
            let story = find(read_stories(data)?, id)?;
            let events = read_events(data, &story)?;
            let value = json!({
                "incident": story.last(),
                "revisions": story.revisions,
                "decisions": story.decisions,
                "events": events,
            });
            print_value(form(*output), &value, || show_text(&story, &events))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One incident from first to last revision, with the decisions about it.
pub struct Story {
    revisions: Vec<Incident>,
    decisions: Vec<Decision>,
}

impl Story {
    fn last(&self) -> Option<&Incident> {
        self.revisions.last()
    }

    fn is_resolved(&self) -> bool {
        self.last().is_some_and(|incident| incident.status == IncidentStatus::Resolved)
    }
}

/// All incidents of a deployment, newest first.
pub fn read_stories(data: &DataArgs) -> Result<Vec<Story>, Failure> {
    let mut reader = open(data)?;
    let mut stories: BTreeMap<RecordId, Story> = BTreeMap::new();
    each_entry(&mut reader, |entry| match entry.kind {
        RecordKind::Incident => {
            let revision: Incident = serde_json::from_str(&entry.body).map_err(Failure::configuration)?;
            story_of(&mut stories, revision.incident_id).revisions.push(revision);
            Ok(())
        }
        RecordKind::Decision => {
            let decision: Decision = serde_json::from_str(&entry.body).map_err(Failure::configuration)?;
            story_of(&mut stories, decision.incident_id).decisions.push(decision);
            Ok(())
        }
        RecordKind::Event => Ok(()),
    })?;
    let mut stories: Vec<Story> = stories.into_values().filter(|story| !story.revisions.is_empty()).collect();
    let age = |story: &Story| story.last().map(|incident| (incident.opened_at, incident.incident_id));
    stories.sort_by_key(|story| std::cmp::Reverse(age(story)));
    Ok(stories)
}

fn story_of(stories: &mut BTreeMap<RecordId, Story>, id: RecordId) -> &mut Story {
    stories.entry(id).or_insert_with(|| Story { revisions: Vec::new(), decisions: Vec::new() })
}

fn open(data: &DataArgs) -> Result<Reader, Failure> {
    SqliteBus::open_read_only(&data.memory_dir()).map_err(Failure::configuration)
}

fn each_entry(reader: &mut Reader, mut act: impl FnMut(&Entry) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut after = 0;
    loop {
        let entries = reader.read(after, BATCH).map_err(Failure::configuration)?;
        let Some(last) = entries.last() else { return Ok(()) };
        after = last.seq;
        entries.iter().try_for_each(&mut act)?;
    }
}

fn find(stories: Vec<Story>, id: &str) -> Result<Story, Failure> {
    let is_it = |story: &Story| story.last().is_some_and(|incident| incident.incident_id.to_string().starts_with(id));
    let mut found: Vec<Story> = stories.into_iter().filter(is_it).collect();
    match (found.len(), found.pop()) {
        (1, Some(story)) => Ok(story),
        (0, _) => {
            Err(Failure::Configuration(format!("no incident's id begins with `{id}`; see `orion incident list`")))
        }
        (count, _) => {
            Err(Failure::Configuration(format!("the ids of {count} incidents begin with `{id}`: give more of it")))
        }
    }
}

fn read_events(data: &DataArgs, story: &Story) -> Result<Vec<Event>, Failure> {
    let mut events = Vec::new();
    let wanted: Vec<RecordId> = story.revisions.iter().flat_map(|revision| revision.event_ids.clone()).collect();
    each_entry(&mut open(data)?, |entry| {
        if entry.kind == RecordKind::Event && wanted.contains(&entry.id) {
            events.push(serde_json::from_str(&entry.body).map_err(Failure::configuration)?);
        }
        Ok(())
    })?;
    Ok(events)
}

/// The list as a table.
pub fn list_table(stories: &[Story]) -> String {
    if stories.is_empty() {
        return "no incidents\n".to_owned();
    }
    let rows: Vec<Vec<String>> = stories
        .iter()
        .filter_map(Story::last)
        .map(|incident| {
            let lasted = incident.ts.millis_since(incident.opened_at);
            let state = match incident.status {
                IncidentStatus::Resolved => format!("resolved after {}", span(lasted)),
                _ => "open".to_owned(),
            };
            vec![
                short_id(&incident.incident_id.to_string()),
                incident.opened_at.to_string(),
                state,
                incident.severity.to_string(),
                incident.incident_type.clone(),
                incident.event_count.to_string(),
                "NO_ACTION".to_owned(),
                incident.summary.clone(),
            ]
        })
        .collect();
    columns(&["ID", "OPENED", "STATE", "SEVERITY", "TYPE", "EVENTS", "DECISION", "SUMMARY"], &rows)
}

fn show_text(story: &Story, events: &[Event]) -> String {
    let Some(incident) = story.last() else { return String::new() };
    let mut text = format!("{}\n\n", incident.summary);
    let facts = [
        ("incident", incident.incident_id.to_string()),
        ("type", incident.incident_type.clone()),
        ("severity", incident.severity.to_string()),
        ("group", incident.key.to_string()),
        ("opened", incident.opened_at.to_string()),
        ("correlation", incident.correlation.clone()),
        ("correlator", format!("{} {}", incident.plugin, incident.plugin_digest)),
        ("previous", incident.previous.map_or_else(|| "none".to_owned(), |id| id.to_string())),
    ];
    for (name, value) in facts {
        text.push_str(&format!("{name:12}  {value}\n"));
    }
    text.push_str("\nrevisions\n");
    for revision in &story.revisions {
        text.push_str(&format!("  {}  {:9}  {}\n", revision.ts, revision.status.as_str(), revision.reason));
    }
    text.push_str("\ndecisions\n");
    for decision in &story.decisions {
        text.push_str(&format!("  {}  NO_ACTION  {}\n", decision.ts, decision.reason));
    }
    text.push_str("\nevents\n");
    for event in events {
        text.push_str(&format!("  {}\n", text::event_line(event)));
        text.push_str(&format!("    rule {}  labels {}\n", event.rule, event.labels));
        if let Some(evidence) = &event.evidence {
            text.push_str(&format!("    query {}\n", evidence.expr));
        }
    }
    text
}
