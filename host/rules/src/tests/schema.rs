//! The schema for editors: it is current, takes what the checker takes, and refuses what the checker refuses.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use orion_model::Manifest;
use serde_json::Value;

use crate::scalar::Meaning;
use crate::tree::{self, Node};
use crate::{parse_file, schema};

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The manifests of the standard plugins.
fn manifests() -> Vec<Manifest> {
    let folders = std::fs::read_dir(root().join("plugins")).unwrap().map(|entry| entry.unwrap().path());
    let manifests = folders.filter_map(|folder| std::fs::read(folder.join("plugin.toml")).ok());
    manifests.map(|bytes| Manifest::from_toml(&bytes).unwrap()).collect()
}

fn validator() -> Validator {
    jsonschema::validator_for(&schema(&manifests())).unwrap()
}

/// A document as an editor sees it.
fn json(node: &Node) -> Value {
    match &node.value {
        tree::Value::Scalar(scalar) => match scalar.meaning() {
            Meaning::Null => Value::Null,
            Meaning::Flag(flag) => flag.into(),
            Meaning::Integer(integer) => integer.into(),
            Meaning::Number(number) => number.into(),
            Meaning::Text(text) => text.into(),
        },
        tree::Value::List(items) => items.iter().map(json).collect(),
        tree::Value::Map(pairs) => {
            let name = |key: &Node| match &key.value {
                tree::Value::Scalar(scalar) => scalar.text.clone(),
                _ => panic!("{key:?}"),
            };
            // Editors merge before they look.
            let own = pairs.iter().filter(|(key, _)| name(key) != "<<");
            let merged = pairs.iter().filter(|(key, _)| name(key) == "<<").map(|(_, value)| json(value));
            let mut map: serde_json::Map<_, _> = own.map(|(key, value)| (name(key), json(value))).collect();
            for other in merged.flat_map(|other| match other {
                Value::Array(items) => items,
                other => vec![other],
            }) {
                for (name, value) in other.as_object().unwrap() {
                    map.entry(name).or_insert(value.clone());
                }
            }
            map.into()
        }
    }
}

fn complaints(validator: &Validator, text: &str) -> Vec<String> {
    let (documents, error) = tree::parse(text);
    assert_eq!(error, None);
    let documents: Vec<Value> = documents.iter().map(json).collect();
    let said = |document: &Value| {
        let errors = validator.iter_errors(document);
        errors.map(|error| format!("{}: {error}", error.instance_path())).collect::<Vec<_>>()
    };
    documents.iter().flat_map(said).collect()
}

