//! The JSON Schema of rule files, for editors that complete and check while one writes.
//!
//! Made of the tables the checker uses and of the manifests of the plugins, so it knows every key and every parameter. It says less
//! than the checker, which also reads queries and templates; what it refuses, the checker refuses too, but for other words
//! for the severity of an incident.

use std::collections::BTreeMap;

use orion_model::{Kind, Manifest, ParameterSpec, ParameterType, ParameterValue};
use serde_json::{Map, Value, json};

use crate::key::{Form, Key};
use crate::keys::FOREIGN_PREFIX;
use crate::{alert, correlation, file, group, log, sigma};

/// Units from large to small, each once; `0` needs none.
const DURATION_PATTERN: &str = "^(0|([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$";

/// The schema of rule files that may name these plugins.
pub fn schema<'m>(plugins: impl IntoIterator<Item = &'m Manifest>) -> Value {
    let plugins: BTreeMap<&str, &Manifest> =
        plugins.into_iter().map(|manifest| (manifest.name.as_str(), manifest)).collect();
    let has = |key: &str| json!({ "type": "object", "required": [key] });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Orion rule file",
        "description": "Prometheus alerting rules, detectors and correlations. `orion check` reads it with more care.",
        "if": has("kind"),
        "then": { "$ref": "#/$defs/resource" },
        "else": {
            "if": { "anyOf": sigma::MARKS.map(has) },
            "then": { "$ref": "#/$defs/sigma" },
            "else": { "$ref": "#/$defs/file" },
        },
        "$defs": definitions(&plugins),
    })
}

fn definitions(plugins: &BTreeMap<&str, &Manifest>) -> Value {
    let mut definitions = Map::new();
    let mut define = |name: &str, schema: Value| definitions.insert(name.to_owned(), schema);
    define("file", mapping(&file::KEYS, &[], plugins));
    define("group", mapping(&[group::KEYS.as_slice(), &group::KEYS_OF_OTHERS].concat(), &["name"], plugins));
    define("rule", rule(plugins));
    define(
        "correlation",
        with_plugin(
            mapping(&correlation::KEYS, &["name", "match", "incident"], plugins),
            &Choice {
                plugins,
                kind: Kind::Correlator,
                default: correlation::DEFAULT_PLUGIN,
                beside: &correlation::SUGAR,
            },
        ),
    );
    define("incident", mapping(&correlation::INCIDENT_KEYS, &["type"], plugins));
    define("log", log_entry(plugins));
    define("multiline", mapping(&log::MULTILINE_KEYS, &["start"], plugins));
    define("log_time", mapping(&log::TIME_KEYS, &["field"], plugins));
    define("resource", resource(plugins));
    define("spec", mapping(&file::SPEC_KEYS, &[], plugins));
    define("sigma", sigma_document(plugins));
    for manifest in plugins.values() {
        define(&definition_of(manifest), parameters(manifest));
    }
    Value::Object(definitions)
}

/// A recording rule is only told apart from an alert.
fn rule(plugins: &BTreeMap<&str, &Manifest>) -> Value {
    let choice = Choice { plugins, kind: Kind::Detector, default: alert::DEFAULT_PLUGIN, beside: &[] };
    let mut rule = with_plugin(mapping(&alert::KEYS, &[], plugins), &choice);
    add(&mut rule, "if", json!({ "required": ["record"] }));
    add(&mut rule, "then", json!({ "not": { "required": ["alert"] } }));
    add(&mut rule, "else", json!({ "required": ["alert", "expr"] }));
    rule
}

/// An entry of `logs`.
fn log_entry(plugins: &BTreeMap<&str, &Manifest>) -> Value {
    let mut entry = mapping(&log::KEYS, &["id"], plugins);
    add(&mut entry, "anyOf", json!([{ "required": ["files", "match"] }, { "required": ["loki"] }]));
    entry
}

