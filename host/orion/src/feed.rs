//! Prints records as they come.

use std::sync::Arc;

use orion_bus::{Bus, Entry};
use tokio::sync::watch;

use crate::arguments::Output;
use crate::cli::Failure;
use crate::output::print;
use crate::text;

/// Records read at once.
const BATCH: usize = 256;

/// Prints a record in the form asked for.
pub fn print_entry(form: Output, entry: &Entry) -> Result<(), Failure> {
    match form {
        Output::Table => match text::line(entry) {
            Some(line) => print(&format!("{line}\n")),
            None => Ok(()),
        },
        Output::Ndjson => print(&format!("{}\n", entry.body)),
        Output::Json | Output::Yaml => {
            let body = serde_json::from_str(&entry.body).map_err(Failure::configuration)?;
            crate::output::print_value(form, &body, String::new)
        }
    }
}

/// Prints everything behind `after` as it comes, until `done` turns true and everything is printed.
pub async fn follow(
    bus: Arc<dyn Bus>,
    mut after: u64,
    form: Output,
    mut done: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let mut appended = bus.appended();
    loop {
        let entries = bus.read(after, BATCH).await.map_err(Failure::configuration)?;
        for entry in &entries {
            print_entry(form, entry)?;
            after = entry.seq;
        }
        if !entries.is_empty() {
            continue;
        }
        if *done.borrow() {
            return Ok(());
        }
        tokio::select! {
            _ = appended.changed() => {}
            _ = done.wait_for(|done| *done) => {}
        }
    }
}