fn yaml_files(folder: &str) -> Vec<(String, String)> {
    let folder = root().join(folder);
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn the_committed_schema_is_current() {
    let committed = std::fs::read_to_string(root().join("docs/rules.schema.json")).unwrap();
    let made = format!("{:#}\n", schema(&manifests()));
    assert!(
        committed == made,
        "docs/rules.schema.json is not what the tables and manifests say; run `cargo xtask schema`"
    );
}

#[test]
fn the_schema_is_one() {
    assert!(jsonschema::meta::is_valid(&schema(&manifests())));
}

#[test]
fn every_shipped_rule_file_and_example_is_taken_and_names_the_schema() {
    let validator = validator();
    let examples = std::fs::read_dir(root().join("plugins")).unwrap().map(|entry| entry.unwrap().file_name());
    let examples = examples.map(|plugin| format!("plugins/{}", plugin.to_string_lossy()));
    let folders = examples.filter(|plugin| root().join(plugin).join("rules.yaml").exists());
    let mut taken = 0;
    for folder in folders.chain(["rules".to_owned()]) {
        let up = "../".repeat(folder.split('/').count());
        for (name, text) in yaml_files(&folder) {
            assert_eq!(complaints(&validator, &text), [""; 0], "{folder}/{name}");
            let first = text.lines().next().unwrap();
            assert_eq!(first, format!("# yaml-language-server: $schema={up}docs/rules.schema.json"), "{folder}/{name}");
            taken += 1;
        }
    }
    assert!(taken > 20, "{taken}");
}

#[test]
fn whatever_prometheus_takes_is_taken() {
    let validator = validator();
    for (name, text) in yaml_files("host/rules/conformance") {
        assert_eq!(complaints(&validator, &text), [""; 0], "{name}");
    }
}

const RULE: &str = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up\n";
const CORRELATION: &str = "correlations:\n- name: c\n  match: {}\n  incident: {type: x}\n";
const SIGMA: &str = "title: t\ncorrelation:\n  type: event_count\n  rules: a\n  timespan: 1h\n  condition: {gte: 5}\n";

/// Both the checker and the schema must agree on each.
fn agree(text: &str, is_good: bool) {
    let parsed = parse_file("a.yaml", text, &super::Catalog(manifests()));
    assert_eq!(parsed.file.is_some(), is_good, "checker: {text} {:?}", super::said(&parsed));
    let complaints = complaints(&validator(), text);
    assert_eq!(complaints.is_empty(), is_good, "schema: {text} {complaints:#?}");
}

#[test]
fn what_is_right_is_taken() {
    for text in [
        "",
        "groups:\n",
        RULE,
        CORRELATION,
        SIGMA,
        &format!("{RULE}    for: 1h30m\n    labels: {{a: 5, b: }}\n    x-mine: anything\n"),
        &format!("{RULE}    for: 0\n    with: {{above: 5}}\n    plugin: threshold\n"),
        &format!("{RULE}    plugin: absence\n    with: {{forget_after: 12h, empty: false}}\n    on_empty: keep\n"),
        "groups:\n- name: 5\n  rules: [{record: a, expr: b}]\n  source_tenants: [a]\n",
        &format!("{CORRELATION}  window: 5m\n  group_by: a\n  with: {{at_least: 2}}\n"),
        &format!("{CORRELATION}  plugin: topology\n  with: {{depends_on: {{a: b, c: [d, e]}}}}\n"),
        "kind: ConfigMap\ndata: {}\n",
        "kind: PrometheusRule\nspec: {groups: []}\n",
    ] {
        agree(text, true);
    }
}

#[test]
fn what_is_wrong_is_refused() {
    for text in [
        "groups: 5\n",
        "group: []\n",
        &format!("{RULE}    fro: 5m\n"),
        &format!("{RULE}    for: 5\n"),
        &format!("{RULE}    for: 1m1h\n"),
        &format!("{RULE}    annotations: [a]\n"),
        &format!("{RULE}    record: a\n"),
        &format!("{RULE}    plugin: treshold\n"),
        &format!("{RULE}    plugin: grouping\n"),
        &format!("{RULE}    with: {{abov: 5}}\n"),
        &format!("{RULE}    with: {{above: high}}\n"),
        &format!("{RULE}    plugin: absence\n    with: {{above: 5}}\n"),
        &format!("{RULE}    on_empty: kep\n"),
        "groups:\n- rules: []\n",
        "groups:\n- name: g\n  rules: [{alert: A}]\n",
        "correlations:\n- name: c\n  match: {}\n",
        &CORRELATION.replace("type: x", "typ: x"),
        &CORRELATION.replace("type: x", "type: x, severity: bad"),
        &format!("{CORRELATION}  plugin: suppression\n  window: 5m\n  with: {{cause: a}}\n"),
        &format!("{CORRELATION}  with: {{at_least: 0}}\n"),
        &format!("{CORRELATION}  plugin: suppression\n"),
        &format!("{CORRELATION}  plugin: topology\n  with: {{depends_on: [a]}}\n"),
        "kind: PrometheusRule\nspec: {group: []}\n",
        "kind: PrometheusRule\n",
        "kind: List\nitems: [{kind: PrometheusRule, spec: {groups: 5}}]\n",
        &SIGMA.replace("event_count", "event_cuont"),
        &SIGMA.replace("timespan", "timespam"),
        &format!("{SIGMA}level: hgih\n"),
    ] {
        agree(text, false);
    }
}
