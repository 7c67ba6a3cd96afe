//! `orion incident mark`: what a person thought of an incident, for who evaluates rules later.
//!
//! One process has a data folder. So a host that runs there records the mark, asked over HTTP; where none runs, this command does.

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use orion_api::{Register, Weighed, Wish};
use orion_bus::{Ownership, SqliteBus, ownership};
use orion_model::{About, Clock, Marked, RecordId, Said};
use orion_pipeline::clock::SystemClock;
use orion_pipeline::marks::mark_stopped;
use serde_json::{Map, Value, json};

use super::incident::named;
use crate::arguments::{DataArgs, Output};
use crate::cli::Failure;
use crate::keep::RotateArgs;
use crate::output::{columns, form, print_list, print_value};
use crate::past::{Moment, moment};
use crate::sender::SenderArgs;
use crate::setup;
use crate::text::short_id;

/// Arguments of `orion incident mark`.
#[derive(Args)]
pub struct MarkArgs {
    /// Id of the incident, or how it begins
    #[arg(required_unless_present = "missed", requires = "opinion")]
    pub id: Option<String>,
    /// What you think of it
    #[arg(value_enum, group = "opinion")]
    pub verdict: Option<Verdict>,
    /// Take back what was marked last, of the incident or of the time
    #[arg(long, group = "opinion")]
    pub withdraw: bool,
    /// Mark a time in which something happened and no incident told of it
    #[arg(long, requires_all = ["from", "to"], conflicts_with = "id")]
    pub missed: bool,
    /// When what was missed began: 2026-01-31T12:00:00Z, or how long ago, as 2h
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "missed")]
    pub from: Option<Moment>,
    /// When it was over
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "missed")]
    pub to: Option<Moment>,
    /// Why, in one line
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub rotate: RotateArgs,
    #[command(flatten)]
    pub sender: SenderArgs,
}

/// What can be thought of an incident.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Verdict {
    /// It was right that it opened
    Useful,
    /// It should not have opened
    Noise,
}

/// Records it.
pub fn mark(args: &MarkArgs) -> Result<ExitCode, Failure> {
    let is_elsewhere = args.sender.there.remote.url.is_some();
    let marked = match ownership(&args.data.memory_dir()).map_err(Failure::configuration)? {
        Ownership::Nobody if !is_elsewhere => record(args, &args.data.memory_dir())?,
        _ => ask(args)?,
    };
    print_value(form(args.sender.output), &json!(marked), || format!("recorded: {}\n", marked.mark.message()))?;
    Ok(ExitCode::SUCCESS)
}

/// By a host that runs: the one that is named, or the one on the data folder.
fn ask(args: &MarkArgs) -> Result<Marked, Failure> {
    let (by, remote) = (args.sender.by()?, args.sender.there.remote()?);
    let now = SystemClock.now();
    let (path, mut body) = match (&args.id, args.from.zip(args.to)) {
        (Some(id), _) => (format!("api/v1/incidents/{}/marks", plain(id)?), Map::new()),
        (None, Some((from, to))) => {
            let time = [("from", json!(from.as_of(now))), ("to", json!(to.as_of(now)))];
            ("api/v1/missed".to_owned(), time.map(|(name, at)| (name.to_owned(), at)).into_iter().collect())
        }
        (None, None) => return Err(nothing()),
    };
    let path = if args.withdraw { format!("{path}/withdraw") } else { path };
    let verdict = args.verdict.map(|verdict| ("verdict".to_owned(), word(verdict).into()));
    let by = by.map(|by| ("by".to_owned(), by.into()));
    let note = args.note.as_ref().map(|note| ("note".to_owned(), note.as_str().into()));
    body.extend(verdict.into_iter().chain(by).chain(note));
    let answer = setup::runtime()?.block_on(remote.post(&path, &Value::Object(body)));
    serde_json::from_value(answer.map_err(Failure::Configuration)?).map_err(Failure::configuration)
}

