//! The result in numbers: for people as a table, for programs as data.

use orion_model::format_duration;
use orion_nab::Profiles;
use orion_print::{columns, yaml};
use serde_json::{Value, json};

use super::args::Form;
use super::measure::{Alarm, Labelled, Line, Totals, Verdict, totals};

/// Everything that was found out.
pub struct Evaluation {
    /// What was evaluated: its name, its detector, what it was shown.
    pub facts: Vec<(&'static str, String)>,
    /// Series by series.
    pub lines: Vec<Line>,
    /// All of them.
    pub totals: Totals,
    /// What should be known beside the numbers.
    pub notes: Vec<String>,
}

impl Verdict {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::False => "false",
            Self::Unjudged => "unjudged",
        }
    }
}

impl Evaluation {
    /// As it is printed.
    pub fn printed(&self, form: Form) -> String {
        match form {
            Form::Table => self.table(),
            Form::Json => format!("{:#}\n", self.value()),
            Form::Yaml => yaml(&self.value()),
            Form::Ndjson => {
                let lines = self.lines.iter().map(|line| format!("{}\n", of_line(line)));
                lines
                    .chain([format!("{}\n", json!({ "totals": of_totals(&self.totals), "notes": self.notes }))])
                    .collect()
            }
        }
    }

    fn value(&self) -> Value {
        let facts: serde_json::Map<String, Value> =
            self.facts.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
        json!({
            "evaluated": facts,
            "totals": of_totals(&self.totals),
            "series": self.lines.iter().map(of_line).collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }

    fn table(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.facts {
            text.push_str(&format!("{name:10}  {value}\n"));
        }
        let row = |line: &Line| {
            let of = totals(std::slice::from_ref(line));
            let counts = [line.samples.points.len(), of.windows, of.found, of.alarms, of.false_alarms];
            [vec![line.samples.name.clone()], counts.iter().map(ToString::to_string).collect()].concat()
        };
        text.push('\n');
        let rows: Vec<_> = self.lines.iter().map(row).collect();
        text.push_str(&columns(&["SERIES", "SAMPLES", "WINDOWS", "FOUND", "ALARMS", "FALSE"], &rows));
        text.push('\n');
        for (name, value) in said(&self.totals) {
            text.push_str(&format!("{name:16}  {value}\n"));
        }
        for note in &self.notes {
            text.push_str(&format!("\nnote: {note}\n"));
        }
        text
    }
}

/// The numbers, each with its words.
pub fn said(totals: &Totals) -> Vec<(&'static str, String)> {
    let part = |part: Option<f64>, of: usize, whole: usize, what: &str| match part {
        Some(part) => format!("{part:.3} ({of} of {whole} {what})"),
        None => format!("there are no {what}"),
    };
    let Totals { windows, found, alarms, false_alarms, .. } = totals;
    let a_day =
        |count: Option<f64>| count.map_or_else(|| "no time was judged".to_owned(), |count| format!("{count:.3}"));
    let delay = |millis: i64| format_duration(millis / 1_000 * 1_000);
    let delays = match (totals.median_delay(), totals.delays.last()) {
        (Some(median), Some(most)) => format!("{} in the middle, {} at most", delay(median), delay(*most)),
        _ => "nothing was found".to_owned(),
    };
    let nab = match &totals.nab {
        Some(Profiles { standard, low_false_positives, low_false_negatives }) => format!(
            "{:.1} standard, {:.1} low false positives, {:.1} low false negatives",
            standard.score, low_false_positives.score, low_false_negatives.score
        ),
        None => "there are no windows".to_owned(),
    };
    vec![
        ("precision", part(totals.precision(), alarms - false_alarms, *alarms, "alarms")),
        ("recall", part(totals.recall(), *found, *windows, "windows")),
        ("alarms a day", format!("{} in {:.3} days", a_day(totals.alarms_per_day()), totals.days)),
        ("false a day", a_day(totals.false_alarms_per_day())),
        ("time to detect", delays),
        ("NAB", nab),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "delays are far below 2^53 milliseconds")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1_000.0
}

fn of_totals(totals: &Totals) -> Value {
    let nab = totals.nab.as_ref().map(|nab| {
        json!({
            "standard": nab.standard.score,
            "low_false_positives": nab.low_false_positives.score,
            "low_false_negatives": nab.low_false_negatives.score,
        })
    });
    json!({
        "windows": totals.windows,
        "found": totals.found,
        "alarms": totals.alarms,
        "false_alarms": totals.false_alarms,
        "days": totals.days,
        "precision": totals.precision(),
        "recall": totals.recall(),
        "alarms_per_day": totals.alarms_per_day(),
        "false_alarms_per_day": totals.false_alarms_per_day(),
        "median_seconds_to_detect": totals.median_delay().map(seconds),
        "most_seconds_to_detect": totals.delays.last().copied().map(seconds),
        "nab": nab,
    })
}

fn of_line(line: &Line) -> Value {
    json!({
        "series": line.samples.name,
        "labels": line.samples.labels,
        "samples": line.samples.points.len(),
        "learned_samples": line.learned,
        "windows": line.windows.iter().map(of_window).collect::<Vec<_>>(),
        "alarms": line.alarms.iter().map(of_alarm).collect::<Vec<_>>(),
    })
}

fn of_window(labelled: &Labelled) -> Value {
    let Labelled { window, rows, found } = labelled;
    json!({
        "from": window.from,
        "to": window.to,
        "note": window.note,
        "counts": rows.is_ok(),
        "why_not": rows.as_ref().err(),
        "found_at": found,
    })
}

fn of_alarm(alarm: &Alarm) -> Value {
    json!({
        "at": alarm.at,
        "until": alarm.until,
        "value": alarm.value,
        "score": alarm.score,
        "message": alarm.message,
        "expected_low": alarm.expected.map(|(low, _)| low),
        "expected_high": alarm.expected.map(|(_, high)| high),
        "verdict": alarm.verdict.word(),
    })
}
