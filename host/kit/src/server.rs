//! The Prometheus that a test is played on: a real one, started for it and ended behind it.
//!
//! Each test has its own, so that it begins at 1970 as promtool has it, where `time()` counts from, and sees no other test's
//! data. A Prometheus without data starts in a twentieth of a second.

use std::time::Duration;

use orion_lab::{LabError, Prometheus, ScrapeConfig};
use orion_model::{Timestamp, WrittenSeries};
use orion_suite::run::{Question, Server, ServerError};
use orion_suite::suite::Suite;

/// A Prometheus that runs.
pub struct Started(Prometheus);

impl Started {
    /// One without data, for the tests of a suite.
    pub fn of(suite: &Suite) -> Result<Self, LabError> {
        let interval = Duration::from_millis(suite.interval_millis.unsigned_abs());
        Prometheus::start(&ScrapeConfig::written(interval)).map(Self)
    }
}

impl Server for Started {
    fn write(&self, series: &[WrittenSeries]) -> Result<(), ServerError> {
        self.0.write(series).map_err(|why| error(&why))
    }

    fn ask(&self, question: &Question) -> Result<String, ServerError> {
        ask(&self.0, question).map_err(|why| error(&why))
    }
}

/// Whether it is away, or refuses.
pub fn error(why: &LabError) -> ServerError {
    match why {
        LabError::MissingBinary { .. } | LabError::NotReady { .. } | LabError::Io { .. } => {
            ServerError::Away(why.to_string())
        }
        _ => ServerError::Refused(why.to_string()),
    }
}

fn ask(prometheus: &Prometheus, question: &Question) -> Result<String, LabError> {
    let at = |millis: i64| Timestamp::from_millis(millis).as_prometheus();
    let first = at(question.first);
    let (_, body) = match question.range {
        None => prometheus.ask("query", &[("query", &question.expr), ("time", &first)])?,
        Some((step, count)) => {
            let steps = i64::try_from(count.saturating_sub(1)).unwrap_or(i64::MAX);
            let last = at(question.first.saturating_add(step.saturating_mul(steps)));
            let step = at(step);
            let range = [("query", &*question.expr), ("start", &first), ("end", &last), ("step", &step)];
            prometheus.ask("query_range", &range)?
        }
    };
    Ok(String::from_utf8_lossy(&body).into_owned())
}