/// By this process: no host runs.
fn record(args: &MarkArgs, memory_dir: &Path) -> Result<Marked, Failure> {
    let by = args.sender.name()?;
    let now = SystemClock.now();
    let mut reader = SqliteBus::open_read_only(memory_dir).map_err(Failure::configuration)?;
    let register = Register::read(&mut reader).map_err(Failure::configuration)?;
    drop(reader);
    let wish = match (&args.id, args.from.zip(args.to)) {
        (Some(id), _) => of_incident(named(&register, id)?.id, args.verdict),
        (None, Some((from, to))) => {
            let said = Said::missed(from.as_of(now), to.as_of(now));
            if args.withdraw { Wish::Withdraw(said.about()) } else { Wish::Say(said) }
        }
        (None, None) => return Err(nothing()),
    };
    match register.weigh(wish, by, args.note.clone()).map_err(Failure::configuration)? {
        Weighed::Stands(same) => Ok(same),
        Weighed::New { mark, before } => {
            let recorded = mark_stopped(memory_dir, args.rotate.rotate_bytes, mark, before, now);
            setup::runtime()?.block_on(recorded).map_err(Failure::configuration)
        }
    }
}

/// What is thought of an incident; who thinks nothing of it any more withdraws.
const fn of_incident(incident_id: RecordId, verdict: Option<Verdict>) -> Wish {
    match verdict {
        Some(Verdict::Useful) => Wish::Say(Said::Useful { incident_id }),
        Some(Verdict::Noise) => Wish::Say(Said::Noise { incident_id }),
        None => Wish::Withdraw(About::Incident(incident_id)),
    }
}

/// Arguments of `orion incident marks`.
#[derive(Args)]
pub struct MarksArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// How the list looks [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
}

/// Lists what counts: the last mark of each incident, and what was missed; nothing that is withdrawn.
pub fn marks(args: &MarksArgs) -> Result<ExitCode, Failure> {
    let mut reader = SqliteBus::open_read_only(&args.data.memory_dir()).map_err(Failure::configuration)?;
    let register = Register::read(&mut reader).map_err(Failure::configuration)?;
    let of_incidents = register.newest(None).filter_map(|known| known.mark().cloned());
    let mut marks: Vec<Marked> = of_incidents.chain(register.missed().cloned()).collect();
    marks.sort_by_key(|marked| (std::cmp::Reverse(marked.ts), marked.event_id));
    let values = marks.iter().map(|marked| json!(marked)).collect();
    print_list(form(args.output), values, |_| table(&marks))?;
    Ok(ExitCode::SUCCESS)
}

fn table(marks: &[Marked]) -> String {
    if marks.is_empty() {
        return "no marks\n".to_owned();
    }
    let row = |marked: &Marked| {
        let about = match &marked.mark.said {
            Said::Useful { incident_id } | Said::Noise { incident_id } => short_id(&incident_id.to_string()),
            Said::Missed { from, to } => format!("{from} to {to}"),
        };
        let note = marked.mark.note.clone().unwrap_or_default();
        vec![marked.ts.to_string(), marked.mark.said.verdict().to_owned(), about, marked.mark.by.clone(), note]
    };
    columns(&["MARKED", "VERDICT", "ABOUT", "BY", "NOTE"], &marks.iter().map(row).collect::<Vec<_>>())
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Useful => "useful",
        Verdict::Noise => "noise",
    }
}

/// What clap lets through nobody: an incident or a window is there.
fn nothing() -> Failure {
    Failure::Configuration(
        "say which incident and what you think of it, or --missed with --from and --to; --withdraw takes it back"
            .to_owned(),
    )
}

/// An id goes into an address, where everything else would mean something else.
fn plain(id: &str) -> Result<&str, Failure> {
    match !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(id),
        false => Err(Failure::Configuration(format!("`{id}` is no id of an incident; see `orion incident list`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_into_an_address_is_an_id() {
        assert!(plain("5b1c90d2").is_ok());
        for wrong in ["", "../events", "5b 1c", "5b\r\n"] {
            assert!(plain(wrong).is_err(), "{wrong}");
        }
    }
}
