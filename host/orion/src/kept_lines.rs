//! The last lines of this process' own log, for whoever asks a running Orion instead of its terminal or its journal.
//!
//! They are in memory alone and go with the process; whoever wants to keep them keeps what is written to stderr.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use serde_json::{Map, Value, json};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that are kept: what a person reads through, and some hours of a host that is well.
const MAX_LINES: usize = 2_000;

/// Bytes of all of them together: a storm of long lines must not be memory that detectors lack.
const MAX_BYTES: usize = 1024 * 1024;

/// What a longer line ends with.
const CUT: &str = "…";

/// The longest message, in characters. Those of rule files hold the file's lines around a fault.
const MAX_MESSAGE_CHARS: usize = 4_000;

/// The log is one for the process, and so is what is kept of it.
static LINES: LazyLock<KeptLines> = LazyLock::new(KeptLines::default);

/// The last lines, shared by who writes and who reads.
#[derive(Clone, Default)]
pub struct KeptLines(Arc<Mutex<Kept>>);

/// Lines with numbers that rise by one.
#[derive(Default)]
struct Kept {
    lines: VecDeque<Line>,
    bytes: usize,
    next: u64,
}

struct Line {
    number: u64,
    rank: u8,
    value: Value,
    bytes: usize,
}

impl KeptLines {
    /// Those of this process.
    pub fn of_process() -> Self {
        LINES.clone()
    }

    /// Up to `limit` lines that are at least as bad as `level` (`error`, `warn`, `info`, `debug`, `trace`): behind a number, the first
    /// ones, or the last ones. In their order; and the number of the newest line there is.
    pub fn read(&self, after: Option<u64>, limit: usize, level: &str) -> (Vec<Value>, u64) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let worst = rank(level);
        let wanted = kept.lines.iter().filter(|line| line.rank <= worst);
        let lines = match after {
            Some(after) => {
                wanted.filter(|line| line.number > after).take(limit).map(|line| line.value.clone()).collect()
            }
            None => {
                let mut last: Vec<Value> = wanted.rev().take(limit).map(|line| line.value.clone()).collect();
                last.reverse();
                last
            }
        };
        (lines, kept.next)
    }

    /// A line as the log writes it in JSON. What is none is left out: it can only be a part of one.
    fn keep(&self, written: &[u8]) {
        let Ok(Value::Object(fields)) = serde_json::from_slice(written) else { return };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = kept.next + 1;
        kept.next = number;
        let (value, rank) = told(number, fields);
        let bytes = value.to_string().len();
        kept.bytes += bytes;
        kept.lines.push_back(Line { number, rank, value, bytes });
        while kept.lines.len() > MAX_LINES || kept.bytes > MAX_BYTES {
            let Some(oldest) = kept.lines.pop_front() else { break };
            kept.bytes -= oldest.bytes;
        }
    }
}

/// As it is told: what every line has, and what else this one says.
fn told(number: u64, mut fields: Map<String, Value>) -> (Value, u8) {
    let mut text = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let (ts, level, message) = (text("timestamp"), text("level").to_lowercase(), text("message"));
    let message = match message.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}{CUT}", message.get(..end).unwrap_or_default()),
        None => message,
    };
    let rank = rank(&level);
    (json!({ "number": number, "ts": ts, "level": level, "message": message, "fields": fields }), rank)
}

/// The less the worse.
fn rank(level: &str) -> u8 {
    match level {
        "error" => 0,
        "warn" => 1,
        "info" => 2,
        "debug" => 3,
        _ => 4,
    }
}

/// What the log writes one line to.
pub struct LineWriter(KeptLines);

impl Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.keep(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for KeptLines {
    type Writer = LineWriter;

    fn make_writer(&'a self) -> LineWriter {
        LineWriter(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: &str, message: &str) -> Vec<u8> {
        let line = json!({ "timestamp": "2026-11-29T06:50:00Z", "level": level, "message": message, "file": "a.yaml" });
        format!("{line}\n").into_bytes()
    }

    fn messages(lines: &[Value]) -> Vec<&str> {
        lines.iter().map(|line| line["message"].as_str().unwrap()).collect()
    }

    #[test]
    fn lines_are_told_from_the_end_or_behind_a_number_and_by_how_bad_they_are() {
        let kept = KeptLines::default();
        for (level, message) in [("INFO", "a"), ("WARN", "b"), ("ERROR", "c"), ("INFO", "d")] {
            kept.keep(&line(level, message));
        }
        let told = |after, limit, level| kept.read(after, limit, level).0;
        assert_eq!(messages(&told(None, 2, "info")), ["c", "d"]);
        assert_eq!(messages(&told(None, 9, "warn")), ["b", "c"]);
        assert_eq!(messages(&told(Some(1), 2, "info")), ["b", "c"]);
        assert_eq!(kept.read(Some(4), 9, "trace"), (Vec::new(), 4));
        assert_eq!(
            told(Some(2), 1, "info")[0],
            json!({ "number": 3, "ts": "2026-11-29T06:50:00Z", "level": "error", "message": "c", "fields": { "file": "a.yaml" } })
        );
    }

    #[test]
    fn as_many_and_as_long_are_kept_as_may_be_and_the_oldest_go_first() {
        let kept = KeptLines::default();
        for number in 0..=MAX_LINES {
            kept.keep(&line("INFO", &number.to_string()));
        }
        let (lines, newest) = kept.read(None, usize::MAX, "info");
        assert_eq!((lines.len(), newest), (MAX_LINES, MAX_LINES as u64 + 1));
        assert_eq!(lines[0]["message"], "1");
        let long = "é".repeat(MAX_MESSAGE_CHARS + 1);
        for _ in 0..MAX_LINES {
            kept.keep(&line("INFO", &long));
        }
        let (lines, _) = kept.read(None, usize::MAX, "info");
        assert!(lines.iter().map(|line| line.to_string().len()).sum::<usize>() <= MAX_BYTES);
        let last = lines.last().unwrap()["message"].as_str().unwrap();
        assert_eq!((last.chars().count(), last.ends_with(CUT)), (MAX_MESSAGE_CHARS + 1, true));
        kept.keep(b"no line");
        assert_eq!(kept.read(None, 1, "info").0[0]["message"], last);
    }
}
