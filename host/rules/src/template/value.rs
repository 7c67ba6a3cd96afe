//! What templates compute with, and how Go would name and print it.

use std::collections::BTreeMap;
use std::rc::Rc;

use orion_model::Labels;

use super::TemplateData;

/// A value during one rendering.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Nil,
    Flag(bool),
    Integer(i64),
    Number(f64),
    Text(Rc<str>),
    /// `$labels`.
    Labels(&'a Labels),
    /// What the template was given: `.Labels`, `.Value`, ….
    Root(&'a TemplateData<'a>),
    /// What `args` makes.
    Map(Rc<BTreeMap<String, Value<'a>>>),
    /// Milliseconds since the epoch.
    Time(i64),
    /// Nanoseconds.
    Duration(i64),
}

impl<'a> Value<'a> {
    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// Go's name of the type, for messages and `%T`.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Flag(_) => "bool",
            Self::Integer(_) => "int",
            Self::Number(_) => "float64",
            Self::Text(_) => "string",
            Self::Labels(_) => "map[string]string",
            Self::Root(_) => "struct",
            Self::Map(_) => "map[string]interface {}",
            Self::Time(_) => "*time.Time",
            Self::Duration(_) => "time.Duration",
        }
    }

    /// Whether `if` takes it for true.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Flag(flag) => *flag,
            Self::Integer(integer) | Self::Duration(integer) => *integer != 0,
            Self::Number(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Labels(labels) => !labels.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Root(_) | Self::Time(_) => true,
        }
    }

    /// The field or key of that name. A label that is not there is an empty text, as in Prometheus.
    pub(super) fn field(&self, name: &str) -> Result<Value<'a>, String> {
        match self {
            Self::Labels(labels) => Ok(Self::text(labels.get(name).unwrap_or_default())),
            Self::Map(map) => Ok(map.get(name).cloned().unwrap_or(Self::Nil)),
            Self::Root(data) => match name {
                "Labels" => Ok(Self::Labels(data.labels)),
                "ExternalLabels" => Ok(Self::Labels(data.external_labels)),
                "Value" => Ok(Self::Number(data.value)),
                "ExternalURL" => Ok(Self::text("")),
                _ => Err(format!("there is no `.{name}`: use .Labels, .Value, .ExternalLabels or .ExternalURL")),
            },
            other => Err(format!("`.{name}` of a {}: it has no fields", other.type_name())),
        }
    }
}
