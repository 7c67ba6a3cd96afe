//! What was measured of finding roots, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::judge::Verdict;

/// Everything.
pub struct Report {
    /// By where the graph came from.
    pub outcomes: Vec<Outcome>,
    /// Of all records: the same on every machine.
    pub digest: String,
}

/// With one kind of graph.
pub struct Outcome {
    /// Where it came from.
    pub map: &'static str,
    /// Of each fault.
    pub verdicts: Vec<Verdict>,
    /// Of normal operation, by scenario.
    pub normal: Vec<Normal>,
}

/// Incidents where there is no fault.
pub struct Normal {
    /// The scenario.
    pub scenario: String,
    /// How many were opened.
    pub incidents: usize,
    /// In so many days.
    pub days: f64,
}

#[expect(clippy::cast_precision_loss, reason = "dozens")]
fn share(part: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

impl Normal {
    #[expect(clippy::cast_precision_loss, reason = "dozens")]
    fn a_day(&self) -> f64 {
        if self.days > 0.0 { self.incidents as f64 / self.days } else { 0.0 }
    }
}

impl Outcome {
    /// How many of the faults have their component among the first so many suspects.
    fn top(&self, places: usize, of: impl Fn(&Verdict) -> bool) -> f64 {
        let of: Vec<_> = self.verdicts.iter().filter(|verdict| of(verdict)).collect();
        let found = of.iter().filter(|verdict| verdict.place.is_some_and(|place| place <= places)).count();
        share(found, of.len())
    }

    /// The one in the middle; none where less than half are ever found.
    fn minutes(&self) -> Option<f64> {
        let mut minutes: Vec<f64> =
            self.verdicts.iter().map(|verdict| verdict.minutes.unwrap_or(f64::INFINITY)).collect();
        minutes.sort_by(f64::total_cmp);
        minutes.get(minutes.len() / 2).copied().filter(|minutes| minutes.is_finite())
    }

    fn a_normal_day(&self) -> f64 {
        let total = |of: fn(&Normal) -> f64| self.normal.iter().map(of).sum::<f64>();
        let days = total(|normal| normal.days);
        #[expect(clippy::cast_precision_loss, reason = "dozens")]
        let incidents = total(|normal| normal.incidents as f64);
        if days > 0.0 { incidents / days } else { 0.0 }
    }

    fn incidents_a_fault(&self) -> f64 {
        share(self.verdicts.iter().map(|verdict| verdict.incidents).sum(), self.verdicts.len())
    }

    fn of_scenario(&self, normal: &Normal) -> Value {
        let prefix = format!("{}/", normal.scenario);
        let top = |places| rounded(self.top(places, |verdict| verdict.issue.starts_with(&prefix)));
        json!({
            "top_1": top(1),
            "top_3": top(3),
            "incidents_on_normal_data": normal.incidents,
            "normal_days": rounded(normal.days),
            "incidents_per_normal_day": rounded(normal.a_day()),
        })
    }

    fn to_json(&self) -> Value {
        let scenarios: Map<String, Value> =
            self.normal.iter().map(|normal| (normal.scenario.clone(), self.of_scenario(normal))).collect();
        let issue = |verdict: &Verdict| {
            json!({
                "issue": verdict.issue, "metric": verdict.metric, "place": verdict.place, "incidents": verdict.incidents,
                "minutes": verdict.minutes.map(rounded), "suspects": verdict.suspects,
            })
        };
        json!({
            "top_1": rounded(self.top(1, |_| true)),
            "top_3": rounded(self.top(3, |_| true)),
            "faults": self.verdicts.len(),
            "incidents_per_fault": rounded(self.incidents_a_fault()),
            "incidents_per_normal_day": rounded(self.a_normal_day()),
            "minutes_to_right_suspect": self.minutes().map(rounded),
            "scenarios": scenarios,
            "issues": self.verdicts.iter().map(issue).collect::<Vec<_>>(),
        })
    }
}

fn rounded(number: f64) -> Value {
    json!((number * 1000.0).round() / 1000.0)
}

impl Report {
    /// By where the graph came from.
    pub fn to_json(&self) -> Value {
        let mut document: Map<String, Value> =
            self.outcomes.iter().map(|outcome| (outcome.map.to_owned(), outcome.to_json())).collect();
        document.insert("digest".to_owned(), self.digest.clone().into());
        Value::Object(document)
    }

    /// A table.
    pub fn to_table(&self) -> String {
        let mut text = String::new();
        let _ =
            writeln!(text, "root cause   top-1  top-3  incidents a fault  a normal day  minutes to the right suspect");
        for outcome in &self.outcomes {
            let minutes = outcome.minutes().map_or("never".to_owned(), |minutes| format!("{minutes:.1}"));
            let _ = writeln!(
                text,
                "graph {:<6}  {:5.3}  {:5.3}  {:17.2}  {:12.2}  {minutes:>28}",
                outcome.map,
                outcome.top(1, |_| true),
                outcome.top(3, |_| true),
                outcome.incidents_a_fault(),
                outcome.a_normal_day(),
            );
        }
        for outcome in &self.outcomes {
            for normal in &outcome.normal {
                let _ = writeln!(
                    text,
                    "graph {}, {}: {} incidents in {:.2} days of normal operation",
                    outcome.map, normal.scenario, normal.incidents, normal.days
                );
            }
            for verdict in outcome.verdicts.iter().filter(|verdict| verdict.place != Some(1)) {
                let place = verdict.place.map_or("not there".to_owned(), |place| format!("at place {place}"));
                let _ = writeln!(text, "graph {}, {}: {place} of {}", outcome.map, verdict.issue, verdict.suspects);
            }
        }
        let _ = writeln!(text, "all records: {}", self.digest);
        text
    }
}
