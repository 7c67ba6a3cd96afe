//! What the rules of a Sigma file are called, and which events are theirs.

use std::collections::BTreeMap;

use crate::event_type::default_event_type;
use crate::keys::Text;
use crate::tree::{Node, Value};

/// The Sigma documents of one file, by their ids and names.
#[derive(Debug, Default)]
pub(crate) struct Documents<'n> {
    /// What a rule over logs is called; nothing for a correlation.
    by_reference: BTreeMap<&'n str, Option<&'n str>>,
}

/// A rule that a correlation refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SigmaRule<'n> {
    /// As the correlation refers to it.
    pub(super) reference: &'n str,
    /// What it is called.
    pub(super) name: &'n str,
}

impl<'n> Documents<'n> {
    /// Takes note of a document.
    pub(crate) fn add(&mut self, document: &'n Node, is_correlation: bool) {
        let text = |key| match document.entry(key).map(|node| &node.value) {
            Some(Value::Scalar(scalar)) => Some(scalar.text.as_str()),
            _ => None,
        };
        let called = text("name").or_else(|| text("title")).filter(|_| !is_correlation);
        for reference in ["id", "name"].into_iter().filter_map(text) {
            self.by_reference.entry(reference).or_insert(called);
        }
    }

    /// Whether a reference is to a correlation.
    pub(super) fn is_correlation(&self, reference: &str) -> bool {
        self.by_reference.get(reference).is_some_and(Option::is_none)
    }

    /// What is referred to. A rule that is not in the file is known by the reference alone.
    pub(super) fn resolve(&self, reference: Text<'n>) -> SigmaRule<'n> {
        let reference = reference.as_str();
        let name = self.by_reference.get(reference).copied().flatten().unwrap_or(reference);
        SigmaRule { reference, name }
    }
}

impl SigmaRule<'_> {
    /// The types that its events have: its name as it is written, and as an alert of that name would have it.
    pub(super) fn event_types(&self) -> impl Iterator<Item = String> + use<> {
        let (written, usual) = (self.name.to_owned(), default_event_type(self.name));
        let is_usual = written == usual;
        std::iter::once(written).chain((!is_usual).then_some(usual))
    }

    /// Whether a word of a condition or an alias means it.
    pub(super) fn is_called(&self, word: &str) -> bool {
        self.reference == word || self.name == word
    }
}

/// A line that the correlators understand: events of any of these rules.
pub(super) fn selector<'r, 'n: 'r>(rules: impl Iterator<Item = &'r SigmaRule<'n>>) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let types = rules.flat_map(SigmaRule::event_types).filter(|event_type| !event_type.contains('"'));
    let written = |event_type: String| {
        if event_type.chars().all(is_plain) { event_type } else { format!("\"{event_type}\"") }
    };
    format!("event_type={}", types.map(written).collect::<Vec<_>>().join("|"))
}

/// Whether a name is one that only machines know it by.
pub(super) fn is_uuid(name: &str) -> bool {
    const PARTS: [usize; 5] = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = name.split('-').collect();
    let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    parts.iter().map(|part| part.len()).eq(PARTS) && parts.iter().all(|part| is_hex(part))
}
