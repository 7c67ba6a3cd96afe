//! How right the incidents are.

use orion_model::{Incident, IncidentStatus};

use super::past::STEP_MILLIS;
use super::petshop::Issue;

const MINUTE_MILLIS: f64 = 60_000.0;

/// What became of a fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Its scenario and folder.
    pub issue: String,
    /// Which metric showed it.
    pub metric: String,
    /// At which place the component that has it is among the suspects in the end, from 1 on.
    pub place: Option<usize>,
    /// Minutes from when it showed until the right component was the first suspect; a row is known when its time is over.
    pub minutes: Option<f64>,
    /// How many incidents were open while it was there.
    pub incidents: usize,
    /// Whom the incident suspects in the end, with reasons.
    pub suspects: String,
}

/// Judges what was recorded while a fault was there. The times of the issue were moved by so much.
pub fn judge(scenario: &str, issue: &Issue, moved: i64, incidents: &[Incident]) -> Verdict {
    let first_row = issue.table.instants.first().map_or(0, |first| first + moved);
    let during: Vec<&Incident> = incidents.iter().filter(|incident| incident.ts.as_millis() >= first_row).collect();
    // The end of one that began before says nothing about the fault.
    let mut ids: Vec<_> =
        during.iter().filter(|incident| is_about(incident, first_row)).map(|it| it.incident_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let last = |id| during.iter().rev().find(|incident| incident.incident_id == id).copied();
    // A person looks at the one with most events first.
    let main = ids.iter().filter_map(|id| last(*id)).max_by_key(|incident| (incident.event_count, incident.opened_at));
    let place = main.and_then(|incident| suspects(incident).iter().position(|name| *name == issue.root));
    let shown = issue.shown + moved;
    let named = during.iter().find(|incident| {
        suspects(incident).first() == Some(&&*issue.root) && incident.ts.as_millis() + STEP_MILLIS > shown
    });
    #[expect(clippy::cast_precision_loss, reason = "minutes")]
    let minutes = |incident: &&Incident| (incident.ts.as_millis() + STEP_MILLIS - shown) as f64 / MINUTE_MILLIS;
    Verdict {
        issue: format!("{scenario}/{}", issue.name),
        metric: issue.metric.clone(),
        place: place.map(|place| place + 1),
        minutes: named.map(minutes),
        incidents: ids.len(),
        suspects: main.map(|incident| text(incident, "suspects").to_owned()).unwrap_or_default(),
    }
}

fn is_about(incident: &Incident, first_row: i64) -> bool {
    incident.status != IncidentStatus::Resolved || incident.opened_at.as_millis() >= first_row
}

fn text<'a>(incident: &'a Incident, field: &str) -> &'a str {
    incident.data.get(field).and_then(serde_json::Value::as_str).unwrap_or_default()
}

fn suspects(incident: &Incident) -> Vec<&str> {
    text(incident, "suspects").split(", ").collect()
}

/// How many incidents were opened.
pub fn opened(incidents: &[Incident]) -> usize {
    incidents.iter().filter(|incident| incident.status == IncidentStatus::Opened).count()
}
