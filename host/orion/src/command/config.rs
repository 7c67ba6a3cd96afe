//! `orion config`: what counts and where it comes from, what is wrong with settings files, and one to begin with.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, Subcommand};
use serde_json::{Map, Value, json};

use crate::arguments::Output;
use crate::cli::{Cli, EXIT_CONFIGURATION, Failure};
use crate::output::{columns, form, print, print_list};
use crate::settings::{COMMANDS, Key, Places, Settings, keys};

/// Arguments of `orion config`.
#[derive(Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// What can be done with settings: look, and begin a file.
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Show every setting: its value, and whether a variable, a file or nobody set it
    Show {
        /// How it looks [default: table on a terminal, ndjson elsewhere]
        #[arg(long, value_enum)]
        output: Option<Output>,
    },
    /// Say everything that is wrong with settings files; nothing and exit code 0 when all is well
    Validate {
        /// The file [default: those that count]
        file: Option<PathBuf>,
    },
    /// Print a settings file in which everything stands with its default, to be edited
    Init {
        /// Write it to this file, which must not exist
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print the JSON Schema of settings files, for editors
    Schema,
    /// Show where settings files are looked for, and which are there; what is further down counts more
    Path {
        /// How it looks [default: table on a terminal, ndjson elsewhere]
        #[arg(long, value_enum)]
        output: Option<Output>,
    },
}

/// Does one of these.
pub fn config(args: &ConfigArgs, places: &Places, settings: &Settings) -> Result<ExitCode, Failure> {
    match &args.command {
        ConfigCommand::Show { output } => show(*output, settings)?,
        ConfigCommand::Validate { file } => return validate(file.as_ref(), settings),
        ConfigCommand::Init { out } => init(out.as_ref())?,
        ConfigCommand::Schema => print(&format!("{:#}\n", schema(&keys(&Cli::command()))))?,
        ConfigCommand::Path { output } => path(*output, places)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(output: Option<Output>, settings: &Settings) -> Result<(), Failure> {
    refuse(settings)?;
    let cli = settings.applied(Cli::command());
    let known = keys(&cli);
    let read = |command: &'static str| {
        // Whatever a variable holds that its flag would refuse is said as the flag would say it.
        let matches = cli.clone().try_get_matches_from(["orion", command]).map_err(|error| {
            Failure::Configuration(error.to_string().trim_start_matches("error: ").trim_end().to_owned())
        })?;
        Ok((command, matches.subcommand_matches(command).unwrap_or(&matches).clone()))
    };
    let matches: BTreeMap<&str, ArgMatches> = COMMANDS.into_iter().map(read).collect::<Result<_, Failure>>()?;
    let items = known.iter().filter_map(|key| Some(shown(key, matches.get(key.command)?, settings))).collect();
    print_list(form(output), items, |items| {
        let text = |item: &Value, member: &str| item.get(member).and_then(Value::as_str).unwrap_or("").to_owned();
        let rows: Vec<Vec<String>> =
            items.iter().map(|item| ["setting", "value", "origin"].map(|member| text(item, member)).into()).collect();
        columns(&["SETTING", "VALUE", "FROM"], &rows)
    })
}

fn shown(key: &Key, matches: &ArgMatches, settings: &Settings) -> Value {
    let id = key.argument.get_id().as_str();
    let raw = matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy().into_owned());
    let value = raw.map(|value| if key.may_be_secret() { without_password(&value) } else { value });
    let value = value.collect::<Vec<_>>().join(",");
    let origin = match (matches.value_source(id), settings.place(&key.name)) {
        (Some(ValueSource::EnvVariable), _) => key.variable.clone(),
        (Some(_), Some(place)) => place.to_owned(),
        _ => "default".to_owned(),
    };
    json!({ "setting": key.name, "value": value, "origin": origin, "variable": key.variable })
}

/// The address without what must not be shown.
fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
        Some((user, host)) => format!("{scheme}://{user}:***@{host}{path}"),
        None => address.to_owned(),
    }
}

fn validate(file: Option<&PathBuf>, settings: &Settings) -> Result<ExitCode, Failure> {
    let wrong = match file {
        Some(file) => {
            let places = Places { paths: vec![file.clone()], named: true };
            Settings::read(&places, &Cli::command()).map_err(Failure::Configuration)?.wrong()
        }
        None => settings.wrong(),
    };
    match wrong {
        None => Ok(ExitCode::SUCCESS),
        Some(said) => print(&said).map(|()| ExitCode::from(EXIT_CONFIGURATION)),
    }
}

/// Fails with what is wrong with the settings files, if anything is.
pub fn refuse(settings: &Settings) -> Result<(), Failure> {
    match settings.wrong() {
        None => Ok(()),
        Some(said) => Err(Failure::Configuration(format!("a settings file cannot be used\n{}", said.trim_end()))),
    }
}

