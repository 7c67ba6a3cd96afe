//! One file being read: its text, and everything that is wrong with it.

use std::collections::BTreeSet;
use std::ops::Range;

use orion_model::parse_duration;
use orion_rules::{Diagnostic, Level, Span, render};

use super::tree::{Node, Value};

/// A file being read.
pub struct Page<'t> {
    name: String,
    text: &'t str,
    line_starts: Vec<usize>,
    wrong: Vec<Diagnostic>,
}

/// A mapping whose keys are known.
pub struct Fields<'n> {
    /// The bytes of the whole mapping.
    pub bytes: Range<usize>,
    entries: Vec<(&'n str, &'n Node)>,
}

impl<'t> Page<'t> {
    /// A file of this name with this text.
    pub fn new(name: impl Into<String>, text: &'t str) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(after_breaks).collect();
        Self { name: name.into(), text, line_starts, wrong: Vec::new() }
    }

    /// The line of a byte, counted from 1.
    pub fn line(&self, byte: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= byte)
    }

    /// Something is wrong there.
    pub fn wrong(&mut self, bytes: &Range<usize>, message: impl Into<String>, help: Option<String>) {
        let line = self.line(bytes.start);
        let line_start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let column = self.text.get(line_start..bytes.start).map_or(1, |before| before.chars().count() + 1);
        let span = Some(Span { line, column, bytes: bytes.clone() });
        self.wrong.push(Diagnostic { level: Level::Error, message: message.into(), span, label: String::new(), help });
    }

    /// Everything that is wrong, for a person; `None` when nothing is.
    pub fn verdict(mut self) -> Option<String> {
        self.wrong.sort_by_key(|diagnostic| diagnostic.span.as_ref().map(|span| span.bytes.start));
        (!self.wrong.is_empty()).then(|| render(&self.wrong, &self.name, self.text, false))
    }

    /// Reads a mapping that has these keys and no others.
    pub fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<Fields<'n>> {
        let Value::Map(pairs) = &node.value else {
            self.wrong(&node.bytes, format!("{what} must be a mapping, but is {}", node.described()), None);
            return None;
        };
        let mut entries: Vec<(&str, &Node)> = Vec::new();
        for (key, value) in pairs {
            let Some(name) = key.text() else {
                self.wrong(&key.bytes, format!("a key of {what} must be a text"), None);
                continue;
            };
            if entries.iter().any(|(other, _)| *other == name) {
                self.wrong(&key.bytes, format!("`{name}` stands twice in {what}"), None);
            } else if known.contains(&name) {
                entries.push((name, value));
            } else if !name.starts_with("x-") {
                let help = format!("known here: {}", known.join(", "));
                self.wrong(&key.bytes, format!("unknown key `{name}` in {what}"), Some(help));
            }
        }
        Some(Fields { bytes: node.bytes.clone(), entries })
    }

    /// Texts by name, such as labels. Names are those of the file, in its order.
    pub fn texts<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(&'n str, &'n str)> {
        let Value::Map(pairs) = &node.value else {
            self.wrong(&node.bytes, format!("{what} must be a mapping, but is {}", node.described()), None);
            return Vec::new();
        };
        let mut seen = BTreeSet::new();
        let mut texts = Vec::new();
        for (key, value) in pairs {
            match (key.text(), value.text()) {
                (Some(name), Some(_)) if !seen.insert(name) => {
                    self.wrong(&key.bytes, format!("`{name}` stands twice in {what}"), None);
                }
                (Some(name), Some(_)) if value.is_null() => texts.push((name, "")),
                (Some(name), Some(text)) => texts.push((name, text)),
                _ => self.wrong(&key.bytes, format!("{what} must be texts by name"), None),
            }
        }
        texts
    }

    /// A text that must be there.
    pub fn needed<'n>(&mut self, fields: &Fields<'n>, name: &str, what: &str) -> Option<&'n str> {
        match fields.get(name) {
            Some(node) => self.text_of(node, name),
            None => {
                self.wrong(&fields.bytes, format!("{what} needs `{name}`"), None);
                None
            }
        }
    }

    /// A text that may be there.
    pub fn text<'n>(&mut self, fields: &Fields<'n>, name: &str) -> Option<&'n str> {
        self.text_of(fields.get(name)?, name)
    }

    fn text_of<'n>(&mut self, node: &'n Node, name: &str) -> Option<&'n str> {
        if node.text().is_none() {
            self.wrong(&node.bytes, format!("`{name}` must be a text, but is {}", node.described()), None);
        }
        node.text()
    }

    /// A duration in milliseconds that may be there.
    pub fn duration(&mut self, fields: &Fields<'_>, name: &str) -> Option<i64> {
        let node = fields.get(name)?;
        let text = self.text_of(node, name)?;
        let millis = parse_duration(text);
        if millis.is_none() {
            let help = "write a number and a unit, largest unit first: 500ms, 30s, 5m, 1h30m, 2d".to_owned();
            self.wrong(&node.bytes, format!("`{name}` must be a duration, but is `{text}`"), Some(help));
        }
        millis
    }

    /// The items of a list that may be there.
    pub fn list<'n>(&mut self, fields: &Fields<'n>, name: &str) -> &'n [Node] {
        let Some(node) = fields.get(name) else { return &[] };
        if !matches!(node.value, Value::List(_)) {
            self.wrong(&node.bytes, format!("`{name}` must be a list, but is {}", node.described()), None);
        }
        node.items()
    }

    /// Texts of a list that may be there.
    pub fn text_list<'n>(&mut self, fields: &Fields<'n>, name: &str) -> Vec<&'n str> {
        let items = self.list(fields, name);
        items.iter().filter_map(|item| self.text_of(item, name)).collect()
    }
}

impl<'n> Fields<'n> {
    /// The value of a key, unless nothing is there.
    pub fn get(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(key, value)| *key == name && !value.is_null()).map(|(_, value)| *value)
    }

    /// Whether the key is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(key, _)| *key == name)
    }
}
