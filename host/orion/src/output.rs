//! Data on stdout in the form that was asked for: a table for people, JSON, NDJSON or YAML for programs.

use std::io::{IsTerminal, Write};

pub use orion_print::columns;
use orion_print::yaml;
use serde_json::Value;

use crate::arguments::Output;
use crate::cli::Failure;

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
