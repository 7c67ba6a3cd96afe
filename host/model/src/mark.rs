//! What a person thought of an incident afterwards: a record about it, which changes nothing of what Orion does. What is taken back is
//! taken back by another record: nothing that was said is unsaid.
//!
//! It is kept as an event. So it lies in the log, in the files of the audit trail and on every host without a form of its own, and
//! nothing that reads those has to know it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::Event;
use crate::id::{IdBuilder, RecordId};
use crate::time::Timestamp;

/// The event type of marks.
pub const INCIDENT_MARKED: &str = "incident_marked";

/// The rule of their events. No rule file can have it: the ids of its rules begin with the name of the file.
pub const MARK_RULE: &str = "orion/incident_marked";

/// Who says it: as long as the subject of a token may be.
const MAX_BY_BYTES: usize = 128;

/// A note is for whoever reads a list of marks: a few sentences. Each is held in memory for every incident that is known.
const MAX_NOTE_BYTES: usize = 1_000;

/// What was thought of what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Said {
    /// It was right that this incident opened.
    Useful {
        /// The incident.
        incident_id: RecordId,
    },
    /// This incident should not have opened.
    Noise {
        /// The incident.
        incident_id: RecordId,
    },
    /// Something happened within this time of which no incident told.
    Missed {
        /// When it began.
        from: Timestamp,
        /// When it was over.
        to: Timestamp,
    },
}

/// What a mark is about. Of the marks of one thing the last counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// An incident.
    Incident(RecordId),
    /// A time in which none opened.
    Time {
        /// Its beginning.
        from: Timestamp,
        /// Its end.
        to: Timestamp,
    },
}

/// A mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What was thought of what.
    #[serde(flatten)]
    pub said: Said,
    /// Whether it is taken back by this: of what it is about nothing is said then.
    #[serde(default, skip_serializing_if = "stands")]
    pub withdrawn: bool,
    /// By whom.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn stands(withdrawn: &bool) -> bool {
    !*withdrawn
}

/// A mark as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {
    /// The event.
    pub event_id: RecordId,
    /// When.
    pub ts: Timestamp,
    /// What.
    #[serde(flatten)]
    pub mark: Mark,
}

/// Why a mark cannot be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMark {
    /// Nobody says it.
    #[error("who marks is a name of 1 to {MAX_BY_BYTES} bytes, without control characters")]
    By,
    /// The note.
    #[error("a note is one line of up to {MAX_NOTE_BYTES} bytes, without control characters")]
    Note,
}

impl Said {
    /// Something was missed between two moments, whichever is named first.
    pub fn missed(one: Timestamp, other: Timestamp) -> Self {
        Self::Missed { from: one.min(other), to: one.max(other) }
    }

    /// In one word.
    pub const fn verdict(&self) -> &'static str {
        match self {
            Self::Useful { .. } => "useful",
            Self::Noise { .. } => "noise",
            Self::Missed { .. } => "missed",
        }
    }

    /// The incident it is about; none for one that did not open.
    pub const fn incident_id(&self) -> Option<RecordId> {
        match self {
            Self::Useful { incident_id } | Self::Noise { incident_id } => Some(*incident_id),
            Self::Missed { .. } => None,
        }
    }

    /// What it is about.
    pub const fn about(&self) -> About {
        match self {
            Self::Useful { incident_id } | Self::Noise { incident_id } => About::Incident(*incident_id),
            Self::Missed { from, to } => About::Time { from: *from, to: *to },
        }
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incident(id) => write!(f, "the incident {id}"),
            Self::Time { from, to } => write!(f, "the time from {from} to {to}"),
        }
    }
}

impl Mark {
    /// Whether it can be recorded.
    pub fn check(&self) -> Result<(), BadMark> {
        let is_line = |text: &str, most: usize| {
            !text.trim().is_empty() && text.len() <= most && !text.chars().any(char::is_control)
        };
        if !is_line(&self.by, MAX_BY_BYTES) {
            return Err(BadMark::By);
        }
        match self.note.as_deref().is_none_or(|note| is_line(note, MAX_NOTE_BYTES)) {
            true => Ok(()),
            false => Err(BadMark::Note),
        }
    }

