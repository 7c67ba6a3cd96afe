//! `orion audit export`: records of all files, packed or not, in the order in which they were recorded.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use orion_bus::RecordKind;
use orion_model::{Clock, Timestamp};
use orion_pipeline::clock::SystemClock;
use orion_pipeline::memory::{TrailLines, position_of};
use serde_json::{Value, json};

use crate::arguments::{DataArgs, Output};
use crate::cli::Failure;
use crate::output::{form, print_value};
use crate::past::{Moment, moment};
use crate::work::Work;

/// Lines between two looks at how far it is.
const LOOK_LINES: u64 = 1_000;

/// Arguments of `orion audit export`.
#[derive(Args)]
pub struct ExportArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// Which records [default: all]
    #[arg(long, value_name = "KIND", value_enum, value_delimiter = ',')]
    pub kind: Vec<Kind>,
    /// No record from before: 2026-01-31T12:00:00Z, or how long ago, as 30d or 2h
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Option<Moment>,
    /// No record from after
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub to: Option<Moment>,
    /// How records are written
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    pub format: Format,
    /// The file to write; it must not be there [default: stdout]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How the result looks, with --out [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum, requires = "out")]
    pub output: Option<Output>,
}

/// A kind of records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Kind {
    /// What was observed
    Event,
    /// Revisions of incidents
    Incident,
    /// NO_ACTION, each time
    Decision,
}

impl Kind {
    const fn recorded(self) -> RecordKind {
        match self {
            Self::Event => RecordKind::Event,
            Self::Incident => RecordKind::Incident,
            Self::Decision => RecordKind::Decision,
        }
    }
}

/// How records are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// Lines as they lie in the files, with their hashes
    Ndjson,
    /// A table with what all kinds have
    Csv,
}

