//! A rule set that is loaded to be looked at and not to be run: what a replay goes through the past with.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use orion_pipeline::library::{Accepted, Generation, Shelf, check, read_rule_file, rule_files};
use orion_sandbox::Sandbox;
use orion_trust::Gate;

use crate::arguments::PluginFolderArgs;
use crate::cli::Failure;
use crate::{setup, shipped};

/// The rules of a folder, or of one file, with the plugins they name and the rules inside the binary, as `orion run` would
/// take them. Here a file that is refused is the end: nobody wants to know what the past would have been without it.
pub fn load(rules: &Path, plugins: &PluginFolderArgs, interval_millis: i64) -> Result<Generation, Failure> {
    of_texts(&texts(rules)?, &shelf(plugins)?, interval_millis)
}

/// The same of texts, with the rules inside the binary.
pub fn of_texts(texts: &BTreeMap<String, String>, shelf: &Shelf, interval_millis: i64) -> Result<Generation, Failure> {
    let defaults = setup::defaults(interval_millis);
    let builtin = shipped::BUILTIN_RULES.iter().filter(|(name, _)| !texts.contains_key(*name)).copied();
    let all: BTreeMap<&str, &str> =
        texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).chain(builtin).collect();
    let mut accepted = Vec::new();
    for (name, text) in all {
        let checked = check(name, text, shelf, &defaults);
        match checked.accepted {
            Some(file) => accepted.push(file),
            None => return Err(Failure::BadRule(format!("a rule file is refused\n{}", checked.report))),
        }
    }
    Ok(Accepted::generation(&accepted))
}

/// The plugins inside the binary and those of the folder that may run.
pub fn shelf(plugins: &PluginFolderArgs) -> Result<Shelf, Failure> {
    shelf_in(&Arc::new(setup::sandbox(None)?), plugins)
}

/// The same in a sandbox that is there.
pub fn shelf_in(sandbox: &Arc<Sandbox>, plugins: &PluginFolderArgs) -> Result<Shelf, Failure> {
    let gate = Gate::read(&plugins.plugins, plugins.trusted_keys.as_deref());
    if let Some(fault) = gate.faults().next() {
        return Err(Failure::Configuration(fault.message.clone()));
    }
    let bad = |(name, why): (String, String)| Failure::BadRule(format!("plugin `{name}` does not load: {why}"));
    let mut shelf = Shelf::of_standard(sandbox, &shipped::standard_plugins()).map_err(bad)?;
    shelf.add_folder(sandbox, &plugins.plugins, &gate).map_err(Failure::BadRule)?;
    Ok(shelf)
}

/// Texts of a folder, or of one file, by the names that are the first part of ids.
pub fn texts(rules: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut texts = BTreeMap::new();
    let files = match rules.is_dir() {
        true => rule_files(rules).map_err(Failure::configuration)?,
        false if rules.exists() => vec![rules.to_owned()],
        false => {
            let rules = rules.display();
            return Err(Failure::Configuration(format!(
                "{rules} does not exist: name a rule file or a folder of them"
            )));
        }
    };
    for path in files {
        let text = read_rule_file(&path)
            .map_err(|why| Failure::BadRule(format!("{} cannot be read: {why}", path.display())))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        texts.insert(name, text);
    }
    Ok(texts)
}
