//! What the commands that look into the past have in common: which span, from where, and how it goes.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use orion_model::{Clock, Timestamp, parse_duration};
use orion_pipeline::clock::SystemClock;
use orion_source::{Recording, RecordingSource, Source};

use crate::arguments::duration;
use crate::cli::Failure;
use crate::source::{LOKI, LokiArgs, PROMETHEUS, PrometheusArgs, Sources};

/// Which part of the past.
#[derive(Args, Clone, Copy)]
pub struct SpanArgs {
    /// The first instant: 2026-01-31T12:00:00Z, or how long ago, as 30d or 2h
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Moment,
    /// The last instant
    #[arg(long, value_name = "TIME", default_value = "now", value_parser = moment)]
    pub to: Moment,
}

/// A point in time, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// That instant.
    At(Timestamp),
    /// So many milliseconds ago.
    Ago(i64),
}

impl SpanArgs {
    /// The span, which has a beginning before its end.
    pub fn resolve(self) -> Result<(Timestamp, Timestamp), Failure> {
        let now = SystemClock.now();
        let (from, to) = (self.from.as_of(now), self.to.as_of(now));
        if from > to {
            return Err(Failure::Configuration(format!("--from {from} is after --to {to}")));
        }
        Ok((from, to))
    }
}

impl Moment {
    /// The instant, when it is `now`.
    pub fn as_of(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(millis) => now.plus_millis(-millis),
        }
    }
}

/// A point in time, as it is written on the command line.
pub fn moment(text: &str) -> Result<Moment, String> {
    if text == "now" {
        return Ok(Moment::Ago(0));
    }
    if let Some(millis) = parse_duration(text) {
        return Ok(Moment::Ago(millis));
    }
    let at = text.parse().map(Moment::At);
    at.map_err(|_| "write a time as 2026-01-31T12:00:00Z, how long ago as 30d or 1h30m, or now".to_owned())
}

/// Who remembers it.
#[derive(Args, Clone)]
pub struct MemoryArgs {
    #[command(flatten)]
    pub prometheus: PrometheusArgs,
    #[command(flatten)]
    pub loki: LokiArgs,
    /// How long a source has for one answer; answers about the past are long
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
    pub prometheus_timeout: i64,
    /// Time between two evaluations of a group that says nothing of it
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration, env = "ORION_POLL_INTERVAL")]
    pub poll_interval: i64,
}

impl MemoryArgs {
    /// The sources that remember it.
    pub fn live(&self) -> Result<Sources, Failure> {
        let source: Arc<dyn Source> = self.prometheus.source(self.prometheus_timeout)?;
        let mut sources = Sources::from([(PROMETHEUS.to_owned(), source)]);
        if let Some(loki) = self.loki.source(self.prometheus_timeout)? {
            sources.insert(LOKI.to_owned(), loki);
        }
        Ok(sources)
    }

    /// A recording where one is named, the sources otherwise.
    pub fn sources(&self, recorded: Option<&PathBuf>) -> Result<Sources, Failure> {
        let Some(path) = recorded else { return self.live() };
        let recording = Recording::open(path).map_err(Failure::configuration)?;
        let lookback_millis = recording.interval_millis();
        let source: Arc<dyn Source> = Arc::new(RecordingSource::new(recording, lookback_millis));
        // A recording has answers by their queries, and hardly one is a query of both.
        Ok([PROMETHEUS, LOKI].map(|name| (name.to_owned(), source.clone())).into())
    }
}

/// How far it is, on a terminal; nothing where nobody looks.
pub struct Progress {
    bar: ProgressBar,
    from: Timestamp,
}

impl Progress {
    /// Of a span.
    pub fn new(what: &'static str, from: Timestamp, to: Timestamp) -> Self {
        let millis = u64::try_from(to.millis_since(from)).unwrap_or(0).max(1);
        let bar = ProgressBar::new(millis);
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent:>3} %  {msg}  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(what);
        Self { bar, from }
    }

    /// Everything before this is done.
    pub fn reached(&self, instant: Timestamp) {
        let done = u64::try_from(instant.millis_since(self.from)).unwrap_or(0);
        let elapsed_millis = u64::try_from(self.bar.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        self.bar.set_message(format!("{} × real time", done / elapsed_millis));
        self.bar.set_position(done);
    }

    /// It is over.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        assert_eq!(moment("now"), Ok(Moment::Ago(0)));
        assert_eq!(moment("1h30m"), Ok(Moment::Ago(5_400_000)));
        assert_eq!(moment("1970-01-01T00:00:01Z"), Ok(Moment::At(Timestamp::from_millis(1_000))));
        assert!(moment("yesterday").unwrap_err().contains("30d"));
    }

    #[test]
    fn a_span_does_not_run_backwards() {
        let at = |millis| Moment::At(Timestamp::from_millis(millis));
        assert!(SpanArgs { from: at(1), to: at(1) }.resolve().is_ok());
        assert!(SpanArgs { from: at(2), to: at(1) }.resolve().is_err());
    }
}
