//! A folder of injected faults, as the PetShop data has them: for each scenario a graph of components, a time of normal operation,
//! and issues with the component that is to be found.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::QualityError;

/// Header rows above the samples: component, metric, statistic, and the name of the column of times.
const HEADER_ROWS: usize = 4;

/// A series with the names of its column.
pub struct Column {
    /// The component it is of.
    pub service: String,
    /// What was measured: latency, requests, availability.
    pub metric: String,
    /// How: average, a percentile, a sum.
    pub statistic: String,
    /// A sample a row, where there is one.
    pub values: Vec<Option<f64>>,
}

/// What was measured in a time.
pub struct Table {
    /// When, in milliseconds.
    pub instants: Vec<i64>,
    /// What.
    pub columns: Vec<Column>,
}

/// A fault that was put in.
pub struct Issue {
    /// Its folder.
    pub name: String,
    /// Which metric showed it.
    pub metric: String,
    /// Which component has it.
    pub root: String,
    /// When it showed, in milliseconds.
    pub shown: i64,
    /// What was measured around it.
    pub table: Table,
}

/// An application under one load.
pub struct Scenario {
    /// Its folder.
    pub name: String,
    /// Pairs of a component and one that it calls.
    pub calls: Vec<(String, String)>,
    /// Normal operation.
    pub normal: Table,
    /// Faults.
    pub issues: Vec<Issue>,
}

/// Scenarios of a folder, or of the first within that has any; none where there is none.
pub fn read(data: &Path) -> Result<Vec<Scenario>, QualityError> {
    let mut folders = folders_in(data);
    folders.insert(0, data.to_owned());
    for folder in folders {
        let scenarios: Vec<_> = folders_in(&folder).into_iter().filter(|one| one.join("graph.csv").is_file()).collect();
        if !scenarios.is_empty() {
            return scenarios.iter().map(|folder| scenario(folder)).collect();
        }
    }
    Ok(Vec::new())
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn scenario(folder: &Path) -> Result<Scenario, QualityError> {
    // `train`, `test`, or whatever parts there are: each folder of issues counts.
    let parts = folders_in(folder).into_iter().flat_map(|part| folders_in(&part));
    let issues = parts.filter(|issue| issue.join("target.json").is_file());
    Ok(Scenario {
        name: name_of(folder),
        calls: calls(&text_of(&folder.join("graph.csv"))?),
        normal: table(&folder.join("noissue").join("metrics.csv"))?,
        issues: issues.map(|folder| issue(&folder)).collect::<Result<_, _>>()?,
    })
}

fn issue(folder: &Path) -> Result<Issue, QualityError> {
    let path = folder.join("target.json");
    let said: Value = serde_json::from_str(&text_of(&path)?).map_err(QualityError::failed("understand target.json"))?;
    let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let shown = said.pointer("/target/timestamp").and_then(Value::as_i64).unwrap_or_default();
    Ok(Issue {
        name: name_of(folder),
        metric: text("/target/metric"),
        root: text("/root_cause/node"),
        shown: shown.saturating_mul(1000),
        table: table(&folder.join("metrics.csv"))?,
    })
}

fn text_of(path: &Path) -> Result<String, QualityError> {
    std::fs::read_to_string(path).map_err(|why| QualityError::Failed("read", format!("{}: {why}", path.display())))
}

fn calls(text: &str) -> Vec<(String, String)> {
    let mut rows = text.lines().map(|row| row.split(','));
    let callees: Vec<_> = rows.next().into_iter().flatten().skip(1).collect();
    let mut calls = Vec::new();
    for mut row in rows {
        let Some(caller) = row.next() else { continue };
        let called = row.zip(&callees).filter(|(cell, _)| cell.parse::<f64>().is_ok_and(|weight| weight != 0.0));
        calls.extend(called.map(|(_, callee)| (caller.to_owned(), (*callee).to_owned())));
    }
    calls
}

fn table(path: &Path) -> Result<Table, QualityError> {
    let text = text_of(path)?;
    let rows: Vec<Vec<&str>> = text.lines().map(|row| row.split(',').collect()).collect();
    let wrong =
        || QualityError::Wrong(format!("{} has no {HEADER_ROWS} header rows and samples below", path.display()));
    let (headers, samples) = rows.split_at_checked(HEADER_ROWS).ok_or_else(wrong)?;
    let [services, metrics, statistics, ..] = headers else { return Err(wrong()) };
    let seconds = |row: &Vec<&str>| row.first().and_then(|cell| cell.parse::<f64>().ok());
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds")]
    let instants: Option<Vec<i64>> = samples.iter().map(|row| Some(seconds(row)? as i64 * 1000)).collect();
    let column = |(index, service): (usize, &&str)| {
        let named = |row: &[&str]| row.get(index).copied().unwrap_or_default().to_owned();
        let value =
            |row: &Vec<&str>| row.get(index).and_then(|cell| cell.parse::<f64>().ok()).filter(|v| v.is_finite());
        Column {
            service: (*service).to_owned(),
            metric: named(metrics),
            statistic: named(statistics),
            values: samples.iter().map(value).collect(),
        }
    };
    Ok(Table {
        instants: instants.ok_or_else(wrong)?,
        columns: services.iter().enumerate().skip(1).map(column).collect(),
    })
}
