//! Which events play a part, written as one line: `service_down`, `event_type=disk_full severity>=error job=node|db-*`.
//!
//! Terms are separated by spaces and must all hold. A word alone is an event type. `=` and `!=` take alternatives
//! with `|` between them, and `*` stands for any text; a value with spaces, `|` or `*` of its own stands in double quotes.
//! The end of an alert is selected only where the `status` is spoken of, and then by name: `status=resolved`.
//! `severity` and `value` also compare with `>`, `>=`, `<`, `<=`. Names are those of the event first, then its labels.

mod parse;

use crate::event::{Event, Status};
use crate::parameters::{Parameters, Refused};
use crate::severity::Severity;

/// Some of all events.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    text: String,
    terms: Vec<Term>,
}

/// Selectors by their place in a list. At most [`Selectors::MOST`], so that what an event fits is a number with a bit for each.
#[derive(Clone, Debug, PartialEq)]
pub struct Selectors(Vec<Selector>);

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Text { of: TextOf, not: bool, any: Vec<Glob> },
    Severity { than: Than, bound: Severity },
    Value { than: Than, bound: f64 },
    Status { not: bool, any: Vec<Status> },
}

#[derive(Clone, Debug, PartialEq)]
enum TextOf {
    EventType,
    Key,
    Label(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Than {
    Equal,
    NotEqual,
    Greater,
    AtLeast,
    Less,
    AtMost,
}

/// Pieces of text with anything between them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Glob(Vec<String>);

impl Selector {
    /// As it is written.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let refused = |why: String| Refused(format!("`{text}` selects nothing: {why}"));
        let terms = parse::terms(text).map_err(refused)?;
        if terms.is_empty() {
            return Err(refused("it is empty; `*` is every event".to_owned()));
        }
        Ok(Self { text: text.trim().to_owned(), terms })
    }

    /// The one that a parameter holds; `None` when nothing was said.
    pub fn of(parameters: &Parameters, name: &str) -> Result<Option<Self>, Refused> {
        let named = |refused: Refused| Refused(format!("`{name}`: {refused}"));
        parameters.text(name)?.map(|text| Self::parse(text).map_err(named)).transpose()
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether an event is one of them. The end of an alert is only where the selector speaks of the status.
    pub fn selects(&self, event: &Event<'_>) -> bool {
        let speaks_of_it = |term: &Term| matches!(term, Term::Status { .. });
        let is_meant = event.status != Status::Resolved || self.terms.iter().any(speaks_of_it);
        is_meant && self.terms.iter().all(|term| term.holds(event))
    }

    /// Whether an event is one of them, or the end of one.
    pub fn concerns(&self, event: &Event<'_>) -> bool {
        self.terms.iter().all(|term| matches!(term, Term::Status { .. }) || term.holds(event))
    }
}

impl Selectors {
    /// Most that a list may have.
    pub const MOST: usize = 32;

    /// Those that a parameter lists.
    pub fn of(parameters: &Parameters, name: &str) -> Result<Self, Refused> {
        let named = |refused: Refused| Refused(format!("`{name}`: {refused}"));
        let texts = parameters.texts(name)?;
        if texts.len() > Self::MOST {
            return Err(Refused(format!(
                "`{name}` lists {} selectors, and at most {} are read",
                texts.len(),
                Self::MOST
            )));
        }
        texts.iter().map(|text| Selector::parse(text).map_err(named)).collect::<Result<_, _>>().map(Self)
    }

    /// How many.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One by its place.
    pub fn get(&self, index: usize) -> Option<&Selector> {
        self.0.get(index)
    }

    /// All, as they were written.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Selector::text)
    }

    /// A bit for each that selects the event.
    pub fn mask(&self, event: &Event<'_>) -> u32 {
        let bits = self.0.iter().zip(0..).map(|(selector, bit)| u32::from(selector.selects(event)) << bit);
        bits.fold(0, |mask, bit| mask | bit)
    }
}

impl Term {
    fn holds(&self, event: &Event<'_>) -> bool {
        match self {
            Self::Text { of, not, any } => {
                let text = match of {
                    TextOf::EventType => event.event_type(),
                    TextOf::Key => event.key(),
                    // As in Prometheus, a label that is not there is an empty one.
                    TextOf::Label(name) => event.label(name).unwrap_or_default(),
                };
                any.iter().any(|glob| glob.matches(text)) != *not
            }
            Self::Severity { than, bound } => than.holds(&event.severity, bound),
            Self::Value { than, bound } => than.holds(&event.value, bound),
            Self::Status { not, any } => any.contains(&event.status) != *not,
        }
    }
}

impl Than {
    fn holds<T: PartialOrd>(self, number: &T, bound: &T) -> bool {
        match self {
            Self::Equal => number == bound,
            Self::NotEqual => number != bound,
            Self::Greater => number > bound,
            Self::AtLeast => number >= bound,
            Self::Less => number < bound,
            Self::AtMost => number <= bound,
        }
    }

