//! `orion tail`: what was recorded last, and what is recorded from now on.

use std::process::ExitCode;
use std::time::Duration;

use orion_bus::SqliteBus;

use crate::cli::{Failure, TailArgs};
use crate::feed::print_entry;
use crate::output::form;
use crate::setup::{self, Signals};

/// Records read at once.
const BATCH: usize = 256;

/// How often to look for new records: another process writes them, and nothing tells this one.
const LOOK_MILLIS: u64 = 200;

/// Prints the last records; with `--follow` goes on until a signal.
pub fn tail(args: &TailArgs) -> Result<ExitCode, Failure> {
    let mut reader = SqliteBus::open_read_only(&args.data.memory_dir()).map_err(Failure::configuration)?;
    let form = form(args.output);
    let last = reader.last_seq().map_err(Failure::configuration)?;
    let mut after = last.saturating_sub(args.lines);
    let mut print_new = move || -> Result<(), Failure> {
        loop {
            let entries = reader.read(after, BATCH).map_err(Failure::configuration)?;
            for entry in &entries {
                print_entry(form, entry)?;
                after = entry.seq;
            }
            if entries.len() < BATCH {
                return Ok(());
            }
        }
    };
    print_new()?;
    if !args.follow {
        return Ok(ExitCode::SUCCESS);
    }
    setup::runtime()?.block_on(async {
        let mut signals = Signals::catch()?;
        let mut look = tokio::time::interval(Duration::from_millis(LOOK_MILLIS));
        loop {
            tokio::select! {
                _ = look.tick() => print_new()?,
                () = signals.received() => return Ok(ExitCode::SUCCESS),
            }
        }
    })
}
