//! `plugin.toml`: what a plugin says of itself, as data. Host, linter and editor schema read it without running anything.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::parameter::{Parameter, ParameterValue, format_duration, parse_duration};

/// What a plugin says of itself. Carried inside the component, in the custom section [`Manifest::SECTION`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// What rules call it.
    pub name: String,
    /// Detector or correlator.
    pub kind: Kind,
    /// Version of the plugin.
    pub version: String,
    /// Version of the contract it speaks: `v1`.
    pub contract: String,
    /// One sentence.
    pub summary: String,
    /// Version of the state that `checkpoint` returns; absent for a plugin that keeps none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_version: Option<u32>,
    /// Whether a detector looks at labels. One that does not is not told them, which saves a copy of every label.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub reads_labels: bool,
    /// Whether a detector has nothing to say of an answer without series, and nothing to remember of it. Then it is not shown one: of a
    /// thousand rules most ask for what is wrong and get no series, for as long as all is well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_series: bool,
    /// What `with:` may say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<ParameterSpec>,
}

const fn yes() -> bool {
    true
}

/// What a plugin reads and emits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Frames to findings.
    Detector,
    /// Events to incident changes.
    Correlator,
}

impl Kind {
    /// The word manifests use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Detector => "detector",
            Self::Correlator => "correlator",
        }
    }
}

/// One parameter: its type, bounds and meaning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ParameterSpec {
    /// Name in `with:`.
    pub name: String,
    /// Type.
    #[serde(rename = "type")]
    pub type_: ParameterType,
    /// One sentence.
    pub doc: String,
    /// Used when the rule says nothing. A parameter without default is left out then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<ParameterValue>,
    /// Whether the rule must say it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Smallest number allowed; for a duration in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Largest number allowed; for a duration in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The only texts allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

/// Type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    /// A text.
    Text,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Flag,
    /// `15m`; the plugin gets integer milliseconds.
    Duration,
    /// A list of texts.
    Texts,
    /// A mapping of texts to one or more texts each; the plugin gets texts, a key and a value in turns.
    Map,
}

impl ParameterType {
    /// The word manifests use, with an article, for messages.
    pub const fn described(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Integer => "a whole number",
            Self::Flag => "true or false",
            Self::Duration => "a duration such as 15m",
            Self::Texts => "a list of texts",
            Self::Map => "a mapping of texts",
        }
    }
}

/// A manifest that is refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// More bytes than a manifest may have.
    #[error("the manifest has {0} bytes; at most {max} are read", max = Manifest::MAX_BYTES)]
    TooLong(usize),
    /// Not UTF-8.
    #[error("the manifest is not UTF-8 text")]
    NotText,
    /// Not TOML of the right shape.
    #[error("the manifest cannot be read: {0}")]
    Malformed(#[from] Box<toml::de::Error>),
    /// Says something that cannot be.
    #[error("the manifest of `{name}` says something that cannot be: {what}")]
    Invalid {
        /// The plugin's name.
        name: String,
        /// What is wrong.
        what: String,
    },
}

impl Manifest {
    /// Custom section of the component that holds the manifest.
    pub const SECTION: &'static str = "orion:manifest";

    /// A manifest is a page of text; one of megabytes is an attack on whoever reads it.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Reads and checks a manifest.
    pub fn from_toml(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(ManifestError::TooLong(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ManifestError::NotText)?;
        let manifest: Self = toml::from_str(text).map_err(Box::new)?;
        manifest.check().map_err(|what| ManifestError::Invalid { name: manifest.name.clone(), what })?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        let wellformed = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
        };
        if !wellformed(&self.name) {
            return Err(format!("name `{}` must be lower-case letters, digits and hyphens", self.name));
        }
        if self.needs_series && self.kind == Kind::Correlator {
            return Err("`needs-series` is for detectors: a correlator reads events".to_owned());
        }
        let mut names = BTreeSet::new();
        for spec in &self.parameters {
            if !wellformed(&spec.name) || !names.insert(&spec.name) {
                return Err(format!("parameter name `{}` is malformed or stands twice", spec.name));
            }
            if let Some(default) = &spec.default {
                spec.accept(default.clone()).map_err(|why| format!("default of `{}`: {why}", spec.name))?;
            }
        }
        Ok(())
    }

    /// The parameter of that name.
    pub fn parameter(&self, name: &str) -> Option<&ParameterSpec> {
        self.parameters.iter().find(|spec| spec.name == name)
    }

    /// Adds the defaults that `given` leaves out, in manifest order. `given` was accepted parameter by parameter.
    pub fn complete(&self, given: &[Parameter]) -> Vec<Parameter> {
        let value_of = |spec: &ParameterSpec| {
            let told = given.iter().find(|parameter| parameter.name == spec.name);
            match told {
                Some(parameter) => Some(parameter.value.clone()),
                None => spec.accept(spec.default.clone()?).ok(),
            }
        };
        self.parameters
            .iter()
            .filter_map(|spec| Some(Parameter { name: spec.name.clone(), value: value_of(spec)? }))
            .collect()
    }
}

