//! `orion incident`: what happened, for a person who comes later.

use std::process::ExitCode;

use orion_api::{Found, Known, Register, Story};
use orion_bus::{Entry, Reader, SqliteBus};
use orion_model::{Incident, IncidentStatus};
use serde_json::json;

use crate::cli::{DataArgs, Failure, IncidentArgs, IncidentCommand};
use crate::output::{columns, form, print_list, print_value};
use crate::text::{self, short_id, span};

/// Runs `list` or `show`.
pub fn incident(args: &IncidentArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        IncidentCommand::List { data, open, output } => {
            let incidents = read_incidents(data, *open)?;
            let values = incidents.iter().map(|incident| json!(incident)).collect();
            print_list(form(*output), values, |_| list_table(&incidents))?;
        }
        IncidentCommand::Show { id, data, output } => {
            let story = read_story(data, id)?;
            print_value(form(*output), &json!(story), || show_text(&story))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The last revisions of the incidents of a deployment, newest first.
pub fn read_incidents(data: &DataArgs, only_open: bool) -> Result<Vec<Incident>, Failure> {
    let mut reader = open(data)?;
    let register = Register::read(&mut reader).map_err(Failure::configuration)?;
    let wanted = register.newest(None).filter(|known| !only_open || known.is_open());
    let positions: Vec<u64> = wanted.filter_map(Known::last_position).collect();
    let entries = reader.read_at(&positions).map_err(Failure::configuration)?;
    let read = |entry: &Entry| serde_json::from_str(&entry.body).map_err(Failure::configuration);
    entries.iter().map(read).collect()
}

fn read_story(data: &DataArgs, id: &str) -> Result<Story, Failure> {
    let mut reader = open(data)?;
    let register = Register::read(&mut reader).map_err(Failure::configuration)?;
    let known = match register.find(id) {
        Found::One(known) => known,
        Found::None => {
            let what = format!("no incident's id begins with `{id}`; see `orion incident list`");
            return Err(Failure::Configuration(what));
        }
        Found::Several(count) => {
            let what = format!("the ids of {count} incidents begin with `{id}`: give more of it");
            return Err(Failure::Configuration(what));
        }
    };
    let story = Story::read(&mut reader, known, u64::MAX).map_err(Failure::configuration)?;
    story.ok_or_else(|| Failure::Configuration(format!("the records of incident {id} are kept no more")))
}

fn open(data: &DataArgs) -> Result<Reader, Failure> {
    SqliteBus::open_read_only(&data.memory_dir()).map_err(Failure::configuration)
}

/// The list as a table.
pub fn list_table(incidents: &[Incident]) -> String {
    if incidents.is_empty() {
        return "no incidents\n".to_owned();
    }
    let rows: Vec<Vec<String>> = incidents
        .iter()
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

fn show_text(story: &Story) -> String {
    let incident = &story.incident;
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
    for event in &story.events {
        text.push_str(&format!("  {}\n", text::event_line(event)));
        text.push_str(&format!("    rule {}  labels {}\n", event.rule, event.labels));
        if let Some(evidence) = &event.evidence {
            text.push_str(&format!("    query {}\n", evidence.expr));
        }
    }
    text
}
