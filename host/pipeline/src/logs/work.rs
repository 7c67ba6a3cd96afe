//! The work of one step: what it has read, what it is about to commit, and how much more there is room for.

use std::collections::BTreeMap;

use orion_model::Timestamp;
use orion_rules::LogEntry;

use super::followed::PIECE_BYTES;
use super::{LogContext, LogPlan};
use crate::draft::Draft;
use crate::meters::LogMeter;
use crate::stage::BATCH;

/// Bytes that are read in one step: then what they gave is committed before more is read.
const STEP_BYTES: usize = 8 * PIECE_BYTES;

/// Bytes of lines in the events of one step, which are held until they are committed.
const STEP_EVENT_BYTES: usize = 8 * 1024 * 1024;

/// The work of one step.
pub(super) struct Work<'a> {
    pub(super) context: &'a LogContext,
    pub(super) plan: &'a LogPlan,
    pub(super) meter: &'a LogMeter,
    pub(super) now: Timestamp,
    pub(super) draft: Draft,
    pub(super) events: usize,
    pub(super) event_bytes: usize,
    pub(super) bytes: usize,
    pub(super) troubles: BTreeMap<String, String>,
    /// Whether anything has to be kept now.
    pub(super) is_due: bool,
}

impl Work<'_> {
    pub(super) fn is_full(&self) -> bool {
        self.events >= BATCH || self.event_bytes >= STEP_EVENT_BYTES || self.bytes >= STEP_BYTES
    }

    pub(super) fn entry(&self) -> &LogEntry {
        &self.plan.entry
    }
}
