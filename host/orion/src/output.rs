//! Data on stdout in the form that was asked for: a table for people, JSON, NDJSON or YAML for programs.

use std::io::{IsTerminal, Write};

use serde_json::Value;

use crate::cli::{Failure, Output};

/// The form to use: what was asked for, a table on a terminal, NDJSON in a pipe.
pub fn form(asked: Option<Output>) -> Output {
    asked.unwrap_or(if std::io::stdout().is_terminal() { Output::Table } else { Output::Ndjson })
}

/// Prints one document.
pub fn print_value(form: Output, value: &Value, table: impl FnOnce() -> String) -> Result<(), Failure> {
    match form {
        Output::Table => print(&table()),
        Output::Json => print(&format!("{value:#}\n")),
        Output::Ndjson => print(&format!("{value}\n")),
        Output::Yaml => print(&yaml(value)),
    }
}

/// Prints a list: as one document, or an item a line.
pub fn print_list(form: Output, items: Vec<Value>, table: impl FnOnce(&[Value]) -> String) -> Result<(), Failure> {
    match form {
        Output::Table => print(&table(&items)),
        Output::Ndjson => items.iter().try_for_each(|item| print(&format!("{item}\n"))),
        Output::Json | Output::Yaml => print_value(form, &Value::Array(items), String::new),
    }
}

/// Writes to stdout. A reader that went away ends the command: there is nobody to tell.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| Failure::Configuration(format!("stdout cannot be written: {error}")))
}

/// Columns as wide as their widest cell, two spaces apart; the last one as long as it is.
pub fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(&mut header.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// Block YAML of a JSON value. Texts are always quoted as JSON does it, which is YAML too and leaves no text to be
/// mistaken for a number or a truth value.
fn yaml(value: &Value) -> String {
    let mut text = String::new();
    write_yaml(&mut text, value, 0);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn write_yaml(text: &mut String, value: &Value, indent: usize) {
    let pad = " ".repeat(indent);
    match value {
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut nested = String::new();
                write_yaml(&mut nested, item, indent + 2);
                text.push_str(&format!("{pad}- {}", nested.trim_start()));
                end_line(text);
            }
        }
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                let name = Value::from(name.as_str());
                match member {
                    Value::Array(inner) if !inner.is_empty() => text.push_str(&format!("{pad}{name}:\n")),
                    Value::Object(inner) if !inner.is_empty() => text.push_str(&format!("{pad}{name}:\n")),
                    scalar => {
                        text.push_str(&format!("{pad}{name}: {scalar}\n"));
                        continue;
                    }
                }
                write_yaml(text, member, indent + 2);
                end_line(text);
            }
        }
        scalar => text.push_str(&format!("{pad}{scalar}")),
    }
}

fn end_line(text: &mut String) {
    if !text.ends_with('\n') {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_is_block_style_with_quoted_texts() {
        let value = serde_json::json!({"id": "1", "labels": {"a": "yes"}, "list": [1, {"b": [], "c": [true]}]});
        let want =
            "\"id\": \"1\"\n\"labels\":\n  \"a\": \"yes\"\n\"list\":\n  - 1\n  - \"b\": []\n    \"c\":\n      - true\n";
        assert_eq!(yaml(&value), want);
    }

    #[test]
    fn columns_line_up_and_trail_no_spaces() {
        let rows = vec![vec!["a".to_owned(), "long text".to_owned()], vec!["bbb".to_owned(), String::new()]];
        assert_eq!(columns(&["ID", "WHAT"], &rows), "ID   WHAT\na    long text\nbbb\n");
    }
}
