//! The numbers of rule sets: which version is the newest of which set, who runs it, and what became of what people pushed.

use orion_metrics::{Counter, FamilyType, Text};
use orion_model::{Pushed, SetVersion};

use super::NotApplied;
use super::state::State;

/// What became of pushes since the start, in the order of [`OUTCOMES`].
#[derive(Debug, Default)]
pub(super) struct PushMeter([Counter; OUTCOMES.len()]);

/// All that can become of one.
const OUTCOMES: [&str; 7] = ["applied", "unchanged", "compared", "refused", "malformed", "overtaken", "failed"];

/// What a node can be to a set: it runs the newest version, another one or none, or it cannot run the newest.
const STANDINGS: [&str; 3] = ["newest", "other", "refusing"];

impl PushMeter {
    /// Somebody pushed, or only asked what would become of it.
    pub(super) fn note(&self, is_dry_run: bool, outcome: &Result<Pushed, NotApplied>) {
        let outcome = match outcome {
            Ok(pushed) if pushed.applied => "applied",
            Ok(_) if is_dry_run => "compared",
            Ok(_) => "unchanged",
            Err(NotApplied::Refused(_)) => "refused",
            Err(NotApplied::Malformed(_)) => "malformed",
            Err(NotApplied::Overtaken { .. }) => "overtaken",
            Err(NotApplied::Bus(_) | NotApplied::NotWritable(_) | NotApplied::Panicked(_)) => "failed",
        };
        let place = OUTCOMES.iter().position(|it| *it == outcome);
        place.and_then(|place| self.0.get(place)).iter().for_each(|counter| counter.increase());
    }

    pub(super) fn write(&self, text: &mut Text) {
        let help = "Rule sets that somebody pushed here since the start, by what became of them: `refused` are those with files that \
                    cannot run, `compared` those that were only asked about.";
        let mut family = text.family("orion_rule_set_pushes_total", FamilyType::Counter, help);
        for (outcome, counter) in OUTCOMES.iter().zip(&self.0) {
            family.count(&[("outcome", *outcome)], counter.get());
        }
    }
}

/// Writes down how the sets stand.
pub(super) fn write_sets(state: &State, text: &mut Text) {
    let newest: Vec<_> = state.sets.keys().filter_map(|set| state.version_for(set, None)).collect();
    let versions = || newest.iter().map(|kept| &kept.version);
    let help = "The version of a rule set that was applied last.";
    let mut family = text.family("orion_rule_set_version", FamilyType::Gauge, help);
    versions().for_each(|SetVersion { set, version, .. }| family.count(&[("set", set)], *version));
    let help = "When that was.";
    let mut family = text.family("orion_rule_set_applied_timestamp_seconds", FamilyType::Gauge, help);
    for SetVersion { set, applied_at, .. } in versions() {
        family.sample(&[("set", set)], applied_at.as_millis() as f64 / 1_000.0);
    }
    let help = "Whether that version is given to some nodes at a time, and not all have it.";
    let mut family = text.family("orion_rule_set_rolling_out", FamilyType::Gauge, help);
    state.sets.iter().for_each(|(set, head)| family.count(&[("set", set)], u64::from(head.rollout.is_some())));
    let help = "Whether it is given to no more, because a node cannot run it.";
    let mut family = text.family("orion_rule_set_rollout_halted", FamilyType::Gauge, help);
    for (set, head) in &state.sets {
        let is_halted = head.rollout.as_ref().is_some_and(|rollout| rollout.halted.is_some());
        family.count(&[("set", set)], u64::from(is_halted));
    }
    let help = "Nodes of a rule set, by what they say that they run: its newest version, another one or none, or that they cannot run the \
                newest.";
    let mut family = text.family("orion_rule_set_nodes", FamilyType::Gauge, help);
    for (set, head) in &state.sets {
        let nodes = state.nodes_of(set);
        let standings: Vec<&str> = nodes.values().map(|run| run.standing(head.newest)).collect();
        for standing in STANDINGS {
            let count = standings.iter().filter(|it| **it == standing).count();
            family.count(&[("set", set), ("runs", standing)], count as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_a_push_is_counted_and_the_rest_is_there_as_zero() {
        let meter = PushMeter::default();
        meter.note(false, &Err(NotApplied::Refused(Vec::new())));
        meter.note(true, &Err(NotApplied::Refused(Vec::new())));
        meter.note(false, &Err(NotApplied::Overtaken { set: "default".to_owned(), base: 1, found: 2 }));
        let mut text = Text::default();
        meter.write(&mut text);
        let text = text.into_string();
        for (outcome, count) in [("refused", 2), ("overtaken", 1), ("applied", 0), ("compared", 0), ("failed", 0)] {
            let line = format!("orion_rule_set_pushes_total{{outcome=\"{outcome}\"}} {count}\n");
            assert!(text.contains(&line), "{line} in\n{text}");
        }
    }
}
