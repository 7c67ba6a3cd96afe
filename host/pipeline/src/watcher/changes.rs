//! What an evaluation changed, until it is written down.
//!
//! It is kept as it is and written part by part: fifty thousand alerts that fire at once are fifty megabytes of text, which need not be
//! there at one time.

use super::event::{Facts, Origin};
use crate::draft::{Draft, NotWritable, key};
use crate::lifecycle::{Alert, Changed};

/// First part of the state keys of alerts.
pub const ALERT_ROOM: &[u8] = b"alert";

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
                draft.event(&origin.event(facts, transition, &changed.alert))?;
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

/// Where the store keeps an alert.
pub fn alert_key(rule_id: &str, alert: &Alert) -> Vec<u8> {
    key::of(&[ALERT_ROOM, rule_id.as_bytes(), alert.fingerprint.to_string().as_bytes()])
}
