//! A recording gives back what went in, and nothing else passes for one.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::Source;
use crate::error::SourceError;
use crate::session::QuerySession;

const T0: Timestamp = Timestamp::from_millis(1_732_174_260_000);
const INTERVAL: i64 = 15_000;

fn body(value: &str) -> String {
    format!(
        r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{"job":"a\"}}"}},"value":[1732174260,"{value}"]}}]}}}}"#
    )
}

fn at(step: i64) -> Timestamp {
    T0.plus_millis(step * INTERVAL)
}

/// `up` at 0, 1 and 3; `down "x"` at 1, as an error of the API.
fn recorded(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("demo.jsonl.gz");
    let mut writer = RecordingWriter::new(&path, "demo", INTERVAL);
    writer.push("up", at(3), body("3").as_bytes()).unwrap();
    writer.push(" up\n", at(0), body("0").as_bytes()).unwrap();
    writer.push("up", at(1), body("1").replace(',', ",\r\n").as_bytes()).unwrap();
    writer.push("down \"x\"", at(1), br#"{"status":"error","errorType":"bad_data","error":"no"}"#).unwrap();
    assert_eq!(writer.finish().unwrap(), std::fs::metadata(&path).unwrap().len());
    path
}

fn source(folder: &Path) -> RecordingSource {
    RecordingSource::new(Recording::open(&recorded(folder)).unwrap(), INTERVAL)
}

#[tokio::test]
async fn a_recording_answers_with_the_latest_answer_that_is_not_too_old() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path());
    let mut session = QuerySession::new("up\n");
    for (instant, value) in [
        (at(0), Some(0.0)),
        (at(1).plus_millis(-1), Some(0.0)),
        (at(1), Some(1.0)),
        (at(2), Some(1.0)),
        (at(2).plus_millis(1), None),
        (at(3), Some(3.0)),
        (at(4), Some(3.0)),
        (at(4).plus_millis(1), None),
        (at(0).plus_millis(-1), None),
    ] {
        match (source.query(&mut session, instant).await, value) {
            (Ok(frame), Some(value)) => assert_eq!((frame.instant, frame.values), (instant, vec![value])),
            (Err(SourceError::OutsideRecording { instant: told, .. }), None) => assert_eq!(told, instant),
            (other, _) => panic!("{instant}: {other:?}"),
        }
    }
    assert_eq!(session.table.capacity(), 1);
    assert_eq!(session.table.labels(0).unwrap().get("job"), Some("a\"}"));
}

#[tokio::test]
async fn recorded_errors_come_again_and_an_unknown_query_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path());
    assert_eq!(source.name(), "demo");
    assert_eq!(source.recording().exprs().collect::<Vec<_>>(), ["down \"x\"", "up"]);
    assert_eq!((source.recording().start(), source.recording().end()), (at(0), at(3)));
    let error = source.query(&mut QuerySession::new("down \"x\""), at(1)).await.unwrap_err();
    assert!(error.is_query_fault() && error.kind() == "api", "{error}");
    let error = source.query(&mut QuerySession::new("up > 0"), at(1)).await.unwrap_err();
    assert!(error.to_string().contains("recording `demo` holds no answers to `up > 0`"), "{error}");
}

#[test]
fn equal_answers_make_equal_files() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, two] = folders.each_ref().map(|folder| std::fs::read(recorded(folder.path())).unwrap());
    assert_eq!(one, two);
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(recorded(folder.path())).unwrap();
    for end in 0..whole.len() {
        let error = Recording::read("demo", whole.get(..end).unwrap()).unwrap_err();
        assert!(
            matches!(error, RecordingError::Truncated { .. } | RecordingError::NotARecording { .. }),
            "{end}: {error}"
        );
    }
    assert!(Recording::read("demo", whole.as_slice()).is_ok());
}

fn read_lines(lines: &[&str]) -> Result<Recording, RecordingError> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    for line in lines {
        gzip.write_all(line.as_bytes()).unwrap();
        gzip.write_all(b"\n").unwrap();
    }
    Recording::read("demo", gzip.finish().unwrap().as_slice())
}

const HEADER: &str = r#"{"orion_recording":1,"name":"demo","interval_millis":15000,"start":"2026-01-31T12:00:00Z","end":"2026-01-31T12:00:30Z","answers":2}"#;
const FIRST: &str = r#"{"expr":"up","t":"2026-01-31T12:00:00Z","body":{}}"#;
const SECOND: &str = r#"{"expr":"up","t":"2026-01-31T12:00:15Z","body":{}}"#;

#[test]
fn what_a_recording_announces_must_be_there_and_nothing_more() {
    assert!(read_lines(&[HEADER, FIRST, SECOND]).is_ok());
    let cases: [(&[&str], &str); 8] = [
        (&[], "not a recording"),
        (&["{}"], "not a recording"),
        (&[&HEADER.replace(":1,", ":2,")], "format 2 is not format 1"),
        (&[HEADER, FIRST], "breaks off after 1 answers"),
        (&[HEADER, FIRST, SECOND, FIRST], "line 4: the first line announces 2 answers"),
        (&[HEADER, SECOND, FIRST], "line 3: 2026-01-31T12:00:00.000Z does not come after"),
        (&[HEADER, FIRST, &SECOND.replace(":15Z", ":31Z")], "line 3: 2026-01-31T12:00:31.000Z is outside"),
        (&[HEADER, FIRST, "{\"expr\":"], "line 3: EOF"),
    ];
    for (lines, why) in cases {
        let error = read_lines(lines).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let error = Recording::read("notes.txt", b"just some text, no gzip".as_slice()).unwrap_err().to_string();
    assert!(error.starts_with("notes.txt is not a recording"), "{error}");
}

#[test]
fn a_line_of_the_largest_length_is_read_and_a_longer_one_is_not() {
    let line = |length: usize| {
        let bare = FIRST.replace("{}", "\"\"").len() + 1;
        FIRST.replace("{}", &format!("\"{}\"", "x".repeat(length - bare)))
    };
    assert!(read_lines(&[HEADER, &line(MAX_LINE_BYTES), SECOND]).is_ok());
    let error = read_lines(&[HEADER, &line(MAX_LINE_BYTES + 1), SECOND]).unwrap_err();
    assert!(matches!(error, RecordingError::TooLarge { limit_bytes: MAX_LINE_BYTES, .. }), "{error}");
}

#[test]
fn a_small_file_that_unpacks_to_a_huge_one_is_refused() {
    let filler = format!("{}\"{}\"}}", FIRST.trim_end_matches("{}}"), "x".repeat(MAX_LINE_BYTES - 100));
    let many: Vec<String> = (0..17).map(|step| filler.replace("12:00:00Z", &format!("12:00:{step:02}Z"))).collect();
    let header = HEADER.replace("\"answers\":2", "\"answers\":17");
    let mut lines = vec![header.as_str()];
    lines.extend(many.iter().map(String::as_str));
    let error = read_lines(&lines).unwrap_err();
    assert!(matches!(error, RecordingError::TooLarge { limit_bytes: MAX_TOTAL_BYTES, .. }), "{error}");
}

#[test]
fn what_is_not_json_or_too_large_is_not_recorded_and_nothing_is_written_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gz");
    let mut writer = RecordingWriter::new(&path, "x", INTERVAL);
    assert!(writer.push("up", T0, b"<html>").unwrap_err().to_string().contains("not JSON"));
    let long = format!("\"{}\"", "x".repeat(MAX_LINE_BYTES));
    assert!(writer.push("up", T0, long.as_bytes()).unwrap_err().to_string().contains("at most"));
    drop(writer);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
