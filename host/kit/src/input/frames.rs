//! Frames: from columns, from an answer of Prometheus, from a recording, or from a Prometheus that is asked now.

use std::path::Path;

use orion_model::{Frame, Labels, SeriesTable, Timestamp};
use orion_source::{
    AnswerLimits, Prometheus, PrometheusSettings, QuerySession, Recording, RecordingSource, Source, decode,
};

use super::{Frames, csv};

/// The column with the instant of a row's frame.
const TIME: &str = "time";
/// The column with the value.
const VALUE: &str = "value";

/// Frames of a file, by how its name ends.
pub fn from_file(path: &Path, expr: Option<&str>) -> Result<Frames, String> {
    let named = |why: String| format!("{}: {why}", path.display());
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    if ending == "gz" {
        return from_recording(path, expr);
    }
    let bytes = std::fs::read(path).map_err(|why| named(format!("cannot be read: {why}")))?;
    match &*ending {
        "csv" => from_columns(&String::from_utf8_lossy(&bytes)).map_err(named),
        "json" => from_answer(&bytes).map_err(named),
        _ => Err(named(
            "frames are columns (.csv), an answer of the Prometheus API (.json) or a recording (.gz)".to_owned(),
        )),
    }
}

/// Rows with a time, a value, and a column for each label. Rows of one time are one frame; they come in order of time.
fn from_columns(text: &str) -> Result<Frames, String> {
    let mut rows = csv::rows(text)?.into_iter();
    let (_, header) = rows.next().ok_or("there is nothing in it")?;
    let place = |name: &str| header.iter().position(|column| column == name);
    let time = place(TIME).ok_or("the first line names the columns, and `time` is not among them")?;
    let value = place(VALUE).ok_or("the first line names the columns, and `value` is not among them")?;
    let (mut frames, mut table) = (Frames::default(), SeriesTable::new());
    let mut frame: Option<Frame> = None;
    for (line, row) in rows {
        let cell = |place: usize| row.get(place).map_or("", String::as_str);
        let instant = cell(time).parse::<Timestamp>().map_err(|why| format!("line {line}: {why}"))?;
        let number = cell(value).parse::<f64>().map_err(|_| format!("line {line}: `{}` is no number", cell(value)))?;
        let labels: Labels = (0..)
            .zip(&header)
            .filter(|(at, _)| *at != time && *at != value)
            .map(|(at, name)| (name.clone(), cell(at).to_owned()))
            .collect();
        if let Some(done) = frame.take_if(|frame| frame.instant != instant) {
            if done.instant > instant {
                return Err(format!("line {line}: {instant} comes before the row above it"));
            }
            frames.push(done, &table);
        }
        let frame = frame.get_or_insert_with(|| Frame { instant, ..Frame::default() });
        let id = table.define(&labels, instant);
        if frame.ids.contains(&id) {
            return Err(format!("line {line}: the series {labels} is in the frame of {instant} already"));
        }
        frame.ids.push(id);
        frame.timestamps.push(instant.as_millis());
        frame.values.push(number);
    }
    frame.into_iter().for_each(|frame| frames.push(frame, &table));
    Ok(frames)
}

/// The instant of an answer is that of its latest sample: it does not say which one was asked for.
fn from_answer(bytes: &[u8]) -> Result<Frames, String> {
    let mut session = QuerySession::new("");
    let frame =
        decode(bytes, &mut session, Timestamp::default(), AnswerLimits::default()).map_err(|why| why.to_string())?;
    let latest = frame.timestamps.iter().copied().max().unwrap_or_default();
    Ok(alone(&session, Frame { instant: Timestamp::from_millis(latest), ..frame }))
}

fn alone(session: &QuerySession, frame: Frame) -> Frames {
    let mut frames = Frames::default();
    frames.push(frame, &session.table);
    frames
}

fn from_recording(path: &Path, expr: Option<&str>) -> Result<Frames, String> {
    let recording = Recording::open(path).map_err(|why| why.to_string())?;
    let exprs: Vec<_> = recording.exprs().map(str::to_owned).collect();
    let expr = match (expr, &*exprs) {
        (Some(expr), _) => expr.to_owned(),
        (None, [only]) => only.clone(),
        (None, _) => {
            let all = exprs.iter().map(|expr| format!("\n  {expr}")).collect::<String>();
            return Err(format!("{} has answers to several queries; name one with --expr:{all}", path.display()));
        }
    };
    let (start, end, step) = (recording.start(), recording.end(), recording.interval_millis().max(1));
    let source = RecordingSource::new(recording, step);
    let mut session = QuerySession::new(expr);
    let mut frames = Frames::default();
    let mut instant = start;
    while instant <= end {
        let frame = waited(source.query(&mut session, instant))?;
        frames.push(frame, &session.table);
        instant = instant.plus_millis(step);
    }
    Ok(frames)
}

/// The answer of a Prometheus at an instant.
pub fn from_source(url: &str, expr: &str, instant: Timestamp) -> Result<Frames, String> {
    let source = Prometheus::new("source", url, PrometheusSettings::default()).map_err(|why| why.to_string())?;
    let mut session = QuerySession::new(expr);
    let frame = waited(source.query(&mut session, instant))?;
    Ok(alone(&session, frame))
}

fn waited<T>(answer: impl Future<Output = Result<T, orion_source::SourceError>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|why| why.to_string())?;
    runtime.block_on(answer).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_time_are_a_frame_and_what_is_wrong_is_said_with_its_line() {
        let text = "time,host,value\n2026-01-31T12:00:00Z,a,1\n2026-01-31T12:00:00Z,b,NaN\n2026-01-31T12:01:00Z,a,2\n";
        let frames = from_columns(text).unwrap();
        let said: Vec<_> = frames.frames.iter().map(|shown| (shown.new.len(), shown.frame.ids.clone())).collect();
        assert_eq!(said, [(2, vec![0, 1]), (0, vec![0])]);
        let wrong = |text: &str| from_columns(text).err().unwrap();
        assert_eq!(wrong("host,value\n"), "the first line names the columns, and `time` is not among them");
        assert_eq!(wrong("time,value\n2026-01-31T12:00:00Z,x\n"), "line 2: `x` is no number");
        let twice = "time,value\n2026-01-31T12:00:00Z,1\n2026-01-31T12:00:00Z,2\n";
        assert_eq!(wrong(twice), "line 3: the series {} is in the frame of 2026-01-31T12:00:00.000Z already");
        let back = "time,value\n2026-01-31T12:01:00Z,1\n2026-01-31T12:00:00Z,2\n";
        assert_eq!(wrong(back), "line 3: 2026-01-31T12:00:00.000Z comes before the row above it");
    }

    #[test]
    fn an_answer_of_prometheus_is_a_frame_of_its_latest_instant() {
        let answer =
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"job":"a"},"value":[60,"1"]}]}}"#;
        let frames = from_answer(answer.as_bytes()).unwrap();
        assert_eq!(frames.frames[0].frame.instant.as_millis(), 60_000);
    }
}
