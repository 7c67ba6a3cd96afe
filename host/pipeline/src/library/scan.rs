//! One look at the folders: what has changed is read, parsed and compiled. Nothing of it takes effect yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use orion_model::Clock;
use orion_sandbox::Plugin;
use orion_trust::{Fault, Gate};

use super::{Checked, Library, LibraryError, Seen, digest_of, folder};

impl Library {
    /// Looks at the folders. Blocking: reads, parses and compiles what has changed. Takes effect with [`Self::accept`].
    ///
    /// The clock is only looked at for plugins on trial: one that runs faster than time begins when it is looked at, and what
    /// is set up before is to take no time on it.
    pub fn scan(&mut self, clock: &dyn Clock) -> Result<(), LibraryError> {
        self.scan_plugins(clock)?;
        self.scan_rules()?;
        let rules = &self.rules;
        let runs_with = |plugin: &Plugin| rules.values().any(|entry| entry.runs_last_good_with(plugin));
        self.removed_plugins.retain(|_, admitted| runs_with(&admitted.plugin));
        Ok(())
    }

    fn scan_plugins(&mut self, clock: &dyn Clock) -> Result<(), LibraryError> {
        let mut files = match &self.settings.plugins_dir {
            Some(dir) => folder::read(dir, folder::PLUGINS)?,
            None => BTreeMap::new(),
        };
        self.plugin_files.look(&mut files);
        let is_gone = |name: &String| !files.contains_key(name) && !self.plugin_files.is_missed(name);
        let gone: Vec<String> = self.plugins.keys().filter(|name| is_gone(name)).cloned().collect();
        for name in gone {
            if let Some(admitted) = self.plugins.remove(&name).and_then(|entry| entry.accepted) {
                self.removed_plugins.insert(name, admitted);
            }
        }
        self.removed_plugins.retain(|name, _| !files.contains_key(name));
        let gate = self.settings.gate();
        self.note_faults(&gate);
        for (name, content) in files {
            let entry = self.plugins.entry(name.clone()).or_default();
            entry.look(&name, content, &gate, &self.sandbox, &self.store, clock);
        }
        self.plugins.iter_mut().for_each(|(name, entry)| entry.judge(name, clock));
        Ok(())
    }

    /// A damaged lock or key is said once, also when there is no plugin file that it could be about.
    fn note_faults(&mut self, gate: &Gate) {
        let faults: Vec<Fault> = gate.faults().cloned().collect();
        for fault in faults.iter().filter(|fault| !self.gate_faults.contains(fault)) {
            tracing::error!(file = fault.file, "no new plugin file is taken: {}", fault.message);
        }
        self.gate_faults = faults;
    }

    fn scan_rules(&mut self) -> Result<(), LibraryError> {
        let mut files = folder::read(&self.settings.rules_dir, folder::RULES)?;
        self.rule_files.look(&mut files);
        for (name, text) in self.settings.builtin_rules.iter().filter(|(name, _)| !self.rule_files.is_missed(name)) {
            files.entry((*name).to_owned()).or_insert_with(|| Ok(text.as_bytes().to_vec()));
        }
        files.extend(self.sets.correlating().into_iter().map(|(name, text)| (name, Ok(text.into_bytes()))));
        self.rules.retain(|name, _| files.contains_key(name) || self.rule_files.is_missed(name));
        let shelf = self.shelf();
        for (name, content) in files {
            let text = content.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned()));
            let seen =
                text.as_ref().ok().map(|text| Seen { text: digest_of(text.as_bytes()), shelf: shelf.fingerprint() });
            if seen.is_some() && self.rules.get(&name).is_some_and(|entry| seen == entry.seen) {
                continue;
            }
            let checked = match text {
                Ok(text) => self.judge(&name, &text, &shelf),
                Err(why) => Checked::unreadable(&name, &why),
            };
            let entry = self.rules.entry(name.clone()).or_default();
            entry.seen = seen;
            match checked.accepted {
                Some(accepted) => {
                    entry.accepted = Some(Arc::new(accepted));
                    entry.refused = None;
                }
                None => {
                    let last_good = if entry.accepted.is_some() {
                        "its last good version runs"
                    } else {
                        "it has no last good version"
                    };
                    tracing::error!(file = name, "rule file refused, {last_good}:\n{}", checked.report);
                    entry.refused = Some(checked.report);
                }
            }
        }
        Ok(())
    }
}
