//! Edits of every kind that editors, tools and mistakes make, drawn from a seed, while there is traffic. Each takes effect
//! or changes nothing and says why; what no edit touches finds exactly what it finds without edits; detectors remember.
//!
//! `ORION_DRILL_EDITS` says how many, `ORION_DRILL_SEED` which; `cargo xtask drill reload` makes a thousand. Times are printed
//! and not judged: they are the machine's as much as Orion's.

mod edits;
mod numbers;
mod scene;
mod tail;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::builds::told_by;
use crate::support::dice::{Dice, number_of};
use edits::{Drill, Edit};

const EDITS: &str = "ORION_DRILL_EDITS";
const SEED: &str = "ORION_DRILL_SEED";
const DEFAULT_SEED: u64 = 20_261_128;

/// Each kind so many times, before chance alone chooses.
const ROUNDS: usize = 2;

/// Rules that are edited, whose alerts say by which edit.
const EDITED: [&str; 3] = ["edited.yaml/edited/Subject", "guest.yaml/guest/guest", "mounted.yaml/mounted/mounted"];

#[test]
fn each_takes_effect_or_changes_nothing_and_no_finding_is_lost_or_doubled() {
    let edits = number_of(EDITS).map_or(ROUNDS * Edit::ALL.len(), |edits| usize::try_from(edits).unwrap());
    let seed = number_of(SEED).unwrap_or(DEFAULT_SEED);
    println!("{edits} edits, {SEED}={seed}");
    let mut drill = Drill::begin(seed);
    for (index, edit) in chosen(edits, seed).into_iter().enumerate() {
        println!("{index}: {edit:?}");
        drill.carry_out(edit);
    }
    let (active, ended) = (drill.until_active, drill.until_ended);
    let events = drill.scene.end();
    each_edit_is_told_once(&events);
    nothing_was_forgotten(&events);
    for trouble in ["plugin_fault", "rule_fault", "query_failure", "external_api_failure", "instants_missed"] {
        assert!(events.iter().all(|event| event["event_type"] != trouble), "{trouble}");
    }
    println!("from the save to the event that shows the edit, settling included:\n{active}");
    println!("from a deletion to the end of its alert, looked for twice:\n{ended}");
}

/// Every kind in each round, in another order; then by chance.
fn chosen(edits: usize, seed: u64) -> Vec<Edit> {
    let mut dice = Dice::new(seed);
    let mut chosen = Vec::new();
    for _ in 0..ROUNDS {
        let mut left = Edit::ALL.to_vec();
        while !left.is_empty() {
            chosen.push(left.swap_remove(dice.below(left.len())));
        }
    }
    while chosen.len() < edits {
        chosen.push(Edit::ALL[dice.below(Edit::ALL.len())]);
    }
    chosen.truncate(edits);
    chosen
}

/// The alerts of edited rules began once and ended once, but for those that are active at the end.
fn each_edit_is_told_once(events: &[Value]) {
    let mut told: BTreeMap<(String, String), [usize; 2]> = BTreeMap::new();
    for event in events.iter().filter(|event| EDITED.contains(&event["rule"].as_str().unwrap())) {
        let alert = (event["rule"].to_string(), event["labels"].to_string());
        told.entry(alert).or_default()[usize::from(event["status"] == "resolved")] += 1;
    }
    let active: Vec<_> = told.iter().filter(|(_, times)| **times == [1, 0]).map(|((rule, _), _)| rule).collect();
    assert_eq!(active.len(), EDITED.len(), "active at the end: {active:?}");
    let others: Vec<_> = told.iter().filter(|(_, times)| !matches!(times, [1, 0] | [1, 1])).collect();
    assert!(others.is_empty(), "not begun once and ended once: {others:#?}");
}

/// What the detector remembers is from its first look, through all edits of its rule and all its builds.
fn nothing_was_forgotten(events: &[Value]) {
    let seen = events.iter().filter_map(|event| event["labels"]["seen"].as_str());
    let since: BTreeSet<i64> = seen.map(|seen| told_by(seen).0).collect();
    assert_eq!(since.len(), 1, "{since:?}");
}
