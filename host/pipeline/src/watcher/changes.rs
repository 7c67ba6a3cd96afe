//! What an evaluation changed, until it is written down.
//!
//! It is kept as it is and written part by part: fifty thousand alerts that fire at once are fifty megabytes of text, which need not be
//! there at one time.

use orion_model::{Finding, RecordId, SeriesTable, Timestamp};
use orion_rules::AlertRule;
use orion_sandbox::Plugin;

use super::event::Evaluation;
use crate::draft::{Draft, NotWritable, key};
use crate::lifecycle::{Alert, Changed, Transition};

/// First part of the state keys of alerts.
pub const ALERT_ROOM: &[u8] = b"alert";

/// What the events of one evaluation have in common.
#[derive(Clone, Copy)]
pub struct Facts {
    /// The instant.
    pub instant: Timestamp,
    /// The instant of the data.
    pub data_instant: Timestamp,
    /// The live generation.
    pub generation: u64,
    /// Which of the evaluations of the instant it is.
    pub edition: u64,
    /// The identity of the answer.
    pub input_id: RecordId,
    /// The work of the detector's call.
    pub fuel: u64,
}

/// What the changes of the last evaluation came from, as it was then.
pub struct Origin<'a> {
    /// The rule.
    pub rule: &'a AlertRule,
    /// Its detector.
    pub plugin: &'a Plugin,
    /// What that found.
    pub findings: &'a [Finding],
    /// The source that was asked.
    pub source: &'a str,
    /// The series of the answer.
    pub table: &'a SeriesTable,
}

/// Changes that nobody has written down yet.
#[derive(Default)]
pub struct Changes {
    left: std::vec::IntoIter<Changed>,
    facts: Option<Facts>,
}

impl Changes {
    /// Those of another evaluation.
    pub fn replace(&mut self, changed: Vec<Changed>, facts: impl FnOnce() -> Facts) {
        if !changed.is_empty() {
            self.facts = Some(facts());
        }
        self.left = changed.into_iter();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.left.len()
    }

    /// Writes them down while there is room. An event and what the store keeps of its alert go together, so that no crash comes between
    /// them.
    pub fn write(&mut self, origin: &Origin<'_>, room: &mut usize, draft: &mut Draft) -> Result<(), NotWritable> {
        let Some(facts) = self.facts else { return Ok(()) };
        while *room > 0
            && let Some(changed) = self.left.next()
        {
            *room -= 1;
            if let Some(transition) = changed.transition {
                write_event(origin, facts, transition, &changed, draft)?;
            }
            let key = alert_key(&origin.rule.id, &changed.alert);
            match changed.is_over {
                true => draft.delete(key),
                false => draft.put(key, &changed.save())?,
            }
        }
        Ok(())
    }
}

fn write_event(
    origin: &Origin<'_>,
    facts: Facts,
    transition: Transition,
    changed: &Changed,
    draft: &mut Draft,
) -> Result<(), NotWritable> {
    let found = match transition {
        Transition::Fired => origin.findings.get(changed.alert.sighting as usize),
        Transition::Resolved(_) => None,
    };
    let found = found.map(|finding| (finding, finding.series.and_then(|id| origin.table.labels(id))));
    let evaluation = Evaluation {
        rule: origin.rule,
        plugin: origin.plugin,
        source: origin.source,
        instant: facts.instant,
        data_instant: facts.data_instant,
        generation: facts.generation,
        edition: facts.edition,
        input_id: facts.input_id,
        fuel: facts.fuel,
    };
    draft.event(&evaluation.event(transition, &changed.alert, found))
}

/// Where the store keeps an alert.
pub fn alert_key(rule_id: &str, alert: &Alert) -> Vec<u8> {
    key::of(&[ALERT_ROOM, rule_id.as_bytes(), alert.fingerprint.to_string().as_bytes()])
}