    const fn is_of_texts(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual)
    }
}

impl Glob {
    fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|whole| whole == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for piece in middle {
            let Some((_, after)) = rest.split_once(piece.as_str()) else { return false };
            rest = after;
        }
        rest.ends_with(last.as_str())
    }

    fn plain(&self) -> Option<&str> {
        match self.0.as_slice() {
            [whole] => Some(whole),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Batch, Columns};

    /// Whether a selector takes the event `disk_full` of the key `k`: error, firing, 5, with the labels job=node-a, mount="/a b|c*".
    fn selects(text: &str) -> bool {
        let mut columns = Columns {
            positions: vec![1],
            timestamps: vec![0],
            severities: vec![Severity::Error.rank()],
            statuses: vec![Status::Firing.rank()],
            fingerprints: vec![7],
            values: vec![5.0],
            label_counts: vec![2],
            ..Columns::default()
        };
        for piece in ["k", "disk_full", "job", "node-a", "mount", "/a b|c*"] {
            columns.text.extend_from_slice(piece.as_bytes());
            columns.ends.push(u32::try_from(columns.text.len()).unwrap());
        }
        let event = Batch(&columns).events().next().unwrap();
        Selector::parse(text).unwrap().selects(&event)
    }

    #[test]
    fn what_is_written_is_what_is_selected() {
        for text in [
            "disk_full",
            "*",
            "other|disk_*",
            "event_type=disk_full",
            "event_type==disk_full",
            "key=k",
            "severity>=error",
            "severity=error severity<critical",
            "severity!=info",
            "value>4.5 value<=5",
            "status=firing|resolved",
            "status!=resolved",
            "job=node-*",
            "job=*de*a",
            "job=db|node-a disk_full",
            "job!=db|web",
            "rack=",
            "mount=\"/a b|c*\"",
            "  disk_full   severity>warning ",
        ] {
            assert!(selects(text), "{text}");
        }
        for text in [
            "disk",
            "disk_full_",
            "disk_*_full",
            "severity>error",
            "value<5",
            "status=occurred",
            "job=node",
            "job=*b",
            "job!=node-*",
            "rack=*x*",
            "rack!=",
            "disk_full severity<=warning",
            "mount=\"/a b|c\"*x",
        ] {
            assert!(!selects(text), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_in_words() {
        for (text, why) in [
            ("", "it is empty; `*` is every event"),
            ("severity>=bad", "`bad` is no severity: info, warning, error, critical"),
            ("severity=error|info", "`severity` is compared with one value"),
            ("value>much", "`much` is no number"),
            ("status=over", "`status` is occurred, firing or resolved"),
            ("job>5", "`job` is a text, and only `=` and `!=` compare texts"),
            ("=x", "a name is missing before the comparison"),
            ("job!x", "`!` stands only in `!=`"),
            ("j*b=x", "a name has no `*` in it"),
            ("job=\"x", "a double quote is not closed"),
        ] {
            assert_eq!(Selector::parse(text).unwrap_err().0, format!("`{text}` selects nothing: {why}"));
        }
    }
}
