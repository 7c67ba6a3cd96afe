//! Events on their way into a correlator, as the columns that the contract wants. One buffer, filled anew for each call:
//! an event costs copies of its bytes and no allocation.

use orion_model::{Labels, Severity, Status, Timestamp};

use crate::wit::correlator::exports::orion::plugin::correlator::Batch;

/// Events of one call of `correlate`, in bus order.
#[derive(Clone, Default)]
pub struct EventBatch {
    positions: Vec<u64>,
    timestamps: Vec<i64>,
    severities: Vec<u8>,
    statuses: Vec<u8>,
    fingerprints: Vec<u64>,
    values: Vec<f64>,
    label_counts: Vec<u32>,
    text: Vec<u8>,
    ends: Vec<u32>,
}

impl EventBatch {
    /// An empty batch. Given to `correlate` as it is, it is a tick.
    pub fn new() -> Self {
        Self::default()
    }

    /// As the contract has it.
    pub(crate) fn columns(&self) -> Batch<'_> {
        let Self { positions, timestamps, severities, statuses, fingerprints, values, label_counts, text, ends } = self;
        Batch { positions, timestamps, severities, statuses, fingerprints, values, label_counts, text, ends }
    }

    /// Adds an event. `value` is NaN when it carries none.
    #[expect(
        clippy::too_many_arguments,
        reason = "the columns of the contract; a struct of borrows would only rename them"
    )]
    pub fn push(
        &mut self,
        position: u64,
        timestamp: Timestamp,
        severity: Severity,
        status: Status,
        fingerprint: u64,
        value: f64,
        key: &str,
        event_type: &str,
        labels: &Labels,
    ) {
        self.positions.push(position);
        self.timestamps.push(timestamp.as_millis());
        self.severities.push(severity.rank());
        self.statuses.push(status.rank());
        self.fingerprints.push(fingerprint);
        self.values.push(value);
        self.label_counts.push(count(labels.len()));
        for piece in [key, event_type] {
            self.text.extend_from_slice(piece.as_bytes());
            self.ends.push(count(self.text.len()));
        }
        let (text, ends) = labels.as_text_and_ends();
        let start = count(self.text.len());
        self.text.extend_from_slice(text.as_bytes());
        self.ends.extend(ends.iter().map(|end| start.saturating_add(*end)));
    }

    /// Forgets the events and keeps the buffers.
    pub fn clear(&mut self) {
        let Self { positions, timestamps, severities, statuses, fingerprints, values, label_counts, text, ends } = self;
        positions.clear();
        timestamps.clear();
        severities.clear();
        statuses.clear();
        fingerprints.clear();
        values.clear();
        label_counts.clear();
        text.clear();
        ends.clear();
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether it is a tick.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }
}

/// The memory limit of a plugin ends a batch long before it has 4 GiB of text.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
