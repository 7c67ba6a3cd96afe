//! What a test plays on: a Prometheus of its own over its data, or what one answered before.

use std::sync::Mutex;

use async_trait::async_trait;
use orion_model::{Frame, IdBuilder, Timestamp, Written, WrittenSeries};
use orion_source::{AnswerLimits, Instants, QuerySession, Source, SourceError, decode, decode_range};

use super::answers::{Answers, Question};
use crate::suite::{InputEvent, SOURCE, Suite, Test, query_of_event};

/// A Prometheus of a test's own, without data until the test writes some. An author's desk starts one; where Orion is deployed there is
/// none, and what one answered before is read.
pub trait Server: Send + Sync {
    /// Takes series. They can be asked for when this returns.
    fn write(&self, series: &[WrittenSeries]) -> Result<(), ServerError>;

    /// The answer as Prometheus gives it over HTTP.
    fn ask(&self, question: &Question) -> Result<String, ServerError>;
}

/// What such a server did not do.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It is not there any more, so no other test can be played either.
    #[error("{0}")]
    Away(String),
    /// It does not take these data, or this question.
    #[error("{0}")]
    Refused(String),
}

/// A test's data, and who answers questions about them.
pub struct Stage {
    data: String,
    server: Option<Box<dyn Server>>,
    start_millis: i64,
    events: Vec<InputEvent>,
    answers: Mutex<Answers>,
}

impl Stage {
    /// A server without data yet, over those of a test. `made_of` is what else its answers depend on.
    pub fn live(suite: &Suite, test: &Test, made_of: &[String], server: Box<dyn Server>) -> Result<Self, ServerError> {
        server.write(&test.series)?;
        Ok(Self { server: Some(server), ..Self::recorded(suite, test, made_of, Answers::default()) })
    }

    /// What was answered before.
    pub fn recorded(suite: &Suite, test: &Test, made_of: &[String], answers: Answers) -> Self {
        Self {
            data: identity(suite, test, made_of),
            server: None,
            start_millis: test.start_millis,
            events: test.input_events.clone(),
            answers: Mutex::new(answers),
        }
    }

    /// Writes more series; nothing to do where answers are known already.
    pub fn write(&self, series: &[WrittenSeries]) -> Result<(), ServerError> {
        self.server.as_ref().map_or(Ok(()), |server| server.write(series))
    }

    /// Whether a server answers, and not a recording.
    pub fn is_live(&self) -> bool {
        self.server.is_some()
    }

    /// Everything that was answered.
    pub fn answers(&self) -> Answers {
        self.answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn answer(&self, expr: &str, first: Timestamp, range: Option<(i64, usize)>) -> Result<String, SourceError> {
        let events = (0..).zip(&self.events);
        if let Some((_, event)) = events.into_iter().find(|(index, _)| query_of_event(*index) == expr) {
            return Ok(self.answer_of_event(event, first, range));
        }
        let question = Question { data: self.data.clone(), expr: expr.to_owned(), first: first.as_millis(), range };
        let mut answers = self.answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(body) = answers.get(&question) {
            return Ok(body.to_owned());
        }
        let Some(server) = &self.server else { return Err(not_recorded(expr)) };
        let body = server.ask(&question).map_err(|why| unusable(&why))?;
        answers.put(question, body.clone());
        Ok(body)
    }

    /// 1 while it fires.
    fn answer_of_event(&self, event: &InputEvent, first: Timestamp, range: Option<(i64, usize)>) -> String {
        let (step_millis, count) = range.unwrap_or((1, 1));
        let fires = |at: &Timestamp| {
            let at = at.as_millis() - self.start_millis;
            event.from_millis <= at && event.to_millis.is_none_or(|to| at < to)
        };
        let instants = Instants { first, step_millis, count };
        let values: Vec<String> =
            instants.iter().filter(fires).map(|at| format!("[{},\"1\"]", at.as_prometheus())).collect();
        let series = if values.is_empty() { String::new() } else { series_of(&values) };
        format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}"#)
    }
}

fn series_of(values: &[String]) -> String {
    format!(r#"{{"metric":{{}},"values":[{}]}}"#, values.join(","))
}

fn not_recorded(expr: &str) -> SourceError {
    let why =
        format!("no answer to `{expr}` over these data is recorded: record again, with --record, where Prometheus is");
    SourceError::Misconfigured { name: SOURCE.to_owned(), why }
}

fn unusable(why: &ServerError) -> SourceError {
    SourceError::Misconfigured { name: SOURCE.to_owned(), why: why.to_string() }
}

/// Equal for equal data, and for equal rules where queries see what rules made.
fn identity(suite: &Suite, test: &Test, made_of: &[String]) -> String {
    let mut id = IdBuilder::new("test").number(suite.interval_millis).number(test.start_millis);
    id = made_of.iter().fold(id, |id, text| id.text(text));
    for WrittenSeries { labels, samples } in &test.series {
        for (name, value) in labels {
            id = id.text(name).text(value);
        }
        id = id.text("");
        for (at, written) in samples {
            let bits = match written {
                Written::Value(value) => value.to_bits().cast_signed(),
                Written::Stale => i64::MIN,
            };
            id = id.number(*at).number(bits);
        }
    }
    id.finish().to_string()
}

#[async_trait]
impl Source for Stage {
    fn name(&self) -> &str {
        SOURCE
    }

    async fn query(&self, session: &mut QuerySession, instant: Timestamp) -> Result<Frame, SourceError> {
        let body = self.answer(session.expr(), instant, None)?;
        decode(body.as_bytes(), session, instant, AnswerLimits::default())
    }

    async fn query_range(&self, session: &mut QuerySession, instants: Instants) -> Result<Vec<Frame>, SourceError> {
        let range = Some((instants.step_millis, instants.count));
        let body = self.answer(session.expr(), instants.first, range)?;
        decode_range(body.as_bytes(), session, instants, AnswerLimits::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_input_event_is_there_from_its_time_to_its_end() {
        let text = "tests:\n- input_events: [{event_type: x, at: 2m, until: 4m}, {event_type: y, at: 1m}]\n";
        let suite = crate::suite::read(std::path::Path::new("t.yaml"), text).unwrap();
        let stage = Stage::recorded(&suite, &suite.tests[0], &[], Answers::default());
        let instants = Instants { first: Timestamp::from_millis(0), step_millis: 60_000, count: 6 };
        let mut found = Vec::new();
        for index in 0..2 {
            let mut session = QuerySession::new(query_of_event(index));
            let frames = stage.query_range(&mut session, instants).await.unwrap();
            found.push(frames.iter().map(|frame| if frame.is_empty() { '.' } else { 'x' }).collect::<String>());
        }
        assert_eq!(found, ["..xx..", ".xxxxx"]);
        let why = stage.query(&mut QuerySession::new("up"), instants.first).await.unwrap_err();
        assert!(why.to_string().contains("--record"), "{why}");
    }
}
