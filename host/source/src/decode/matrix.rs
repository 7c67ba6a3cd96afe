//! An answer about many instants: series with all their samples, turned into one frame for each instant.

use orion_model::{Frame, Labels, SeriesId, Timestamp};

use super::fault::Fault;
use super::number::{seconds_to_millis, value};
use super::scan::Cursor;
use super::vector::{metric, read_value};
use super::{AnswerLimits, Instants, Reader, ResultKind};
use crate::error::SourceError;
use crate::session::QuerySession;

/// The frames that grow while an answer is read.
pub(super) struct Series<'s> {
    session: &'s mut QuerySession,
    instants: Instants,
    /// A series that is in any of the instants counts as seen in the last.
    last: Timestamp,
    limits: AnswerLimits,
    frames: Vec<Frame>,
}

impl<'s> Series<'s> {
    pub(super) fn new(session: &'s mut QuerySession, instants: Instants, limits: AnswerLimits) -> Self {
        let frames = instants.iter().map(|instant| Frame { instant, ..Frame::default() }).collect();
        Self { session, instants, last: instants.last(), limits, frames }
    }

    pub(super) fn into_frames(self) -> Vec<Frame> {
        self.frames
    }

    fn matrix(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        cursor.next_byte()?;
        if !cursor.eat(b'[')? {
            return Err(Fault::shape("`result` is no list", cursor.at()));
        }
        let mut first = true;
        while cursor.next_item(b']', &mut first)? {
            self.element(cursor)?;
        }
        Ok(())
    }

    fn element(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        cursor.next_byte()?;
        let start = cursor.at();
        if !cursor.eat(b'{')? {
            return Err(Fault::shape("an item of `result` is no object", start));
        }
        let (mut series, mut values, mut histograms) = (None, None, false);
        let mut first = true;
        while let Some(key) = cursor.next_key(&mut first)? {
            match key.read()?.as_ref() {
                "metric" if series.is_some() => return Err(Fault::shape("`metric` stands twice", key.at())),
                "values" if values.is_some() => return Err(Fault::shape("`values` stands twice", key.at())),
                "metric" => series = Some(metric(self.session, self.last, cursor)?),
                "values" => match series {
                    Some(id) => {
                        self.values(id, cursor)?;
                        values = Some(None);
                    }
                    None => {
                        values = Some(Some(cursor.at()));
                        cursor.skip_value()?;
                    }
                },
                other => {
                    histograms |= other == "histograms";
                    cursor.skip_value()?;
                }
            }
        }
        let id = series.ok_or_else(|| Fault::shape("an item of `result` has no `metric`", start))?;
        if histograms {
            return Err(Fault::Refused(SourceError::NativeHistogram { series: self.shown(id) }));
        }
        match values {
            Some(None) => Ok(()),
            Some(Some(at)) => self.values(id, &mut cursor.moved_to(at)),
            None => Err(Fault::shape("an item of `result` has no `values`", start)),
        }
    }

    /// `[[1732174269,"1"],[1732174284,"2"]]`, in order of time.
    fn values(&mut self, id: SeriesId, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        if !self.session.note(id, self.last) {
            return Err(Fault::Refused(SourceError::DuplicateSeries { series: self.shown(id) }));
        }
        cursor.next_byte()?;
        if !cursor.eat(b'[')? {
            return Err(Fault::shape("`values` is no list", cursor.at()));
        }
        let mut place = 0;
        let mut first = true;
        while cursor.next_item(b']', &mut first)? {
            let start = cursor.at();
            let (at, value) = match usual_sample(cursor) {
                Some(sample) => sample,
                None => {
                    *cursor = cursor.moved_to(start);
                    any_sample(cursor)?
                }
            };
            place = self.push(id, at, value, place).ok_or_else(|| {
                Fault::shape("a sample is not at one of the instants that were asked for, or not in order", start)
            })??;
        }
        Ok(())
    }

