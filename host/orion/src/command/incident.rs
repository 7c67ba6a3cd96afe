//! `orion incident`: what happened, for a person who comes later.

use std::process::ExitCode;

use orion_api::{Found, Known, Register, Story};
use orion_bus::{Entry, Reader, SqliteBus};
use orion_model::{Incident, IncidentStatus, Marked};
use serde::Serialize;
use serde_json::json;

use super::mark::{mark, marks};
use crate::arguments::DataArgs;
use crate::cli::{Failure, IncidentArgs, IncidentCommand};
use crate::output::{columns, form, print_list, print_value};
use crate::text::{self, short_id, span};

/// Runs `list`, `show`, `mark` or `marks`.
pub fn incident(args: &IncidentArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        IncidentCommand::List { data, open, output } => {
            let incidents = read_incidents(data, *open)?;
            let values = incidents.iter().map(|incident| json!(incident)).collect();
            print_list(form(*output), values, |_| list_table(&incidents))?;
        }
        IncidentCommand::Mark(args) => return mark(args),
        IncidentCommand::Marks(args) => return marks(args),
        IncidentCommand::Show { id, data, output } => {
            let story = read_story(data, id)?;
            print_value(form(*output), &json!(story), || show_text(&story))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// An incident of a list.
#[derive(Serialize)]
pub struct Listed {
    /// Its last revision.
    #[serde(flatten)]
    incident: Incident,
    /// What was thought of it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<Marked>,
}

/// The last revisions of the incidents of a deployment, newest first.
pub fn read_incidents(data: &DataArgs, only_open: bool) -> Result<Vec<Listed>, Failure> {
    let mut reader = open(data)?;
    let register = Register::read(&mut reader).map_err(Failure::configuration)?;
    let wanted = register.newest(None).filter(|known| !only_open || known.is_open());
    let positions: Vec<u64> = wanted.filter_map(Known::last_position).collect();
    let entries = reader.read_at(&positions).map_err(Failure::configuration)?;
    let read = |entry: &Entry| {
        let incident: Incident = serde_json::from_str(&entry.body).map_err(Failure::configuration)?;
        let mark = register.get(incident.incident_id).and_then(Known::mark).cloned();
        Ok(Listed { incident, mark })
    };
    entries.iter().map(read).collect()
}

fn read_story(data: &DataArgs, id: &str) -> Result<Story, Failure> {
    let mut reader = open(data)?;
    let register = Register::read(&mut reader).map_err(Failure::configuration)?;
    let known = named(&register, id)?;
    let story = Story::read(&mut reader, known, u64::MAX).map_err(Failure::configuration)?;
    story.ok_or_else(|| Failure::Configuration(format!("the records of incident {id} are kept no more")))
}

/// The incident whose id begins so.
pub fn named<'r>(register: &'r Register, id: &str) -> Result<&'r Known, Failure> {
    let what = match register.find(id) {
        Found::One(known) => return Ok(known),
        Found::None => format!("no incident's id begins with `{id}`; see `orion incident list`"),
        Found::Several(count) => format!("the ids of {count} incidents begin with `{id}`: give more of it"),
    };
    Err(Failure::Configuration(what))
}

fn open(data: &DataArgs) -> Result<Reader, Failure> {
    SqliteBus::open_read_only(&data.memory_dir()).map_err(Failure::configuration)
}

/// The list as a table.
pub fn list_table(incidents: &[Listed]) -> String {
    if incidents.is_empty() {
        return "no incidents\n".to_owned();
    }
    // Most deployments have none, and the line is long.
    let has_marks = incidents.iter().any(|listed| listed.mark.is_some());
    let rows: Vec<Vec<String>> = incidents
        .iter()
        .map(|Listed { incident, mark }| {
            let lasted = incident.ts.millis_since(incident.opened_at);
            let state = match incident.status {
                IncidentStatus::Resolved => format!("resolved after {}", span(lasted)),
                _ => "open".to_owned(),
            };
            let mark = mark.as_ref().map_or("", |marked| marked.mark.said.verdict());
            let mut row = vec![
                short_id(&incident.incident_id.to_string()),
                incident.opened_at.to_string(),
                state,
                incident.severity.to_string(),
                incident.incident_type.clone(),
                incident.event_count.to_string(),
                "NO_ACTION".to_owned(),
            ];
            row.extend(has_marks.then(|| mark.to_owned()));
            row.push(incident.summary.clone());
            row
        })
        .collect();
    let head = ["ID", "OPENED", "STATE", "SEVERITY", "TYPE", "EVENTS", "DECISION"].into_iter();
    let head: Vec<&str> = head.chain(has_marks.then_some("MARK")).chain(["SUMMARY"]).collect();
    columns(&head, &rows)
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
    if !story.marks.is_empty() {
        text.push_str("\nmarks\n");
    }
    for marked in &story.marks {
        let note = marked.mark.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
        let withdrawn = if marked.mark.withdrawn { " withdrawn" } else { "" };
        let (verdict, by) = (marked.mark.said.verdict(), &marked.mark.by);
        text.push_str(&format!("  {}  {verdict}{withdrawn}, by {by}{note}\n", marked.ts));
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
