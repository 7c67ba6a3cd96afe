//! How it goes between an agent and its control host, for whoever asks about health and numbers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use orion_metrics::{FamilyType, Text};
use orion_model::{SetReport, Timestamp};

/// How it goes.
pub struct Standing {
    set: String,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    /// What the control host last did not answer as it should.
    trouble: Option<String>,
    /// When it last said which version is to run.
    asked_at: Option<Timestamp>,
    /// The version that was fetched last; 0 for none.
    fetched: u64,
    /// What runs of it, and what cannot.
    rules: Option<SetReport>,
}

impl Standing {
    /// Of an agent of this set that has asked nobody yet.
    pub fn of(set: &str) -> Self {
        Self { set: set.to_owned(), now: Mutex::default() }
    }

    /// Why rules cannot be fetched, or what the agent says of itself is not heard.
    pub fn trouble(&self) -> Option<String> {
        self.now().trouble.clone()
    }

    /// There is this trouble, or none.
    pub(super) fn note(&self, trouble: Option<String>) {
        self.now().trouble = trouble;
    }

    /// The control host said which version is to run.
    pub(super) fn was_told(&self, at: Timestamp) {
        self.now().asked_at = Some(at);
    }

    /// This is what was fetched last, and what runs of it.
    pub(super) fn runs(&self, fetched: u64, rules: Option<SetReport>) {
        let mut now = self.now();
        (now.fetched, now.rules) = (fetched, rules);
    }

    /// Writes the numbers down.
    pub fn write(&self, text: &mut Text) {
        let now = self.now();
        let runs = now.rules.as_ref().and_then(|rules| rules.version).unwrap_or_default();
        let refused = now.rules.as_ref().and_then(|rules| rules.refused.as_ref()).map_or(0, |refused| refused.version);
        let versions = [
            ("orion_agent_rules_version", "The version of its rule set that runs here whole; 0 for none.", runs),
            (
                "orion_agent_rules_fetched_version",
                "The version of its rule set that was fetched last; 0 for none.",
                now.fetched,
            ),
            (
                "orion_agent_rules_refused_version",
                "The version of its rule set that was fetched and cannot run here; 0 for none.",
                refused,
            ),
        ];
        for (name, help, version) in versions {
            text.family(name, FamilyType::Gauge, help).count(&[("set", &self.set)], version);
        }
        let help = "When the control host last said which version of the rule set is to run; 0 before the first time.";
        let at = now.asked_at.map_or(0.0, |at| at.as_millis() as f64 / 1_000.0);
        text.gauge("orion_agent_rules_asked_timestamp_seconds", help, at);
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use orion_model::SetRefusal;

    use super::*;

    #[test]
    fn what_runs_what_was_fetched_and_what_is_refused_are_three_numbers() {
        let standing = Standing::of("eu");
        let written = || {
            let mut text = Text::default();
            standing.write(&mut text);
            text.into_string()
        };
        assert!(written().contains("orion_agent_rules_version{set=\"eu\"} 0\n"), "{}", written());
        let refused = Some(SetRefusal { version: 7, why: "no".to_owned() });
        standing.runs(7, Some(SetReport { set: "eu".to_owned(), version: Some(6), refused }));
        standing.was_told(Timestamp::from_millis(1_500));
        for line in [
            "orion_agent_rules_version{set=\"eu\"} 6\n",
            "orion_agent_rules_fetched_version{set=\"eu\"} 7\n",
            "orion_agent_rules_refused_version{set=\"eu\"} 7\n",
            "orion_agent_rules_asked_timestamp_seconds 1.5\n",
        ] {
            assert!(written().contains(line), "{line} in\n{}", written());
        }
    }
}