/// Exports.
pub fn export(args: &ExportArgs) -> Result<ExitCode, Failure> {
    let Some(out) = &args.out else {
        let stdout = io::stdout();
        let work = if stdout.is_terminal() { None } else { Some("export") };
        write(args, &mut BufWriter::new(stdout.lock()), work, Path::new("stdout"))?;
        return Ok(ExitCode::SUCCESS);
    };
    if out.symlink_metadata().is_ok() {
        return Err(Failure::Configuration(format!("{} is there already: choose another name", out.display())));
    }
    let partial = partial_name(out);
    let failed = unwritable(out);
    let mut file = BufWriter::new(File::create(&partial).map_err(&failed)?);
    let records = write(args, &mut file, Some("export"), out)?;
    let named = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| {
        file.sync_all()?;
        std::fs::rename(&partial, out)
    });
    named.map_err(failed)?;
    let name = out.display().to_string();
    let value = json!({ "file": name, "records": records });
    print_value(form(args.output), &value, || format!("{name}: {records} records\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Beside the file, so that giving it its name is one step.
fn partial_name(out: &Path) -> PathBuf {
    let name = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    out.with_file_name(format!(".{name}.partial"))
}

fn unwritable(out: &Path) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::Configuration(format!("{} cannot be written: {error}", out.display()))
}

/// Writes what was asked for; how many records.
fn write(args: &ExportArgs, to: &mut impl Write, work: Option<&'static str>, out: &Path) -> Result<u64, Failure> {
    let failed = unwritable(out);
    let now = SystemClock.now();
    let span = Span { from: args.from.map(|from| from.as_of(now)), to: args.to.map(|to| to.as_of(now)) };
    let mut trails = Trails::open(args)?;
    let size = trails.bytes_left();
    let work = work.map_or_else(Work::unseen, |what| Work::begin(what, size));
    if args.format == Format::Csv {
        to.write_all(HEADER.as_bytes()).map_err(&failed)?;
    }
    let (mut lines, mut records) = (0_u64, 0);
    while let Some((kind, line)) = trails.next_line()? {
        lines += 1;
        if lines % LOOK_LINES == 0 {
            work.reached(size - trails.bytes_left().min(size));
        }
        let written = match args.format {
            Format::Ndjson if span.is_open() => Some(line),
            Format::Ndjson => span.has(&parsed(&line)?).then_some(line),
            Format::Csv => {
                Some(parsed(&line)?).filter(|record| span.has(record)).map(|record| row(kind, &record).into_bytes())
            }
        };
        let Some(mut written) = written else { continue };
        written.push(b'\n');
        to.write_all(&written).map_err(&failed)?;
        records += 1;
    }
    work.end();
    to.flush().map_err(&failed)?;
    Ok(records)
}

/// Which times are asked for, both ends included.
struct Span {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

impl Span {
    fn is_open(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// A record that says no time lies in no span but the open one.
    fn has(&self, record: &Value) -> bool {
        let at = record.get("ts").and_then(Value::as_str).and_then(|ts| ts.parse::<Timestamp>().ok());
        self.is_open()
            || at.is_some_and(|at| self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at <= to))
    }
}

fn parsed(line: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(line).map_err(|_| not_ours())
}

fn not_ours() -> Failure {
    Failure::Configuration("a line is not as Orion wrote it: `orion audit verify` says which".to_owned())
}

const HEADER: &str = "seq,ts,kind,type,severity,status,id,incident_id,about\n";

/// A record as a row: what all kinds have, and one text that says what it is about.
fn row(kind: RecordKind, record: &Value) -> String {
    let text = |member: &str| match record.get(member) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let nested = |object: &str, member: &str| {
        record.get(object).and_then(|object| object.get(member)).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let (of_type, id, about) = match kind {
        RecordKind::Event => {
            let summary = nested("annotations", "summary");
            let about = if summary.is_empty() { nested("data", "message") } else { summary };
            ("event_type", "event_id", about)
        }
        RecordKind::Incident => ("incident_type", "incident_id", text("summary")),
        RecordKind::Decision => ("decision_type", "decision_id", text("reason")),
    };
    let cells = [
        text("seq"),
        text("ts"),
        kind.to_string(),
        text(of_type),
        text("severity"),
        text("status"),
        text(id),
        text("incident_id"),
        about,
    ];
    cells.map(|cell| quoted(&cell)).join(",")
}

/// As RFC 4180 has it: in quotes where it needs them, and quotes doubled.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

/// The trails of the kinds that were asked for.
struct Trails(Vec<Trail>);

/// The lines of one kind, and the next of them with its position.
struct Trail {
    kind: RecordKind,
    lines: TrailLines,
    next: Option<(u64, Vec<u8>)>,
}

impl Trails {
    fn open(args: &ExportArgs) -> Result<Self, Failure> {
        let memory = args.data.memory_dir();
        if !memory.is_dir() {
            let what =
                format!("{} does not exist: is this the data folder, and has Orion run with it?", memory.display());
            return Err(Failure::Configuration(what));
        }
        let is_asked_for = |kind: &Kind| args.kind.is_empty() || args.kind.contains(kind);
        let kinds = [Kind::Event, Kind::Incident, Kind::Decision].into_iter().filter(is_asked_for);
        kinds.map(|kind| Trail::open(&memory, kind.recorded())).collect::<Result<_, _>>().map(Self)
    }

    fn bytes_left(&self) -> u64 {
        self.0.iter().map(|trail| trail.lines.bytes_left()).sum()
    }

    /// The line with the lowest position of all.
    fn next_line(&mut self) -> Result<Option<(RecordKind, Vec<u8>)>, Failure> {
        let Some(first) = self.0.iter_mut().min_by_key(|trail| trail.position()) else { return Ok(None) };
        let Some((_, line)) = first.next.take() else { return Ok(None) };
        first.advance()?;
        Ok(Some((first.kind, line)))
    }
}

impl Trail {
    fn open(memory: &Path, kind: RecordKind) -> Result<Self, Failure> {
        let lines = TrailLines::open(memory, kind).map_err(Failure::configuration)?;
        let mut trail = Self { kind, lines, next: None };
        trail.advance()?;
        Ok(trail)
    }

    /// Behind all others when there is none.
    fn position(&self) -> u64 {
        self.next.as_ref().map_or(u64::MAX, |(position, _)| *position)
    }

    fn advance(&mut self) -> Result<(), Failure> {
        let Some(line) = self.lines.next_line().map_err(Failure::configuration)? else { return Ok(()) };
        self.next = Some((position_of(line).ok_or_else(not_ours)?, line.to_vec()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_it_needs_to_be() {
        let cells = ["plain", "a,b", "say \"no\"", "two\nlines"].map(quoted);
        assert_eq!(cells, ["plain", "\"a,b\"", "\"say \"\"no\"\"\"", "\"two\nlines\""]);
    }

    #[test]
    fn a_span_has_both_its_ends() {
        let at = |millis| json!({ "ts": Timestamp::from_millis(millis) });
        let span = Span { from: Some(Timestamp::from_millis(10)), to: Some(Timestamp::from_millis(20)) };
        assert_eq!([9, 10, 20, 21].map(|millis| span.has(&at(millis))), [false, true, true, false]);
        assert!(!span.has(&json!({})) && Span { from: None, to: None }.has(&json!({})));
    }
}
