//! From the bytes of an answer to a frame: the door where what a source sends becomes something the house trusts.
//!
//! Written by hand and for speed, because at every instant every series of every query passes here. The usual answer
//! is Prometheus's own: keys in one order, no white space, series known from last time. For it a series costs a
//! comparison of bytes and a few pushes. Everything else JSON allows is understood too, at leisure; everything it does
//! not allow is refused, with the place.

mod fault;
mod matrix;
mod number;
mod scan;
mod streams;
mod vector;

use orion_model::{Frame, Timestamp};

use crate::error::SourceError;
use crate::session::QuerySession;
use fault::Fault;
use matrix::Series;
use scan::{Cursor, Text};
use vector::Samples;

pub(crate) use fault::excerpt;
pub use streams::StreamLine;
pub(crate) use streams::decode_streams;

/// Warnings are for people; a thousand of them are an attack on the audit trail.
const MAX_WARNINGS: usize = 32;

/// A warning is a sentence.
const MAX_WARNING_CHARS: usize = 1_000;

/// How large an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerLimits {
    /// Bytes of the body.
    pub max_answer_bytes: usize,
    /// Series in it.
    pub max_series_per_answer: usize,
}

impl AnswerLimits {
    /// What both allow.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            max_answer_bytes: self.max_answer_bytes.min(other.max_answer_bytes),
            max_series_per_answer: self.max_series_per_answer.min(other.max_series_per_answer),
        }
    }
}

impl Default for AnswerLimits {
    /// 64 MiB and 200,000 series: several times what one rule can sensibly look at, and little enough to hold.
    fn default() -> Self {
        Self { max_answer_bytes: 64 * 1024 * 1024, max_series_per_answer: 200_000 }
    }
}

/// The frame that an answer of the Prometheus query API stands for.
///
/// Understood are vectors and scalars; a scalar becomes one series without labels. Fields that the API of Prometheus
/// does not have are ignored, but for `isPartial` of VictoriaMetrics, which becomes a warning.
pub fn decode(
    body: &[u8],
    session: &mut QuerySession,
    instant: Timestamp,
    limits: AnswerLimits,
) -> Result<Frame, SourceError> {
    if body.len() > limits.max_answer_bytes {
        return Err(too_large(body, limits));
    }
    session.begin();
    let mut samples = Samples::new(session, instant, limits);
    let warnings = Envelope::default().read(Cursor::new(body), &mut samples).map_err(|fault| fault.told(body))?;
    let frame = Frame { warnings, ..samples.into_frame() };
    session.finish(instant, limits);
    Ok(frame)
}

/// Instants at even distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instants {
    /// The first.
    pub first: Timestamp,
    /// Distance.
    pub step_millis: i64,
    /// How many.
    pub count: usize,
}

impl Instants {
    /// All of them, in order.
    pub fn iter(self) -> impl Iterator<Item = Timestamp> {
        (0_i64..).take(self.count).map(move |k| self.first.plus_millis(k.saturating_mul(self.step_millis)))
    }

    /// The last; the first when there is none.
    pub fn last(self) -> Timestamp {
        self.iter().last().unwrap_or(self.first)
    }
}

/// The frames that an answer about many instants stands for: one for each instant, as if it had been asked for alone.
pub fn decode_range(
    body: &[u8],
    session: &mut QuerySession,
    instants: Instants,
    limits: AnswerLimits,
) -> Result<Vec<Frame>, SourceError> {
    if body.len() > limits.max_answer_bytes {
        return Err(too_large(body, limits));
    }
    session.begin();
    let mut series = Series::new(session, instants, limits);
    let warnings = Envelope::default().read(Cursor::new(body), &mut series).map_err(|fault| fault.told(body))?;
    let mut frames = series.into_frames();
    frames.iter_mut().for_each(|frame| frame.warnings.clone_from(&warnings));
    session.finish(instants.last(), limits);
    Ok(frames)
}

/// What takes in a `result`.
trait Reader {
    fn read(&mut self, kind: ResultKind, cursor: &mut Cursor<'_>) -> Result<(), Fault>;
}

/// The error for an answer that goes beyond the limit. An endless page that is not even JSON is no fault of the query.
pub(crate) fn too_large(beginning: &[u8], limits: AnswerLimits) -> SourceError {
    if beginning.trim_ascii_start().starts_with(b"{") {
        SourceError::TooLarge { limit_bytes: limits.max_answer_bytes }
    } else {
        Fault::not_json("`{` is missing", 0).told(beginning)
    }
}

/// What stands around the samples.
#[derive(Default)]
struct Envelope {
    status: Option<bool>,
    /// Where `data` begins, until it is read.
    data: Option<usize>,
    data_read: bool,
    error_type: String,
    error: String,
    warnings: Vec<String>,
}

impl Envelope {
    /// Reads all of an answer; what is left are the source's warnings.
    fn read(mut self, mut cursor: Cursor<'_>, samples: &mut impl Reader) -> Result<Vec<String>, Fault> {
        if cursor.rest().trim_ascii().is_empty() {
            return Err(Fault::not_json("it is empty", 0));
        }
        cursor.expect(b'{', "`{` is missing")?;
        let mut first = true;
        while let Some(key) = cursor.next_key(&mut first)? {
            self.field(key, &mut cursor, samples)?;
        }
        cursor.expect_end()?;
        match self.status {
            Some(true) => {}
            Some(false) => {
                return Err(Fault::Refused(SourceError::Api { error_type: self.error_type, message: self.error }));
            }
            None => return Err(Fault::shape("no `status`", 0)),
        }
        if let Some(data) = self.data {
            read_data(&mut cursor.moved_to(data), samples)?;
        } else if !self.data_read {
            return Err(Fault::shape("no `data`", 0));
        }
        Ok(self.warnings)
    }