impl ParameterSpec {
    /// The value as the plugin gets it, or why it may not be that.
    pub fn accept(&self, value: ParameterValue) -> Result<ParameterValue, String> {
        let wrong = |value: &ParameterValue| format!("expected {}, found {}", self.type_.described(), shown(value));
        let value = match (self.type_, value) {
            (ParameterType::Text, ParameterValue::Text(text)) => ParameterValue::Text(text),
            (ParameterType::Number, ParameterValue::Number(number)) => ParameterValue::Number(number),
            #[expect(clippy::cast_precision_loss, reason = "a bound of more than 2^53 means nothing finer")]
            (ParameterType::Number, ParameterValue::Integer(integer)) => ParameterValue::Number(integer as f64),
            (ParameterType::Integer, ParameterValue::Integer(integer)) => ParameterValue::Integer(integer),
            (ParameterType::Flag, ParameterValue::Flag(flag)) => ParameterValue::Flag(flag),
            (ParameterType::Duration, ParameterValue::Text(text)) => match parse_duration(&text) {
                Some(millis) => ParameterValue::Integer(millis),
                None => return Err(wrong(&ParameterValue::Text(text))),
            },
            (ParameterType::Texts, ParameterValue::Texts(texts)) => ParameterValue::Texts(texts),
            (ParameterType::Texts, ParameterValue::Text(text)) => ParameterValue::Texts(vec![text]),
            (ParameterType::Map, ParameterValue::Texts(pairs)) if pairs.len() % 2 == 0 => ParameterValue::Texts(pairs),
            (_, other) => return Err(wrong(&other)),
        };
        self.within_bounds(&value)?;
        Ok(value)
    }

    fn within_bounds(&self, value: &ParameterValue) -> Result<(), String> {
        let number = match value {
            #[expect(clippy::cast_precision_loss, reason = "a bound of more than 2^53 means nothing finer")]
            ParameterValue::Integer(integer) => *integer as f64,
            ParameterValue::Number(number) => *number,
            ParameterValue::Text(text) if !self.choices.is_empty() && !self.choices.contains(text) => {
                return Err(format!("`{text}` is none of {}", self.choices.join(", ")));
            }
            _ => return Ok(()),
        };
        let written = |bound: f64| match self.type_ {
            #[expect(clippy::cast_possible_truncation, reason = "bounds of durations are whole milliseconds")]
            ParameterType::Duration => format_duration(bound as i64),
            _ => bound.to_string(),
        };
        match (self.min, self.max) {
            (Some(min), _) if number.is_nan() || number < min => Err(format!("must be at least {}", written(min))),
            (_, Some(max)) if number.is_nan() || number > max => Err(format!("must be at most {}", written(max))),
            _ => Ok(()),
        }
    }
}

fn shown(value: &ParameterValue) -> String {
    match value {
        ParameterValue::Flag(flag) => flag.to_string(),
        ParameterValue::Integer(integer) => integer.to_string(),
        ParameterValue::Number(number) => number.to_string(),
        ParameterValue::Text(text) => format!("{text:?}"),
        ParameterValue::Texts(texts) => format!("{texts:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLD: &str = r#"
        name = "threshold"
        kind = "detector"
        version = "1.0.0"
        contract = "v1"
        summary = "Every series beyond a bound."
        [[parameters]]
        name = "above"
        type = "number"
        doc = "Upper bound."
        max = 100
        [[parameters]]
        name = "hold"
        type = "duration"
        doc = "How long."
        default = "5m"
        min = 1000
    "#;

    #[test]
    fn a_manifest_reads_and_completes_parameters() {
        let manifest = Manifest::from_toml(THRESHOLD.as_bytes()).unwrap();
        let above = manifest.parameter("above").unwrap().accept(ParameterValue::Integer(3)).unwrap();
        let parameters = manifest.complete(&[Parameter { name: "above".into(), value: above }]);
        assert_eq!(parameters[0].value, ParameterValue::Number(3.0));
        assert_eq!(parameters[1].value, ParameterValue::Integer(300_000));
    }

    #[test]
    fn a_value_outside_its_type_or_bounds_is_refused_with_the_reason() {
        let manifest = Manifest::from_toml(THRESHOLD.as_bytes()).unwrap();
        let refuse = |name: &str, value| manifest.parameter(name).unwrap().accept(value).unwrap_err();
        assert_eq!(refuse("above", ParameterValue::Integer(101)), "must be at most 100");
        assert_eq!(refuse("above", ParameterValue::Text("x".into())), "expected a number, found \"x\"");
        assert_eq!(refuse("hold", ParameterValue::Text("1ms".into())), "must be at least 1s");
        assert_eq!(refuse("above", ParameterValue::Number(f64::NAN)), "must be at most 100");
    }

    #[test]
    fn a_map_is_keys_and_values_in_turns() {
        let map = THRESHOLD.replace("type = \"number\"", "type = \"map\"").replace("max = 100", "default = ['a', 'b']");
        let manifest = Manifest::from_toml(map.as_bytes()).unwrap();
        let texts = |texts: &[&str]| ParameterValue::Texts(texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(manifest.complete(&[])[0].value, texts(&["a", "b"]));
        let spec = manifest.parameter("above").unwrap();
        assert_eq!(spec.accept(texts(&[])), Ok(texts(&[])));
        assert_eq!(spec.accept(texts(&["a"])), Err("expected a mapping of texts, found [\"a\"]".to_owned()));
        assert!(Manifest::from_toml(map.replace("['a', 'b']", "['a']").as_bytes()).is_err());
    }

    #[test]
    fn a_manifest_that_lies_or_is_huge_is_refused() {
        let refuse = |text: &str| Manifest::from_toml(text.as_bytes()).unwrap_err().to_string();
        assert!(refuse(&THRESHOLD.replace("\"5m\"", "5")).contains("default of `hold`"));
        assert!(refuse(&THRESHOLD.replace("\"threshold\"", "\"../x\"")).contains("name"));
        let correlator = THRESHOLD.replace("\"detector\"", "\"correlator\"\nneeds-series = true");
        assert!(refuse(&correlator).contains("`needs-series` is for detectors"));
        assert!(refuse(&" ".repeat(Manifest::MAX_BYTES + 1)).contains("bytes"));
    }
}
