//! What the store keeps of an alert.

use orion_model::{Labels, Timestamp};
use serde::{Deserialize, Serialize};

use super::Alert;

/// An alert as the store keeps it. Made when an alert begins, fires, is first absent, misses its data, returns or ends; the
/// value last seen is no part of it, so an alert that goes on is not written.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedAlert {
    labels: Labels,
    since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    fired_at: Option<Timestamp>,
    /// As bits, so that NaN and infinities come back as they were.
    fired_value: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_zero")]
    missing: u32,
}

impl Alert {
    /// The form the store keeps.
    pub fn save(&self) -> SavedAlert {
        SavedAlert {
            labels: self.labels.clone(),
            since: self.since,
            fired_at: self.fired.map(|(at, _)| at),
            fired_value: self.fired.map_or(self.value, |(_, value)| value).to_bits(),
            absent_since: self.absent_since,
            missing: self.missing,
        }
    }
}

impl SavedAlert {
    pub(crate) fn into_alert(self) -> Alert {
        let value = f64::from_bits(self.fired_value);
        Alert {
            fingerprint: self.labels.fingerprint(),
            labels: self.labels,
            series: None,
            since: self.since,
            fired: self.fired_at.map(|at| (at, value)),
            absent_since: self.absent_since,
            missing: self.missing,
            value,
            sighting: 0,
            serial: 0,
            step: 0,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
