//! Events on their way into a correlator, as the columns that the contract wants. One buffer, filled anew for each call:
//! an event costs copies of its bytes and no allocation.

use orion_model::{Labels, Severity, Status, Timestamp};

use crate::wit::correlator::exports::orion::plugin::correlator::Batch;

/// Events of one call of `correlate`, in bus order.
#[derive(Clone)]
pub struct EventBatch {
    pub(crate) columns: Batch,
}

impl Default for EventBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl EventBatch {
    /// An empty batch. Given to `correlate` as it is, it is a tick.
    pub const fn new() -> Self {
        let columns = Batch {
            positions: Vec::new(),
            timestamps: Vec::new(),
            severities: Vec::new(),
            statuses: Vec::new(),
            fingerprints: Vec::new(),
            values: Vec::new(),
            label_counts: Vec::new(),
            text: Vec::new(),
            ends: Vec::new(),
        };
        Self { columns }
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
        let columns = &mut self.columns;
        columns.positions.push(position);
        columns.timestamps.push(timestamp.as_millis());
        columns.severities.push(severity.rank());
        columns.statuses.push(status.rank());
        columns.fingerprints.push(fingerprint);
        columns.values.push(value);
        columns.label_counts.push(count(labels.len()));
        for piece in [key, event_type] {
            columns.text.extend_from_slice(piece.as_bytes());
            columns.ends.push(count(columns.text.len()));
        }
        let (text, ends) = labels.as_text_and_ends();
        let start = count(columns.text.len());
        columns.text.extend_from_slice(text.as_bytes());
        columns.ends.extend(ends.iter().map(|end| start.saturating_add(*end)));
    }

    /// Forgets the events and keeps the buffers.
    pub fn clear(&mut self) {
        let Batch { positions, timestamps, severities, statuses, fingerprints, values, label_counts, text, ends } =
            &mut self.columns;
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
        self.columns.positions.len()
    }

    /// Whether it is a tick.
    pub fn is_empty(&self) -> bool {
        self.columns.positions.is_empty()
    }
}

/// The memory limit of a plugin ends a batch long before it has 4 GiB of text.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