    /// Puts a sample into the frame of its instant, which is at or after `place`; the next is after that.
    #[inline]
    fn push(&mut self, id: SeriesId, at: i64, value: f64, place: usize) -> Option<Result<usize, Fault>> {
        let since = at.checked_sub(self.instants.first.as_millis())?;
        let step = self.instants.step_millis.max(1);
        let index = usize::try_from(since / step).ok().filter(|index| since % step == 0 && *index >= place)?;
        let frame = self.frames.get_mut(index)?;
        if frame.ids.len() >= self.limits.max_series_per_answer {
            let limit = self.limits.max_series_per_answer;
            return Some(Err(Fault::Refused(SourceError::TooManySeries { limit })));
        }
        frame.ids.push(id);
        frame.timestamps.push(at);
        frame.values.push(value);
        Some(Ok(index + 1))
    }

    fn shown(&self, id: SeriesId) -> String {
        self.session.table.labels(id).map(Labels::to_string).unwrap_or_default()
    }
}

impl Reader for Series<'_> {
    fn read(&mut self, kind: ResultKind, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        match kind {
            ResultKind::Matrix => self.matrix(cursor),
            ResultKind::Vector | ResultKind::Scalar | ResultKind::Text | ResultKind::Streams => Err(kind.unusable()),
        }
    }
}

/// A sample as Prometheus writes it. `None` says nothing but: look at it carefully.
#[inline]
fn usual_sample(cursor: &mut Cursor<'_>) -> Option<(i64, f64)> {
    if !cursor.take(b"[") {
        return None;
    }
    let rest = cursor.rest();
    let comma = rest.iter().position(|&byte| byte == b',')?;
    let at = seconds_to_millis(rest.get(..comma)?)?;
    cursor.advance(comma);
    if !cursor.take(b",\"") {
        return None;
    }
    let rest = cursor.rest();
    let quote = rest.iter().position(|&byte| byte == b'"')?;
    let value = value(rest.get(..quote)?)?;
    cursor.advance(quote);
    cursor.take(b"\"]").then_some((at, value))
}

