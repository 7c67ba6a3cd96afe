//! `orion incident mark`: what a person thought of an incident, for who evaluates rules later.
//!
//! One process has a data folder. So a host that runs there records the mark, asked over HTTP; where none runs, this command does.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use orion_api::{Listen, Register};
use orion_bus::{Ownership, SqliteBus, ownership};
use orion_model::{Clock, Mark, Marked, Said};
use orion_pipeline::clock::SystemClock;
use orion_pipeline::marks::mark_stopped;
use serde_json::{Map, Value, json};

use super::healthcheck::reachable;
use super::incident::named;
use crate::asked::{Request, exchange};
use crate::cli::{DataArgs, Failure, ListenArgs, Output, duration};
use crate::keep::RotateArgs;
use crate::output::{columns, form, print_list, print_value};
use crate::past::{Moment, moment};
use crate::setup;
use crate::text::short_id;

/// Variables in which systems keep the name of who is logged in.
const USER_VARIABLES: [&str; 2] = ["USER", "LOGNAME"];

/// Arguments of `orion incident mark`.
#[derive(Args)]
pub struct MarkArgs {
    /// Id of the incident, or how it begins
    #[arg(required_unless_present = "missed", requires = "verdict")]
    pub id: Option<String>,
    /// What you think of it
    #[arg(value_enum)]
    pub verdict: Option<Verdict>,
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
    /// Who marks [default: the name you are logged in by]; where a token says so, that counts
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub rotate: RotateArgs,
    #[command(flatten)]
    pub listen: ListenArgs,
    /// The host that records it, as http://127.0.0.1:9600 [default: the one that runs on the data folder, at its --listen; if none
    /// runs, this command]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// File with a token of the role operator or admin, for a host that others reach
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// How long the host has to answer
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    pub timeout: i64,
    /// How the mark is printed [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
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
    let by = match &args.by {
        Some(by) => by.clone(),
        None => user()?,
    };
    let what = What { args, by };
    let marked = match &args.url {
        Some(url) => what.ask(&address_of(url)?)?,
        None => match ownership(&args.data.memory_dir()).map_err(Failure::configuration)? {
            Ownership::Nobody => what.record(&args.data.memory_dir())?,
            Ownership::Process(_) | Ownership::Elsewhere => what.ask(&listened(args.listen.listen)?)?,
        },
    };
    print_value(form(args.output), &json!(marked), || format!("recorded: {}\n", marked.mark.message()))?;
    Ok(ExitCode::SUCCESS)
}

struct What<'a> {
    args: &'a MarkArgs,
    by: String,
}

/// Where a host serves.
struct Served {
    address: SocketAddr,
    /// As it is called.
    name: String,
}

impl What<'_> {
    /// By the host that runs.
    fn ask(&self, served: &Served) -> Result<Marked, Failure> {
        let Self { args, by } = self;
        let now = SystemClock.now();
        let (path, body) = match (&args.id, args.verdict, args.from.zip(args.to)) {
            (Some(id), Some(verdict), _) => {
                (format!("/api/v1/incidents/{}/marks", plain(id)?), vec![("verdict".to_owned(), word(verdict).into())])
            }
            (_, _, Some((from, to))) => (
                "/api/v1/missed".to_owned(),
                vec![("from".to_owned(), json!(from.as_of(now))), ("to".to_owned(), json!(to.as_of(now)))],
            ),
            _ => return Err(nothing()),
        };
        let mut body = Map::from_iter(body);
        body.insert("by".to_owned(), by.as_str().into());
        if let Some(note) = &args.note {
            body.insert("note".to_owned(), note.as_str().into());
        }
        let token = args.token_file.as_deref().map(token).transpose()?;
        let body = Value::Object(body).to_string();
        let request =
            Request { method: "POST", path: &path, host: &served.name, token: token.as_deref(), body: Some(&body) };
        let timeout = Duration::from_millis(u64::try_from(args.timeout).unwrap_or(u64::MAX));
        let said = exchange(served.address, &request, timeout).map_err(|error| {
            Failure::Configuration(format!(
                "the host that runs does not answer at http://{}: {error}\nSay where it serves with --url, or by --listen or the settings file it \
                 was started with",
                served.name
            ))
        })?;
        let value: Value = serde_json::from_str(&said.body).unwrap_or_default();
        match said.status {
            200 => serde_json::from_value(value).map_err(Failure::configuration),
            status => {
                let detail = value.get("detail").and_then(Value::as_str).unwrap_or(said.body.trim());
                Err(Failure::Configuration(format!("http://{} answers {status}: {detail}", served.name)))
            }
        }
    }

    /// By this process: no host runs.
    fn record(&self, memory_dir: &Path) -> Result<Marked, Failure> {
        let Self { args, by } = self;
        let now = SystemClock.now();
        let mut reader = SqliteBus::open_read_only(memory_dir).map_err(Failure::configuration)?;
        let register = Register::read(&mut reader).map_err(Failure::configuration)?;
        drop(reader);
        let said = match (&args.id, args.verdict, args.from.zip(args.to)) {
            (Some(id), Some(verdict), _) => {
                let incident_id = named(&register, id)?.id;
                match verdict {
                    Verdict::Useful => Said::Useful { incident_id },
                    Verdict::Noise => Said::Noise { incident_id },
                }
            }
            (_, _, Some((from, to))) => Said::missed(from.as_of(now), to.as_of(now)),
            _ => return Err(nothing()),
        };
        let mark = Mark { said, by: by.clone(), note: args.note.clone() };
        mark.check().map_err(Failure::configuration)?;
        let before = register.marked(&mark.said);
        if let Some(same) = before.filter(|before| before.mark == mark) {
            return Ok(same.clone());
        }
        let before = before.map(|before| before.event_id);
        let recorded = mark_stopped(memory_dir, args.rotate.rotate_bytes, mark, before, now);
        setup::runtime()?.block_on(recorded).map_err(Failure::configuration)
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

/// Lists what counts: the last mark of each incident, and what was missed.
pub fn marks(args: &MarksArgs) -> Result<ExitCode, Failure> {
    let mut reader = SqliteBus::open_read_only(&args.data.memory_dir()).map_err(Failure::configuration)?;
    let register = Register::read(&mut reader).map_err(Failure::configuration)?;
    let of_incidents = register.newest(None).filter_map(|known| known.mark.clone());
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
    Failure::Configuration("say which incident and what you think of it, or --missed with --from and --to".to_owned())
}

/// An id goes into an address, where everything else would mean something else.
fn plain(id: &str) -> Result<&str, Failure> {
    match !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(id),
        false => Err(Failure::Configuration(format!("`{id}` is no id of an incident; see `orion incident list`"))),
    }
}

