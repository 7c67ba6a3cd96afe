//! Where settings come from: a flag comes before its variable, the variable before the settings files, these before the default.
//!
//! There is one list of settings: the flags of `orion run` that have a variable. A file sets them under the variable's name in lower case,
//! with sections in place of `__` ([`key_of`]). What files say becomes the default of the flag, for every command that has it, so
//! that there is one reader of values, one set of limits and one form of error.

mod file;
mod key;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::builder::OsStr;
use clap::{Arg, Command, ValueHint};
use orion_rules::Setting;

pub use file::SettingsFile;
pub use key::{COMMANDS, Key, key_of, keys};

/// What every settings file is called.
const FILE_NAME: &str = "orion.yaml";

/// Where those who run the machine put theirs.
const SYSTEM_FOLDER: &str = "/etc/orion";

/// Names one settings file, in the place of all others.
pub const CONFIG_FLAG: &str = "--config";
/// The same, as a variable.
pub const CONFIG_VARIABLE: &str = "ORION_CONFIG";

/// What the settings files say, one laid over the other.
pub struct Settings {
    /// Those that are there, what counts least first.
    pub files: Vec<SettingsFile>,
    found: BTreeMap<String, Found>,
}

/// What a file sets something to, and where.
#[derive(Clone)]
struct Found {
    values: Vec<String>,
    place: String,
}

/// Where settings files are looked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Places {
    /// What counts least first.
    pub paths: Vec<PathBuf>,
    /// Whether a file that is not there is an error: somebody named it.
    pub named: bool,
}

impl Places {
    /// For these arguments, with variables as `variable` gives them.
    pub fn of(arguments: &[String], variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        if let Some(path) = config_flag(arguments).or_else(|| variable(CONFIG_VARIABLE)) {
            return Self { paths: vec![PathBuf::from(path)], named: true };
        }
        let of_user = variable("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".config")));
        let of_user = of_user.map(|folder| folder.join("orion").join(FILE_NAME));
        let system = Path::new(SYSTEM_FOLDER).join(FILE_NAME);
        let paths = std::iter::once(system).chain(of_user).chain([PathBuf::from(FILE_NAME)]).collect();
        Self { paths, named: false }
    }
}

/// The value of `--config` among the arguments. It is looked for before the arguments are read, because what it names changes how they are.
fn config_flag(arguments: &[String]) -> Option<String> {
    let mut arguments = arguments.iter().take_while(|argument| *argument != "--");
    while let Some(argument) = arguments.next() {
        if argument == CONFIG_FLAG {
            return arguments.next().cloned();
        }
        if let Some(path) = argument.strip_prefix(CONFIG_FLAG).and_then(|rest| rest.strip_prefix('=')) {
            return Some(path.to_owned());
        }
    }
    None
}

impl Settings {
    /// Reads the files at these places. What is wrong with one is kept with it; a file that cannot be read is an error.
    pub fn read(places: &Places, cli: &Command) -> Result<Self, String> {
        let known = keys(cli);
        let mut files = Vec::new();
        for path in &places.paths {
            match SettingsFile::read(path, &known, cli)? {
                Some(file) => files.push(file),
                None if places.named => {
                    let said =
                        format!("{} does not exist; {CONFIG_FLAG} or {CONFIG_VARIABLE} names it", path.display());
                    return Err(said);
                }
                None => {}
            }
        }
        let found = files.iter().flat_map(SettingsFile::found).collect();
        Ok(Self { files, found })
    }

    /// What is wrong with the files, as text for a person; nothing when all is well.
    pub fn wrong(&self) -> Option<String> {
        let said: String = self.files.iter().map(SettingsFile::rendered).collect();
        (!said.is_empty()).then_some(said)
    }

    /// The command line with what the files say as defaults. A variable that is empty is an unset one, as compose files write it.
    pub fn applied(&self, command: Command) -> Command {
        command.mut_args(|argument| self.applied_to(argument)).mut_subcommands(|command| self.applied(command))
    }

    fn applied_to(&self, argument: Arg) -> Arg {
        let Some(variable) = argument.get_env().map(std::ffi::OsStr::to_os_string) else { return argument };
        let is_empty = std::env::var_os(&variable).is_some_and(|value| value.is_empty());
        let argument = if is_empty { argument.env(clap::builder::Resettable::<OsStr>::Reset) } else { argument };
        match variable.to_str().and_then(|variable| self.found.get(&key_of(variable))) {
            Some(found) => argument.default_values(found.values.iter().map(|value| OsStr::from(value.clone()))),
            None => argument,
        }
    }

    /// Where a file sets this: `/etc/orion/orion.yaml:3`.
    pub fn place(&self, key: &str) -> Option<&str> {
        self.found.get(key).map(|found| found.place.as_str())
    }
}

impl Found {
    /// A path in a file is seen from the folder of the file, wherever Orion is started.
    fn of(setting: &Setting, argument: &Arg, path: &Path) -> Self {
        let is_path = argument.get_value_hint() == ValueHint::AnyPath;
        let folder = path.parent().unwrap_or(Path::new(""));
        let seen = |value: &String| match is_path {
            true => folder.join(value).display().to_string(),
            false => value.clone(),
        };
        let place = format!("{}:{}", path.display(), setting.span.line);
        Self { values: setting.values.iter().map(seen).collect(), place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(arguments: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let variable = |name: &str| variables.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned());
        Places::of(&arguments, variable).paths.iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn what_is_nearer_comes_later_and_counts_more() {
        assert_eq!(places(&["run"], &[]), ["/etc/orion/orion.yaml", "orion.yaml"]);
        let home = ("HOME", "/home/me");
        let all = ["/etc/orion/orion.yaml", "/home/me/.config/orion/orion.yaml", "orion.yaml"];
        assert_eq!(places(&["run"], &[home, ("XDG_CONFIG_HOME", "")]), all);
        assert_eq!(places(&["run"], &[home, ("XDG_CONFIG_HOME", "/x")])[1], "/x/orion/orion.yaml");
    }

    #[test]
    fn a_file_that_is_named_is_the_only_one() {
        let variable = (CONFIG_VARIABLE, "v.yaml");
        assert_eq!(places(&["run"], &[variable]), ["v.yaml"]);
        assert_eq!(places(&["run", "--config", "f.yaml"], &[variable]), ["f.yaml"]);
        assert_eq!(places(&["--config=f.yaml", "run"], &[variable]), ["f.yaml"]);
        assert_eq!(places(&["run", "--", "--config", "f.yaml"], &[]).len(), 2);
    }
}
