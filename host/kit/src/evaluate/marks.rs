//! A deployment's own incidents, as people marked them: as what is true, or to be judged.

use std::collections::BTreeMap;
use std::path::Path;

use orion_api::Register;
use orion_bus::{Reader, SqliteBus};
use orion_model::{Incident, Labels, Said, Timestamp};

use super::labels::Window;
use super::measure::{Alarm, Labelled, Line, Totals, Verdict};
use super::report::Evaluation;

const DAY_MILLIS: f64 = 86_400_000.0;

/// What was missed has a line of its own.
const MISSED: &str = "missed";

/// Where records lie in a data folder.
const MEMORY_DIR: &str = "memory";

/// An incident, and what was thought of it.
struct Judged {
    incident: Incident,
    verdict: Verdict,
    note: String,
}

/// What a data folder remembers.
struct Remembered {
    incidents: Vec<Judged>,
    missed: Vec<Window>,
    /// When the first and the last record of the store were.
    span: (Timestamp, Timestamp),
}

fn read(data: &Path) -> Result<Remembered, String> {
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", data.display());
    let mut reader = SqliteBus::open_read_only(&data.join(MEMORY_DIR)).map_err(|why| named(&why))?;
    remembered(&mut reader).map_err(|why| named(&why))
}

fn remembered(reader: &mut Reader) -> Result<Remembered, orion_bus::BusError> {
    let register = Register::read(reader)?;
    let mut incidents = Vec::new();
    for known in register.newest(None) {
        let Some(position) = known.last_position() else { continue };
        // What was kept for its time is not judged.
        let Some(entry) = reader.read_at(&[position])?.pop() else { continue };
        let Ok(incident) = serde_json::from_str::<Incident>(&entry.body) else { continue };
        let (verdict, note) = match known.mark().map(|marked| (&marked.mark.said, marked.mark.note.clone())) {
            Some((Said::Useful { .. }, note)) => (Verdict::Right, note),
            Some((Said::Noise { .. }, note)) => (Verdict::False, note),
            _ => (Verdict::Unjudged, None),
        };
        incidents.push(Judged { incident, verdict, note: note.unwrap_or_default() });
    }
    let missed_in = |marked: &orion_model::Marked| match marked.mark.said {
        Said::Missed { from, to } => Some(window(from, to, marked.mark.note.clone().unwrap_or_default())),
        Said::Useful { .. } | Said::Noise { .. } => None,
    };
    let missed = register.missed().filter_map(missed_in).collect();
    let (forgotten, last) = (reader.forgotten()?, reader.last_seq()?);
    let at = |entries: Vec<orion_bus::Entry>| entries.first().map(|entry| entry.ts).unwrap_or_default();
    let span = (at(reader.read(forgotten, 1)?), at(reader.read_at(&[last])?));
    Ok(Remembered { incidents, missed, span })
}

fn window(from: Timestamp, to: Timestamp, note: String) -> Window {
    Window { series: None, from, to, note, place: "a mark".to_owned() }
}

/// What was wrong when, by those marks that say so: incidents that were useful, and what was missed.
pub fn windows(data: &Path) -> Result<Vec<Window>, String> {
    let Remembered { incidents, missed, .. } = read(data)?;
    let useful = incidents.into_iter().filter(|judged| judged.verdict == Verdict::Right);
    let of = |Judged { incident, note, .. }: Judged| {
        let note = if note.is_empty() { incident.summary } else { format!("{}: {note}", incident.summary) };
        window(incident.opened_at, incident.ts, note)
    };
    Ok(useful.map(of).chain(missed).collect())
}

/// How good the incidents of a deployment are, by the marks of its people.
pub fn evaluation(data: &Path) -> Result<Evaluation, String> {
    let Remembered { incidents, missed, span } = read(data)?;
    let count = |verdict: Verdict| incidents.iter().filter(|judged| judged.verdict == verdict).count();
    let (right, wrong, unjudged) = (count(Verdict::Right), count(Verdict::False), count(Verdict::Unjudged));
    #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
    let days = span.1.millis_since(span.0).max(0) as f64 / DAY_MILLIS;
    let totals = Totals {
        windows: right + missed.len(),
        found: right,
        alarms: right + wrong,
        false_alarms: wrong,
        days,
        delays: Vec::new(),
        nab: None,
    };
    let mut by_type: BTreeMap<String, Line> = BTreeMap::new();
    let total = incidents.len();
    for Judged { incident, verdict, note } in incidents {
        let name = incident.incident_type;
        let line = by_type
            .entry(name.clone())
            .or_insert_with(|| Line::of(name.clone(), Labels::from_iter([("incident_type", name)])));
        let message = if note.is_empty() { incident.summary } else { format!("{} ({note})", incident.summary) };
        let until = Some(incident.ts).filter(|_| incident.status == orion_model::IncidentStatus::Resolved);
        line.alarms.push(Alarm {
            at: incident.opened_at,
            until,
            value: None,
            score: None,
            message,
            expected: None,
            verdict,
        });
    }
    let mut lines: Vec<Line> = by_type.into_values().collect();
    lines.iter_mut().for_each(|line| line.alarms.sort_by_key(|alarm| alarm.at));
    if !missed.is_empty() {
        let mut line = Line::of(MISSED.to_owned(), Labels::empty());
        line.windows = missed.into_iter().map(|window| Labelled { window, rows: Ok(0..=0), found: None }).collect();
        lines.push(line);
    }
    let mut notes = vec![
        "Alarms are incidents that somebody marked; windows are those that were useful, and what was missed."
            .to_owned(),
    ];
    if unjudged > 0 {
        notes.push(format!(
            "{unjudged} of {total} incidents are not marked and count in none of the numbers: `orion incident mark ID useful|noise`."
        ));
    }
    let facts = vec![
        ("evaluated", format!("the incidents of {}", data.display())),
        ("incidents", total.to_string()),
        ("from", span.0.to_string()),
        ("to", span.1.to_string()),
    ];
    Ok(Evaluation { facts, lines, totals, notes })
}
