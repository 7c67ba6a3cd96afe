//! What every part of the checker shares while one file is read.

use std::collections::BTreeMap;

use crate::catalog::PluginCatalog;
use crate::diagnostic::Report;
use crate::expr::Effort;
use crate::keys::Text;
use crate::parameters::Plugins;
use crate::place;

/// One file being checked.
pub(crate) struct Checker<'t, 'c> {
    /// The name of the file.
    pub(crate) name: &'t str,
    /// What there is to say about it.
    pub(crate) report: Report<'t>,
    /// Plugins that rules may name.
    pub(crate) plugins: Plugins<'c>,
    /// Work left for the queries of the file.
    pub(crate) effort: Effort,
    /// Recording rules read so far.
    pub(crate) recording_rules: usize,
    /// Ids given, and how many rules asked for each.
    ids: BTreeMap<String, usize>,
}

impl<'t, 'c> Checker<'t, 'c> {
    /// Nothing read yet.
    pub(crate) fn new(name: &'t str, text: &'t str, catalog: &'c dyn PluginCatalog) -> Self {
        let plugins = Plugins::new(catalog);
        Self {
            name,
            report: Report::new(text),
            plugins,
            effort: Effort::default(),
            recording_rules: 0,
            ids: BTreeMap::new(),
        }
    }

    /// The id itself, or with `#2`, `#3`, … when it is taken: state is kept by id, and two rules must not share it.
    pub(crate) fn unique_id(&mut self, id: String) -> String {
        let mut free = id.clone();
        while self.ids.contains_key(&free) {
            // The count is kept, so that a thousand rules of one name are not a million look-ups.
            let count = self.ids.entry(id.clone()).or_insert(1);
            *count += 1;
            free = format!("{id}#{count}");
        }
        self.ids.insert(free.clone(), 1);
        free
    }

    /// The byte of the file at which byte `offset` of a text's value was written.
    pub(crate) fn place(&self, text: Text<'_>, offset: usize) -> usize {
        place::byte_of(&self.report.source, text, offset)
    }
}