fn init(out: Option<&PathBuf>) -> Result<(), Failure> {
    let text = template(&keys(&Cli::command()));
    let Some(path) = out else { return print(&text) };
    let failed = |why| Failure::Configuration(format!("{} cannot be made: {why}", path.display()));
    let mut file = std::fs::File::options().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

const TEMPLATE_HEAD: &str = "\
# Settings of Orion. A flag or a variable comes before what stands here; what does not stand here has its default.
# Take away the `#` before a setting to set it. Paths are seen from the folder of this file. Secrets lie in files of their own.
";

/// Every setting, none of them set.
fn template(keys: &[Key]) -> String {
    let mut text = TEMPLATE_HEAD.to_owned();
    let (with, without): (Vec<&Key>, Vec<&Key>) = keys.iter().partition(|key| key.name.contains('.'));
    let mut section = "";
    for key in without.into_iter().chain(with) {
        let (of, name) = key.name.split_once('.').unwrap_or(("", &key.name));
        if of != section {
            section = of;
            text += &format!("\n{section}:\n");
        } else if section.is_empty() {
            text.push('\n');
        }
        let indent = if section.is_empty() { "" } else { "  " };
        text += &format!("{indent}# {}\n", key.help());
        text += &format!("{indent}#{name}: {}\n", example(key));
    }
    text
}

/// The default, or what may stand there.
fn example(key: &Key) -> String {
    let default = key.default();
    match (default.as_slice(), key.is_list()) {
        ([], _) => {
            key.argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default()
        }
        (values, true) => format!("[{}]", values.join(", ")),
        (values, false) => values.join(","),
    }
}

/// What an editor needs to complete and check a settings file.
fn schema(keys: &[Key]) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let (section, name) = key.name.split_once('.').unwrap_or(("", &key.name));
        let within = match section {
            "" => &mut properties,
            section => {
                let object = json!({ "type": ["object", "null"], "properties": {}, "additionalProperties": false });
                let members = properties.entry(section).or_insert(object).get_mut("properties");
                let Some(members) = members.and_then(Value::as_object_mut) else { continue };
                members
            }
        };
        within.insert(name.to_owned(), schema_of(key));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of Orion",
        "type": ["object", "null"],
        "properties": properties,
        "patternProperties": { "^x-": {} },
        "additionalProperties": false,
    })
}

fn schema_of(key: &Key) -> Value {
    let words = key.words();
    let one = if words.is_empty() { json!({ "type": ["string", "number"] }) } else { json!({ "enum": words }) };
    let value = if key.is_list() { json!({ "anyOf": [one, { "type": "array", "items": one }] }) } else { one };
    let mut schema = json!({ "description": format!("{} ({})", key.help(), key.variable) });
    if let (Some(schema), Value::Object(value)) = (schema.as_object_mut(), value) {
        schema.extend(value);
    }
    schema
}

fn path(output: Option<Output>, places: &Places) -> Result<(), Failure> {
    let item = |path: &PathBuf| json!({ "path": path.display().to_string(), "exists": path.exists() });
    print_list(form(output), places.paths.iter().map(item).collect(), |_| {
        let there = |path: &PathBuf| if path.exists() { "there" } else { "not there" }.to_owned();
        let rows: Vec<Vec<String>> = places.paths.iter().map(|it| vec![it.display().to_string(), there(it)]).collect();
        columns(&["FILE", ""], &rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_prints_sets_nothing_and_everything_in_it_is_a_setting() {
        let cli = Cli::command();
        let known = keys(&cli);
        let names: Vec<&str> = known.iter().map(|key| key.name.as_str()).collect();
        let text = template(&known);
        assert_eq!(orion_rules::parse_settings(&text, &names), (vec![], vec![]));
        // Only the settings themselves have their `#` right before the name.
        let is_setting = |line: &str| line.trim_start().strip_prefix('#').is_some_and(|rest| !rest.starts_with(' '));
        let opened = |line: &str| if is_setting(line) { line.replacen('#', "", 1) } else { line.to_owned() };
        let set: String = text.lines().map(|line| opened(line) + "\n").collect();
        let (settings, wrong) = orion_rules::parse_settings(&set, &names);
        assert!(wrong.is_empty(), "{wrong:?}\n{set}");
        assert_eq!(settings.len(), known.len());
    }

    #[test]
    fn passwords_are_not_shown() {
        for (address, shown) in [
            ("http://p:9090", "http://p:9090"),
            ("http://me@p/x", "http://me@p/x"),
            ("https://me:secret@p:1/x@y", "https://me:***@p:1/x@y"),
            ("redis://:se:cr@et@r/2", "redis://:***@r/2"),
        ] {
            assert_eq!(without_password(address), shown);
        }
    }

    #[test]
    fn the_schema_has_every_setting() {
        let known = keys(&Cli::command());
        let schema = schema(&known);
        for key in &known {
            let pointer = format!("/properties/{}", key.name.replace('.', "/properties/"));
            assert!(schema.pointer(&pointer).is_some_and(|it| it["description"].is_string()), "{pointer}");
        }
        assert_eq!(schema.pointer("/properties/log/properties/format/enum/0"), Some(&json!("auto")));
    }
}
