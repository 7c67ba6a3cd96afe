//! Which events a correlation reads, and which of them belong together.
//!
//! Both look a name up in the same order: the event's own fields, then its labels, then the top level of its data.

use std::borrow::Cow;
use std::cmp::Ordering;

use orion_model::{Event, Labels, Severity, Status};
use serde_json::Value;

use crate::keys::nearest;

/// The `match:` of a correlation: every field must meet one of its conditions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventMatcher {
    fields: Vec<(String, Vec<Condition>)>,
}

/// What one field must be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    Is(String),
    IsNot(String),
    Severity(Comparison, Severity),
    Number(Comparison, f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// Why a text is no condition.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl EventMatcher {
    /// Whether the event meets every condition.
    pub fn matches(&self, event: &Event) -> bool {
        self.fields.iter().all(|(name, conditions)| {
            let field = look_up(event, name);
            conditions.iter().any(|condition| condition.holds(event, field.as_ref()))
        })
    }

    /// Adds a field and what it may be.
    pub(crate) fn add(&mut self, name: &str, alternatives: Vec<Condition>) {
        self.fields.push((name.to_owned(), alternatives));
    }
}

/// What the event has for each name of `group_by`; a name it has nothing for is left out.
pub fn group_key(event: &Event, group_by: &[String]) -> Labels {
    group_by.iter().filter_map(|name| Some((name.as_str(), look_up(event, name)?.text()))).collect()
}

/// What an event says under a name.
enum Field<'e> {
    Text(&'e str),
    Data(&'e Value),
}

impl<'e> Field<'e> {
    fn text(&self) -> Cow<'e, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Data(Value::String(text)) => Cow::Borrowed(text),
            Self::Data(other) => Cow::Owned(other.to_string()),
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Data(Value::Number(number)) => number.as_f64(),
            Self::Text(text) => text.parse().ok(),
            // Also NaN and the infinities, which JSON can only hold as text.
            Self::Data(Value::String(text)) => text.parse().ok(),
            Self::Data(_) => None,
        }
    }
}

fn look_up<'e>(event: &'e Event, name: &str) -> Option<Field<'e>> {
    let own = match name {
        "event_type" => Some(event.event_type.as_str()),
        "severity" => Some(event.severity.as_str()),
        "status" => Some(event.status.as_str()),
        "rule" => Some(event.rule.as_str()),
        "source" => Some(event.source.as_str()),
        _ => event.labels.get(name),
    };
    own.map(Field::Text).or_else(|| event.data.get(name).filter(|value| !value.is_null()).map(Field::Data))
}

impl Condition {
    /// Whether it holds; a missing field is an empty text and no number.
    fn holds(&self, event: &Event, field: Option<&Field<'_>>) -> bool {
        match self {
            Self::Is(wanted) => field.map_or(wanted.is_empty(), |field| equals(field, wanted)),
            Self::IsNot(unwanted) => field.map_or(!unwanted.is_empty(), |field| !equals(field, unwanted)),
            Self::Severity(comparison, severity) => comparison.holds(event.severity.cmp(severity)),
            Self::Number(comparison, bound) => field
                .and_then(Field::number)
                .and_then(|number| number.partial_cmp(bound))
                .is_some_and(|ordering| comparison.holds(ordering)),
        }
    }
}

/// Equal as text, or as numbers where the event holds a number: `5` and `5.0` are the same value.
fn equals(field: &Field<'_>, wanted: &str) -> bool {
    match field {
        Field::Data(Value::Number(number)) => wanted.parse().ok() == number.as_f64() || field.text() == wanted,
        _ => field.text() == wanted,
    }
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
        }
    }

    /// The comparison a text starts with, and the rest of the text.
    fn split(text: &str) -> (Option<Self>, &str) {
        const SIGNS: [(&str, Comparison); 6] = [
            (">=", Comparison::AtLeast),
            ("<=", Comparison::AtMost),
            ("!=", Comparison::NotEqual),
            ("==", Comparison::Equal),
            (">", Comparison::Greater),
            ("<", Comparison::Less),
        ];
        let signed = SIGNS.iter().find_map(|(sign, comparison)| Some((*comparison, text.strip_prefix(sign)?)));
        match signed {
            Some((comparison, rest)) => (Some(comparison), rest.trim()),
            None => (None, text),
        }
    }
}

/// Reads what one field must be.
pub(crate) fn condition(name: &str, text: &str, of_list: bool) -> Result<Condition, Refusal> {
    let (comparison, operand) = Comparison::split(text);
    if of_list && comparison == Some(Comparison::NotEqual) {
        let message = format!("`{text}` in a list would hold for nearly everything: one of the list is enough");
        return Err(Refusal { message, help: Some("write it alone, without the list".to_owned()) });
    }
    match (name, comparison) {
        ("severity", comparison) => severity(comparison.unwrap_or(Comparison::Equal), operand),
        ("status", comparison) => status(comparison, operand),
        (_, None | Some(Comparison::Equal)) => Ok(Condition::Is(operand.to_owned())),
        (_, Some(Comparison::NotEqual)) => Ok(Condition::IsNot(operand.to_owned())),
        (_, Some(comparison)) => match operand.parse::<f64>() {
            Ok(bound) if !bound.is_nan() => Ok(Condition::Number(comparison, bound)),
            _ => Err(Refusal {
                message: format!("`{operand}` is no number to compare `{name}` with"),
                help: Some("texts can only be equal or not: `x`, `!= x`".to_owned()),
            }),
        },
    }
}

fn severity(comparison: Comparison, operand: &str) -> Result<Condition, Refusal> {
    let words = Severity::ALL.map(Severity::as_str);
    let near = || nearest(operand, words).map(|near| format!("did you mean `{near}`?"));
    let parsed = operand.parse().map(|severity| Condition::Severity(comparison, severity));
    parsed.map_err(|unknown: orion_model::UnknownSeverity| Refusal { message: unknown.to_string(), help: near() })
}

fn status(comparison: Option<Comparison>, operand: &str) -> Result<Condition, Refusal> {
    let words = [Status::Occurred, Status::Firing, Status::Resolved].map(Status::as_str);
    let known = words.contains(&operand);
    match comparison {
        None | Some(Comparison::Equal) if known => Ok(Condition::Is(operand.to_owned())),
        Some(Comparison::NotEqual) if known => Ok(Condition::IsNot(operand.to_owned())),
        _ => Err(Refusal {
            message: format!("`{operand}` is no status that can be compared so"),
            help: Some(format!("a status is or is not one of {}", words.join(", "))),
        }),
    }
}