fn resource(plugins: &BTreeMap<&str, &Manifest>) -> Value {
    let is = |kinds: &[&str]| json!({ "properties": { "kind": { "enum": kinds } } });
    let items = json!({ "type": ["array", "null"], "items": { "$ref": "#/$defs/resource" } });
    json!({
        "type": "object",
        "required": ["kind"],
        "properties": { "kind": { "type": "string" } },
        "allOf": [
            { "if": is(&[file::PROMETHEUS_RULE]), "then": mapping(&file::RESOURCE_KEYS, &["spec"], plugins) },
            { "if": is(&file::LISTS), "then": { "properties": { "items": items } } },
        ],
    })
}

fn sigma_document(plugins: &BTreeMap<&str, &Manifest>) -> Value {
    json!({
        "type": "object",
        "properties": {
            "title": { "type": "string", "description": "What it is about; the summary of its incidents." },
            "name": { "type": "string", "description": "What other rules call it." },
            "level": { "enum": sigma::LEVELS },
            "correlation": mapping(&sigma::KEYS, &["type", "rules", "timespan"], plugins),
        },
    })
}

/// A mapping with these keys and no others.
fn mapping(keys: &[Key], required: &[&str], plugins: &BTreeMap<&str, &Manifest>) -> Value {
    let is_required = |key: &Key| required.contains(&key.name);
    let properties = keys.iter().map(|key| (key.name.to_owned(), value_of(key, !is_required(key), plugins)));
    let nullable = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
    json!({
        "type": nullable,
        "required": required,
        "properties": properties.collect::<Map<_, _>>(),
        "patternProperties": { (format!("^{FOREIGN_PREFIX}")): true },
        "additionalProperties": false,
    })
}

/// What may stand behind a key. A key with nothing behind it is as good as none, where it may be left out.
fn value_of(key: &Key, optional: bool, plugins: &BTreeMap<&str, &Manifest>) -> Value {
    let types = |types: &[&str]| {
        let null = optional.then_some("null");
        json!({ "type": types.iter().copied().chain(null).collect::<Vec<_>>() })
    };
    let or_nothing = |schema: Value| if optional { json!({ "anyOf": [schema, { "type": "null" }] }) } else { schema };
    let mut schema = match key.form {
        Form::Text => types(&SCALAR),
        Form::Flag => types(&["boolean"]),
        Form::Count => types(&["integer"]),
        Form::Anything => json!({}),
        Form::Parameters => types(&["object"]),
        Form::Word(words) => or_nothing(json!({ "enum": words })),
        Form::Duration => or_nothing(duration()),
        Form::Texts => or_nothing(texts()),
        Form::Templates => {
            let mut map = types(&["object"]);
            add(&mut map, "additionalProperties", json!({ "type": ["string", "number", "boolean", "null"] }));
            map
        }
        Form::Conditions => {
            let mut map = types(&["object"]);
            add(&mut map, "additionalProperties", texts());
            map
        }
        Form::LineMatch => {
            let of_fields = json!({ "type": "object", "additionalProperties": { "type": SCALAR } });
            or_nothing(json!({ "anyOf": [{ "type": SCALAR }, of_fields] }))
        }
        Form::Plugin(kind) => {
            let names: Vec<&str> =
                plugins.values().filter(|manifest| manifest.kind == kind).map(|it| it.name.as_str()).collect();
            let other = json!({ "type": "string", "pattern": format!("({VERSION_PATTERN}|\\.wasm)$") });
            or_nothing(json!({ "anyOf": [{ "enum": names }, other] }))
        }
        Form::ListOf(name) => {
            let mut list = types(&["array"]);
            add(&mut list, "items", reference(name));
            list
        }
        Form::Defined(name) => reference(name),
    };
    add(&mut schema, "description", json!(key.doc));
    schema
}

/// A version that a rule asks for: all of it, or its first numbers.
const VERSION_PATTERN: &str = "@[0-9A-Za-z][0-9A-Za-z.+-]*";

/// Numbers and flags are taken as they are written.
const SCALAR: [&str; 3] = ["string", "number", "boolean"];

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn duration() -> Value {
    json!({ "anyOf": [{ "type": "string", "minLength": 1, "pattern": DURATION_PATTERN }, { "const": 0 }] })
}

