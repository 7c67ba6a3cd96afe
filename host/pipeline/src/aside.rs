//! Inputs that a plugin could not take, kept with its fault for whoever mends it.
//!
//! They are state of the stage that called the plugin and are committed with its step, so an input is set aside exactly when the
//! step that went on without it is done. An answer is kept as a source gives it, an event as it is on the bus: both can be
//! replayed.

use std::collections::BTreeSet;

use orion_bus::Loaded;
use orion_model::{Digest, Event, Frame, SeriesTable, Timestamp};
use orion_sandbox::Plugin;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::draft::{Draft, NotWritable, key};

/// First part of the state keys of inputs that were set aside.
pub const ASIDE_ROOM: &[u8] = b"aside";

/// Inputs that are kept of one rule or correlation, the latest: what fails again and again fails in the same way.
const MOST_KEPT: usize = 8;

/// Bytes of an input that is kept whole: far more than a rule that people write asks for, and eight of them for a hundred
/// rules are still no burden for the store.
const MOST_INPUT_BYTES: usize = 4 * 1024 * 1024;

/// An input that was set aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aside {
    /// When, by the data.
    pub at: Timestamp,
    /// The rule or correlation that goes on without it.
    pub of: String,
    /// Its plugin.
    pub plugin: String,
    /// Which version of that.
    pub plugin_digest: Digest,
    /// How the call ended.
    pub fault: String,
    /// What the plugin was given.
    pub input: Input,
}

/// What a plugin was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Input {
    /// A detector: an answer of a source.
    Answer {
        /// The query.
        expr: String,
        /// The answer, as Prometheus writes one.
        body: Value,
    },
    /// A correlator: an event.
    Event {
        /// Its position on the bus.
        position: u64,
        /// The event.
        event: Box<Event>,
    },
    /// More than is kept.
    TooLarge {
        /// How much it was.
        bytes: usize,
    },
}

impl Input {
    /// The answer to a query.
    pub fn of_answer(expr: &str, frame: &Frame, table: &SeriesTable) -> Self {
        let sample = |(series, at, value): (u32, i64, f64)| {
            let labels = table.labels(series).cloned().unwrap_or_default();
            json!({ "metric": labels, "value": [seconds(at), number(value)] })
        };
        let result: Vec<Value> = frame.samples().map(sample).collect();
        let data = json!({ "resultType": "vector", "result": result });
        let body = json!({ "status": "success", "data": data, "warnings": frame.warnings });
        Self::Answer { expr: expr.to_owned(), body }
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this age have thirteen digits")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1e3
}

/// As Prometheus writes a sample.
fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

/// The inputs that are kept of one rule or correlation.
#[derive(Debug)]
pub struct Asides {
    of: String,
    kept: BTreeSet<Vec<u8>>,
}

impl Asides {
    /// Of the rule or correlation with this id.
    pub fn new(of: &str) -> Self {
        Self { of: of.to_owned(), kept: BTreeSet::new() }
    }

    /// The store has one under this name.
    pub fn restore(&mut self, name: &[u8]) {
        self.kept.insert(name.to_vec());
    }

    /// Sets an input aside; the oldest makes room.
    pub fn put(
        &mut self,
        draft: &mut Draft,
        at: Timestamp,
        plugin: &Plugin,
        fault: &str,
        input: Input,
    ) -> Result<(), NotWritable> {
        let position = if let Input::Event { position, .. } = &input { *position } else { 0 };
        let aside = Aside {
            at,
            of: self.of.clone(),
            plugin: plugin.manifest().name.clone(),
            plugin_digest: plugin.digest(),
            fault: fault.to_owned(),
            input,
        };
        let mut bytes = Draft::json(&aside)?;
        if bytes.len() > MOST_INPUT_BYTES {
            bytes = Draft::json(&Aside { input: Input::TooLarge { bytes: bytes.len() }, ..aside })?;
        }
        // Names in the order of time.
        let name = format!("{:020}-{position:020}", at.as_millis()).into_bytes();
        draft.put_bytes(self.key(&name), bytes);
        self.kept.insert(name);
        while self.kept.len() > MOST_KEPT
            && let Some(oldest) = self.kept.pop_first()
        {
            draft.delete(self.key(&oldest));
        }
        Ok(())
    }

    /// The rule or correlation is gone.
    pub fn forget(&mut self, draft: &mut Draft) {
        for name in std::mem::take(&mut self.kept) {
            draft.delete(self.key(&name));
        }
    }

    fn key(&self, name: &[u8]) -> Vec<u8> {
        key::of(&[ASIDE_ROOM, self.of.as_bytes(), name])
    }
}

/// The inputs that the store has of an owner, in order of rule and time.
pub fn asides_in(loaded: &Loaded) -> Vec<Aside> {
    let is_aside = |state_key: &[u8]| key::split(state_key, 2).first() == Some(&ASIDE_ROOM);
    let asides = loaded.state.iter().filter(|(state_key, _)| is_aside(state_key));
    asides.filter_map(|(_, value)| serde_json::from_slice(value).ok()).collect()
}