/// A sample in any way JSON allows.
fn any_sample(cursor: &mut Cursor<'_>) -> Result<(i64, f64), Fault> {
    cursor.next_byte()?;
    if !cursor.eat(b'[')? {
        return Err(Fault::shape("a sample is no list of time and value", cursor.at()));
    }
    cursor.next_byte()?;
    let time_at = cursor.at();
    let at = seconds_to_millis(cursor.number()?).ok_or_else(|| Fault::shape("no time there ever was", time_at))?;
    cursor.expect(b',', "`,` is missing")?;
    let value = read_value(cursor.text_value("the value of a sample is no text")?)?;
    if !cursor.eat(b']')? {
        return Err(Fault::shape("a sample has more than time and value", cursor.at()));
    }
    Ok((at, value))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use orion_model::{Frame, Timestamp};
    use proptest::prelude::*;

    use crate::decode::{AnswerLimits, Instants, decode, decode_range};
    use crate::error::SourceError;
    use crate::session::QuerySession;

    const FIRST: i64 = 1_732_174_260_500;
    const STEP: i64 = 15_000;

    fn instants(count: usize) -> Instants {
        Instants { first: Timestamp::from_millis(FIRST), step_millis: STEP, count }
    }

    /// `None` is no sample at that instant.
    type Row = Vec<Option<f64>>;

    fn seconds(place: usize) -> String {
        let millis = FIRST + STEP * i64::try_from(place).unwrap();
        format!("{}.{:03}", millis / 1_000, millis % 1_000)
    }

    fn matrix(rows: &[Row]) -> String {
        let mut body = r#"{"status":"success","data":{"resultType":"matrix","result":["#.to_owned();
        for (series, row) in rows.iter().enumerate().filter(|(_, row)| row.iter().any(Option::is_some)) {
            let values: Vec<String> = row
                .iter()
                .enumerate()
                .filter_map(|(place, value)| Some(format!("[{},\"{}\"]", seconds(place), (*value)?)))
                .collect();
            let comma = if body.ends_with('[') { "" } else { "," };
            write!(body, r#"{comma}{{"metric":{{"job":"{series}"}},"values":[{}]}}"#, values.join(",")).unwrap();
        }
        body + "]}}"
    }

    fn vector(rows: &[Row], place: usize) -> String {
        let row = |(series, row): (usize, &Row)| {
            let value = row[place]?;
            Some(format!(r#"{{"metric":{{"job":"{series}"}},"value":[{},"{value}"]}}"#, seconds(place)))
        };
        let rows: Vec<String> = rows.iter().enumerate().filter_map(row).collect();
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#, rows.join(","))
    }

    fn range(body: &str, count: usize) -> Result<Vec<Frame>, SourceError> {
        decode_range(body.as_bytes(), &mut QuerySession::new("q"), instants(count), AnswerLimits::default())
    }

    proptest! {
        #[test]
        fn an_answer_about_many_instants_is_the_answers_about_each(
            rows in proptest::collection::vec(proptest::collection::vec(proptest::option::of(-1e6..1e6_f64), 5), 0..4),
        ) {
            let mut session = QuerySession::new("q");
            let limits = AnswerLimits::default();
            let frames = decode_range(matrix(&rows).as_bytes(), &mut session, instants(5), limits).unwrap();
            prop_assert_eq!(frames.len(), 5);
            for (place, (frame, instant)) in frames.iter().zip(instants(5).iter()).enumerate() {
                let alone = decode(vector(&rows, place).as_bytes(), &mut session, instant, limits).unwrap();
                prop_assert_eq!(frame, &alone);
                prop_assert_eq!(frame.input_id(&session.table), alone.input_id(&session.table));
            }
        }
    }

    #[test]
    fn json_written_in_any_way_is_read() {
        let body = format!(
            r#"{{"data": {{"result": [ {{ "values" : [ [ {}e0 , "1\u0035" ] ], "metric" : {{}} }} ], "resultType":"matrix"}}, "status": "success"}}"#,
            seconds(1)
        );
        let frames = range(&body, 2).unwrap();
        assert_eq!((frames[0].len(), &frames[1].values), (0, &vec![15.0]));
    }

    #[test]
    fn warnings_are_those_of_every_instant() {
        let body = r#"{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["a store is away"]}"#;
        assert!(range(body, 2).unwrap().iter().all(Frame::is_partial));
    }

    #[test]
    fn what_is_no_answer_to_the_question_is_refused_with_the_place() {
        let with = |values: &str| {
            format!(
                r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{}},"values":{values}}}]}}}}"#
            )
        };
        let beside = with(r#"[[1732174261,"1"]]"#);
        let before = with(r#"[[1732174245.5,"1"]]"#);
        let after = with(&format!(r#"[[{},"1"]]"#, seconds(2)));
        let backwards = with(&format!(r#"[[{},"1"],[{},"1"]]"#, seconds(1), seconds(0)));
        let twice = with(&format!(r#"[[{},"1"],[{},"1"]]"#, seconds(1), seconds(1)));
        for body in [beside, before, after, backwards, twice] {
            let why = range(&body, 2).unwrap_err().to_string();
            assert!(why.contains("not at one of the instants"), "{body}: {why}");
        }
        for (body, expected) in [
            (vector(&[vec![Some(1.0)]], 0), "vector"),
            (with("{}"), "`values` is no list"),
            (with(r#"[[1,2,3]]"#), "no text"),
            (with("[]").replace(r#","values":[]"#, ""), "no `values`"),
            (with("[]").replace(r#""metric":{},"#, ""), "no `metric`"),
            (with("[]").replace(r#""values""#, r#""histograms":[],"values""#), "histogram"),
        ] {
            let why = range(&body, 2).unwrap_err().to_string();
            assert!(why.contains(expected), "{body}: {why}");
        }
    }

    #[test]
    fn a_series_that_stands_twice_and_too_many_series_are_refused() {
        let twice = matrix(&[vec![Some(1.0)], vec![Some(1.0)]]).replace("\"1\"}", "\"0\"}");
        assert!(matches!(range(&twice, 1), Err(SourceError::DuplicateSeries { .. })));
        let limits = AnswerLimits { max_series_per_answer: 2, ..AnswerLimits::default() };
        let of = |series: usize| {
            let body = matrix(&vec![vec![Some(1.0)]; series]);
            decode_range(body.as_bytes(), &mut QuerySession::new("q"), instants(1), limits)
        };
        assert_eq!(of(2).unwrap()[0].len(), 2);
        assert!(matches!(of(3), Err(SourceError::TooManySeries { limit: 2 })));
    }
}
