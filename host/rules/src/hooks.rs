//! A file of hooks → each hook that it names, and everything that is wrong with it.
//!
//! What a hook's secret is stands in a file of its own; here is only its name.

use std::collections::BTreeSet;

use orion_model::{HookKind, Labels};

use crate::diagnostic::{Diagnostic, Report};
use crate::group::is_classic_name;
use crate::keys::{Fields, Text, nearest, text_of, texts_of};
use crate::tree::{self, Node};

/// Hooks that a host has at most: one for each system that delivers, of which nobody has as many.
pub const MAX_HOOKS: usize = 64;

/// Bytes of a hook's name, which stands in its path and in the records of what comes there.
const MAX_NAME_BYTES: usize = 64;

/// Bytes of an event's type, as everywhere.
const MAX_TYPE_BYTES: usize = 100;

/// Origins that a hook has at most: one for each broker.
const MAX_ORIGINS: usize = 16;

/// Bytes of the name of an origin: as many as a name in DNS may have.
const MAX_ORIGIN_BYTES: usize = 253;

/// All origins.
const ANY_ORIGIN: &str = "*";

/// What a hook can be told.
const KEYS: [&str; 6] = ["name", "kind", "secret_file", "event_type", "labels", "origins"];

/// One hook of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookSetting {
    /// The last part of its path.
    pub name: String,
    /// How what comes there is read.
    pub kind: HookKind,
    /// The file with its secret, as it is written.
    pub secret_file: Option<String>,
    /// The type of all its events; otherwise each says it.
    pub event_type: Option<String>,
    /// Laid over the labels of each of its events.
    pub labels: Labels,
    /// Who is told that its deliveries are welcome: names of brokers, or `*` for all of them.
    pub origins: Vec<String>,
}

/// The hooks of a text in its order, and everything that is wrong with it.
pub fn parse_hooks(text: &str) -> (Vec<HookSetting>, Vec<Diagnostic>) {
    let mut report = Report::new(text);
    let (documents, error) = tree::parse(text);
    if let Some(error) = error {
        report.error(&error.bytes, error.message).maybe_help(error.help);
    }
    let mut hooks = Vec::new();
    let mut documents = documents.iter().filter(|document| !document.is_null());
    if let Some(root) = documents.next() {
        read_root(&mut report, root, &mut hooks);
    }
    if let Some(second) = documents.next() {
        let message = "a file of hooks is one document";
        report.error(&second.bytes, message).help("put what follows `---` into the one above");
    }
    (hooks, report.finish())
}

fn read_root(report: &mut Report<'_>, root: &Node, hooks: &mut Vec<HookSetting>) {
    let Some(fields) = Fields::known(report, root, "a file of hooks", &["hooks"]) else { return };
    let mut names = BTreeSet::new();
    for node in fields.list(report, "hooks") {
        if hooks.len() >= MAX_HOOKS {
            report.error(&node.bytes, format!("a host has at most {MAX_HOOKS} hooks"));
            return;
        }
        let Some(hook) = read_hook(report, node) else { continue };
        if !names.insert(hook.name.clone()) {
            let message = format!("there is another hook `{}`", hook.name);
            report.error(&node.bytes, message).help("each has a path of its own: give it another name");
        }
        hooks.push(hook);
    }
}