fn user() -> Result<String, Failure> {
    let named = USER_VARIABLES.iter().filter_map(|name| std::env::var(name).ok()).find(|name| !name.is_empty());
    named.ok_or_else(|| Failure::Configuration("nobody is logged in by a name: say who marks with --by".to_owned()))
}

fn token(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Configuration(format!("cannot read {}: {error}", path.display())))?;
    Ok(text.trim().to_owned())
}

fn listened(listen: Listen) -> Result<Served, Failure> {
    match listen {
        Listen::At(address) if address.port() != 0 => {
            let address = reachable(address);
            Ok(Served { address, name: address.to_string() })
        }
        _ => Err(Failure::Configuration(
            "an Orion runs on the data folder, and these settings do not say where it serves: give --url, or stop it"
                .to_owned(),
        )),
    }
}

fn address_of(url: &str) -> Result<Served, Failure> {
    let wrong = |why: &str| Failure::Configuration(format!("--url {url}: {why}"));
    if url.starts_with("https://") {
        return Err(wrong(
            "this command speaks no TLS: give a loopback address of the host, or send the mark with a client that does \
             (docs/http.md, `POST /api/v1/incidents/{id}/marks`)",
        ));
    }
    let name = url.strip_prefix("http://").ok_or_else(|| wrong("write it as http://127.0.0.1:9600"))?;
    let name = name.trim_end_matches('/');
    let found =
        name.to_socket_addrs().map_err(|error| wrong(&format!("{error}; write it as http://127.0.0.1:9600")))?;
    let address = found.into_iter().next().ok_or_else(|| wrong("there is no such host"))?;
    Ok(Served { address, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_host_serves_is_an_address_with_a_port() {
        assert_eq!(address_of("http://127.0.0.1:9600/").unwrap().name, "127.0.0.1:9600");
        for (wrong, said) in [
            ("https://127.0.0.1:9600", "speaks no TLS"),
            ("127.0.0.1:9600", "write it as"),
            ("http://127.0.0.1", "write it as"),
        ] {
            assert!(address_of(wrong).err().unwrap().to_string().contains(said), "{wrong}");
        }
        assert!(listened("none".parse().unwrap()).is_err());
        assert!(listened("127.0.0.1:0".parse().unwrap()).is_err());
        assert_eq!(listened("0.0.0.0:9600".parse().unwrap()).unwrap().name, "127.0.0.1:9600");
    }

    #[test]
    fn what_goes_into_an_address_is_an_id() {
        assert!(plain("5b1c90d2").is_ok());
        for wrong in ["", "../events", "5b 1c", "5b\r\n"] {
            assert!(plain(wrong).is_err(), "{wrong}");
        }
    }
}
