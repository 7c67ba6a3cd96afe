//! Answers of Prometheus, through one session as a rule's query keeps it: whatever came before, a good answer is understood,
//! and understood as a new session would.

use std::sync::LazyLock;

use orion_model::{Frame, Timestamp};
use orion_source::{AnswerLimits, Instants, QuerySession, decode, decode_range};

/// A line that stands between two answers.
const BETWEEN: &[u8] = b"\n%\n";

const FIRST: Timestamp = Timestamp::from_millis(1_769_860_800_000);
const STEP_MILLIS: i64 = 15_000;

/// So few that the session has to forget series, which it does only when it is full.
const LIMITS: AnswerLimits = AnswerLimits { max_answer_bytes: 1 << 20, max_series_per_answer: 16 };

const GOOD: &[u8] = br#"{"status":"success","data":{"resultType":"vector","result":[
{"metric":{"__name__":"up","job":"node"},"value":[1769860800,"1"]},
{"metric":{"__name__":"up","job":"app"},"value":[1769860800,"0"]}]}}"#;

const GOOD_RANGE: &[u8] = br#"{"status":"success","data":{"resultType":"matrix","result":[
{"metric":{"__name__":"up","job":"node"},"values":[[1769860800,"1"],[1769860830,"0"]]}]}}"#;

/// What a new session makes of the good answers.
static EXPECTED: LazyLock<Vec<Sample>> = LazyLock::new(|| understood(GOOD, &mut QuerySession::new("up")));
static EXPECTED_RANGE: LazyLock<Vec<Vec<Sample>>> =
    LazyLock::new(|| understood_range(GOOD_RANGE, &mut QuerySession::new("up")));

/// Labels, time and value of a sample; a value by its bits, because one may be no number.
type Sample = (String, i64, u64);

pub(crate) fn instants(bytes: &[u8]) {
    let mut session = QuerySession::new("up");
    for (instant, answer) in (0_i64..).zip(answers(bytes)) {
        if let Ok(frame) = decode(answer, &mut session, FIRST.plus_millis(instant * STEP_MILLIS), LIMITS) {
            samples(&frame, &session);
        }
    }
    assert_eq!(understood(GOOD, &mut session), *EXPECTED);
}

pub(crate) fn range(bytes: &[u8]) {
    let mut session = QuerySession::new("up");
    for answer in answers(bytes) {
        if let Ok(frames) = decode_range(answer, &mut session, asked_for(), LIMITS) {
            assert_eq!(frames.len(), asked_for().count);
            frames.iter().for_each(|frame| drop(samples(frame, &session)));
        }
    }
    assert_eq!(understood_range(GOOD_RANGE, &mut session), *EXPECTED_RANGE);
}

const fn asked_for() -> Instants {
    Instants { first: FIRST, step_millis: STEP_MILLIS, count: 4 }
}

fn understood(answer: &[u8], session: &mut QuerySession) -> Vec<Sample> {
    samples(&decode(answer, session, FIRST, LIMITS).unwrap(), session)
}

fn understood_range(answer: &[u8], session: &mut QuerySession) -> Vec<Vec<Sample>> {
    let frames = decode_range(answer, session, asked_for(), LIMITS).unwrap();
    frames.iter().map(|frame| samples(frame, session)).collect()
}

/// The samples of a frame, in order of labels. A frame is whole: its columns are equally long, each of its series is known
/// and stands in it once.
fn samples(frame: &Frame, session: &QuerySession) -> Vec<Sample> {
    assert!(frame.ids.len() == frame.timestamps.len() && frame.ids.len() == frame.values.len());
    assert!(frame.ids.len() <= LIMITS.max_series_per_answer);
    let rows = frame.ids.iter().zip(&frame.timestamps).zip(&frame.values);
    let sample = |((id, at), value): ((&u32, &i64), &f64)| {
        (session.table.labels(*id).unwrap().to_string(), *at, value.to_bits())
    };
    let mut samples: Vec<Sample> = rows.map(sample).collect();
    samples.sort();
    assert!(samples.windows(2).all(|pair| matches!(pair, [one, next] if one.0 != next.0)), "a series stands twice");
    samples
}

fn answers(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut answers = Vec::new();
    while let Some(at) = bytes.windows(BETWEEN.len()).position(|three| three == BETWEEN) {
        let (answer, rest) = bytes.split_at(at);
        answers.push(answer);
        bytes = rest.get(BETWEEN.len()..).unwrap_or_default();
    }
    answers.push(bytes);
    answers
}
