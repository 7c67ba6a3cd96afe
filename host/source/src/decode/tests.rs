//! The decoder against a plain reading with serde_json, and against everything a source can do wrong.

use std::collections::BTreeMap;

use orion_model::{Frame, Labels, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{AnswerLimits, decode};
use crate::error::SourceError;
use crate::session::{QuerySession, SERIES_KEPT_UNSEEN_MILLIS};

const T0: Timestamp = Timestamp::from_millis(1_732_174_269_123);

fn decoded(body: &str, session: &mut QuerySession) -> Result<Frame, SourceError> {
    decode(body.as_bytes(), session, T0, AnswerLimits::default())
}

fn refused(body: &str) -> SourceError {
    decoded(body, &mut QuerySession::new("up")).unwrap_err()
}

/// An answer as Prometheus writes it, around the items of a vector.
fn vector(items: &[String]) -> String {
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#, items.join(","))
}

fn item(name: &str, value: &str) -> String {
    format!(r#"{{"metric":{{"__name__":"up","job":"{name}"}},"value":[1732174269.123,"{value}"]}}"#)
}

fn jobs(frame: &Frame, session: &QuerySession) -> Vec<String> {
    let labels = frame.ids.iter().map(|&id| session.table.labels(id).unwrap());
    labels.map(|labels| labels.get("job").unwrap().to_owned()).collect()
}

/// What the decoder must agree with: labels, time and value bits of each sample, in order.
type Samples = Vec<(BTreeMap<String, String>, i64, u64)>;

fn samples(frame: &Frame, session: &QuerySession) -> Samples {
    let pairs = |labels: &Labels| labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    frame.samples().map(|(id, at, value)| (session.table.labels(id).map(pairs).unwrap(), at, value.to_bits())).collect()
}

fn reference(body: &[u8]) -> Option<Samples> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let item = |item: &Value| {
        let pairs = item["metric"].as_object()?.iter();
        let labels = pairs.map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        let labels: Option<BTreeMap<String, String>> = labels.collect();
        let labels = labels?.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        #[expect(clippy::cast_possible_truncation, reason = "times of tests are small")]
        let at = (item["value"][0].as_f64()? * 1000.0).round() as i64;
        let value: f64 = item["value"][1].as_str()?.parse().ok()?;
        Some((labels, at, if value.is_nan() { f64::NAN } else { value }.to_bits()))
    };
    answer["data"]["result"].as_array()?.iter().map(item).collect()
}

/// Renders JSON in one of the many ways it may be written; `tape` makes the choices.
fn render(value: &Value, tape: &mut impl Iterator<Item = u8>, out: &mut String) {
    let space = |tape: &mut dyn Iterator<Item = u8>, out: &mut String| {
        out.push_str(match tape.next().unwrap_or(0) % 16 {
            0 => " ",
            1 => "\r\n\t",
            _ => "",
        });
    };
    space(tape, out);
    match value {
        Value::Object(pairs) => {
            out.push('{');
            let mut pairs: Vec<_> = pairs.iter().collect();
            if tape.next().unwrap_or(0).is_multiple_of(4) {
                pairs.reverse();
            }
            for (index, (name, value)) in pairs.into_iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                render(&Value::String(name.clone()), tape, out);
                out.push(':');
                render(value, tape, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                render(item, tape, out);
            }
            out.push(']');
        }
        Value::String(text) if tape.next().unwrap_or(0).is_multiple_of(8) => {
            let units: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            out.push_str(&format!("\"{}\"", units.concat()));
        }
        other => out.push_str(&other.to_string()),
    }
    space(tape, out);
}

fn any_value_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<f64>().prop_map(|number| if number.is_finite() { number.to_string() } else { "NaN".to_owned() }),
        any::<i32>().prop_map(|number| number.to_string()),
        (any::<i32>(), 0..10_000_u32).prop_map(|(whole, rest)| format!("{whole}.{rest}")),
        prop_oneof!["NaN", r"\+Inf", "-Inf", "1e\\+06", "5e-324"],
    ]
}

