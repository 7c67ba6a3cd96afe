//! What is counted of a hook.

use axum::http::StatusCode;
use orion_metrics::{Counter, Histogram};

/// Bounds of what recording a delivery takes, in seconds: from a quick disk to one that is not waited for.
const BOUNDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Why deliveries are not taken, each with the status that says it.
const REASONS: [(&str, StatusCode); 10] = [
    ("malformed", StatusCode::BAD_REQUEST),
    ("no_secret", StatusCode::UNAUTHORIZED),
    ("foreign_page", StatusCode::FORBIDDEN),
    ("too_slow", StatusCode::REQUEST_TIMEOUT),
    ("replayed", StatusCode::CONFLICT),
    ("no_length", StatusCode::LENGTH_REQUIRED),
    ("too_large", StatusCode::PAYLOAD_TOO_LARGE),
    ("wrong_type", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ("no_event", StatusCode::UNPROCESSABLE_ENTITY),
    ("not_now", StatusCode::SERVICE_UNAVAILABLE),
];

pub(crate) struct HookMeters {
    pub(crate) received: Counter,
    pub(crate) recorded: Counter,
    pub(crate) known: Counter,
    pub(crate) put_aside: Counter,
    /// In the order of [`REASONS`].
    refused: [Counter; REASONS.len()],
    pub(crate) took: Histogram,
}

impl Default for HookMeters {
    fn default() -> Self {
        Self {
            received: Counter::default(),
            recorded: Counter::default(),
            known: Counter::default(),
            put_aside: Counter::default(),
            refused: Default::default(),
            took: Histogram::new(BOUNDS),
        }
    }
}

impl HookMeters {
    /// A delivery was answered with this, which says that it is not taken.
    pub(crate) fn refuse(&self, status: StatusCode) {
        let place = REASONS.iter().position(|(_, of)| *of == status);
        place.and_then(|place| self.refused.get(place)).iter().for_each(|counter| counter.increase());
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.iter().map(Counter::get).sum()
    }

    pub(crate) fn refused_by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.iter().zip(&self.refused).map(|((reason, _), counter)| (*reason, counter.get()))
    }
}
