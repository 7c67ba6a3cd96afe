//! `orion logs`: what a running Orion last said in its log, here or elsewhere, and what it says next.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::listing::RunningArgs;
use crate::arguments::Output;
use crate::cli::Failure;
use crate::output::{form, print, print_list};
use crate::remote::Remote;
use crate::setup::{self, Signals};

/// How often is asked for what came: a person reads no faster.
const ASK_MILLIS: u64 = 1_000;

/// Lines that are given at once, by the interface.
const MOST_LINES: u16 = 500;

/// Arguments of `orion logs`.
#[derive(Args)]
pub struct LogsArgs {
    /// Go on with what comes, until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// Only lines that are as bad, or worse
    #[arg(long, value_enum, default_value_t = LineLevel::Trace)]
    pub level: LineLevel,
    /// How many of the last lines
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_LINES)))]
    pub lines: u16,
    #[command(flatten)]
    pub running: RunningArgs,
}

/// How bad a line is.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LineLevel {
    /// Something is lost or stands still
    Error,
    /// Something is not as it should be
    Warn,
    /// What happens
    Info,
    /// How it happens
    Debug,
    /// All there is
    Trace,
}

impl LineLevel {
    fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Shows them.
pub fn logs(args: &LogsArgs) -> Result<ExitCode, Failure> {
    let RunningArgs { listen, remote, output } = &args.running;
    let form = form(*output);
    if args.follow && !matches!(form, Output::Table | Output::Ndjson) {
        let why = "--follow: a list that goes on is no JSON or YAML document; ask for --output ndjson or table";
        return Err(Failure::Configuration(why.to_owned()));
    }
    let remote = Remote::of(remote, listen)?;
    setup::runtime()?.block_on(async {
        let last = format!("api/v1/logs?limit={}&level={}", args.lines, args.level.word());
        let Lines { items, newest } = ask(&remote, &last).await?;
        print_list(form, items, |items| items.iter().map(line).collect())?;
        match args.follow {
            true => follow(&remote, args.level, form, newest).await,
            false => Ok(()),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What was answered.
struct Lines {
    items: Vec<Value>,
    newest: u64,
}

async fn ask(remote: &Remote, path: &str) -> Result<Lines, Failure> {
    let answer = remote.get(path).await.map_err(Failure::Configuration)?;
    let items = answer.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(Lines { items, newest: answer.get("newest").and_then(Value::as_u64).unwrap_or(0) })
}

/// Goes on. A host that does not answer may be on its way back; that is said once, on stderr.
async fn follow(remote: &Remote, level: LineLevel, form: Output, mut after: u64) -> Result<(), Failure> {
    let mut signals = Signals::catch()?;
    let mut is_away = false;
    loop {
        tokio::select! {
            () = signals.received() => return Ok(()),
            () = tokio::time::sleep(Duration::from_millis(ASK_MILLIS)) => {}
        }
        let path = format!("api/v1/logs?limit={MOST_LINES}&level={}&after={after}", level.word());
        let Lines { items, newest } = match ask(remote, &path).await {
            Ok(lines) => lines,
            Err(error) => {
                if !std::mem::replace(&mut is_away, true) {
                    tracing::warn!("{error}; its next lines are waited for");
                }
                continue;
            }
        };
        is_away = false;
        // One that was started again begins with its first line.
        if newest < after {
            after = 0;
            continue;
        }
        let last = items.last().and_then(|line| line.get("number")).and_then(Value::as_u64);
        after = if items.len() < usize::from(MOST_LINES) { newest } else { last.unwrap_or(newest) };
        for item in &items {
            match form {
                Output::Table => print(&line(item))?,
                _ => print(&format!("{item}\n"))?,
            }
        }
    }
}

/// As on the terminal of the host: when, how bad, what, and what else it says.
fn line(item: &Value) -> String {
    let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    let fields = item.get("fields").and_then(Value::as_object).into_iter().flatten();
    let fields: String = fields.map(|(name, value)| format!(" {name}={value}")).collect();
    format!("{} {:>5} {}{fields}\n", text("ts"), text("level").to_uppercase(), text("message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_it_was_said() {
        let item = serde_json::json!({
            "number": 7, "ts": "2026-11-29T06:50:00.000000Z", "level": "warn", "message": "rules are away", "fields": { "file": "a.yaml", "n": 2 }
        });
        assert_eq!(line(&item), "2026-11-29T06:50:00.000000Z  WARN rules are away file=\"a.yaml\" n=2\n");
    }
}