    fn field(&mut self, key: Text<'_>, cursor: &mut Cursor<'_>, samples: &mut impl Reader) -> Result<(), Fault> {
        match key.read()?.as_ref() {
            "status" => self.status = Some(read_status(cursor.text_value("`status` is no text")?)?),
            "errorType" => self.error_type = sentence(&cursor.text_value("`errorType` is no text")?.read()?),
            "error" => self.error = sentence(&cursor.text_value("`error` is no text")?.read()?),
            "warnings" | "infos" => self.read_warnings(cursor)?,
            "isPartial" => {
                if cursor.flag()? {
                    self.warn("the answer is partial: the source could not reach all of its storage");
                }
            }
            "data" if self.data.is_some() || self.data_read => {
                return Err(Fault::shape("`data` stands twice", key.at()));
            }
            // Only a success has data; if that is not yet known, they wait.
            "data" if self.status == Some(true) => {
                read_data(cursor, samples)?;
                self.data_read = true;
            }
            "data" => {
                self.data = Some(cursor.at());
                cursor.skip_value()?;
            }
            _ => cursor.skip_value()?,
        }
        Ok(())
    }

    fn read_warnings(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        // Go writes an empty list as null here and there.
        if cursor.next_byte()? != b'[' {
            return cursor.skip_value();
        }
        cursor.advance(1);
        let mut first = true;
        while cursor.next_item(b']', &mut first)? {
            self.warn(&cursor.text_value("a warning is no text")?.read()?);
        }
        Ok(())
    }

    fn warn(&mut self, warning: &str) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(sentence(warning));
        }
    }
}

/// A text for people, cut to the length of a sentence.
fn sentence(text: &str) -> String {
    text.chars().take(MAX_WARNING_CHARS).collect()
}

fn read_status(status: Text<'_>) -> Result<bool, Fault> {
    match status.read()?.as_ref() {
        "success" => Ok(true),
        "error" => Ok(false),
        _ => Err(Fault::shape("`status` is neither success nor error", status.at())),
    }
}

fn read_data(cursor: &mut Cursor<'_>, samples: &mut impl Reader) -> Result<(), Fault> {
    cursor.next_byte()?;
    let start = cursor.at();
    if !cursor.eat(b'{')? {
        return Err(Fault::shape("`data` is no object", start));
    }
    let mut kind = None;
    let mut result = None;
    let mut result_read = false;
    let mut first = true;
    while let Some(key) = cursor.next_key(&mut first)? {
        match key.read()?.as_ref() {
            "resultType" => kind = Some(ResultKind::read(cursor.text_value("`resultType` is no text")?)?),
            "result" if result.is_some() || result_read => {
                return Err(Fault::shape("`result` stands twice", key.at()));
            }
            "result" => match kind {
                Some(kind) => {
                    samples.read(kind, cursor)?;
                    result_read = true;
                }
                None => {
                    result = Some(cursor.at());
                    cursor.skip_value()?;
                }
            },
            _ => cursor.skip_value()?,
        }
    }
    match (kind, result) {
        (_, None) if result_read => Ok(()),
        (Some(kind), Some(at)) => samples.read(kind, &mut cursor.moved_to(at)),
        (None, _) => Err(Fault::shape("no `resultType`", start)),
        (_, None) => Err(Fault::shape("no `result`", start)),
    }
}

/// What a result is.
#[derive(Clone, Copy)]
enum ResultKind {
    Vector,
    Scalar,
    Matrix,
    Text,
    /// Lines of logs, which only Loki has.
    Streams,
}

impl ResultKind {
    fn read(text: Text<'_>) -> Result<Self, Fault> {
        match text.read()?.as_ref() {
            "vector" => Ok(Self::Vector),
            "scalar" => Ok(Self::Scalar),
            "matrix" => Ok(Self::Matrix),
            "string" => Ok(Self::Text),
            "streams" => Ok(Self::Streams),
            _ => Err(Fault::shape("an unknown `resultType`", text.at())),
        }
    }

    /// The refusal of what a rule cannot use.
    fn unusable(self) -> Fault {
        let result_type = match self {
            Self::Vector => "vector",
            Self::Scalar => "scalar",
            Self::Matrix => "matrix",
            Self::Text => "string",
            Self::Streams => "streams",
        };
        Fault::Refused(SourceError::NotAVector { result_type: result_type.to_owned() })
    }
}

#[cfg(test)]
mod tests;
