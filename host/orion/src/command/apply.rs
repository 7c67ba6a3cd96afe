//! `orion apply`: rule files of this machine become the next version of a rule set at a control host, whose agents fetch it.
//!
//! All that is wrong with them is said by the control host, which judges them with the plugins that it has, as `orion check` does here.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use orion_model::{Changes, DEFAULT_SET, FileSaid, Pushed, SetFile, SetVersion, is_set_name};
use orion_pipeline::library::{read_rule_file, rule_files};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cli::{EXIT_BAD_RULE, Failure};
use crate::output::{form, print_value};
use crate::remote::Offered;
use crate::sender::SenderArgs;
use crate::setup;

/// Arguments of `orion apply`.
#[derive(Args)]
pub struct ApplyArgs {
    /// Rule files, or folders of them: the whole of the set
    #[arg(short = 'f', long = "file", value_name = "PATH", num_args = 1.., required_unless_present = "back_to")]
    pub files: Vec<PathBuf>,
    /// The set
    #[arg(long, value_name = "NAME", default_value = DEFAULT_SET, value_parser = set_name)]
    pub set: String,
    /// Only say what would be other than it is
    #[arg(long)]
    pub dry_run: bool,
    /// Give it to so many agents at a time, the next when all before them run it
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub rolling: Option<u32>,
    /// Apply the files of an older version, as a new one; `orion get sets` says which are kept
    #[arg(long, value_name = "VERSION", conflicts_with = "files")]
    pub back_to: Option<u64>,
    /// Only when this is the version that is there
    #[arg(long, value_name = "VERSION")]
    pub base_version: Option<u64>,
    #[command(flatten)]
    pub sender: SenderArgs,
}

/// Why the files are not applied.
#[derive(Deserialize)]
struct Refused {
    said: Vec<FileSaid>,
}

/// Pushes the files. Exits with 2 when one of them cannot run.
pub fn apply(args: &ApplyArgs) -> Result<ExitCode, Failure> {
    let (by, remote) = (args.sender.by()?, args.sender.there.remote()?);
    let form = form(args.sender.output);
    let path = format!("api/v1/sets/{}", args.set);
    let runtime = setup::runtime()?;
    let files = match args.back_to {
        Some(version) => {
            let kept = runtime.block_on(remote.get(&format!("{path}?version={version}")));
            read::<SetVersion>(kept.map_err(Failure::Configuration)?)?.files
        }
        None => files(&args.files)?,
    };
    let mut body = Map::from_iter([("files".to_owned(), json!(files)), ("dry_run".to_owned(), args.dry_run.into())]);
    body.extend(by.map(|by| ("by".to_owned(), by.into())));
    body.extend(args.base_version.map(|version| ("base_version".to_owned(), version.into())));
    body.extend(args.rolling.map(|at_a_time| ("rollout".to_owned(), json!({ "at_a_time": at_a_time }))));
    let offered = runtime.block_on(remote.offer(&path, &Value::Object(body))).map_err(Failure::Configuration)?;
    match offered {
        Offered::Taken(pushed) => {
            let told: Pushed = read(pushed)?;
            print_value(form, &json!(told), || shown(&told, args))?;
            Ok(ExitCode::SUCCESS)
        }
        Offered::Refused(why) => {
            let Refused { said } = read(why)?;
            print_value(form, &json!({ "set": args.set, "applied": false, "said": said }), || {
                let refused = said.iter().filter(|said| !said.ok).count();
                format!("{}{refused} of {} files would be refused: nothing is applied\n", reports(&said), files.len())
            })?;
            Ok(ExitCode::from(EXIT_BAD_RULE))
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    let strange =
        |error| Failure::Configuration(format!("the answer is none that this version of orion knows: {error}"));
    serde_json::from_value(answer).map_err(strange)
}

/// The files, by the names that they have in their folders.
fn files(paths: &[PathBuf]) -> Result<Vec<SetFile>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let of_path = match path.is_dir() {
            true => rule_files(path).map_err(Failure::configuration)?,
            false => vec![path.clone()],
        };
        for path in of_path {
            let wrong = |why: String| Failure::Configuration(format!("{} cannot be read: {why}", path.display()));
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.ok_or_else(|| wrong("its name is no text".to_owned()))?.to_owned();
            files.push(SetFile { name, text: read_rule_file(&path).map_err(wrong)? });
        }
    }
    match files.is_empty() {
        true => Err(Failure::Configuration("no rule file (*.yaml, *.yml) is there".to_owned())),
        false => Ok(files),
    }
}

fn reports(said: &[FileSaid]) -> String {
    said.iter().map(|said| said.report.as_str()).collect()
}

fn shown(pushed: &Pushed, args: &ApplyArgs) -> String {
    let Pushed { set, version, applied, diff, said, .. } = pushed;
    let mut text = reports(said);
    for (kind, Changes { added, removed, changed }) in diff.kinds() {
        for (sign, ids) in [('+', added), ('-', removed), ('~', changed)] {
            text.extend(ids.iter().map(|id| format!("{sign} {kind} {id}\n")));
        }
    }
    let counts = diff.counts();
    text += &match (applied, args.dry_run, args.rolling) {
        (true, _, Some(count)) => {
            format!(
                "applied: version {version} of `{set}`, {counts}; given to {count} at a time, see `orion get sets`\n"
            )
        }
        (true, _, None) => format!("applied: version {version} of `{set}`, {counts}\n"),
        (false, true, _) => format!("would be version {version} of `{set}`: {counts}\n"),
        (false, false, _) => format!("nothing to apply: it is version {version} of `{set}`\n"),
    };
    text
}

fn set_name(text: &str) -> Result<String, String> {
    match is_set_name(text) {
        true => Ok(text.to_owned()),
        false => Err("a set is named by letters, digits, `-` and `_`".to_owned()),
    }
}
