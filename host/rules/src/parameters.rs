//! The plugin of a rule and what the rule tells it, checked against the plugin's manifest.

use std::collections::BTreeSet;
use std::ops::Range;

use orion_model::{Kind, Manifest, Parameter, ParameterSpec, ParameterType, ParameterValue};

use crate::catalog::PluginCatalog;
use crate::diagnostic::Report;
use crate::keys::{Fields, nearest};
use crate::scalar::{Meaning, Scalar};
use crate::tree::{Node, Value};

/// A plugin that was found, and the parameters it gets.
pub(crate) struct Chosen {
    /// The plugin as the file calls it.
    pub(crate) plugin: String,
    /// Completed from the manifest.
    pub(crate) parameters: Vec<Parameter>,
}

/// What a parameter is given by a document that is not written for Orion.
pub(crate) enum Given<'n> {
    /// What stands there, under the name it has there.
    Written(&'n str, &'n Node),
    /// What follows from it.
    Made(ParameterValue),
}

/// Looks plugins up and reads their parameters.
pub(crate) struct Plugins<'c> {
    catalog: &'c dyn PluginCatalog,
    /// Default plugins already reported missing: one sentence is enough, not one for each rule.
    missing: BTreeSet<&'static str>,
}

impl<'c> Plugins<'c> {
    /// Plugins of this catalog.
    pub(crate) fn new(catalog: &'c dyn PluginCatalog) -> Self {
        Self { catalog, missing: BTreeSet::new() }
    }

    /// Reads `plugin:`, `with:` and the keys of `sugar`, which are parameters that may stand outside of `with:`.
    pub(crate) fn read(
        &mut self,
        report: &mut Report<'_>,
        fields: &Fields<'_>,
        kind: Kind,
        default: &'static str,
        sugar: &[&str],
    ) -> Option<Chosen> {
        let named = fields.text(report, "plugin");
        let plugin = named.map_or(default, |text| text.as_str());
        let manifest = match named {
            None => self.standard_manifest(report, &fields.bytes, default, kind)?,
            Some(text) => match self.catalog.manifest(plugin) {
                Ok(manifest) => manifest,
                Err(why) => {
                    report.error(text.bytes(), why).help(self.help_for_missing(plugin, kind));
                    return None;
                }
            },
        };
        if manifest.kind != kind {
            let at = named.map_or(&fields.bytes, |text| text.bytes());
            let (is, needed) = (manifest.kind.as_str(), kind.as_str());
            report.error(at, format!("`{plugin}` is a {is}, but a {needed} is needed here")).label(help_for(kind));
            return None;
        }
        let given = given(report, fields, manifest, sugar);
        let parameters = manifest.complete(&given);
        require(report, fields, manifest, &parameters);
        Some(Chosen { plugin: plugin.to_owned(), parameters })
    }

    /// A correlator that a document asks for in words of its own.
    pub(crate) fn standard(
        &mut self,
        report: &mut Report<'_>,
        at: &Range<usize>,
        plugin: &'static str,
        given: Vec<(&'static str, Given<'_>)>,
    ) -> Option<Chosen> {
        let manifest = self.standard_manifest(report, at, plugin, Kind::Correlator)?;
        let mut accepted = Vec::new();
        for (name, given) in given {
            let Some(spec) = manifest.parameter(name) else {
                // One of the plugin folder may have taken the place of the standard one.
                report.error(at, format!("the correlator `{plugin}` that is here has no parameter `{name}`"));
                return None;
            };
            let value = match given {
                Given::Written(called, node) => read_value(report, called, node, spec)?,
                Given::Made(value) => spec
                    .accept(value)
                    .map_err(|why| {
                        report.error(at, format!("the correlator `{plugin}` does not take this as `{name}`: {why}"));
                    })
                    .ok()?,
            };
            accepted.push(Parameter { name: name.to_owned(), value });
        }
        Some(Chosen { plugin: plugin.to_owned(), parameters: manifest.complete(&accepted) })
    }

    /// A plugin that no file names; that it is missing is said once.
    fn standard_manifest(
        &mut self,
        report: &mut Report<'_>,
        at: &Range<usize>,
        plugin: &'static str,
        kind: Kind,
    ) -> Option<&'c Manifest> {
        let why = match self.catalog.manifest(plugin) {
            Ok(manifest) => return Some(manifest),
            Err(why) => why,
        };
        if self.missing.insert(plugin) {
            let message = format!("the standard plugin `{plugin}` is missing: {why}");
            report.error(at, message).help(self.help_for_missing(plugin, kind));
        }
        None
    }

    /// The plugin that was probably meant, or all of its kind.
    fn help_for_missing(&self, named: &str, kind: Kind) -> String {
        let (named, version) = named.split_once('@').unwrap_or((named, ""));
        if let Ok(Manifest { version: here, .. }) = self.catalog.manifest(named)
            && !version.is_empty()
        {
            return format!("write `{named}@{here}`, or `{named}` for the version that is here");
        }
        let mut names = self.catalog.names();
        names.retain(|name| self.catalog.manifest(name).is_ok_and(|manifest| manifest.kind == kind));
        match nearest(named, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known {}s: {}", kind.as_str(), names.join(", ")),
        }
    }
}

fn help_for(kind: Kind) -> &'static str {
    match kind {
        Kind::Detector => "rules of a group feed a detector",
        Kind::Correlator => "correlations feed a correlator",
    }
}