fn read_hook(report: &mut Report<'_>, node: &Node) -> Option<HookSetting> {
    let fields = Fields::known(report, node, "a hook", &KEYS)?;
    let name = needed(report, &fields, "name")?;
    if !is_name(name.as_str()) {
        let message = format!("`{}` is no name of a hook", name.as_str());
        report
            .error(name.bytes(), message)
            .help("small letters, digits, `-` and `_`, up to 64: it is part of the path");
        return None;
    }
    let word = needed(report, &fields, "kind")?;
    let kind = match word.as_str().parse::<HookKind>() {
        Ok(kind) => kind,
        Err(error) => {
            let near = nearest(word.as_str(), HookKind::ALL.map(HookKind::as_str));
            let help = near.map(|near| format!("did you mean `{near}`?"));
            report.error(word.bytes(), error.to_string()).maybe_help(help);
            return None;
        }
    };
    let secret_file = fields.text(report, "secret_file").map(|text| text.as_str().to_owned());
    if kind == HookKind::Generic && secret_file.is_none() {
        let message = format!("the generic hook `{}` needs a `secret_file`", name.as_str());
        let help = "its deliveries are signed with what is in it: `openssl rand -hex 32` makes one";
        report.error(&fields.bytes, message).help(help);
    }
    let event_type = fields.text(report, "event_type").and_then(|text| read_type(report, text));
    let labels = fields.get("labels").map(|node| read_labels(report, node)).unwrap_or_default();
    let origins = fields.get("origins").map(|node| read_origins(report, node, kind)).unwrap_or_default();
    Some(HookSetting { name: name.as_str().to_owned(), kind, secret_file, event_type, labels, origins })
}

fn needed<'n>(report: &mut Report<'_>, fields: &Fields<'n>, name: &'static str) -> Option<Text<'n>> {
    if fields.get(name).is_none() {
        report.error(&fields.bytes, format!("a hook needs a `{name}`"));
    }
    fields.text(report, name)
}

fn read_type(report: &mut Report<'_>, text: Text<'_>) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/');
    let said = text.as_str();
    if !said.is_empty() && said.len() <= MAX_TYPE_BYTES && said.bytes().all(is_plain) {
        return Some(said.to_owned());
    }
    let message = format!("`{said}` is no type of events");
    report.error(text.bytes(), message).help("letters, digits and `_.-/`, up to 100");
    None
}

fn read_labels(report: &mut Report<'_>, node: &Node) -> Labels {
    let Some(fields) = Fields::any(report, node, "`labels`") else { return Labels::empty() };
    let mut labels = Vec::new();
    for (name, key, value) in fields.iter() {
        if !is_classic_name(name) {
            let message = format!("`{name}` is no name of a label");
            report.error(&key.bytes, message).help("letters, digits and `_`, and no digit first");
        } else if let Some(text) = text_of(report, value, &format!("`{name}`")) {
            labels.push((name, text.as_str()));
        }
    }
    labels.into_iter().collect()
}

