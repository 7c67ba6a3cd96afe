//! What a plugin hands to the host, word by word: it is taken within the limits, or it ends the call and nothing of it stays.

use std::sync::LazyLock;

use orion_model::{Change, Field, Finding, Frame, Labels, Scalar, Severity, StateEntry, Status, Timestamp};
use orion_sandbox::{EventBatch, Fault, Limits, Plugin, Sandbox, Settings};

use crate::guest::{self, MAX_INPUT_BYTES};

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new(Settings::default()).unwrap());
static DETECTOR: LazyLock<Plugin> = LazyLock::new(|| SANDBOX.load(&guest::detector()).unwrap());
static CORRELATOR: LazyLock<Plugin> = LazyLock::new(|| SANDBOX.load(&guest::correlator()).unwrap());
static LIMITS: LazyLock<Limits> = LazyLock::new(Limits::default);

/// Series that the detector was told of.
const SERIES: u32 = 2;

const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);
const LATEST_MILLIS: i64 = 253_402_300_799_999;

pub(crate) fn finding(bytes: &[u8]) {
    let _ = findings_of(bytes);
}

pub(crate) fn change(bytes: &[u8]) {
    let _ = changes_of(bytes);
}

/// What was said and saved, if all of it was taken.
fn findings_of(bytes: &[u8]) -> Option<(Vec<Finding>, Vec<StateEntry>)> {
    let mut detector = DETECTOR.detector().unwrap();
    detector.configure(&[]).unwrap();
    detector.restore(1, &input(bytes)).ok()?;
    detector.define_series((0..SERIES).map(|id| (id, &*LABELS))).unwrap();
    let mut findings = Vec::new();
    if detector.observe(&frame(), &mut findings).is_err() {
        assert!(findings.is_empty(), "a call that was ended has said nothing");
        assert_eq!(detector.observe(&frame(), &mut findings), Err(Fault::Poisoned { call: "observe" }));
        return None;
    }
    assert_findings(&findings);
    let entries = detector.checkpoint().ok()?;
    assert_entries(&entries);
    Some((findings, entries))
}

fn changes_of(bytes: &[u8]) -> Option<(Vec<Change>, Vec<StateEntry>)> {
    let mut correlator = CORRELATOR.correlator().unwrap();
    correlator.configure(&[]).unwrap();
    correlator.restore(1, &input(bytes)).ok()?;
    let mut batch = EventBatch::new();
    batch.push(1, NOW, Severity::Error, Status::Firing, 7, f64::NAN, "k", "service_down", &LABELS);
    let mut changes = Vec::new();
    if correlator.correlate(NOW, &batch, &mut changes).is_err() {
        assert!(changes.is_empty(), "a call that was ended has said nothing");
        return None;
    }
    assert_changes(&changes);
    let entries = correlator.checkpoint().ok()?;
    assert_entries(&entries);
    Some((changes, entries))
}

static LABELS: LazyLock<Labels> = LazyLock::new(|| [("instance", "a"), ("job", "node")].into_iter().collect());

fn input(bytes: &[u8]) -> [StateEntry; 1] {
    let seen = bytes.get(..MAX_INPUT_BYTES).unwrap_or(bytes);
    [StateEntry { key: Vec::new(), value: Some(seen.to_vec()) }]
}

fn frame() -> Frame {
    let ids: Vec<u32> = (0..SERIES).collect();
    let (timestamps, values) = (vec![NOW.as_millis(); ids.len()], vec![1.0; ids.len()]);
    Frame { instant: NOW, ids, timestamps, values, warnings: Vec::new() }
}

fn assert_findings(findings: &[Finding]) {
    assert!(findings.len() <= SERIES as usize + LIMITS.spare_findings);
    let mut text = 0;
    for finding in findings {
        assert!(finding.series.is_none_or(|series| series < SERIES));
        assert_time(finding.timestamp);
        assert_number(finding.value);
        finding.score.into_iter().for_each(assert_number);
        assert!(finding.message.len() <= LIMITS.message_bytes);
        text += finding.message.len() + assert_fields(&finding.fields);
    }
    assert!(text <= LIMITS.emitted_bytes + LIMITS.item_emitted_bytes * SERIES as usize);
}

fn assert_changes(changes: &[Change]) {
    assert!(changes.len() <= 1 + LIMITS.spare_changes);
    let mut text = 0;
    for change in changes {
        assert_time(change.timestamp);
        assert!(change.key.len() <= LIMITS.key_bytes && change.reason.len() <= LIMITS.reason_bytes);
        assert!(change.positions.len() <= LIMITS.positions);
        text += change.key.len() + change.reason.len() + assert_fields(&change.fields);
    }
    assert!(text <= LIMITS.emitted_bytes + LIMITS.item_emitted_bytes);
}

/// The bytes of their texts.
fn assert_fields(fields: &[Field]) -> usize {
    assert!(fields.len() <= LIMITS.fields);
    let mut text = 0;
    for (index, Field { name, value }) in fields.iter().enumerate() {
        assert!(!name.is_empty() && name.len() <= LIMITS.field_name_bytes);
        assert!(!fields.iter().take(index).any(|earlier| earlier.name == *name));
        text += name.len();
        match value {
            Scalar::Text(value) => {
                assert!(value.len() <= LIMITS.field_text_bytes);
                text += value.len();
            }
            Scalar::Number(number) => assert_number(*number),
            Scalar::Integer(_) | Scalar::Flag(_) => {}
        }
        assert!(!serde_json::to_string(&value.to_json()).unwrap().contains('\n'));
    }
    text
}

fn assert_entries(entries: &[StateEntry]) {
    let size = |entry: &StateEntry| entry.key.len() + entry.value.as_ref().map_or(0, Vec::len);
    assert!(entries.iter().map(size).sum::<usize>() <= LIMITS.checkpoint_bytes);
}

fn assert_time(time: Timestamp) {
    assert!((0..=LATEST_MILLIS).contains(&time.as_millis()));
}

/// What is no number has one form.
fn assert_number(number: f64) {
    assert!(!number.is_nan() || number.to_bits() == f64::NAN.to_bits());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds;

    /// Without this, every input could be refused for a slip in the guests, and nothing would be tried.
    #[test]
    fn what_the_corpus_says_is_taken_whole() {
        let made = |target: &str| {
            let made = seeds(target).into_iter().filter(|(name, _)| name.starts_with("made-"));
            made.map(|(_, input)| input).collect::<Vec<_>>()
        };
        let findings: Vec<_> = made("emit_finding").iter().map(|input| findings_of(input).unwrap()).collect();
        let changes: Vec<_> = made("emit_change").iter().map(|input| changes_of(input).unwrap()).collect();
        assert_eq!(findings.iter().map(|(said, _)| said.len()).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(changes.iter().map(|(said, _)| said.len()).collect::<Vec<_>>(), [0, 1, 2]);
        let (said, saved) = &findings[2];
        assert_eq!((&*said[1].message, said[1].fields[0].name.as_str()), ("name: ok", "name"));
        assert_eq!(saved[0].key, b"name");
        assert_eq!((changes[2].0[0].key.as_str(), changes[2].0[0].positions.len()), ("name", 1));
    }
}