fn any_series() -> impl Strategy<Value = Value> {
    let value = prop_oneof!["[a-z0-9./:-]{0,12}", ".{0,6}", r#"[\{\}"\\é😀]{0,4}"#];
    let labels = proptest::collection::btree_map("[a-z_]{1,8}", value, 0..6);
    let at = (0..4_000_000_000_i64, 0..1000_i64).prop_map(|(seconds, millis)| {
        // Written as Go writes it: no trailing zeros.
        serde_json::from_str::<Value>(&format!("{seconds}.{millis:03}")).unwrap()
    });
    (labels, at, any_value_text()).prop_map(|(labels, at, value)| json!({"metric": labels, "value": [at, value]}))
}

fn without_duplicates(pool: Vec<Value>) -> Vec<Value> {
    let mut unique = BTreeMap::new();
    for series in pool {
        let labels: BTreeMap<_, _> = series["metric"].as_object().unwrap().iter().collect();
        let key: Vec<_> =
            labels.iter().filter(|(_, v)| v.as_str() != Some("")).map(|(k, v)| format!("{k}={v}")).collect();
        unique.insert(key, series);
    }
    unique.into_values().collect()
}

fn answer_of(result: &[&Value]) -> Value {
    json!({
        "status": "success",
        "isPartial": false,
        "data": {"resultType": "vector", "result": result, "stats": {"samples": [1, -2.5e3, true, null, "x"]}},
    })
}

proptest! {
    #[test]
    fn every_answer_reads_as_a_plain_json_parser_reads_it(
        pool in proptest::collection::vec(any_series(), 0..12).prop_map(without_duplicates),
        rounds in proptest::collection::vec((any::<u64>(), any::<prop::sample::Index>(), any::<bool>()), 1..5),
        tape in proptest::collection::vec(any::<u8>(), 1..200),
    ) {
        let mut session = QuerySession::new("up");
        for (mask, turn, plain) in rounds {
            let mut present: Vec<&Value> = (0..).zip(&pool).filter(|(i, _)| mask >> i & 1 == 1).map(|(_, s)| s).collect();
            if !present.is_empty() {
                let middle = turn.index(present.len());
                present.rotate_left(middle);
            }
            let answer = answer_of(&present);
            let mut body = String::new();
            if plain {
                body = answer.to_string();
            } else {
                render(&answer, &mut tape.iter().copied().cycle(), &mut body);
            }
            let frame = decoded(&body, &mut session).unwrap();
            prop_assert_eq!(samples(&frame, &session), reference(body.as_bytes()).unwrap(), "{}", body);
        }
    }

    #[test]
    fn an_answer_cut_anywhere_is_refused_as_cut_and_the_session_stays_usable(
        pool in proptest::collection::vec(any_series(), 0..4).prop_map(without_duplicates),
        cut in any::<prop::sample::Index>(),
        warm in any::<bool>(),
    ) {
        let body = answer_of(&pool.iter().collect::<Vec<_>>()).to_string();
        let mut session = QuerySession::new("up");
        if warm {
            decoded(&body, &mut session).unwrap();
        }
        let end = cut.index(body.len() - 1) + 1;
        let error = decode(&body.as_bytes()[..end], &mut session, T0, AnswerLimits::default()).unwrap_err();
        prop_assert_eq!(error, SourceError::Truncated { received_bytes: end });
        let frame = decoded(&body, &mut session).unwrap();
        prop_assert_eq!(samples(&frame, &session), reference(body.as_bytes()).unwrap());
    }

    #[test]
    fn what_is_accepted_after_damage_is_still_what_the_bytes_say(
        pool in proptest::collection::vec(any_series(), 1..4).prop_map(without_duplicates),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        warm in any::<bool>(),
    ) {
        let body = answer_of(&pool.iter().collect::<Vec<_>>()).to_string();
        let mut session = QuerySession::new("up");
        if warm {
            decoded(&body, &mut session).unwrap();
        }
        let mut damaged = body.into_bytes();
        for (place, byte) in damage {
            let at = place.index(damaged.len());
            damaged[at] = byte;
        }
        if let Ok(frame) = decode(&damaged, &mut session, T0, AnswerLimits::default())
            && let Some(expected) = reference(&damaged)
        {
            prop_assert_eq!(samples(&frame, &session), expected);
        }
    }

    #[test]
    fn no_bytes_bring_the_decoder_down(bytes in proptest::collection::vec(any::<u8>(), 0..200), prefix in 0..4_usize) {
        let prefixes = ["", "{", r#"{"status":"success","data":{"resultType":"vector","result":["#, r#"{"data":"#];
        let body = [prefixes[prefix].as_bytes(), &bytes].concat();
        // Any answer will do, so long as there is one.
        drop(decode(&body, &mut QuerySession::new("up"), T0, AnswerLimits::default()));
    }
}

#[test]
fn a_scalar_is_one_series_without_labels() {
    let mut session = QuerySession::new("1");
    let body = r#"{"status":"success","data":{"resultType":"scalar","result":[1732174269.5,"+Inf"]}}"#;
    let frame = decoded(body, &mut session).unwrap();
    assert_eq!(samples(&frame, &session), [(BTreeMap::new(), 1_732_174_269_500, f64::INFINITY.to_bits())]);
}

#[test]
fn a_matrix_a_string_and_a_native_histogram_are_refused_by_name() {
    let of = |kind: &str| refused(&format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":[]}}}}"#));
    assert!(
        of("matrix").to_string().contains("a matrix, and a rule needs an instant vector or a scalar: put the range")
    );
    assert_eq!(of("string"), SourceError::NotAVector { result_type: "string".to_owned() });
    assert_eq!(of("table").kind(), "unexpected_shape");
    let histogram =
        r#"{"metric":{"job":"a"},"histogram":[1732174269,{"count":"1","sum":"2","buckets":[[0,"1","2","1"]]}]}"#;
    let error = refused(&vector(&[histogram.to_owned()]));
    assert_eq!(error, SourceError::NativeHistogram { series: r#"{job="a"}"#.to_owned() });
    assert!(error.is_query_fault());
}

#[test]
fn what_the_source_says_about_its_answer_is_kept() {
    let body = r#"{"isPartial":true,"data":{"result":[],"resultType":"vector"},"status":"success",
        "warnings":["store down","é\n"],"infos":["PromQL info: metric might not be a counter"]}"#;
    let frame = decoded(body, &mut QuerySession::new("up")).unwrap();
    assert_eq!(frame.warnings.len(), 4);
    assert!(frame.warnings[0].contains("partial"));
    assert_eq!(frame.warnings[2], "é\n");
    let many = format!(
        r#"{{"status":"success","data":{{"resultType":"vector","result":[]}},"warnings":[{}"x"]}}"#,
        r#""x","#.repeat(999)
    );
    assert_eq!(decoded(&many, &mut QuerySession::new("up")).unwrap().warnings.len(), super::MAX_WARNINGS);
}

#[test]
fn every_error_type_is_told_and_only_some_are_the_fault_of_the_query() {
    let types = [
        ("bad_data", true),
        ("execution", true),
        ("422", true),
        ("timeout", false),
        ("canceled", false),
        ("internal", false),
        ("unavailable", false),
        ("not_found", false),
        ("not_acceptable", false),
    ];
    for (error_type, query_fault) in types {
        let error = refused(&format!(r#"{{"status":"error","errorType":"{error_type}","error":"the reason"}}"#));
        assert_eq!(error.is_query_fault(), query_fault, "{error_type}");
        assert_eq!(error.to_string(), format!("the source refuses the query ({error_type}): the reason"));
    }
}

#[test]
fn one_label_set_twice_is_refused_however_it_is_written() {
    let again = r#"{"metric":{"job" : "a","__name__":"up"},"value":[1732174269.123,"2"]}"#;
    for second in [item("a", "2"), again.to_owned()] {
        let error = refused(&vector(&[item("a", "1"), second]));
        assert_eq!(error, SourceError::DuplicateSeries { series: r#"{__name__="up", job="a"}"#.to_owned() });
    }
}

#[test]
fn answers_of_another_shape_are_refused_with_the_place() {
    let cases = [
        ("", "not_json"),
        ("   ", "not_json"),
        ("<html>", "not_json"),
        ("[]", "not_json"),
        ("{}", "unexpected_shape"),
        (r#"{"status":"success"}"#, "unexpected_shape"),
        (r#"{"status":"success","data":null}"#, "unexpected_shape"),
        (r#"{"status":"success","data":{}}"#, "unexpected_shape"),
        (r#"{"status":"success","data":{"resultType":"vector"}}"#, "unexpected_shape"),
        (r#"{"status":"success","data":{"result":[]}}"#, "unexpected_shape"),
        (r#"{"status":"success","data":{"resultType":"vector","result":null}}"#, "unexpected_shape"),
        (r#"{"status":"maybe","data":{"resultType":"vector","result":[]}}"#, "unexpected_shape"),
        (r#"{"status":7}"#, "unexpected_shape"),
        (r#"{"status":"success","data":{"resultType":"vector","result":[]}} x"#, "not_json"),
        (r#"{"status":"success","data":{"resultType":"vector","result":[]},}"#, "not_json"),
        (r#"{"status":"success" "data":{"resultType":"vector","result":[]}}"#, "not_json"),
    ];
    for (body, kind) in cases {
        let error = refused(body);
        assert_eq!(error.kind(), kind, "{body}: {error}");
        assert!(!error.is_query_fault(), "{body}");
    }
    let items = [
        (r#"7"#, "an item of `result` is no object"),
        (r#"{"value":[1,"2"]}"#, "no `metric`"),
        (r#"{"metric":{}}"#, "no `value`"),
        (r#"{"metric":{},"value":[1,2]}"#, "no text"),
        (r#"{"metric":{},"value":[1,"x"]}"#, "no number"),
        (r#"{"metric":{},"value":[1e99,"2"]}"#, "no time"),
        (r#"{"metric":{},"value":[1,"2","3"]}"#, "more than time and value"),
        (r#"{"metric":{"a":1},"value":[1,"2"]}"#, "the value of a label is no text"),
        (r#"{"metric":{"a":"1","a":"2"},"value":[1,"2"]}"#, "a label stands twice"),
        (r#"{"metric":{},"metric":{},"value":[1,"2"]}"#, "`metric` stands twice"),
        (r#"{"metric":{},"value":[1,"2"],"value":[1,"2"]}"#, "`value` stands twice"),
    ];
    for (item, why) in items {
        let error = refused(&vector(&[item.to_owned()])).to_string();
        assert!(error.contains(why) && error.contains("at byte"), "{item}: {error}");
    }
}

#[test]
fn an_error_shows_what_stands_there_without_control_characters() {
    let error = refused("<html>\u{1b}[31m\nsign in").to_string();
    assert!(error.contains("`<html> [31m sign in`"), "{error}");
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let mut body = vector(&[item("X", "1")]).into_bytes();
    let at = body.iter().position(|&byte| byte == b'X').unwrap();
    body[at] = 0xff;
    let error = decode(&body, &mut QuerySession::new("up"), T0, AnswerLimits::default()).unwrap_err();
    assert!(error.to_string().contains("not UTF-8"));
}

#[test]
fn limits_hold_at_the_limit_and_not_beyond() {
    let two = vector(&[item("a", "1"), item("b", "1")]);
    let within = |max_answer_bytes, max_series_per_answer| {
        let limits = AnswerLimits { max_answer_bytes, max_series_per_answer };
        decode(two.as_bytes(), &mut QuerySession::new("up"), T0, limits)
    };
    assert_eq!(within(two.len(), 2).unwrap().len(), 2);
    assert_eq!(within(two.len(), 1).unwrap_err(), SourceError::TooManySeries { limit: 1 });
    assert_eq!(within(two.len() - 1, 2).unwrap_err(), SourceError::TooLarge { limit_bytes: two.len() - 1 });

    let labelled = |labels: usize, value: &str| {
        let labels: Vec<String> = (0..labels).map(|i| format!(r#""l{i}":"{value}""#)).collect();
        vector(&[format!(r#"{{"metric":{{{}}},"value":[1,"1"]}}"#, labels.join(","))])
    };
    assert!(decoded(&labelled(128, "x"), &mut QuerySession::new("up")).is_ok());
    assert!(refused(&labelled(129, "x")).to_string().contains("more than 128 labels"));
    // {"l0":"…"}: nine bytes around the value.
    assert!(decoded(&labelled(1, &"x".repeat(64 * 1024 - 9)), &mut QuerySession::new("up")).is_ok());
    assert!(refused(&labelled(1, &"x".repeat(64 * 1024 - 8))).to_string().contains("65536 bytes"));
}

#[test]
fn a_page_without_end_that_is_no_json_is_not_the_fault_of_the_query() {
    let limits = AnswerLimits { max_answer_bytes: 8, ..AnswerLimits::default() };
    let of = |body: &str| decode(body.as_bytes(), &mut QuerySession::new("up"), T0, limits).unwrap_err();
    assert!(of(r#"{"status":"success"}"#).is_query_fault());
    assert!(!of("<html>........").is_query_fault());
}

#[test]
fn series_keep_their_ids_while_others_come_and_go() {
    let mut session = QuerySession::new("up");
    let mut ids = |names: &[&str]| {
        let items: Vec<String> = names.iter().map(|name| item(name, "1")).collect();
        let frame = decoded(&vector(&items), &mut session).unwrap();
        assert_eq!(jobs(&frame, &session), names);
        frame.ids
    };
    assert_eq!(ids(&["a", "b", "c"]), [0, 1, 2]);
    assert_eq!(ids(&["a", "n", "b", "c"]), [0, 3, 1, 2]);
    assert_eq!(ids(&["a", "n", "b", "c"]), [0, 3, 1, 2]);
    assert_eq!(ids(&["c", "a"]), [2, 0]);
    assert_eq!(ids(&["x{}", "c"]), [4, 2]);
    assert_eq!(ids(&["c", "x{}"]), [2, 4]);
}

#[test]
fn a_series_absent_for_a_day_is_forgotten_and_one_absent_for_less_is_not() {
    let mut session = QuerySession::new("up");
    let mut ask = |names: &[&str], instant: Timestamp| {
        let items: Vec<String> = names.iter().map(|name| item(name, "1")).collect();
        let frame = decode(vector(&items).as_bytes(), &mut session, instant, AnswerLimits::default()).unwrap();
        (frame.ids, session.table.iter().count())
    };
    ask(&["a", "b"], T0);
    assert_eq!(ask(&["a"], T0.plus_millis(SERIES_KEPT_UNSEEN_MILLIS)), (vec![0], 2));
    assert_eq!(ask(&["a"], T0.plus_millis(SERIES_KEPT_UNSEEN_MILLIS + 600_000)), (vec![0], 1));
    // The freed id goes to another series, and the bytes of the old one do not lead to it.
    let later = T0.plus_millis(SERIES_KEPT_UNSEEN_MILLIS + 600_001);
    assert_eq!(ask(&["a", "c"], later).0, [0, 1]);
    assert_eq!(ask(&["a", "b"], later).0, [0, 2]);
}

#[test]
fn a_source_that_sends_other_series_each_time_does_not_fill_the_memory() {
    let limits = AnswerLimits { max_series_per_answer: 4, ..AnswerLimits::default() };
    let mut session = QuerySession::new("up");
    for round in 0..100 {
        let items: Vec<String> = (0..4).map(|i| item(&format!("{round}-{i}"), "1")).collect();
        decode(vector(&items).as_bytes(), &mut session, T0.plus_millis(round), limits).unwrap();
        assert!(session.table.iter().count() <= 8);
    }
}

#[test]
fn a_series_in_ever_new_words_keeps_its_id_and_its_words_are_forgotten() {
    let limits = AnswerLimits { max_series_per_answer: 4, ..AnswerLimits::default() };
    let mut session = QuerySession::new("up");
    for round in 0..100 {
        let spaces = " ".repeat(round);
        let item = format!(r#"{{"metric":{{"job":{spaces}"a"}},"value":[1,"1"]}}"#);
        assert_eq!(decode(vector(&[item]).as_bytes(), &mut session, T0, limits).unwrap().ids, [0]);
        assert!(!session.known_exceeds(8));
    }
}

#[test]
fn a_table_changed_by_others_is_not_contradicted_by_remembered_bytes() {
    let mut session = QuerySession::new("up");
    decoded(&vector(&[item("a", "1"), item("b", "1")]), &mut session).unwrap();
    session.table.retire(T0.plus_millis(1));
    session.table.define(&[("job", "other")].into_iter().collect(), T0);
    let frame = decoded(&vector(&[item("b", "1"), item("a", "1")]), &mut session).unwrap();
    assert_eq!(jobs(&frame, &session), ["b", "a"]);
}
