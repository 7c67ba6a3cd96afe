//! A record that a test expects: as much of it as the test cares about.

use serde_json::Value;

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Events.
    Event,
    /// Revisions of incidents.
    Incident,
    /// Decisions.
    Decision,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Event, Self::Incident, Self::Decision];

    /// The key in a test that lists what is expected of the kind.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Event => "exp_events",
            Self::Incident => "exp_incidents",
            Self::Decision => "exp_decisions",
        }
    }

    /// The word for one.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Incident => "incident",
            Self::Decision => "decision",
        }
    }

    /// Fields of a record that a test may speak of. Ids and digests are left out: they say nothing to a person, and change
    /// with every edit.
    pub const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Event => &["event_type", "severity", "status", "rule", "source", "labels", "annotations", "data"],
            Self::Incident => &[
                "incident_type",
                "severity",
                "status",
                "revision",
                "correlation",
                "key",
                "summary",
                "reason",
                "event_count",
                "data",
            ],
            Self::Decision => &["decision_type", "reason", "incident_revision"],
        }
    }
}

/// A record, as far as the test cares.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Where it stands.
    pub line: usize,
    /// When.
    pub at_millis: Option<i64>,
    /// Fields and their texts; of a mapping, those of its members that count.
    pub fields: Vec<(String, Wanted)>,
}

/// What a field is to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// This.
    Text(String),
    /// A mapping with at least these members.
    Members(Vec<(String, String)>),
}

impl Expected {
    /// What does not fit a record that happened `at_millis`: what is wanted, and what is there.
    pub fn misfits(&self, at_millis: i64, record: &Value) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        if let Some(wanted) = self.at_millis.filter(|wanted| *wanted != at_millis) {
            let shown = orion_model::format_duration;
            misfits.push(Misfit { field: "at".to_owned(), wanted: shown(wanted), got: shown(at_millis) });
        }
        for (name, wanted) in &self.fields {
            let got = record.get(name).unwrap_or(&Value::Null);
            match wanted {
                Wanted::Text(wanted) => misfits.extend(misfit(name.clone(), wanted, got)),
                Wanted::Members(members) => misfits.extend(members.iter().filter_map(|(member, wanted)| {
                    misfit(format!("{name}.{member}"), wanted, got.get(member).unwrap_or(&Value::Null))
                })),
            }
        }
        misfits
    }

    /// The line as it was written, more or less.
    pub fn shown(&self) -> String {
        let at = self.at_millis.map(|at| format!("at: {}", orion_model::format_duration(at)));
        let fields = self.fields.iter().map(|(name, wanted)| match wanted {
            Wanted::Text(text) => format!("{name}: {text}"),
            Wanted::Members(members) => {
                let members: Vec<String> = members.iter().map(|(name, text)| format!("{name}: {text}")).collect();
                format!("{name}: {{ {} }}", members.join(", "))
            }
        });
        format!("{{ {} }}", at.into_iter().chain(fields).collect::<Vec<_>>().join(", "))
    }
}

/// A field that is not what it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Its name.
    pub field: String,
    /// What is wanted.
    pub wanted: String,
    /// What is there.
    pub got: String,
}

fn misfit(field: String, wanted: &str, got: &Value) -> Option<Misfit> {
    let shown = match got {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    // 5 and 5.0 are one number, however somebody wrote it.
    let is_same_number = || got.as_f64().is_some_and(|got| wanted.parse() == Ok(got));
    (shown != wanted && !is_same_number()).then(|| Misfit { field, wanted: wanted.to_owned(), got: shown })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_does_not_speak_of_fits() {
        let record = serde_json::json!({
            "event_type": "x", "severity": "error", "labels": {"a": "1", "b": "2"}, "data": {"value": 5.0},
        });
        let members = |name: &str, member: &str, text: &str| {
            (name.to_owned(), Wanted::Members(vec![(member.to_owned(), text.to_owned())]))
        };
        let expected = |fields| Expected { line: 1, at_millis: Some(60_000), fields };
        let fits = expected(vec![
            ("event_type".to_owned(), Wanted::Text("x".to_owned())),
            members("labels", "b", "2"),
            members("labels", "c", ""),
            members("data", "value", "5"),
        ]);
        assert_eq!(fits.misfits(60_000, &record), []);
        let wrong = expected(vec![members("labels", "a", "2"), ("severity".to_owned(), Wanted::Text(String::new()))]);
        let shown: Vec<String> = wrong
            .misfits(0, &record)
            .into_iter()
            .map(|misfit| format!("{} {} {}", misfit.field, misfit.wanted, misfit.got))
            .collect();
        assert_eq!(shown, ["at 1m 0s", "labels.a 2 1", "severity  error"]);
        assert_eq!(wrong.shown(), "{ at: 1m, labels: { a: 2 }, severity:  }");
    }
}