/// Everything the file says, each accepted by the manifest.
fn given(report: &mut Report<'_>, fields: &Fields<'_>, manifest: &Manifest, sugar: &[&str]) -> Vec<Parameter> {
    let mut given: Vec<Parameter> = Vec::new();
    let with = fields.get("with").and_then(|node| Fields::any(report, node, "`with`"));
    let inside = with.iter().flat_map(Fields::iter);
    let outside = sugar.iter().filter_map(|name| Some((*name, fields.key(name)?, fields.get(name)?)));
    for (name, key, value) in inside.chain(outside) {
        let Some(spec) = manifest.parameter(name) else {
            unknown(report, key, name, manifest);
            continue;
        };
        if given.iter().any(|parameter| parameter.name == name) {
            let message = format!("`{name}` is given twice: in `with` and beside it");
            report.error(&key.bytes, message).help("keep one of the two");
            continue;
        }
        if let Some(value) = read_value(report, name, value, spec) {
            given.push(Parameter { name: name.to_owned(), value });
        }
    }
    given
}

/// The value as the plugin gets it; what is wrong with it is said.
fn read_value(report: &mut Report<'_>, name: &str, node: &Node, spec: &ParameterSpec) -> Option<ParameterValue> {
    let value = match spec.type_ {
        ParameterType::Map => Ok(map_value(report, name, node)?),
        _ => parameter_value(node, spec),
    };
    let near = match &node.value {
        Value::Scalar(scalar) => nearest(&scalar.text, spec.choices.iter().map(String::as_str)),
        _ => None,
    };
    let refuse = |why| {
        let help = near.map(|near| format!("did you mean `{near}`?"));
        report.error(&node.bytes, format!("`{name}`: {why}")).label(spec.doc.as_str()).maybe_help(help);
    };
    value.and_then(|value| spec.accept(value)).map_err(refuse).ok()
}

/// A mapping as keys and values in turns, a key once for each of its values: nothing else crosses to a plugin.
fn map_value(report: &mut Report<'_>, name: &str, node: &Node) -> Option<ParameterValue> {
    let fields = Fields::any(report, node, &format!("`{name}`"))?;
    let mut pairs = Vec::new();
    let mut sound = true;
    for (key, _, value) in fields.iter() {
        let items = match &value.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        for item in items {
            if let Some(text) = item_text(item) {
                pairs.extend([key.to_owned(), text]);
            } else {
                sound = false;
                let message =
                    format!("`{key}` in `{name}` must be a text or a list of texts, but is {}", item.described());
                report.error(&item.bytes, message);
            }
        }
    }
    sound.then_some(ParameterValue::Texts(pairs))
}

fn unknown(report: &mut Report<'_>, key: &Node, name: &str, manifest: &Manifest) {
    let names = || manifest.parameters.iter().map(|spec| spec.name.as_str());
    let help = match nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if manifest.parameters.is_empty() => format!("`{}` takes no parameters", manifest.name),
        None => format!("`{}` takes {}", manifest.name, names().collect::<Vec<_>>().join(", ")),
    };
    let message = format!("the {} `{}` has no parameter `{name}`", manifest.kind.as_str(), manifest.name);
    report.error(&key.bytes, message).label("unknown parameter").help(help);
}

fn require(report: &mut Report<'_>, fields: &Fields<'_>, manifest: &Manifest, parameters: &[Parameter]) {
    let told = |spec: &ParameterSpec| parameters.iter().any(|parameter| parameter.name == spec.name);
    for spec in manifest.parameters.iter().filter(|spec| spec.required && !told(spec)) {
        let at = fields.key("with").or_else(|| fields.key("plugin")).map_or(&fields.bytes, |key| &key.bytes);
        // A parameter that was given and refused has been spoken of already.
        if !is_mentioned(fields, &spec.name) {
            let message = format!("`{}` needs the parameter `{}`", manifest.name, spec.name);
            report.error(at, message).help(format!("{}: {}", spec.name, spec.doc));
        }
    }
}

fn is_mentioned(fields: &Fields<'_>, name: &str) -> bool {
    fields.get("with").and_then(|with| with.entry(name)).or_else(|| fields.key(name)).is_some()
}

/// A node as the value of a parameter. Where a text is wanted, a number is taken as it is written: `version: 3`.
fn parameter_value(node: &Node, spec: &ParameterSpec) -> Result<ParameterValue, String> {
    let wants_text = matches!(spec.type_, ParameterType::Text | ParameterType::Texts | ParameterType::Duration);
    let value = match &node.value {
        Value::Scalar(scalar) => scalar_value(scalar, wants_text),
        Value::List(items) => items.iter().map(item_text).collect::<Option<_>>().map(ParameterValue::Texts),
        Value::Map(_) => None,
    };
    value.ok_or_else(|| format!("expected {}, found {}", spec.type_.described(), node.described()))
}

fn scalar_value(scalar: &Scalar, wants_text: bool) -> Option<ParameterValue> {
    match scalar.meaning() {
        Meaning::Null => None,
        _ if wants_text => Some(ParameterValue::Text(scalar.text.clone())),
        Meaning::Flag(flag) => Some(ParameterValue::Flag(flag)),
        Meaning::Integer(integer) => Some(ParameterValue::Integer(integer)),
        Meaning::Number(number) => Some(ParameterValue::Number(number)),
        Meaning::Text(text) => Some(ParameterValue::Text(text)),
    }
}

fn item_text(node: &Node) -> Option<String> {
    match &node.value {
        Value::Scalar(scalar) if !node.is_null() => Some(scalar.text.clone()),
        _ => None,
    }
}
