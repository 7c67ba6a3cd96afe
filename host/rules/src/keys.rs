//! Reading a mapping key by key: what is unknown, doubled or of the wrong kind is said, the rest is read on.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Range;

use orion_model::parse_duration;

use crate::diagnostic::Report;
use crate::scalar::Scalar;
use crate::tree::{Node, Value};

/// Keys that start like this belong to other tools; they are left alone everywhere.
pub(crate) const FOREIGN_PREFIX: &str = "x-";

/// Longer words are no typing slips, and comparing them costs the product of their lengths.
const MAX_SUGGESTED_CHARS: usize = 64;

/// A mapping with its keys as texts.
pub(crate) struct Fields<'n> {
    /// The bytes of the whole mapping.
    pub(crate) bytes: Range<usize>,
    entries: Vec<(&'n str, &'n Node, &'n Node)>,
}

/// A text and the node it stands in.
#[derive(Clone, Copy)]
pub(crate) struct Text<'n> {
    pub(crate) node: &'n Node,
    pub(crate) scalar: &'n Scalar,
}

impl<'n> Text<'n> {
    /// The text itself.
    pub(crate) fn as_str(&self) -> &'n str {
        &self.scalar.text
    }

    /// The bytes it covers.
    pub(crate) fn bytes(&self) -> &'n Range<usize> {
        &self.node.bytes
    }
}

impl<'n> Fields<'n> {
    /// Reads a mapping that may have any key. `what` names it in messages: "`labels`".
    pub(crate) fn any(report: &mut Report<'_>, node: &'n Node, what: &str) -> Option<Self> {
        let Value::Map(pairs) = &node.value else {
            report.error(&node.bytes, format!("{what} must be a mapping, but is {}", node.described()));
            return None;
        };
        let mut fields = Self { bytes: node.bytes.clone(), entries: Vec::new() };
        let mut seen = BTreeSet::new();
        let mut merges = Vec::new();
        for (key, value) in pairs {
            let Value::Scalar(scalar) = &key.value else {
                report.error(&key.bytes, format!("a key of {what} must be a text, but is {}", key.described()));
                continue;
            };
            let name = scalar.text.as_str();
            if name == "<<" {
                merges.push(value);
            } else if seen.insert(name) {
                fields.entries.push((name, key, value));
            } else {
                let message = format!("`{name}` stands twice in {what}");
                report.error(&key.bytes, message).label("already given above").help("keep one of the two");
            }
        }
        merges.into_iter().for_each(|value| fields.merge(report, value, &mut seen));
        Some(fields)
    }

    /// Reads a mapping that has these keys and no others.
    pub(crate) fn known(report: &mut Report<'_>, node: &'n Node, what: &str, known: &[&str]) -> Option<Self> {
        let mut fields = Self::any(report, node, what)?;
        fields.entries.retain(|(name, key, _)| {
            let is_known = known.contains(name);
            if !is_known && !name.starts_with(FOREIGN_PREFIX) {
                let help = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known here: {}", known.join(", ")),
                };
                report.error(&key.bytes, format!("unknown key `{name}` in {what}")).label("unknown").help(help);
            }
            is_known
        });
        Some(fields)
    }

    /// `<<: *anchor`, as YAML 1.1 has it and Prometheus reads it: keys of the mapping itself win.
    fn merge(&mut self, report: &mut Report<'_>, node: &'n Node, seen: &mut BTreeSet<&'n str>) {
        match &node.value {
            Value::Map(pairs) => {
                for (key, value) in pairs {
                    if let Value::Scalar(scalar) = &key.value
                        && seen.insert(&scalar.text)
                    {
                        self.entries.push((&scalar.text, key, value));
                    }
                }
            }
            Value::List(items) if items.iter().all(|item| matches!(item.value, Value::Map(_))) => {
                items.iter().for_each(|item| self.merge(report, item, seen));
            }
            _ => {
                let message = format!("`<<` merges a mapping or a list of mappings, but is {}", node.described());
                report.error(&node.bytes, message);
            }
        }
    }

    /// The value of a key, unless nothing is there.
    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(key, _, value)| *key == name && !value.is_null()).map(|(_, _, value)| *value)
    }

    /// The key itself, for messages about it.
    pub(crate) fn key(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(key, _, _)| *key == name).map(|(_, key, _)| *key)
    }

    /// All entries in file order: name, key, value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'n str, &'n Node, &'n Node)> {
        self.entries.iter().copied()
    }

    /// A text. Numbers and flags are taken as they are written, as Prometheus does.
    pub(crate) fn text(&self, report: &mut Report<'_>, name: &str) -> Option<Text<'n>> {
        text_of(report, self.get(name)?, &format!("`{name}`"))
    }

    /// A duration in milliseconds.
    pub(crate) fn duration(&self, report: &mut Report<'_>, name: &str) -> Option<i64> {
        let text = self.text(report, name)?;
        let millis = parse_duration(text.as_str());
        if millis.is_none() {
            let message = format!("`{name}` must be a duration, but is `{}`", text.as_str());
            report
                .error(text.bytes(), message)
                .label("no duration")
                .help("write a number and a unit, largest unit first: 500ms, 30s, 5m, 1h30m, 2d");
        }
        millis
    }

    /// The items of a list; none where there is no list.
    pub(crate) fn list(&self, report: &mut Report<'_>, name: &str) -> &'n [Node] {
        let Some(node) = self.get(name) else { return &[] };
        match &node.value {
            Value::List(items) => items,
            _ => {
                report.error(&node.bytes, format!("`{name}` must be a list, but is {}", node.described()));
                &[]
            }
        }
    }
}

/// A node as text; what is no scalar is said.
pub(crate) fn text_of<'n>(report: &mut Report<'_>, node: &'n Node, what: &str) -> Option<Text<'n>> {
    match &node.value {
        Value::Scalar(scalar) => Some(Text { node, scalar }),
        _ => {
            report.error(&node.bytes, format!("{what} must be a text, but is {}", node.described()));
            None
        }
    }
}

/// A text, or a list of them. What is no text is said and left out.
pub(crate) fn texts_of<'n>(report: &mut Report<'_>, node: &'n Node, what: &str) -> Vec<Text<'n>> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    items.iter().filter_map(|item| text_of(report, item, what)).collect()
}

