//! Rule files as a whole: what is taken, what is said, and how much work any text can cause.

mod conformance;
mod diagnostics;
mod format;
mod logs;
mod no_data;
mod schema;
mod set;
mod shipped;
mod work;

use orion_model::Manifest;

use crate::{Parsed, PluginCatalog, RuleFile, parse_file};

/// Plugins as the standard ones say they are.
pub(crate) struct Catalog(Vec<Manifest>);

impl PluginCatalog for Catalog {
    fn manifest(&self, reference: &str) -> Result<&Manifest, String> {
        let name = reference.split('@').next().unwrap_or(reference);
        self.0.iter().find(|manifest| manifest.name == name).ok_or_else(|| format!("there is no plugin `{reference}`"))
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|manifest| manifest.name.clone()).collect()
    }
}

pub(crate) fn catalog() -> Catalog {
    let manifest = |head: &str, parameters: &[(&str, &str, &str)]| {
        let mut text = format!("{head}\nversion = '1.0.0'\ncontract = 'v1'\nsummary = 'For tests.'\n");
        for (name, kind, more) in parameters {
            text.push_str(&format!("[[parameters]]\nname = '{name}'\ntype = '{kind}'\ndoc = 'What it is.'\n{more}\n"));
        }
        Manifest::from_toml(text.as_bytes()).unwrap()
    };
    Catalog(vec![
        manifest(
            "name = 'threshold'\nkind = 'detector'",
            &[("above", "number", ""), ("below", "number", ""), ("at_least", "number", ""), ("at_most", "number", "")],
        ),
        manifest(
            "name = 'absence'\nkind = 'detector'",
            &[("forget_after", "duration", "default = '1h'\nmin = 1000"), ("empty", "flag", "default = true")],
        ),
        manifest(
            "name = 'anomaly'\nkind = 'detector'",
            &[
                ("season", "duration", "required = true"),
                ("sensitivity", "text", "choices = ['low', 'high']"),
                ("model", "text", ""),
                ("ignore", "texts", ""),
            ],
        ),
        manifest(
            "name = 'grouping'\nkind = 'correlator'",
            &[
                ("at_least", "integer", "default = 1\nmin = 1"),
                ("window", "duration", "default = '10m'"),
                ("idle", "duration", "default = '15m'"),
                ("max", "duration", "default = '24h'"),
            ],
        ),
        manifest("name = 'topology'\nkind = 'correlator'", &[("depends_on", "map", "required = true")]),
        plugin(include_str!("../../../../plugins/count/plugin.toml")),
        plugin(include_str!("../../../../plugins/distinct/plugin.toml")),
        plugin(include_str!("../../../../plugins/aggregate/plugin.toml")),
        plugin(include_str!("../../../../plugins/temporal/plugin.toml")),
        plugin(include_str!("../../../../plugins/sequence/plugin.toml")),
    ])
}

fn plugin(manifest: &str) -> Manifest {
    Manifest::from_toml(manifest.as_bytes()).unwrap()
}

pub(crate) fn parse(text: &str) -> Parsed {
    parse_file("test.yaml", text, &catalog())
}

/// The file, of which there must be nothing to say.
pub(crate) fn accept(text: &str) -> RuleFile {
    nothing_to_say(text, parse(text))
}

fn nothing_to_say(text: &str, parsed: Parsed) -> RuleFile {
    assert_eq!(said(&parsed), Vec::<String>::new(), "{text}");
    parsed.file.unwrap()
}

/// What is said: level, line:column, message and help.
pub(crate) fn said(parsed: &Parsed) -> Vec<String> {
    let shown = |diagnostic: &crate::Diagnostic| {
        let place = diagnostic.span.as_ref().map(|span| format!("{}:{}", span.line, span.column)).unwrap_or_default();
        let help = diagnostic.help.as_deref().map(|help| format!("; {help}")).unwrap_or_default();
        format!("{:?} {place} {}{help}", diagnostic.level, diagnostic.message)
    };
    parsed.diagnostics.iter().map(shown).collect()
}
