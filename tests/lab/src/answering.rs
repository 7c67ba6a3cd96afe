//! A server that answers questions as Prometheus does, with what a function of the question says.
//!
//! Where two deployments, or one before and after a crash, have to get the same answer about the same instant however late they
//! ask, and where more is asked than a real Prometheus is started for.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::error::LabError;
use crate::http::{Next, Request, Server, percent_decoded, response};

/// What was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The query.
    pub expr: String,
    /// The instant, in milliseconds.
    pub at_millis: i64,
}

/// Labels of a series, `__name__` among them.
type LabelsOf = Vec<(&'static str, String)>;

/// A series of an answer: its labels and its value.
pub type Answered = (LabelsOf, f64);

/// Series with their samples.
type Sampled = BTreeMap<LabelsOf, Vec<(i64, f64)>>;

/// What becomes of a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// These series.
    Series(Vec<Answered>),
    /// The server is overloaded, and says so.
    Refused,
    /// Half an answer.
    Torn,
    /// This one, after so long.
    Late(Duration, Box<Answer>),
}

/// Answers each question by itself: the same question gets the same answer.
pub struct AnsweringServer {
    server: Server,
}

impl AnsweringServer {
    /// Starts on a free port.
    pub fn start(answer: impl Fn(&Question) -> Vec<Answered> + Send + Sync + 'static) -> Result<Self, LabError> {
        Self::start_with(move |question| Answer::Series(answer(question)))
    }

    /// The same where not every question is answered.
    pub fn start_with(answer: impl Fn(&Question) -> Answer + Send + Sync + 'static) -> Result<Self, LabError> {
        let server = Server::start(Arc::new(move |request, connection| {
            let questions = read(request);
            let (status, body) = if is_range(request) {
                said_of_range(&questions, &answer)
            } else {
                let question = questions.first().cloned().unwrap_or_default();
                said(&question, answer(&question))
            };
            connection.write_all(&response(status, "application/json", body.as_bytes()))?;
            Ok(Next::KeepOpen)
        }))?;
        Ok(Self { server })
    }

    /// Its address as a base URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Closes its port and all connections.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// Listens again on the same port.
    pub fn restart(&mut self) -> Result<(), LabError> {
        self.server.restart()
    }
}

/// Status and body of an answer, when it is time for it.
fn said(question: &Question, answer: Answer) -> (u16, String) {
    match answer {
        Answer::Series(series) => (200, vector(question.at_millis, &series)),
        Answer::Refused => (503, "overloaded".to_owned()),
        Answer::Torn => (200, r#"{"status":"success","data":{"resultType":"vec"#.to_owned()),
        Answer::Late(by, answer) => {
            std::thread::sleep(by);
            said(question, *answer)
        }
    }
}

/// What is said about many instants: each as if it had been asked for alone. What goes wrong with the first goes wrong with all.
fn said_of_range(questions: &[Question], answer: &impl Fn(&Question) -> Answer) -> (u16, String) {
    let mut series = Sampled::new();
    for question in questions {
        match answer(question) {
            Answer::Series(answered) => {
                for (labels, value) in answered {
                    series.entry(labels).or_default().push((question.at_millis, value));
                }
            }
            other => return said(question, other),
        }
    }
    (200, matrix(&series))
}

fn is_range(request: &Request) -> bool {
    request.target.split('?').next().is_some_and(|path| path.ends_with("/query_range"))
}

/// The questions of a request, in its address or in its form: one, or one for each instant of a span.
fn read(request: &Request) -> Vec<Question> {
    let in_address = request.target.split_once('?').map_or("", |(_, query)| query);
    let in_form = String::from_utf8_lossy(&request.body);
    let (mut expr, mut at, mut start, mut end, mut step) = (String::new(), 0, 0, 0, 0);
    for (name, value) in in_address.split('&').chain(in_form.split('&')).filter_map(|pair| pair.split_once('=')) {
        let value = percent_decoded(value);
        let of_time = || millis(&value).unwrap_or_default();
        match name {
            "query" => expr = value,
            "time" => at = of_time(),
            "start" => start = of_time(),
            "end" => end = of_time(),
            "step" => step = of_time(),
            _ => {}
        }
    }
    if !is_range(request) {
        return vec![Question { expr, at_millis: at }];
    }
    let instants = (0_i64..).map(|k| start + k * step.max(1)).take_while(|at| *at <= end);
    instants.map(|at_millis| Question { expr: expr.clone(), at_millis }).collect()
}

/// Seconds with up to three decimals, without going through a float.
fn millis(seconds: &str) -> Option<i64> {
    let (whole, decimals) = seconds.split_once('.').unwrap_or((seconds, ""));
    Some(whole.parse::<i64>().ok()? * 1_000 + format!("{decimals:0<3}").get(..3)?.parse::<i64>().ok()?)
}

fn matrix(series: &Sampled) -> String {
    let shown = |(at, value): &(i64, f64)| format!(r#"[{}.{:03},"{value}"]"#, at / 1_000, at % 1_000);
    let one = |(labels, samples): (&LabelsOf, &Vec<(i64, f64)>)| {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
        let samples: Vec<String> = samples.iter().map(shown).collect();
        format!(r#"{{"metric":{{{}}},"values":[{}]}}"#, labels.join(","), samples.join(","))
    };
    let result: Vec<String> = series.iter().map(one).collect();
    format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{}]}}}}"#, result.join(","))
}

