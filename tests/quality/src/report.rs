//! What was measured, for people and for programs.

use std::fmt::Write as _;

use orion_nab::{Outcome, Profiles};
use serde_json::{Map, Value, json};

use crate::QualityError;
use crate::detector::Alarms;
use crate::peers::Peer;

/// Digits of a score that the scorer of the data says.
const SAID_DIGITS: f64 = 0.005_001;

/// Everything.
pub struct Report {
    /// The modes of the detector, the default first.
    pub modes: Vec<Mode>,
    /// What others score on the same series.
    pub peers: &'static [Peer],
    /// How many series there are.
    pub series: usize,
}

/// One mode of the detector.
pub struct Mode {
    /// Its name.
    pub name: &'static str,
    /// Told nothing.
    pub causal: Profiles,
    /// Told the range of each series.
    pub nab_rules: Profiles,
    /// What the scorer of the data says of the causal scores.
    pub judged: Option<Value>,
    /// Alarms where there is nothing to find.
    pub quiet: Alarms,
    /// The most that is remembered of a series.
    pub state_bytes: usize,
    /// What a sample costs.
    pub micros: f64,
}

fn profiles(of: &Profiles) -> [(&'static str, Outcome); 3] {
    [
        ("standard", of.standard),
        ("low_false_positives", of.low_false_positives),
        ("low_false_negatives", of.low_false_negatives),
    ]
}

impl Mode {
    /// The scorer of the data must say the same.
    pub fn agree(&self) -> Result<(), QualityError> {
        let Some(judged) = &self.judged else { return Ok(()) };
        for (name, own) in profiles(&self.causal) {
            let said = judged.get(name).and_then(|profile| profile.get("score")).and_then(Value::as_f64);
            let is_same = said.is_some_and(|said| (said - own.score).abs() <= SAID_DIGITS);
            if !is_same {
                let own = own.score;
                return Err(QualityError::Wrong(format!("{name}: score.py says {said:?}, and it is {own:.2} here")));
            }
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "dozens of alarms")]
    fn alarms_a_week(&self) -> f64 {
        if self.quiet.weeks > 0.0 { self.quiet.count as f64 / self.quiet.weeks } else { 0.0 }
    }

    fn to_json(&self) -> Map<String, Value> {
        let scores = |of: &Profiles| -> Map<String, Value> {
            profiles(of).into_iter().map(|(name, outcome)| (name.to_owned(), rounded(outcome.score))).collect()
        };
        let fields = json!({
            "causal": scores(&self.causal),
            "nab_rules": scores(&self.nab_rules),
            "threshold": rounded(self.causal.standard.threshold),
            "false_alarms_per_series_and_week": rounded(self.alarms_a_week()),
            "false_alarms_per_series_and_day": rounded(self.alarms_a_week() / 7.0),
            "micros_per_sample": rounded(self.micros),
            "bytes_per_series": self.state_bytes,
            "agrees_with_score_py": self.judged.is_some().then_some(true),
            "same_after_a_restart": true,
        });
        fields.as_object().cloned().unwrap_or_default()
    }
}

fn rounded(number: f64) -> Value {
    json!((number * 100.0).round() / 100.0)
}

impl Report {
    /// One document: the default mode at its top, the others beside it by name.
    pub fn to_json(&self) -> Value {
        let mut document = Map::new();
        for (place, mode) in self.modes.iter().enumerate() {
            if place == 0 {
                document.extend(mode.to_json());
            } else {
                document.insert(mode.name.to_owned(), Value::Object(mode.to_json()));
            }
        }
        document.insert("series".to_owned(), json!(self.series));
        Value::Object(document)
    }

    /// A table with the peers, best first, and what else was measured.
    pub fn to_table(&self) -> String {
        let mut rows: Vec<(String, [f64; 3])> = Vec::new();
        for mode in &self.modes {
            for (of, told) in [(&mode.causal, ""), (&mode.nab_rules, " ¹")] {
                let scores = profiles(of).map(|(_, outcome)| outcome.score);
                rows.push((format!("Orion, {}{told}", mode.name), scores));
            }
        }
        for peer in self.peers {
            rows.push((format!("{}{}", peer.name, if peer.is_told { " ¹" } else { "" }), peer.scores));
        }
        rows.sort_by(|(_, one), (_, other)| other.partial_cmp(one).unwrap_or(std::cmp::Ordering::Equal));
        let mut text = format!("{:<24}  standard  low false positives  low false negatives\n", "detector");
        for (name, [standard, positives, negatives]) in rows {
            let _ = writeln!(text, "{name:<24}  {standard:8.1}  {positives:19.1}  {negatives:19.1}");
        }
        let _ = writeln!(
            text,
            "\n¹ told the least and the largest value of each series beforehand. {} series.\n",
            self.series
        );
        for mode in &self.modes {
            let agrees = if mode.judged.is_some() { "score.py agrees" } else { "no score.py to compare with" };
            let _ = writeln!(
                text,
                "{}: {:.2} false alarms a series and week ({} in {:.1} weeks); {:.2} µs CPU a sample; {} bytes a series; the same after \
                 a restart; {agrees}",
                mode.name,
                mode.alarms_a_week(),
                mode.quiet.count,
                mode.quiet.weeks,
                mode.micros,
                mode.state_bytes,
            );
        }
        text
    }
}
