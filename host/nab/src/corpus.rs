//! The labelled series of a folder: `windows.json`, and `data/GROUP/NAME.csv` for each series that it names.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Digits of an instant up to its seconds: labels say microseconds, rows do not.
const INSTANT_DIGITS: usize = 19;

/// The part of a series that is not scored, because a detector has yet to learn, and the most rows of that.
const PROBATION: f64 = 0.15;
const MOST_PROBATION_ROWS: usize = 750;

/// All labelled series.
pub struct Corpus {
    /// In the order of their names.
    pub series: Vec<Series>,
}

/// One labelled series.
pub struct Series {
    /// `GROUP/NAME.csv`.
    pub name: String,
    /// In the file's order.
    pub rows: Vec<Row>,
    /// Rows in which there is an anomaly.
    pub windows: Vec<RangeInclusive<usize>>,
    /// So many rows at the start are not scored.
    pub probation: usize,
}

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// In milliseconds; the series say no time zone, and are read as UTC.
    pub timestamp: i64,
    /// The value.
    pub value: f64,
}

/// Why a folder is not labelled series.
#[derive(Debug, Error)]
pub enum CorpusError {
    /// A file cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// The labels are not what they should be.
    #[error("{0} is not a mapping of series to pairs of instants: {1}")]
    Labels(PathBuf, serde_json::Error),
    /// A row is not what it should be.
    #[error("{0}, line {1}: expected `timestamp,value`, such as `2014-04-01 00:05:00,12.5`")]
    Row(PathBuf, usize),
    /// A window begins or ends where there is no row.
    #[error("{0}: a labelled window begins or ends at {1}, where there is no row")]
    Window(PathBuf, String),
}

impl Corpus {
    /// Reads `windows.json` and the series that it names.
    pub fn read(folder: &Path) -> Result<Self, CorpusError> {
        let labels = folder.join("windows.json");
        let windows: BTreeMap<String, Vec<(String, String)>> =
            serde_json::from_str(&text(&labels)?).map_err(|error| CorpusError::Labels(labels, error))?;
        let data = folder.join("data");
        let read = |(name, windows): (String, Vec<_>)| Series::read(&data.join(&name), name, &windows);
        Ok(Self { series: windows.into_iter().map(read).collect::<Result<_, _>>()? })
    }
}

impl Series {
    fn read(path: &Path, name: String, windows: &[(String, String)]) -> Result<Self, CorpusError> {
        let text = text(path)?;
        let mut rows = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (line, row) in text.lines().enumerate().skip(1) {
            let (instant, value) = parsed(row).ok_or_else(|| CorpusError::Row(path.to_owned(), line + 1))?;
            // An hour that a clock was put back has each instant twice: a label means the first.
            places.entry(instant).or_insert(rows.len());
            let timestamp = millis(instant).ok_or_else(|| CorpusError::Row(path.to_owned(), line + 1))?;
            rows.push(Row { timestamp, value });
        }
        let place = |instant: &str| {
            let digits = instant.get(..INSTANT_DIGITS).unwrap_or(instant);
            places.get(digits).copied().ok_or_else(|| CorpusError::Window(path.to_owned(), instant.to_owned()))
        };
        let window = |(start, end): &(String, String)| Ok(place(start)?..=place(end)?);
        let windows = windows.iter().map(window).collect::<Result<_, _>>()?;
        let probation = probation(rows.len());
        Ok(Self { name, rows, windows, probation })
    }

    /// The least and the largest value.
    #[must_use]
    pub fn range(&self) -> (f64, f64) {
        let values = self.rows.iter().map(|row| row.value);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)))
    }
}

/// How many rows at the start of so many are not scored.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a file's rows"
)]
#[must_use]
pub fn probation(rows: usize) -> usize {
    ((PROBATION * rows as f64).floor() as usize).min(MOST_PROBATION_ROWS)
}

fn text(path: &Path) -> Result<String, CorpusError> {
    std::fs::read_to_string(path).map_err(|error| CorpusError::Unreadable(path.to_owned(), error))
}

fn parsed(row: &str) -> Option<(&str, f64)> {
    let (instant, value) = row.split_once(',')?;
    Some((instant.get(..INSTANT_DIGITS)?, value.trim().parse().ok()?))
}

fn millis(instant: &str) -> Option<i64> {
    let civil: jiff::civil::DateTime = instant.parse().ok()?;
    Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}
