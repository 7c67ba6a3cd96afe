//! The samples of an answer: series and their values, pushed into the columns of a frame as they are read.

use std::borrow::Cow;

use orion_model::{Frame, Labels, LabelsBuilder, SeriesId, Timestamp};

use super::fault::Fault;
use super::number::{seconds_to_millis, value};
use super::scan::{Cursor, Text};
use super::{AnswerLimits, Reader, ResultKind};
use crate::error::SourceError;
use crate::session::QuerySession;

/// Prometheus installations keep series below fifty labels; a label set is copied to every plugin that sees it.
const MAX_LABELS_PER_SERIES: usize = 128;

/// Bytes of one `metric` object, for the same reason. The longest label values in the field are command lines.
const MAX_METRIC_BYTES: usize = 64 * 1024;

/// The frame that grows while an answer is read.
pub(super) struct Samples<'s> {
    session: &'s mut QuerySession,
    instant: Timestamp,
    limits: AnswerLimits,
    frame: Frame,
    /// The time last read, and how it was written: within one answer nearly all are the same.
    last_time: (Vec<u8>, i64),
}

impl<'s> Samples<'s> {
    pub(super) fn new(session: &'s mut QuerySession, instant: Timestamp, limits: AnswerLimits) -> Self {
        Self { session, instant, limits, frame: Frame { instant, ..Frame::default() }, last_time: (Vec::new(), 0) }
    }

    pub(super) fn into_frame(self) -> Frame {
        self.frame
    }

