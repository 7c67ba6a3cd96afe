//! What is held against the plugins of rules and correlations, as the store has it: for people who look.

use std::collections::BTreeMap;

use orion_bus::Loaded;
use serde::{Deserialize, Serialize};

use crate::aside::{ASIDE_ROOM, Aside};
use crate::draft::key;
use crate::supervision::{Faults, SUPERVISION_ROOM};

/// The faults of one rule's or correlation's plugin, and what it could not take.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    /// Its faults within the calm of each other; none where only inputs of the past are kept.
    pub faults: Option<Faults>,
    /// Inputs that were set aside, in order of time, without themselves: they may have megabytes.
    pub aside: Vec<Aside<Headline>>,
}

/// What an input was, without what was in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Headline {
    /// `answer`, `event` or `too_large`.
    pub kind: String,
    /// Of an answer: the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expr: Option<String>,
    /// Of an event: its position on the bus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// Of one that was not kept: how much it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
}

/// What the store has of an owner, by the rule or correlation.
pub fn held(loaded: &Loaded) -> BTreeMap<String, Held> {
    let mut held: BTreeMap<String, Held> = BTreeMap::new();
    for (state_key, value) in &loaded.state {
        match key::split(state_key, 3).as_slice() {
            [SUPERVISION_ROOM, of] => {
                let faults = serde_json::from_slice(value).ok();
                held.entry(name(of)).or_default().faults = faults;
            }
            [ASIDE_ROOM, of, _] => {
                let aside = serde_json::from_slice::<Aside<Headline>>(value).ok();
                held.entry(name(of)).or_default().aside.extend(aside);
            }
            _ => {}
        }
    }
    held
}

fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervision::Supervisor;
    use orion_bus::StateChange;
    use orion_model::Timestamp;

    #[test]
    fn strikes_and_inputs_are_told_by_rule_and_what_was_in_an_input_is_left_out() {
        let mut supervisor = Supervisor::default();
        let until = (0..3).filter_map(|_| supervisor.failed(Timestamp::default())).next();
        let mut draft = crate::draft::Draft::default();
        supervisor.save("f/g/r", &mut draft).unwrap();
        let aside = format!(
            r#"{{"at":"2026-01-31T12:00:00.000Z","of":"f/c","plugin":"p","plugin_digest":"{}","fault":"trapped","input":{{"kind":"answer","expr":"up","body":{{"huge":[1]}}}}}}"#,
            "0".repeat(64)
        );
        draft.put_bytes(key::of(&[ASIDE_ROOM, b"f/c", b"1"]), aside.into_bytes());
        let put = |change| match change {
            StateChange::Put { key, value } => Some((key, value)),
            _ => None,
        };
        let state = draft.into_commit("o", None, 0).state.into_iter().filter_map(put).collect();
        let held = held(&Loaded { state, ..Loaded::default() });
        let faults = held["f/g/r"].faults.as_ref().unwrap();
        assert_eq!((faults.strikes, faults.rounds, faults.until), (2, 1, until));
        let headline = Headline { kind: "answer".to_owned(), expr: Some("up".to_owned()), position: None, bytes: None };
        assert_eq!((held["f/c"].aside[0].input.clone(), &held["f/c"].faults), (headline, &None));
    }
}
