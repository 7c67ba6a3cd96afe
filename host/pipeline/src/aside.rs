//! Inputs that a plugin could not take, kept with its fault for whoever mends it.
//!
//! They are state of the stage that called the plugin and are committed with its step, so an input is set aside exactly when the
//! step that went on without it is done. An answer is kept as a source gives it, an event as a correlator may read it, without its
//! evidence: both can be replayed, and the whole of the event is on the bus at its position.

use std::collections::BTreeSet;

use orion_bus::Loaded;
use orion_model::{Digest, Event, Frame, Labels, SeriesTable, Timestamp};
use orion_sandbox::Plugin;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

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
pub struct Aside<I = Input> {
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
    pub input: I,
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

/// What can be set aside.
pub trait Given: Serialize {
    /// Its position on the bus; 0 when it did not come from there.
    fn position(&self) -> u64;
}

impl Given for Input {
    fn position(&self) -> u64 {
        if let Self::Event { position, .. } = self { *position } else { 0 }
    }
}

/// An answer as it is written, which reads back as [`Input::Answer`]. Straight from its columns: it may have a hundred thousand
/// series, and its plugin has cost the others enough.
#[derive(Serialize)]
#[serde(tag = "kind", rename = "answer")]
pub struct Answer<'a> {
    expr: &'a str,
    body: Body<'a>,
}

impl<'a> Answer<'a> {
    /// The answer to a query.
    pub fn new(expr: &'a str, frame: &'a Frame, table: &'a SeriesTable) -> Self {
        let data = Data { result_type: "vector", result: Samples { frame, table } };
        Self { expr, body: Body { status: "success", data, warnings: &frame.warnings } }
    }
}

impl Given for Answer<'_> {
    fn position(&self) -> u64 {
        0
    }
}

#[derive(Serialize)]
struct Body<'a> {
    status: &'static str,
    data: Data<'a>,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct Data<'a> {
    #[serde(rename = "resultType")]
    result_type: &'static str,
    result: Samples<'a>,
}

struct Samples<'a> {
    frame: &'a Frame,
    table: &'a SeriesTable,
}

#[derive(Serialize)]
struct Sample {
    metric: Labels,
    value: (f64, String),
}

impl Serialize for Samples<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sample = |(series, at, value)| Sample {
            metric: self.table.labels(series).cloned().unwrap_or_default(),
            value: (seconds(at), number(value)),
        };
        serializer.collect_seq(self.frame.samples().map(sample))
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
        input: &impl Given,
    ) -> Result<(), NotWritable> {
        let mut bytes = self.written(at, plugin, fault, input)?;
        if bytes.len() > MOST_INPUT_BYTES {
            bytes = self.written(at, plugin, fault, &Input::TooLarge { bytes: bytes.len() })?;
        }
        // Names in the order of time.
        let name = format!("{:020}-{:020}", at.as_millis(), input.position()).into_bytes();
        draft.put_bytes(self.key(&name), bytes);
        self.kept.insert(name);
        while self.kept.len() > MOST_KEPT
            && let Some(oldest) = self.kept.pop_first()
        {
            draft.delete(self.key(&oldest));
        }
        Ok(())
    }

    fn written(
        &self,
        at: Timestamp,
        plugin: &Plugin,
        fault: &str,
        input: &impl Serialize,
    ) -> Result<Vec<u8>, NotWritable> {
        let (of, plugin, plugin_digest) = (self.of.clone(), plugin.manifest().name.clone(), plugin.digest());
        Draft::json(&Aside { at, of, plugin, plugin_digest, fault: fault.to_owned(), input })
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_written_as_its_source_gives_one_and_reads_back() {
        let mut table = SeriesTable::default();
        let up = table.define(&[("job", "a\"b")].into_iter().collect(), Timestamp::default());
        let frame = Frame {
            instant: Timestamp::from_millis(1_500),
            ids: vec![up, up + 1],
            timestamps: vec![1_500, 2_000],
            values: vec![f64::INFINITY, 0.5],
            warnings: vec!["not all".to_owned()],
        };
        let text = serde_json::to_string(&Answer::new("up", &frame, &table)).unwrap();
        let result = json!([
            { "metric": { "job": "a\"b" }, "value": [1.5, "+Inf"] },
            { "metric": {}, "value": [2.0, "0.5"] },
        ]);
        let data = json!({ "resultType": "vector", "result": result });
        let body = json!({ "status": "success", "data": data, "warnings": ["not all"] });
        assert_eq!(serde_json::from_str::<Input>(&text).unwrap(), Input::Answer { expr: "up".to_owned(), body });
    }
}
