//! From the bytes of an answer through the decoder and a detector, when every series is known and nothing is found: what
//! nearly every evaluation is. Beside it, a JSON parser that only reads the same bytes.

use orion_model::{Finding, Timestamp};
use orion_sandbox::Detector;
use orion_source::{AnswerLimits, QuerySession, decode};
use serde_json::Value;

use super::Context;
use crate::answer::Answer;
use crate::error::{BenchError, require, require_equal};
use crate::median;
use crate::plugins::{NEVER_BROKEN, threshold};
use crate::report::{Figure, Target};

const SERIES: usize = 10_000;
const MOST_MICROS_PER_SERIES: f64 = 0.5;

/// Answers whose times and values differ, so that no byte of them is the same by chance for long.
const INSTANTS: i64 = 8;

const FIRST_INSTANT_MILLIS: i64 = 1_732_174_269_007;

/// One value in a hundred is above it.
const SOMETIMES_BROKEN: f64 = 990.0;

/// The way that is measured.
struct Way {
    session: QuerySession,
    detector: Detector,
    findings: Vec<Finding>,
}

impl Way {
    fn new(context: &Context, above: f64, first: &(Timestamp, Vec<u8>)) -> Result<Self, BenchError> {
        let mut way = Self {
            session: QuerySession::new("x"),
            detector: threshold(context.sandbox()?, above)?,
            findings: Vec::new(),
        };
        let (instant, body) = first;
        decode(body, &mut way.session, *instant, AnswerLimits::default()).map_err(BenchError::failed("decode"))?;
        way.detector.define_series(way.session.table.iter()).map_err(BenchError::failed("define series"))?;
        Ok(way)
    }

    fn go(&mut self, (instant, body): &(Timestamp, Vec<u8>)) -> Result<(), BenchError> {
        self.findings.clear();
        let frame = decode(body, &mut self.session, *instant, AnswerLimits::default());
        let frame = frame.map_err(BenchError::failed("decode"))?;
        self.detector.observe(&frame, &mut self.findings).map_err(BenchError::failed("observe"))?;
        Ok(())
    }
}

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let bodies = bodies();
    let Some(first) = bodies.first() else { return Ok(Vec::new()) };
    same_findings(Way::new(context, SOMETIMES_BROKEN, first)?, &bodies)?;

    let mut way = Way::new(context, NEVER_BROKEN, first)?;
    let (mut turn, mut other_turn) = (bodies.iter().cycle(), bodies.iter().cycle());
    let timed = median::side_by_side(
        &mut || {
            turn.next().map_or(Ok(()), |answer| way.go(answer))?;
            require(way.findings.is_empty(), || "a bound was broken that cannot be".to_owned())
        },
        &mut || {
            let Some((_, body)) = other_turn.next() else { return Ok(()) };
            serde_json::from_slice::<Value>(body).map(drop).map_err(BenchError::failed("parse JSON"))
        },
    )?;
    let micros = |nanos: f64| nanos / 1_000.0 / SERIES as f64;
    Ok(vec![
        Figure::new(
            "a series of 10 000 with 8 labels",
            Target::AtMost(MOST_MICROS_PER_SERIES),
            micros(timed.first),
            "µs",
        )
        .note(format!(
            "{} bytes a series; {:.1}× as fast as the parser",
            first.1.len() / SERIES,
            1.0 / timed.ratio
        )),
        Figure::new("the same bytes, serde_json alone", Target::None, micros(timed.second), "µs"),
    ])
}

fn bodies() -> Vec<(Timestamp, Vec<u8>)> {
    let answer = Answer::of(SERIES);
    let body = |tick: i64| {
        let instant = Timestamp::from_millis(FIRST_INSTANT_MILLIS + tick * 15_000);
        (instant, answer.body(&instant.as_prometheus(), |index| value(tick, index)))
    };
    (0..INSTANTS).map(body).collect()
}

/// Below a thousand, with the digits that measurements have.
fn value(tick: i64, index: usize) -> f64 {
    let spread = (index as u64).wrapping_mul(2_654_435_761).wrapping_add(tick.unsigned_abs() * 40_503);
    (spread % 1_000_000) as f64 / 1_000.0
}

/// What is found is what the generic parser finds by reading the bytes in the ordinary way.
fn same_findings(mut way: Way, bodies: &[(Timestamp, Vec<u8>)]) -> Result<(), BenchError> {
    for answer in bodies {
        way.go(answer)?;
        let found: Vec<(String, u64)> = way
            .findings
            .iter()
            .map(|finding| {
                let pod = finding.series.and_then(|id| way.session.table.labels(id)?.get("pod").map(str::to_owned));
                (pod.unwrap_or_default(), finding.value.to_bits())
            })
            .collect();
        let parsed: Value = serde_json::from_slice(&answer.1).map_err(BenchError::failed("parse JSON"))?;
        let result = parsed.pointer("/data/result").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let expected: Vec<(String, u64)> = result
            .iter()
            .filter_map(|series| {
                let value: f64 = series.pointer("/value/1")?.as_str()?.parse().ok()?;
                let pod = series.pointer("/metric/pod")?.as_str()?.to_owned();
                (value > SOMETIMES_BROKEN).then_some((pod, value.to_bits()))
            })
            .collect();
        require(!expected.is_empty(), || "nothing was to be found".to_owned())?;
        require_equal("findings", &found, &expected)?;
    }
    Ok(())
}
