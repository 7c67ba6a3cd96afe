//! Which events a correlation reads.
//!
//! A name is looked up in this order, here and for what events are grouped by: the event's own fields, then its labels, then the top level of its data.

use std::borrow::Cow;
use std::cmp::Ordering;

use orion_model::{Event, Severity, Status};
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

    /// The event types it asks for by name.
    pub fn event_types(&self) -> impl Iterator<Item = &str> {
        let conditions = self.fields.iter().filter(|(name, _)| name == "event_type").flat_map(|(_, all)| all);
        conditions.filter_map(|condition| match condition {
            Condition::Is(event_type) => Some(event_type.as_str()),
            _ => None,
        })
    }

    /// The event types without one of which nothing matches; `None` when the type may be any.
    pub fn required_event_types(&self) -> Option<Vec<&str>> {
        let (_, conditions) = self.fields.iter().find(|(name, _)| name == "event_type")?;
        let named = |condition: &'_ Condition| matches!(condition, Condition::Is(_));
        conditions.iter().all(named).then(|| self.event_types().collect())
    }

    /// Every field with what it may be.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &[Condition])> {
        self.fields.iter().map(|(name, conditions)| (name.as_str(), conditions.as_slice()))
    }

    /// Adds a field and what it may be.
    pub(crate) fn add(&mut self, name: &str, alternatives: Vec<Condition>) {
        self.fields.push((name.to_owned(), alternatives));
    }
}

/// What an event says under a name.
pub(crate) enum Field<'e> {
    Text(&'e str),
    Data(&'e Value),
}

impl<'e> Field<'e> {
    /// As it stands in a key.
    pub(crate) fn text(&self) -> Cow<'e, str> {
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

/// What the event says under a name: its own fields, then its labels, then the top level of its data.
pub(crate) fn look_up<'e>(event: &'e Event, name: &str) -> Option<Field<'e>> {
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
    pub(crate) fn holds(self, ordering: Ordering) -> bool {
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use orion_model::{IdBuilder, Labels, Timestamp};
    use serde_json::{Map, json};

    pub(crate) fn event(event_type: &str, severity: Severity) -> Event {
        Event {
            event_id: IdBuilder::new("test").finish(),
            event_type: event_type.to_owned(),
            severity,
            status: Status::Firing,
            ts: Timestamp::from_millis(0),
            rule: "file/group/alert".to_owned(),
            source: "prometheus".to_owned(),
            generation: 1,
            fingerprint: IdBuilder::new("test").finish().into(),
            labels: [("service", "jellyfin"), ("port", "8096"), ("rule", "of the label")].into_iter().collect(),
            annotations: Labels::empty(),
            data: Map::from_iter([
                ("value".to_owned(), json!(5.5)),
                ("worst".to_owned(), json!("+Inf")),
                ("service".to_owned(), json!("of the data")),
                ("known".to_owned(), json!(true)),
                ("nothing".to_owned(), json!(null)),
            ]),
            evidence: None,
        }
    }

    fn holds(name: &str, texts: &[&str]) -> bool {
        let mut matcher = EventMatcher::default();
        let conditions = texts.iter().map(|text| condition(name, text, texts.len() > 1).unwrap());
        matcher.add(name, conditions.collect());
        matcher.matches(&event("service_down", Severity::Error))
    }

    #[test]
    fn texts_are_equal_or_not() {
        assert!(holds("service", &["jellyfin"]) && !holds("service", &["radarr"]));
        assert!(holds("service", &["radarr", "jellyfin"]) && !holds("service", &["radarr", "sonarr"]));
        assert!(holds("service", &["!= radarr"]) && !holds("service", &["!= jellyfin"]));
        assert!(holds("service", &["== jellyfin"]));
        assert!(holds("status", &["firing"]) && !holds("status", &["resolved"]) && holds("status", &["!= resolved"]));
        assert!(holds("known", &["true"]));
    }

    #[test]
    fn a_missing_field_is_an_empty_text_and_no_number() {
        assert!(holds("absent", &[""]) && holds("absent", &["!= x"]) && !holds("absent", &["!="]));
        assert!(!holds("absent", &["< 5"]) && !holds("absent", &["> 5"]) && !holds("service", &["> 5"]));
        assert!(holds("nothing", &[""]));
    }

    #[test]
    fn severities_compare_in_their_order() {
        assert!(holds("severity", &[">= error"]) && holds("severity", &["> warning"]) && holds("severity", &["error"]));
        assert!(
            !holds("severity", &["> error"]) && !holds("severity", &["< error"]) && holds("severity", &["<= error"])
        );
        assert!(holds("severity", &["!= critical"]) && holds("severity", &["warning", "error"]));
    }

    #[test]
    fn numbers_compare_as_numbers_wherever_they_stand() {
        assert!(holds("value", &["> 5"]) && !holds("value", &["> 5.5"]) && holds("value", &[">= 5.5"]));
        assert!(holds("value", &["5.50"]) && !holds("value", &["!= 5.5"]));
        assert!(holds("port", &["< 9000"]) && !holds("port", &["8096.0"]));
        assert!(holds("worst", &["> 1e300"]));
    }

    #[test]
    fn every_field_must_hold() {
        let mut matcher = EventMatcher::default();
        assert!(matcher.matches(&event("x", Severity::Info)));
        matcher.add("event_type", vec![Condition::Is("x".to_owned())]);
        matcher.add("severity", vec![Condition::Severity(Comparison::AtLeast, Severity::Error)]);
        assert!(matcher.matches(&event("x", Severity::Critical)));
        assert!(!matcher.matches(&event("x", Severity::Warning)) && !matcher.matches(&event("y", Severity::Critical)));
    }
}
