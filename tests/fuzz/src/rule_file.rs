//! A rule file: what is accepted can be evaluated, whatever its templates, filters and groups say.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use orion_model::{Event, Labels, Manifest};
use orion_rules::{
    Level, PluginCatalog, RuleFile, SetFile, Template, TemplateData, check_set, parse_file, render, write_group_key,
};
use orion_sandbox::{Sandbox, Settings};

/// A template renders to no more.
const MAX_RENDERED_BYTES: usize = 64 * 1024;

const NAME: &str = "fuzz.yaml";

/// The plugins that ship.
pub(crate) static CATALOG: LazyLock<Shipped> = LazyLock::new(|| {
    let sandbox = Sandbox::new(Settings::default()).unwrap();
    let manifest = |component: &[u8]| sandbox.inspect(component).unwrap().manifest;
    let standard = orion_standard_plugins::STANDARD.iter();
    Shipped(standard.map(|plugin| (plugin.name.to_owned(), manifest(plugin.component))).collect())
});

/// What templates, filters and groups are tried on.
static EVENT: LazyLock<Event> =
    LazyLock::new(|| serde_json::from_str(include_str!("../corpus/event/firing.json")).unwrap());

pub(crate) struct Shipped(BTreeMap<String, Manifest>);

impl PluginCatalog for Shipped {
    fn manifest(&self, reference: &str) -> Result<&Manifest, String> {
        self.0.get(reference).ok_or_else(|| format!("there is no plugin `{reference}`"))
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let parsed = parse_file(NAME, text, &*CATALOG);
    let report = render(&parsed.diagnostics, NAME, text, false);
    assert_eq!(report.trim().is_empty(), parsed.diagnostics.is_empty());
    let says_error = parsed.diagnostics.iter().any(|diagnostic| diagnostic.level == Level::Error);
    assert_eq!(parsed.file.is_none(), says_error, "a file is refused with an error and accepted without");
    let Some(file) = parsed.file else { return };
    assert_eq!(parse_file(NAME, text, &*CATALOG).file.as_ref(), Some(&file), "a text means one thing");
    check_set(&[SetFile { file: &file, text }], None);
    evaluate(&file);
}

/// Everything that is done with a file each time its rules are evaluated.
fn evaluate(file: &RuleFile) {
    for rule in file.groups.iter().flat_map(|group| &group.rules) {
        rule.labels.iter().chain(&rule.annotations).for_each(|(_, template)| render_with_values(template));
    }
    for correlation in &file.correlations {
        correlation.matcher.matches(&EVENT);
        write_group_key(&mut String::new(), &EVENT, &correlation.group_by);
        render_with_values(&correlation.incident.summary);
    }
}

fn render_with_values(template: &Template) {
    for value in [0.5, f64::NAN, -1e300] {
        let data = TemplateData { labels: &EVENT.labels, value, external_labels: &Labels::empty() };
        if let Ok(text) = template.render(&data) {
            assert!(text.len() <= MAX_RENDERED_BYTES);
        }
    }
}
