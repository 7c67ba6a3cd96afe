//! A settings file → its keys, each with its values and where they stand.
//!
//! Which keys there are is the caller's to say, as dotted names: `prometheus.url` is `url:` below `prometheus:`. What a value means is
//! the caller's, too; here it is text as it was written, or a list of texts.

use crate::diagnostic::{Diagnostic, Report, Span};
use crate::keys::{Fields, texts_of};
use crate::tree::{self, Node, Value};

/// One setting of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its dotted name.
    pub key: String,
    /// What it is set to; more than one only where a list was written.
    pub values: Vec<String>,
    /// Where the values stand.
    pub span: Span,
}

/// The settings of a text in file order, and everything that is wrong with it. `key:` with nothing behind it sets nothing.
pub fn parse_settings(text: &str, known: &[&str]) -> (Vec<Setting>, Vec<Diagnostic>) {
    let mut report = Report::new(text);
    let (documents, error) = tree::parse(text);
    if let Some(error) = error {
        report.error(&error.bytes, error.message).maybe_help(error.help);
    }
    let mut settings = Vec::new();
    let mut documents = documents.iter().filter(|document| !document.is_null());
    if let Some(root) = documents.next() {
        read_section(&mut report, root, "", known, &mut settings);
    }
    if let Some(second) = documents.next() {
        let message = "a settings file is one document";
        report.error(&second.bytes, message).help("put what follows `---` into the one above");
    }
    (settings, report.finish())
}

/// Reads what stands below `section`, which is a dotted name with a dot at its end, or nothing at the top.
fn read_section(report: &mut Report<'_>, node: &Node, section: &str, known: &[&str], settings: &mut Vec<Setting>) {
    let what = match section.trim_end_matches('.') {
        "" => "the settings".to_owned(),
        section => format!("`{section}`"),
    };
    let mut names: Vec<&str> = known.iter().filter_map(|key| key.strip_prefix(section)?.split('.').next()).collect();
    names.dedup();
    let Some(fields) = Fields::known(report, node, &what, &names) else { return };
    for (name, _, value) in fields.iter().filter(|(_, _, value)| !value.is_null()) {
        let key = format!("{section}{name}");
        if !known.contains(&key.as_str()) {
            read_section(report, value, &format!("{key}."), known, settings);
        } else if let Value::Map(_) = &value.value {
            report.error(&value.bytes, format!("`{key}` must be a value, but is {}", value.described()));
        } else {
            let values =
                texts_of(report, value, &format!("`{key}`")).iter().map(|text| text.as_str().to_owned()).collect();
            settings.push(Setting { key, values, span: report.source.span(value.bytes.clone()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["poll_interval", "prometheus.timeout", "prometheus.url", "roles"];

    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let (settings, said) = parse_settings(text, KNOWN);
        let set = settings
            .iter()
            .map(|it| format!("{}:{} {} = {}", it.span.line, it.span.column, it.key, it.values.join("+")));
        let place = |said: &Diagnostic| said.span.as_ref().map_or(0, |span| span.line);
        (
            set.collect(),
            said.iter()
                .map(|it| format!("{}: {}; {}", place(it), it.message, it.help.clone().unwrap_or_default()))
                .collect(),
        )
    }

    #[test]
    fn keys_are_found_in_their_sections_with_their_places() {
        let (set, said) = read(
            "poll_interval: 30s\nprometheus:\n  url: http://p:9090\n  timeout:\nroles: [watcher, brain]\nx-team: us\n",
        );
        assert_eq!(
            set,
            ["1:16 poll_interval = 30s", "3:8 prometheus.url = http://p:9090", "5:8 roles = watcher+brain"]
        );
        assert!(said.is_empty(), "{said:?}");
    }

    #[test]
    fn an_empty_file_sets_nothing() {
        for text in ["", "# nothing\n", "---\n", "prometheus:\n"] {
            assert_eq!(read(text), (vec![], vec![]), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_said_with_the_nearest_that_is() {
        let (set, said) = read("promethues:\n  url: x\nprometheus:\n  ulr: y\npoll_interval: {a: 1}\nroles: [[a]]\n");
        assert_eq!(set, ["6:8 roles = "]);
        assert_eq!(
            said,
            [
                "1: unknown key `promethues` in the settings; did you mean `prometheus`?",
                "4: unknown key `ulr` in `prometheus`; did you mean `url`?",
                "5: `poll_interval` must be a value, but is a mapping; ",
                "6: `roles` must be a text, but is a list; ",
            ]
        );
    }

    #[test]
    fn what_is_no_mapping_is_said() {
        assert_eq!(read("- a\n").1, ["1: the settings must be a mapping, but is a list; "]);
        assert_eq!(read("prometheus: http://p\n").1, ["1: `prometheus` must be a mapping, but is a text; "]);
        assert!(read("a: b: c\n").1[0].contains("not YAML"));
        assert!(read("roles: [a]\n---\nroles: [b]\n").1[0].contains("one document"));
    }
}
