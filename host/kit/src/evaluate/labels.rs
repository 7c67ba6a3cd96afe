//! When something was wrong: windows that somebody marked, as the Numenta benchmark writes them, as YAML or as columns.

use std::collections::BTreeMap;
use std::path::Path;

use orion_model::Timestamp;

use super::when::when;
use crate::input::csv;
use orion_suite::yaml::{Node, parse};

/// Stands for every series.
const EVERY: &str = "*";

/// A time in which something was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// With which series: its name, the name of its file, or nothing for all of them.
    pub series: Option<String>,
    /// The first moment.
    pub from: Timestamp,
    /// The last.
    pub to: Timestamp,
    /// In the words of who marked it.
    pub note: String,
    /// Where it stands, for messages.
    pub place: String,
}

/// What a file says.
#[derive(Debug, Default)]
pub struct Labels {
    /// When something was wrong.
    pub windows: Vec<Window>,
    /// The series that it speaks of, also those with which nothing was wrong, each with where it stands first.
    pub named: BTreeMap<String, String>,
}

impl Window {
    /// Whether it is about a series of this name.
    pub fn is_about(&self, name: &str) -> bool {
        self.series.as_deref().is_none_or(|wanted| is_called(wanted, name))
    }
}

/// Whether a label that says this means the series of that name. The benchmark's labels name files with their folder.
pub fn is_called(said: &str, name: &str) -> bool {
    said == name || said.rsplit('/').next() == Some(name)
}

impl Labels {
    fn of(windows: Vec<Window>) -> Self {
        let mut named = BTreeMap::new();
        for window in &windows {
            if let Some(series) = &window.series {
                named.entry(series.clone()).or_insert_with(|| window.place.clone());
            }
        }
        Self { windows, named }
    }
}

