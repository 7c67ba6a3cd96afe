//! Finding the root of a fault: every metric of an application through the detectors that ship, their events through `topology`, and
//! whether the component that has the fault is the first suspect of the incident. Once with the graph told in the rule file, once with
//! one that is learnt from normal operation, once without any.
//!
//! Each issue is played after the whole time of normal operation, as if it had followed that.

mod judge;
mod learn;
mod past;
mod petshop;
mod play;
mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use orion_model::IdBuilder;
use serde_json::json;

use crate::QualityError;
use judge::{judge, opened};
use past::Past;
use petshop::{Scenario, Table};
use play::Player;
pub use report::Report;
use report::{Normal, Outcome};

const RULES: &str = include_str!("rules.yaml");

/// So long the detectors of the rules only learn.
const WARM_UP_MILLIS: i64 = 86_400_000;

const DAY_MILLIS: f64 = 86_400_000.0;

/// Where the graph comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Map {
    Told,
    Learnt,
    None,
}

impl Map {
    const ALL: [Self; 3] = [Self::Told, Self::Learnt, Self::None];

    const fn word(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Learnt => "learnt",
            Self::None => "none",
        }
    }
}

/// Measures it on the scenarios of a folder; nothing where there are none.
pub fn measure(data: &Path, given: Option<&str>) -> Result<Option<Report>, QualityError> {
    let scenarios = petshop::read(data)?;
    if scenarios.is_empty() {
        return Ok(None);
    }
    let (player, text) = (Player::new()?, given.unwrap_or(RULES));
    let mut id = IdBuilder::new("root-cause");
    let mut outcomes = Vec::new();
    for map in Map::ALL {
        let mut outcome = Outcome { map: map.word(), verdicts: Vec::new(), normal: Vec::new() };
        for scenario in &scenarios {
            id = of_scenario(&player, scenario, (text, map), &mut outcome, id)?;
        }
        outcomes.push(outcome);
    }
    Ok(Some(Report { outcomes, digest: id.finish().to_string() }))
}

fn of_scenario(
    player: &Player,
    scenario: &Scenario,
    (text, map): (&str, Map),
    outcome: &mut Outcome,
    mut id: IdBuilder,
) -> Result<IdBuilder, QualityError> {
    let rules = match map {
        Map::Told => rules(text, &scenario.calls),
        Map::Learnt => rules(text, &learn::calls(&scenario.normal)),
        Map::None => rules(text, &[]),
    };
    let normal = player.play(&rules, Past::of(&[&scenario.normal]))?;
    id = normal.bodies.iter().fold(id, |id, body| id.text(body));
    outcome.normal.push(Normal {
        scenario: scenario.name.clone(),
        incidents: opened(&normal.incidents),
        days: watched_days(&scenario.normal),
    });
    for issue in &scenario.issues {
        let past = Past::of(&[&scenario.normal, &issue.table]);
        let moved = past.moved;
        let recorded = player.play(&rules, past)?;
        id = recorded.bodies.iter().fold(id, |id, body| id.text(body));
        outcome.verdicts.push(judge(&scenario.name, issue, moved, &recorded.incidents));
    }
    Ok(id)
}

/// The rule file with a graph in it.
fn rules(text: &str, calls: &[(String, String)]) -> String {
    let mut map: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (caller, callee) in calls {
        map.entry(caller).or_default().push(callee);
    }
    let told = if map.is_empty() { String::new() } else { format!(", depends_on: {}", json!(map)) };
    text.replace(" MAP }", &format!("{told} }}"))
}

/// Days of normal operation in which something could have been found.
#[expect(clippy::cast_precision_loss, reason = "days")]
fn watched_days(normal: &Table) -> f64 {
    let span = normal.instants.first().zip(normal.instants.last()).map_or(0, |(first, last)| last - first);
    (span - WARM_UP_MILLIS).max(0) as f64 / DAY_MILLIS
}