fn vector(at_millis: i64, series: &[Answered]) -> String {
    let mut body = r#"{"status":"success","data":{"resultType":"vector","result":["#.to_owned();
    let time = format!("{}.{:03}", at_millis / 1_000, at_millis % 1_000);
    for (index, (labels, value)) in series.iter().enumerate() {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
        let comma = if index == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(body, r#"{comma}{{"metric":{{{}}},"value":[{time},"{value}"]}}"#, labels.join(","));
    }
    body.push_str("]}}");
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str, body: &str) -> Request {
        let (method, target) = (method.to_owned(), target.to_owned());
        Request { method, target, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_question_is_read_from_the_address_or_the_form() {
        let asked = Question { expr: "up == 1".to_owned(), at_millis: 5_050 };
        let pairs = "query=up+%3D%3D+1&time=5.05";
        assert_eq!(read(&request("GET", &format!("/api/v1/query?{pairs}"), "")), std::slice::from_ref(&asked));
        assert_eq!(read(&request("POST", "/api/v1/query", pairs)), [asked]);
        let span = read(&request("GET", "/api/v1/query_range?query=up&start=1.5&end=2.4&step=0.4", ""));
        assert_eq!(span.iter().map(|it| it.at_millis).collect::<Vec<_>>(), [1_500, 1_900, 2_300]);
        assert_eq!(millis("1732174269"), Some(1_732_174_269_000));
        assert_eq!(millis("soon"), None);
    }

    #[test]
    fn an_answer_about_a_span_has_each_series_with_its_samples() {
        let answer = |question: &Question| {
            let up = (vec![("job", "a".to_owned())], question.at_millis as f64);
            Answer::Series(if question.at_millis == 5 { Vec::new() } else { vec![up] })
        };
        let span: Vec<Question> = (4..7).map(|at_millis| Question { expr: "up".to_owned(), at_millis }).collect();
        let result = r#"[{"metric":{"job":"a"},"values":[[0.004,"4"],[0.006,"6"]]}]"#;
        let body = format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":{result}}}}}"#);
        assert_eq!(said_of_range(&span, &answer), (200, body));
        assert_eq!(said_of_range(&span, &|_| Answer::Refused).0, 503);
    }

    #[test]
    fn an_answer_is_what_prometheus_would_write() {
        let series = [(vec![("__name__", "load".to_owned()), ("worker", "w1".to_owned())], 1.5)];
        assert_eq!(
            vector(1_050, &series),
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"load","worker":"w1"},"value":[1.050,"1.5"]}]}}"#
        );
    }
}