/// Names as DNS has them, or all.
fn read_origins(report: &mut Report<'_>, node: &Node, kind: HookKind) -> Vec<String> {
    if kind != HookKind::CloudEvents {
        let message = format!("a hook of the kind `{kind}` has no `origins`");
        report.error(&node.bytes, message).help("brokers ask beforehand whether CloudEvents are welcome: leave it out");
        return Vec::new();
    }
    let texts = texts_of(report, node, "an origin");
    if texts.len() > MAX_ORIGINS {
        report
            .error(&node.bytes, format!("a hook has at most {MAX_ORIGINS} `origins`"))
            .help("`\"*\"` are all, and another hook has its own");
        return Vec::new();
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_origin = |said: &str| {
        said == ANY_ORIGIN || (!said.is_empty() && said.len() <= MAX_ORIGIN_BYTES && said.bytes().all(is_plain))
    };
    for text in texts.iter().filter(|text| !is_origin(text.as_str())) {
        let message = format!("`{}` is no origin", text.as_str());
        report.error(text.bytes(), message).help("a name as DNS has it, `events.example.com`, or `\"*\"` for all");
    }
    texts.iter().map(|text| text.as_str().to_owned()).collect()
}

fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    !text.is_empty() && text.len() <= MAX_NAME_BYTES && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        let line = |it: &Diagnostic| it.span.as_ref().map_or(0, |span| span.line);
        let said = |it: &Diagnostic| format!("{}: {}; {}", line(it), it.message, it.help.clone().unwrap_or_default());
        parse_hooks(text).1.iter().map(said).collect()
    }

    #[test]
    fn hooks_are_read_as_they_are_written() {
        let (hooks, said) = parse_hooks(
            "hooks:\n  - { name: alerts, kind: alertmanager }\n  - name: deploys\n    kind: generic\n    secret_file: deploys.secret\n    \
             event_type: deployment\n    labels: { site: cellar, rack: 7 }\n  - { name: clouds, kind: cloudevents, origins: [events.example.com, '*'] }\n",
        );
        assert!(said.is_empty(), "{said:?}");
        let plain = HookSetting {
            name: "alerts".to_owned(),
            kind: HookKind::Alertmanager,
            secret_file: None,
            event_type: None,
            labels: Labels::empty(),
            origins: Vec::new(),
        };
        let full = HookSetting {
            name: "deploys".to_owned(),
            kind: HookKind::Generic,
            secret_file: Some("deploys.secret".to_owned()),
            event_type: Some("deployment".to_owned()),
            labels: [("rack", "7"), ("site", "cellar")].into_iter().collect(),
            ..plain.clone()
        };
        let asked = HookSetting {
            name: "clouds".to_owned(),
            kind: HookKind::CloudEvents,
            origins: vec!["events.example.com".to_owned(), "*".to_owned()],
            ..plain.clone()
        };
        assert_eq!(hooks, [plain, full, asked]);
        assert_eq!(parse_hooks("hooks:\n"), (vec![], vec![]));
    }

    #[test]
    fn everything_wrong_is_said_at_once_with_its_line() {
        let text = "hooks:\n  - { name: A b, kind: grafana }\n  - { kind: grafana }\n  - { name: a, kind: grafna }\n  - { name: b, kind: generic }\n  \
                    - { name: b, kind: grafana, event_type: two words, labels: { a-b: c } }\n  - { name: c, knd: grafana }\n";
        assert_eq!(
            said(text),
            [
                "2: `A b` is no name of a hook; small letters, digits, `-` and `_`, up to 64: it is part of the path",
                "3: a hook needs a `name`; ",
                "4: `grafna` is no kind of hook: use alertmanager, grafana, cloudevents or generic; did you mean `grafana`?",
                "5: the generic hook `b` needs a `secret_file`; its deliveries are signed with what is in it: `openssl rand -hex 32` makes one",
                "6: there is another hook `b`; each has a path of its own: give it another name",
                "6: `two words` is no type of events; letters, digits and `_.-/`, up to 100",
                "6: `a-b` is no name of a label; letters, digits and `_`, and no digit first",
                "7: a hook needs a `kind`; ",
                "7: unknown key `knd` in a hook; did you mean `kind`?",
            ]
        );
    }

    #[test]
    fn there_are_so_many_hooks_and_not_one_more() {
        let many = |count: usize| {
            let hooks = (0..count).map(|n| format!("  - {{ name: h{n}, kind: grafana }}\n")).collect::<String>();
            said(&format!("hooks:\n{hooks}"))
        };
        assert_eq!(many(MAX_HOOKS), [""; 0]);
        assert_eq!(many(MAX_HOOKS + 1), ["66: a host has at most 64 hooks; "]);
    }

    #[test]
    fn origins_are_names_of_brokers_so_many_and_of_hooks_for_cloudevents() {
        let of = |kind: &str, origins: &str| said(&format!("hooks: [{{ name: a, kind: {kind}, origins: {origins} }}]"));
        let many = |count: usize| format!("[{}]", vec!["a.example"; count].join(", "));
        let long = |length: usize| format!("['{}']", "a".repeat(length));
        for good in ["[]", "a.example", "['*', b-1.example]", &many(MAX_ORIGINS), &long(MAX_ORIGIN_BYTES)] {
            assert_eq!(of("cloudevents", good), [""; 0], "{good}");
        }
        assert_eq!(
            of("cloudevents", &many(MAX_ORIGINS + 1)),
            ["1: a hook has at most 16 `origins`; `\"*\"` are all, and another hook has its own"]
        );
        for bad in
            ["['https://a.example']", "['a b']", "['*.example']", "['']", "[\"a\\r\\nb\"]", &long(MAX_ORIGIN_BYTES + 1)]
        {
            let said = of("cloudevents", bad);
            assert!(said.len() == 1 && said[0].contains("is no origin; a name as DNS has it"), "{bad}: {said:?}");
        }
        assert!(of("grafana", "['*']")[0].contains("a hook of the kind `grafana` has no `origins`"));
    }
}
