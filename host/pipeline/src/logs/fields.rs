//! What a record says by name: what was captured of it, and its fields where it has any.

use std::collections::BTreeMap;

use orion_rules::{LogEntry, LogFormat};
use serde_json::Value;

/// Fields that are read of one record; what comes behind them is not looked at.
const MAX_FIELDS: usize = 128;

/// Bytes of a value; the rest is left out. The whole line is in the event, too.
const MAX_VALUE_BYTES: usize = 4 * 1024;

/// How deep members of members are named: `request.headers.host`.
const MAX_DEPTH: usize = 4;

/// What a record that matches says by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// Named groups of what has to match.
    pub(super) captured: BTreeMap<String, String>,
    /// Fields of the record.
    pub(super) own: BTreeMap<String, String>,
}

impl Fields {
    /// A value by its name; what was captured comes first.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.captured.get(name).or_else(|| self.own.get(name)).map(String::as_str)
    }
}

/// What the record says, if it matches the entry.
pub(super) fn matched(entry: &LogEntry, text: &str) -> Option<Fields> {
    let mut fields = Fields::default();
    match entry.format {
        LogFormat::Text => {}
        LogFormat::Json => {
            let Ok(Value::Object(members)) = serde_json::from_str(text) else { return None };
            members.iter().for_each(|(name, value)| put(&mut fields.own, name, value, 1));
        }
        LogFormat::Logfmt => logfmt(text, &mut fields.own),
    }
    for one in &entry.matches {
        let regex = one.pattern.regex();
        let text = match &one.field {
            Some(field) => fields.own.get(field)?,
            None => text,
        };
        // Groups take longer, and most lines do not match.
        if !regex.is_match(text) {
            return None;
        }
        if regex.captures_len() == 1 {
            continue;
        }
        let captures = regex.captures(text)?;
        for name in regex.capture_names().flatten() {
            if let Some(found) = captures.name(name) {
                fields.captured.insert(name.to_owned(), shortened(found.as_str(), MAX_VALUE_BYTES).to_owned());
            }
        }
    }
    Some(fields)
}

/// Labels of the stream that a line is of are fields of it, where it has no other of that name.
pub(super) fn with_labels(fields: &mut Fields, labels: &BTreeMap<String, String>) {
    for (name, value) in labels.iter().take(MAX_FIELDS) {
        fields.own.entry(name.clone()).or_insert_with(|| shortened(value, MAX_VALUE_BYTES).to_owned());
    }
}

/// As much of a text as has room, whole characters.
pub(super) fn shortened(text: &str, max_bytes: usize) -> &str {
    if text.len() <= max_bytes {
        return text;
    }
    let end = (0..=max_bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

fn put(fields: &mut BTreeMap<String, String>, name: &str, value: &Value, depth: usize) {
    if fields.len() >= MAX_FIELDS {
        return;
    }
    let plain = match value {
        Value::String(text) => shortened(text, MAX_VALUE_BYTES).to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Object(members) if depth < MAX_DEPTH => {
            members.iter().for_each(|(inner, value)| put(fields, &format!("{name}.{inner}"), value, depth + 1));
            return;
        }
        Value::Null | Value::Array(_) | Value::Object(_) => return,
    };
    fields.insert(name.to_owned(), plain);
}

/// `key=value key="a value" flag`, as it is usually written; what is no such pair is passed over.
fn logfmt(text: &str, fields: &mut BTreeMap<String, String>) {
    let mut rest = text.trim_start();
    while !rest.is_empty() && fields.len() < MAX_FIELDS {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (key, behind) = rest.split_at(end);
        let (value, behind) = match behind.strip_prefix('=') {
            Some(behind) if behind.starts_with('"') => quoted(behind),
            Some(behind) => {
                let end = behind.find(char::is_whitespace).unwrap_or(behind.len());
                let (value, behind) = behind.split_at(end);
                (value.to_owned(), behind)
            }
            None => ("true".to_owned(), behind),
        };
        if !key.is_empty() {
            fields.entry(key.to_owned()).or_insert_with(|| shortened(&value, MAX_VALUE_BYTES).to_owned());
        }
        rest = behind.trim_start();
    }
}

/// A value in quotation marks, and what is behind it. One that does not end goes on to the end of the line.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, text.get(at + 1..).unwrap_or_default()),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, escaped)) => value.push(escaped),
                None => {}
            },
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let mut fields = BTreeMap::new();
        logfmt(text, &mut fields);
        fields.into_iter().collect()
    }

    #[test]
    fn pairs_are_read_as_people_write_them() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read(r#"  level=error msg="no \"way\"\n" n=7 flag odd= =x "#),
            [
                pair("flag", "true"),
                pair("level", "error"),
                pair("msg", "no \"way\"\n"),
                pair("n", "7"),
                pair("odd", "")
            ]
        );
        assert_eq!(read(r#"msg="no end"#), [pair("msg", "no end")]);
    }

    #[test]
    fn a_text_is_shortened_between_characters() {
        assert_eq!(shortened("aé", 3), "aé");
        assert_eq!(shortened("aé", 2), "a");
        assert_eq!(shortened("é", 1), "");
    }

    proptest! {
        #[test]
        fn whatever_a_line_is_it_is_read(text in ".*") {
            let fields = read(&text);
            prop_assert!(fields.len() <= MAX_FIELDS);
        }
    }
}