/// The known word that was probably meant.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let chars = word.chars().take(MAX_SUGGESTED_CHARS + 1).count();
    if chars > MAX_SUGGESTED_CHARS {
        return None;
    }
    let lower = word.to_lowercase();
    let distance = |candidate: &str| strsim::damerau_levenshtein(&lower, candidate);
    // Of equally near words the one that begins alike: people slip late in a word.
    let alike = |candidate: &str| lower.chars().zip(candidate.chars()).take_while(|(a, b)| a == b).count();
    let rated = known.into_iter().map(|candidate| (distance(candidate), Reverse(alike(candidate)), candidate));
    rated.filter(|(distance, ..)| *distance <= (chars / 3).max(1)).min().map(|(.., candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;

    fn read(text: &str, known: &[&str]) -> (Vec<(String, String)>, Vec<String>) {
        let (documents, error) = tree::parse(text);
        assert_eq!(error, None);
        let mut report = Report::new(text);
        let fields = Fields::known(&mut report, &documents[0], "a group", known);
        let shown = |node: &Node| match &node.value {
            Value::Scalar(scalar) => scalar.text.clone(),
            _ => node.described().to_owned(),
        };
        let entries = fields.iter().flat_map(Fields::iter).map(|(name, _, value)| (name.to_owned(), shown(value)));
        let said = |d: crate::Diagnostic| format!("{}; {}", d.message, d.help.unwrap_or_default());
        (entries.collect(), report.finish().into_iter().map(said).collect())
    }

    #[test]
    fn an_unknown_key_is_said_with_the_nearest_known() {
        let (entries, said) = read("nmae: x\nzzz: 1\nx-team: me\nInterval: 1m", &["name", "interval"]);
        assert!(entries.is_empty());
        assert_eq!(said[0], "unknown key `nmae` in a group; did you mean `name`?");
        assert_eq!(said[1], "unknown key `zzz` in a group; known here: name, interval");
        assert_eq!(said[2], "unknown key `Interval` in a group; did you mean `interval`?");
        assert_eq!(said.len(), 3);
    }

    #[test]
    fn a_doubled_key_is_an_error() {
        let (entries, said) = read("name: x\nname: y", &["name"]);
        assert_eq!(entries, [("name".into(), "x".into())]);
        assert_eq!(said, ["`name` stands twice in a group; keep one of the two"]);
    }

    #[test]
    fn merged_keys_give_way_to_own_ones() {
        let (entries, said) = read("x-a: &a {name: a, limit: 1}\n<<: [*a]\nname: own", &["name", "limit"]);
        assert_eq!(entries, [("name".into(), "own".into()), ("limit".into(), "1".into())]);
        assert!(said.is_empty());
        assert_eq!(read("<<: 5", &[]).1, ["`<<` merges a mapping or a list of mappings, but is a number; "]);
    }

    #[test]
    fn what_is_no_mapping_is_said() {
        assert_eq!(read("- a", &[]).1, ["a group must be a mapping, but is a list; "]);
        assert_eq!(read("[a]: b", &[]).1, ["a key of a group must be a text, but is a list; "]);
    }

    #[test]
    fn only_slips_of_the_hand_are_guessed() {
        assert_eq!(nearest("expression", ["expr", "for"]), None);
        assert_eq!(nearest("fro", ["expr", "for"]), Some("for"));
        assert_eq!(nearest("rat", ["rad", "rate"]), Some("rate"));
        assert_eq!(nearest(&"x".repeat(100_000), [&*"x".repeat(100_000)]), None);
    }
}
