//! What can be set: the flags of `orion run`, and of `orion top` for who asks a host elsewhere, that have a variable.

use clap::{Arg, Command};

use super::CONFIG_VARIABLE;

/// One thing that can be set.
pub struct Key {
    /// What it is called in a settings file: `prometheus.url`.
    pub name: String,
    /// Its variable.
    pub variable: String,
    /// A command that has its flag.
    pub command: &'static str,
    /// The flag.
    pub argument: Arg,
}

/// Together these have every flag that can be set.
pub const COMMANDS: [&str; 2] = ["run", "top"];

/// The name in a settings file of what a variable sets: in lower case, without `ORION_`, and a section in the place of `__`. The plain
/// names of servers, such as `PROMETHEUS_URL`, belong to the section of their server.
pub fn key_of(variable: &str) -> String {
    let name = variable.to_ascii_lowercase();
    match name.strip_prefix("orion_") {
        Some(name) => name.replace("__", "."),
        None => name.replacen('_', ".", 1),
    }
}

/// Everything that can be set, in the order of the names.
pub fn keys(cli: &Command) -> Vec<Key> {
    let of_all = cli.get_arguments().map(|argument| (COMMANDS[0], argument));
    let of_one = COMMANDS.into_iter().filter_map(|name| Some((name, cli.find_subcommand(name)?)));
    let of_one = of_one.flat_map(|(name, command)| command.get_arguments().map(move |argument| (name, argument)));
    let key = |(command, argument): (&'static str, &Arg)| {
        let variable = argument.get_env()?.to_str().filter(|variable| *variable != CONFIG_VARIABLE)?.to_owned();
        Some(Key { name: key_of(&variable), variable, command, argument: argument.clone() })
    };
    let mut keys: Vec<_> = of_all.chain(of_one).filter_map(key).collect();
    keys.sort_by(|one, other| one.name.cmp(&other.name));
    keys.dedup_by(|one, other| one.name == other.name);
    keys
}

impl Key {
    /// What its help says, in one line.
    pub fn help(&self) -> String {
        self.argument.get_help().map(ToString::to_string).unwrap_or_default()
    }

    /// Its values, where only some words are any.
    pub fn words(&self) -> Vec<String> {
        self.argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect()
    }

    /// Its default; nothing where there is none.
    pub fn default(&self) -> Vec<String> {
        self.argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect()
    }

    /// Whether a list may be given.
    pub fn is_list(&self) -> bool {
        self.argument.get_value_delimiter().is_some()
    }

    /// Whether its value may hold a secret.
    pub fn may_be_secret(&self) -> bool {
        self.argument.is_hide_env_values_set()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn the_name_of_a_key_follows_from_its_variable() {
        for (variable, key) in [
            ("PROMETHEUS_URL", "prometheus.url"),
            ("REDIS_PORT", "redis.port"),
            ("ORION_POLL_INTERVAL", "poll_interval"),
            ("ORION_MEMORY__KEEP_BYTES", "memory.keep_bytes"),
        ] {
            assert_eq!(key_of(variable), key);
        }
    }

    /// So that one list of them is the whole: what a file sets for one command is set for all that have it.
    #[test]
    fn every_variable_of_a_command_can_stand_in_a_file() {
        fn variables(command: &Command, found: &mut BTreeSet<String>) {
            found.extend(command.get_arguments().filter_map(|it| Some(it.get_env()?.to_str()?.to_owned())));
            command.get_subcommands().for_each(|command| variables(command, found));
        }
        let cli = Cli::command();
        let mut all = BTreeSet::new();
        variables(&cli, &mut all);
        all.remove(CONFIG_VARIABLE);
        let known: BTreeSet<String> = keys(&cli).into_iter().map(|key| key.variable).collect();
        assert_eq!(all, known);
    }

    #[test]
    fn no_name_is_the_section_of_another() {
        let names: Vec<String> = keys(&Cli::command()).into_iter().map(|key| key.name).collect();
        for name in &names {
            assert!(!names.iter().any(|other| other.starts_with(&format!("{name}."))), "{name}");
        }
    }
}