fn texts() -> Value {
    json!({ "anyOf": [{ "type": SCALAR }, { "type": "array", "items": { "type": SCALAR } }] })
}

/// How a mapping chooses its plugin.
struct Choice<'a> {
    plugins: &'a BTreeMap<&'a str, &'a Manifest>,
    kind: Kind,
    /// The one that is meant where none is named.
    default: &'static str,
    /// Parameters that may stand beside `with`.
    beside: &'a [&'static str],
}

/// Adds what each plugin takes: `with` is what its manifest says.
fn with_plugin(mut schema: Value, choice: &Choice<'_>) -> Value {
    let of_kind = choice.plugins.values().filter(|manifest| manifest.kind == choice.kind);
    let cases: Vec<Value> = of_kind.map(|manifest| case(manifest, choice)).collect();
    add(&mut schema, "allOf", Value::Array(cases));
    schema
}

fn case(manifest: &Manifest, choice: &Choice<'_>) -> Value {
    let named = json!({
        "required": ["plugin"],
        "properties": { "plugin": { "type": "string", "pattern": format!("^{}({VERSION_PATTERN})?$", manifest.name) } },
    });
    let is_it = if manifest.name == choice.default {
        json!({ "anyOf": [{ "not": { "required": ["plugin"] } }, named] })
    } else {
        named
    };
    let mut properties = Map::from_iter([("with".to_owned(), reference(&definition_of(manifest)))]);
    for name in choice.beside {
        let allowed = manifest.parameter(name).map_or(json!(false), parameter);
        properties.insert((*name).to_owned(), allowed);
    }
    let needs_with = required_inside(manifest, choice.beside).next().is_some();
    let required: &[&str] = if needs_with { &["with"] } else { &[] };
    json!({ "if": is_it, "then": { "required": required, "properties": properties } })
}

/// Required parameters that cannot stand beside `with`.
fn required_inside<'m>(manifest: &'m Manifest, beside: &[&str]) -> impl Iterator<Item = &'m str> {
    let names = manifest.parameters.iter().filter(|spec| spec.required).map(|spec| spec.name.as_str());
    names.filter(|name| !beside.contains(name))
}

fn definition_of(manifest: &Manifest) -> String {
    format!("with-{}", manifest.name)
}

fn parameters(manifest: &Manifest) -> Value {
    let properties = manifest.parameters.iter().map(|spec| (spec.name.clone(), parameter(spec)));
    json!({
        "type": ["object", "null"],
        "description": manifest.summary,
        "required": required_inside(manifest, &correlation::SUGAR).collect::<Vec<_>>(),
        "properties": properties.collect::<Map<_, _>>(),
        "additionalProperties": false,
    })
}

fn parameter(spec: &ParameterSpec) -> Value {
    let mut schema = match spec.type_ {
        ParameterType::Text if !spec.choices.is_empty() => json!({ "enum": spec.choices }),
        ParameterType::Text => json!({ "type": SCALAR }),
        ParameterType::Number => bounded(json!({ "type": "number" }), spec),
        ParameterType::Integer => bounded(json!({ "type": "integer" }), spec),
        ParameterType::Flag => json!({ "type": "boolean" }),
        ParameterType::Duration => duration(),
        ParameterType::Texts => texts(),
        ParameterType::Map => json!({ "type": "object", "additionalProperties": texts() }),
    };
    add(&mut schema, "description", json!(spec.doc));
    // A mapping's default stands in the manifest as keys and values in turns, which says nothing here.
    if let Some(default) = spec.default.as_ref().filter(|default| !matches!(default, ParameterValue::Texts(_))) {
        add(&mut schema, "default", json!(default));
    }
    schema
}

fn bounded(mut schema: Value, spec: &ParameterSpec) -> Value {
    for (word, bound) in [("minimum", spec.min), ("maximum", spec.max)] {
        if let Some(bound) = bound {
            add(&mut schema, word, json!(bound));
        }
    }
    schema
}

fn add(schema: &mut Value, word: &str, value: Value) {
    if let Value::Object(words) = schema {
        words.insert(word.to_owned(), value);
    }
}
