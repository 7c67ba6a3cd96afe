//! A recording in the place of the source it was made from.

use async_trait::async_trait;
use orion_model::{Frame, Timestamp};

use super::Recording;
use crate::Source;
use crate::decode::{AnswerLimits, decode};
use crate::error::SourceError;
use crate::session::QuerySession;

/// A recording that answers queries as the recorded source did.
#[derive(Debug)]
pub struct RecordingSource {
    recording: Recording,
    lookback_millis: i64,
}

impl RecordingSource {
    /// An answer given at instant *t* stands for all instants from *t* to *t* + `lookback_millis`, until the next one.
    pub fn new(recording: Recording, lookback_millis: i64) -> Self {
        Self { recording, lookback_millis }
    }

    /// What it answers from.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    fn answer(&self, expr: &str, instant: Timestamp) -> Result<&str, SourceError> {
        // Rule files write long queries as blocks, which end with a newline that means nothing.
        let answers = self.recording.answers(expr.trim()).ok_or_else(|| SourceError::NotRecorded {
            recording: self.recording.name().to_owned(),
            expr: expr.to_owned(),
        })?;
        let until_now = answers.partition_point(|(at, _)| *at <= instant);
        let latest = until_now.checked_sub(1).and_then(|index| answers.get(index));
        match latest.filter(|(at, _)| instant.millis_since(*at) <= self.lookback_millis) {
            Some((_, body)) => Ok(body),
            None => Err(SourceError::OutsideRecording {
                recording: self.recording.name().to_owned(),
                start: self.recording.start(),
                end: self.recording.end(),
                instant,
            }),
        }
    }
}

#[async_trait]
impl Source for RecordingSource {
    fn name(&self) -> &str {
        self.recording.name()
    }

    async fn query(&self, session: &mut QuerySession, instant: Timestamp) -> Result<Frame, SourceError> {
        let body = self.answer(session.expr(), instant)?;
        decode(body.as_bytes(), session, instant, AnswerLimits::default())
    }
}
