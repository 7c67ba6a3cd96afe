//! Samples of a file: rows with a time and a value and what they are about, or a column for each series.

use std::collections::BTreeMap;
use std::path::Path;

use orion_model::{Labels, Timestamp, write_labels};

use super::when::when;
use crate::input::csv;
use orion_suite::notation::metric;

/// What the column with the time may be called.
const TIME: [&str; 5] = ["timestamp", "time", "ts", "date", "datetime"];

/// What the column with the value is called, where the others say what it is about.
const VALUE: &str = "value";

/// The label that names a series whose file says nothing more of it.
pub const SERIES: &str = "series";

/// Samples of one series.
#[derive(Debug, PartialEq)]
pub struct Samples {
    /// What it is called, in reports and in labels.
    pub name: String,
    /// What a rule sees of it.
    pub labels: Labels,
    /// In order of time.
    pub points: Vec<(Timestamp, f64)>,
}

/// Reads a file. The error names it, the line, and what to do.
pub fn read(path: &Path) -> Result<Vec<Samples>, String> {
    let named = |why: String| format!("{}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|why| named(format!("cannot be read: {why}")))?;
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    of_text(&text, &file).map_err(named)
}

fn of_text(text: &str, file: &str) -> Result<Vec<Samples>, String> {
    let mut rows = csv::rows(text)?.into_iter();
    let (_, header) =
        rows.next().ok_or("there is nothing in it: the first line names the columns, as `timestamp,value`")?;
    let header: Vec<&str> = header.iter().map(|name| name.trim()).collect();
    let time = header.iter().position(|name| TIME.iter().any(|known| name.eq_ignore_ascii_case(known)));
    let time = time
        .ok_or_else(|| format!("line 1: none of the columns {} is the time: call it `timestamp`", header.join(", ")))?;
    let value = header.iter().position(|name| name.eq_ignore_ascii_case(VALUE));
    let shape = Shape { header: &header, time, value, file };
    if header.len() < 2 {
        return Err("line 1: there is no column besides the time: call the one with the numbers `value`".to_owned());
    }
    let mut series: BTreeMap<Labels, Samples> = BTreeMap::new();
    for (line, row) in rows {
        let at = when(row.get(time).map_or("", String::as_str)).map_err(|why| format!("line {line}: {why}"))?;
        for (labels, name, cell) in shape.cells(&row).map_err(|why| format!("line {line}: {why}"))? {
            let Some(number) = number(cell).map_err(|why| format!("line {line}: {why}"))? else { continue };
            let samples = series.entry(labels.clone()).or_insert_with(|| Samples { name, labels, points: Vec::new() });
            if samples.points.last().is_some_and(|(before, _)| *before > at) {
                return Err(format!(
                    "line {line}: {at} is before the row above it of the same series: sort the file by time"
                ));
            }
            samples.points.push((at, number));
        }
    }
    match series.is_empty() {
        true => Err("there is no sample in it".to_owned()),
        false => Ok(series.into_values().collect()),
    }
}

/// Which column is what.
struct Shape<'a> {
    header: &'a [&'a str],
    time: usize,
    value: Option<usize>,
    file: &'a str,
}

impl Shape<'_> {
    /// The series of a row, what each is called, and what stands there.
    fn cells<'r>(&self, row: &'r [String]) -> Result<Vec<(Labels, String, &'r str)>, String> {
        if row.len() > self.header.len() {
            return Err(format!("{} cells, and the first line names {} columns", row.len(), self.header.len()));
        }
        let others = (0..).zip(self.header).filter(|(at, _)| *at != self.time && Some(*at) != self.value);
        let cell = |at: usize| row.get(at).map_or("", String::as_str);
        let Some(value) = self.value else {
            return others.map(|(at, name)| named(name).map(|(labels, name)| (labels, name, cell(at)))).collect();
        };
        let labels: Labels = others.map(|(at, name)| ((*name).to_owned(), cell(at).to_owned())).collect();
        let labels = if labels.is_empty() { Labels::from_iter([(SERIES, self.file)]) } else { labels };
        let name = name_of(&labels);
        Ok(vec![(labels, name, cell(value))])
    }
}

/// A column is a series that is written as Prometheus writes one, or has a name.
fn named(column: &str) -> Result<(Labels, String), String> {
    let labels = match column.contains('{') {
        true => metric(column).map_err(|why| format!("the column `{column}` is no series: {why}"))?,
        false => Labels::from_iter([(SERIES, column)]),
    };
    let name = name_of(&labels);
    Ok((labels, name))
}

/// What a series is called: by its one name, or as Prometheus writes it.
pub fn name_of(labels: &Labels) -> String {
    const NAME: &str = "__name__";
    let mut all = labels.iter();
    if let (Some((SERIES, value)), None) = (all.next(), all.next()) {
        return value.to_owned();
    }
    let mut text = labels.get(NAME).unwrap_or_default().to_owned();
    let others = || labels.iter().filter(|(name, _)| *name != NAME);
    if text.is_empty() || others().next().is_some() {
        write_labels(&mut text, others());
    }
    text
}

/// What is empty or not a number is no sample.
fn number(cell: &str) -> Result<Option<f64>, String> {
    match cell.trim() {
        "" => Ok(None),
        text => match text.parse::<f64>() {
            Ok(number) => Ok(Some(number).filter(|number| number.is_finite())),
            Err(_) => Err(format!("`{text}` is no number: leave a cell empty where there is no sample")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(text: &str) -> Vec<(String, usize)> {
        let mut names: Vec<_> =
            of_text(text, "cpu.csv").unwrap().into_iter().map(|it| (it.name, it.points.len())).collect();
        names.sort();
        names
    }

    fn wrong(text: &str) -> String {
        of_text(text, "cpu.csv").unwrap_err()
    }

    #[test]
    fn a_file_has_one_series_or_those_its_labels_tell_apart_or_one_a_column() {
        let one = |name: &str, count| (name.to_owned(), count);
        assert_eq!(names("timestamp,value\n2026-01-31 12:00:00,1\n2026-01-31 12:01:00,2\n"), [one("cpu.csv", 2)]);
        assert_eq!(
            names("time,host,value\n0,a,1\n0,b,1\n60,a,\n60,b,NaN\n120,a,3\n"),
            [one("{host=\"a\"}", 2), one("{host=\"b\"}", 1)]
        );
        assert_eq!(names("Time,cpu,\"up{job=\"\"x\"\"}\"\n0,1,2\n"), [one("cpu", 1), one("up{job=\"x\"}", 1)]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_what_to_do() {
        assert_eq!(wrong("at,value\n"), "line 1: none of the columns at, value is the time: call it `timestamp`");
        assert_eq!(wrong("time,value\n0,x\n"), "line 2: `x` is no number: leave a cell empty where there is no sample");
        assert_eq!(
            wrong("time,value\n60,1\n0,1\n"),
            "line 3: 1970-01-01T00:00:00.000Z is before the row above it of the same series: sort the file by time"
        );
        assert!(wrong("time,value\nsoon,1\n").starts_with("line 2: `soon` is no time: write it as"));
        assert_eq!(wrong("time,value\n0,1,2\n"), "line 2: 3 cells, and the first line names 2 columns");
        assert_eq!(wrong("time,value\n"), "there is no sample in it");
        assert!(wrong("time\n0\n").contains("no column besides the time"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "(time,[a-z{}=\"]{0,8}\n)?([0-9a-z.,:\"\n -]{0,80})") {
            let _ = of_text(&text, "file.csv");
        }
    }
}