    fn vector(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        cursor.next_byte()?;
        if !cursor.eat(b'[')? {
            return Err(Fault::shape("`result` is no list", cursor.at()));
        }
        let mut first = true;
        while cursor.next_item(b']', &mut first)? {
            let start = cursor.at();
            match self.usual_element(cursor) {
                Some((id, at, value)) => self.push(id, at, value)?,
                None => {
                    *cursor = cursor.moved_to(start);
                    self.element(cursor)?;
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn push(&mut self, id: SeriesId, at: i64, value: f64) -> Result<(), Fault> {
        if self.frame.ids.len() >= self.limits.max_series_per_answer {
            let limit = self.limits.max_series_per_answer;
            return Err(Fault::Refused(SourceError::TooManySeries { limit }));
        }
        if !self.session.note(id, self.instant) {
            let series = self.session.table.labels(id).map(Labels::to_string).unwrap_or_default();
            return Err(Fault::Refused(SourceError::DuplicateSeries { series }));
        }
        self.frame.ids.push(id);
        self.frame.timestamps.push(at);
        self.frame.values.push(value);
        Ok(())
    }

    /// A known series, written as Prometheus writes it. `None` says nothing but: look at it carefully.
    #[inline]
    fn usual_element(&mut self, cursor: &mut Cursor<'_>) -> Option<(SeriesId, i64, f64)> {
        if !cursor.take(b"{\"metric\":") {
            return None;
        }
        let (id, len) = self.session.recognise(cursor.rest())?;
        cursor.advance(len);
        if !cursor.take(b",\"value\":[") {
            return None;
        }
        let (written, at) = &self.last_time;
        if written.is_empty() || !cursor.take(written) || !cursor.take(b",\"") {
            return None;
        }
        let at = *at;
        let text = cursor.rest();
        let len = text.iter().position(|&byte| byte == b'"')?;
        let value = value(text.get(..len)?)?;
        cursor.advance(len);
        cursor.take(b"\"]}").then_some((id, at, value))
    }

    /// Any series, written in any way.
    fn element(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        cursor.next_byte()?;
        let start = cursor.at();
        if !cursor.eat(b'{')? {
            return Err(Fault::shape("an item of `result` is no object", start));
        }
        let (mut series, mut sample, mut histogram) = (None, None, false);
        let mut first = true;
        while let Some(key) = cursor.next_key(&mut first)? {
            match key.read()?.as_ref() {
                "metric" if series.is_some() => return Err(Fault::shape("`metric` stands twice", key.at())),
                "value" if sample.is_some() => return Err(Fault::shape("`value` stands twice", key.at())),
                "metric" => series = Some(metric(self.session, self.instant, cursor)?),
                "value" => sample = Some(self.sample(cursor)?),
                other => {
                    histogram |= other == "histogram";
                    cursor.skip_value()?;
                }
            }
        }
        let id = series.ok_or_else(|| Fault::shape("an item of `result` has no `metric`", start))?;
        if histogram {
            let series = self.session.table.labels(id).map(Labels::to_string).unwrap_or_default();
            return Err(Fault::Refused(SourceError::NativeHistogram { series }));
        }
        let (at, value) = sample.ok_or_else(|| Fault::shape("an item of `result` has no `value`", start))?;
        self.push(id, at, value)
    }

    /// `[1732174269.123, "0.5"]`
    fn sample(&mut self, cursor: &mut Cursor<'_>) -> Result<(i64, f64), Fault> {
        cursor.next_byte()?;
        let start = cursor.at();
        if !cursor.eat(b'[')? {
            return Err(Fault::shape("a sample is no list of time and value", start));
        }
        cursor.next_byte()?;
        let time_at = cursor.at();
        let written = cursor.number()?;
        let at = seconds_to_millis(written).ok_or_else(|| Fault::shape("no time there ever was", time_at))?;
        self.last_time.0.clear();
        self.last_time.0.extend_from_slice(written);
        self.last_time.1 = at;
        cursor.expect(b',', "`,` is missing")?;
        let value = read_value(cursor.text_value("the value of a sample is no text")?)?;
        if !cursor.eat(b']')? {
            return Err(Fault::shape("a sample has more than time and value", cursor.at()));
        }
        Ok((at, value))
    }
}

impl Reader for Samples<'_> {
    fn read(&mut self, kind: ResultKind, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        match kind {
            ResultKind::Vector => self.vector(cursor),
            ResultKind::Scalar => {
                let (at, value) = self.sample(cursor)?;
                let id = self.session.series(b"{}", self.instant, || Ok(Labels::empty()))?;
                self.push(id, at, value)
            }
            ResultKind::Matrix | ResultKind::Text | ResultKind::Streams => Err(kind.unusable()),
        }
    }
}

pub(super) fn read_value(text: Text<'_>) -> Result<f64, Fault> {
    let number = match text.plain() {
        Some(plain) => value(plain),
        None => value(text.read()?.as_bytes()),
    };
    number.ok_or_else(|| Fault::shape("the value of a sample is no number", text.at()))
}

/// A `metric` object: read once to find its end, and a second time only if it is new.
pub(super) fn metric(
    session: &mut QuerySession,
    instant: Timestamp,
    cursor: &mut Cursor<'_>,
) -> Result<SeriesId, Fault> {
    cursor.next_byte()?;
    let mut again = cursor.clone();
    let start = cursor.at();
    if !cursor.rest().starts_with(b"{") {
        return Err(Fault::shape("`metric` is no object", start));
    }
    cursor.skip_value()?;
    let raw = cursor.since(start);
    if raw.len() > MAX_METRIC_BYTES {
        return Err(Fault::shape(format!("the labels of a series take more than {MAX_METRIC_BYTES} bytes"), start));
    }
    session.series(raw, instant, || read_labels(&mut again))
}

fn read_labels(cursor: &mut Cursor<'_>) -> Result<Labels, Fault> {
    let start = cursor.at();
    cursor.expect(b'{', "`{` is missing")?;
    let mut names: Vec<Cow<'_, str>> = Vec::new();
    let mut labels = LabelsBuilder::new();
    let mut first = true;
    while let Some(name) = cursor.next_key(&mut first)? {
        let value = cursor.text_value("the value of a label is no text")?.read()?;
        let name = name.read()?;
        labels.set(name.as_ref(), value);
        names.push(name);
        if names.len() > MAX_LABELS_PER_SERIES {
            return Err(Fault::shape(format!("a series has more than {MAX_LABELS_PER_SERIES} labels"), start));
        }
    }
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(Fault::shape("a label stands twice in one series", start));
    }
    Ok(labels.build())
}