/// Reads a file, by how its name ends. The error names it, the line, and what to do.
pub fn read(path: &Path) -> Result<Labels, String> {
    let named = |why: String| format!("{}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|why| named(format!("cannot be read: {why}")))?;
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let labels = match &*ending {
        "json" => of_json(&text),
        "yaml" | "yml" => of_yaml(&text).map(Labels::of),
        "csv" => of_columns(&text).map(Labels::of),
        _ => Err("labels are windows of the Numenta benchmark (.json), a list (.yaml) or columns (.csv)".to_owned()),
    };
    labels.map_err(named)
}

fn window(series: &str, from: &str, to: &str, note: &str, place: String) -> Result<Window, String> {
    let said = |why: String| format!("{place}: {why}");
    let (from, to) = (when(from).map_err(said)?, when(to).map_err(said)?);
    if from > to {
        return Err(said(format!("the window ends at {to}, before it begins at {from}: change the two")));
    }
    let series = Some(series.trim()).filter(|series| !series.is_empty() && *series != EVERY).map(str::to_owned);
    Ok(Window { series, from, to, note: note.to_owned(), place })
}

/// `{"series": [["start", "end"], …]}`
fn of_json(text: &str) -> Result<Labels, String> {
    let labels: BTreeMap<String, Vec<(String, String)>> = serde_json::from_str(text)
        .map_err(|why| format!("{why}; labels in JSON are `{{\"series\": [[\"start\", \"end\"], …]}}`"))?;
    let mut windows = Vec::new();
    for (series, pairs) in &labels {
        for ((from, to), number) in pairs.iter().zip(1..) {
            windows.push(window(series, from, to, "", format!("window {number} of `{series}`"))?);
        }
    }
    let named = labels.into_keys().map(|series| (series.clone(), format!("the labels of `{series}`"))).collect();
    Ok(Labels { windows, named })
}

/// Columns `series,start,end,note`, of which the first and the last may be missing.
fn of_columns(text: &str) -> Result<Vec<Window>, String> {
    let mut rows = csv::rows(text)?.into_iter();
    let (_, header) = rows.next().ok_or("there is nothing in it: the first line is `series,start,end,note`")?;
    let place = |name: &str| header.iter().position(|column| column.trim().eq_ignore_ascii_case(name));
    let needed = |name: &str| {
        place(name).ok_or_else(|| format!("line 1: there is no column `{name}`: write `series,start,end,note`"))
    };
    let (series, start, end, note) = (place("series"), needed("start")?, needed("end")?, place("note"));
    let read = |(line, row): (usize, Vec<String>)| {
        let cell = |at: Option<usize>| at.and_then(|at| row.get(at)).map_or("", String::as_str);
        window(cell(series), cell(Some(start)), cell(Some(end)), cell(note), format!("line {line}"))
    };
    rows.map(read).collect()
}

/// A list of `{series, start, end, note}`.
fn of_yaml(text: &str) -> Result<Vec<Window>, String> {
    let line = |byte: usize| 1 + text.bytes().take(byte).filter(|byte| *byte == b'\n').count();
    let documents = parse(text).map_err(|(bytes, why)| format!("line {}: {why}", line(bytes.start)))?;
    let items = documents.iter().flat_map(|document| document.items().iter());
    let windows: Vec<Window> = items.map(|node| of_node(node, line(node.bytes.start))).collect::<Result<_, _>>()?;
    let is_list = documents
        .iter()
        .all(|document| document.is_null() || matches!(document.value, orion_suite::yaml::Value::List(_)));
    match is_list {
        true => Ok(windows),
        false => Err("line 1: labels are a list: `- { series: NAME, start: TIME, end: TIME, note: TEXT }`".to_owned()),
    }
}

fn of_node(node: &Node, line: usize) -> Result<Window, String> {
    let said = |name: &str| node.entry(name).and_then(Node::text).unwrap_or_default();
    for name in ["start", "end"] {
        if said(name).is_empty() {
            return Err(format!(
                "line {line}: `{name}` is missing: `- {{ series: NAME, start: TIME, end: TIME, note: TEXT }}`"
            ));
        }
    }
    window(said("series"), said("start"), said("end"), said("note"), format!("line {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(windows: &[Window]) -> Vec<(Option<&str>, i64, i64, &str)> {
        let of = |it: &'_ Window| (it.from.as_millis() / 1000, it.to.as_millis() / 1000);
        windows.iter().map(|it| (it.series.as_deref(), of(it).0, of(it).1, it.note.as_str())).collect()
    }

    #[test]
    fn the_three_forms_say_the_same() {
        let json = of_json(r#"{"a/b.csv": [["1970-01-01 00:01:00.000000", "1970-01-01 00:02:00.000000"]]}"#).unwrap();
        assert_eq!(told(&json.windows), [(Some("a/b.csv"), 60, 120, "")]);
        let json = json.windows;
        assert!(json[0].is_about("b.csv") && json[0].is_about("a/b.csv") && !json[0].is_about("a"));
        let columns = of_columns("series,start,end,note\n*,60,120,\"a, b\"\n").unwrap();
        assert_eq!(told(&columns), [(None, 60, 120, "a, b")]);
        let yaml =
            of_yaml("- { start: 60, end: 120, note: full }\n- series: x\n  start: 1970-01-01T00:01:00Z\n  end: 61\n")
                .unwrap();
        assert_eq!(told(&yaml), [(None, 60, 120, "full"), (Some("x"), 60, 61, "")]);
        assert_eq!(of_yaml("").unwrap(), []);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_what_to_do() {
        assert_eq!(
            of_columns("series,begin\n").unwrap_err(),
            "line 1: there is no column `start`: write `series,start,end,note`"
        );
        assert_eq!(
            of_columns("start,end\n120,60\n").unwrap_err(),
            "line 2: the window ends at 1970-01-01T00:01:00.000Z, before it begins at 1970-01-01T00:02:00.000Z: change the two"
        );
        assert!(of_yaml("\n- { start: 60 }\n").unwrap_err().starts_with("line 2: `end` is missing"));
        assert!(of_yaml("start: 60\n").unwrap_err().starts_with("line 1: labels are a list"));
        assert!(of_json("[1]").unwrap_err().contains("labels in JSON are"));
        assert!(of_json(r#"{"a": [["soon", "60"]]}"#).unwrap_err().starts_with("window 1 of `a`: `soon` is no time"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_readers(text in "[a-z0-9:,{}\\[\\]\"\n -]{0,80}") {
            let _ = (of_json(&text), of_yaml(&text), of_columns(&text));
        }
    }
}