    /// The id of its event. It says which mark stood there before and not when it was made: who sends one twice, because an answer
    /// was lost on the way, has made one; who comes back to what was said before another has made a new one.
    pub fn event_id(&self, before: Option<RecordId>) -> RecordId {
        let id = IdBuilder::new(if self.withdrawn { "mark withdrawn" } else { "mark" }).text(self.said.verdict());
        let id = match &self.said {
            Said::Useful { incident_id } | Said::Noise { incident_id } => id.bytes(incident_id.as_bytes()),
            Said::Missed { from, to } => id.number(from.as_millis()).number(to.as_millis()),
        };
        let before = before.as_ref().map_or(&[][..], |before| before.as_bytes());
        id.text(&self.by).text(self.note.as_deref().unwrap_or_default()).bytes(before).finish()
    }

    /// In one line.
    pub fn message(&self) -> String {
        let note = self.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
        let (by, verdict) = (&self.by, self.said.verdict());
        match (&self.said, self.withdrawn) {
            (Said::Useful { incident_id } | Said::Noise { incident_id }, false) => {
                format!("{by} calls the incident {incident_id} {verdict}{note}")
            }
            (Said::Useful { incident_id } | Said::Noise { incident_id }, true) => {
                format!("{by} withdraws that the incident {incident_id} is {verdict}{note}")
            }
            (Said::Missed { from, to }, false) => format!("{by} missed an incident from {from} to {to}{note}"),
            (Said::Missed { from, to }, true) => {
                format!("{by} withdraws that an incident was missed from {from} to {to}{note}")
            }
        }
    }
}

impl Marked {
    /// The mark that an event is, if it is one. What others put on the bus is none.
    pub fn of(event: &Event) -> Option<Self> {
        if !is_mark(event) {
            return None;
        }
        let mark: Mark = serde_json::from_value(Value::Object(event.data.clone())).ok()?;
        Some(Self { event_id: event.event_id, ts: event.ts, mark })
    }

    /// The same of an event as it was written. Nearly all are none, and are not taken apart.
    pub fn read(body: &str) -> Option<Self> {
        if !body.contains(MARK_RULE) {
            return None;
        }
        Self::of(&serde_json::from_str(body).ok()?)
    }
}

/// Whether an event is a mark.
pub fn is_mark(event: &Event) -> bool {
    event.rule == MARK_RULE && event.event_type == INCIDENT_MARKED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn useful() -> Mark {
        let incident_id = IdBuilder::new("test").finish();
        Mark { said: Said::Useful { incident_id }, withdrawn: false, by: "ada".to_owned(), note: None }
    }

    #[test]
    fn a_mark_reads_as_it_was_written() {
        let from = Timestamp::from_millis(1_000);
        let missed = Mark {
            said: Said::Missed { from, to: from.plus_millis(1) },
            withdrawn: true,
            by: "ada".to_owned(),
            note: Some("the disk was full".to_owned()),
        };
        for mark in [useful(), missed] {
            let text = serde_json::to_string(&mark).unwrap();
            assert_eq!(serde_json::from_str::<Mark>(&text).unwrap(), mark, "{text}");
        }
        assert!(serde_json::from_str::<Mark>(r#"{"verdict":"great","incident_id":"00","by":"ada"}"#).is_err());
        assert!(!serde_json::to_string(&useful()).unwrap().contains("withdrawn"));
    }

    #[test]
    fn texts_have_limits_and_a_window_goes_forward() {
        let with = |by: String, note: Option<String>| Mark { by, note, ..useful() }.check();
        assert_eq!(with("x".repeat(MAX_BY_BYTES), Some("x".repeat(MAX_NOTE_BYTES))), Ok(()));
        for by in ["x".repeat(MAX_BY_BYTES + 1), " ".to_owned(), "a\nb".to_owned()] {
            assert_eq!(with(by, None), Err(BadMark::By));
        }
        for note in ["x".repeat(MAX_NOTE_BYTES + 1), String::new(), "a\u{1b}[2J".to_owned()] {
            assert_eq!(with("ada".to_owned(), Some(note)), Err(BadMark::Note));
        }
        let at = Timestamp::from_millis(5);
        assert_eq!(Said::missed(at.plus_millis(1), at), Said::Missed { from: at, to: at.plus_millis(1) });
    }

    #[test]
    fn the_same_after_the_same_is_one_and_after_another_a_new_one() {
        let (mark, first) = (useful(), useful().event_id(None));
        assert_eq!(mark.event_id(None), first);
        assert_ne!(mark.event_id(Some(first)), first);
        assert_ne!(Mark { by: "bob".to_owned(), ..mark.clone() }.event_id(None), first);
        assert_ne!(Mark { note: Some("n".to_owned()), ..mark.clone() }.event_id(None), first);
        assert_ne!(Mark { withdrawn: true, ..mark }.event_id(None), first);
    }
}
