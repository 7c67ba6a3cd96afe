//! What a source is asked about the series of an event: which query, over which span.

use std::collections::BTreeSet;

use orion_model::{Bound, Event, ParameterValue, Timestamp};
use orion_rules::{AlertRule, comparison};
use orion_source::{Instants, Source};

use crate::library::Generation;
use crate::logs::LOKI;

/// Instants of a span: enough for a drawing as wide as a page, few for a source.
const MAX_INSTANTS: i64 = 120;

/// Intervals of the rule before the moment of the event, and behind it.
const INTERVALS_BEFORE: i64 = 40;
const INTERVALS_BEHIND: i64 = 20;

/// Intervals before the event's series was first seen to be wrong.
const INTERVALS_BEFORE_ACTIVE: i64 = 10;

/// The longest time before the moment. What was wrong for longer than this, before it fired, is not asked for as a whole.
const MAX_BEFORE_MILLIS: i64 = 6 * 3_600_000;

/// The longest time between two instants for which the interval of the rule is the reason: [`INTERVALS_BEFORE`] of them are then the
/// longest time before.
const MAX_INTERVAL_MILLIS: i64 = MAX_BEFORE_MILLIS / INTERVALS_BEFORE;

/// The interval of a rule that does not run any more.
const USUAL_INTERVAL_MILLIS: i64 = 15_000;

/// Labels that rules mostly lay over those of their series, for a rule that does not run any more.
const USUAL_LABELS: [&str; 4] = ["event_type", "severity", "service", "team"];

/// The parameters of the standard detector `threshold`, with what each of them means.
const THRESHOLD: &str = "threshold";
const BOUNDS: [(&str, &str); 6] =
    [("above", ">"), ("at_least", ">="), ("below", "<"), ("at_most", "<="), ("equal", "=="), ("not_equal", "!=")];

/// A question to a source.
#[derive(Debug, PartialEq)]
pub(super) struct Question {
    pub(super) source: String,
    /// The query that says most; and the event's own, where a source does not know that.
    pub(super) exprs: Vec<String>,
    pub(super) instants: Instants,
    pub(super) bounds: Vec<Bound>,
    /// Names of labels that are the rule's and not the series'.
    pub(super) laid_over: BTreeSet<String>,
    /// Whether all of the span is in the past.
    pub(super) whole: bool,
}

/// Why nothing is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unasked(pub(super) String);

impl Question {
    /// What is to be asked about an event, by the rule as it runs now.
    pub(super) fn about(event: &Event, generation: &Generation, now: Timestamp) -> Result<Self, Unasked> {
        let Some(evidence) = &event.evidence else {
            return Err(Unasked("no query made this event, so there is no series".to_owned()));
        };
        let plan = generation.groups.values().find(|plan| plan.group.rules.iter().any(|rule| rule.id == event.rule));
        let rule = plan.and_then(|plan| plan.group.rules.iter().find(|rule| rule.id == event.rule));
        let interval_millis = plan.map_or(USUAL_INTERVAL_MILLIS, |plan| plan.slots.interval_millis()).max(1);
        let (instants, whole) = span(evidence.instant, active_since(event), interval_millis, now);
        // Another language than PromQL is asked as it stands.
        let compared = if event.source == LOKI { None } else { comparison(&evidence.expr) };
        // An edited rule has other bounds than the event had.
        let same = rule.filter(|rule| rule.expr == evidence.expr && rule.plugin == evidence.plugin);
        let mut bounds: Vec<Bound> = same.map(bounds_of).unwrap_or_default();
        let mut exprs = Vec::new();
        if let Some(compared) = compared {
            bounds.insert(0, Bound { operator: compared.operator, value: compared.number });
            exprs.push(compared.asked);
        }
        exprs.push(evidence.expr.clone());
        let laid_over = match rule {
            Some(rule) => rule.labels.iter().map(|(name, _)| name.clone()).collect(),
            None => USUAL_LABELS.map(str::to_owned).into(),
        };
        Ok(Self { source: event.source.clone(), exprs, instants, bounds, laid_over, whole })
    }

    /// Where a person sees the event's own query.
    pub(super) fn page(&self, source: &dyn Source) -> Option<String> {
        source.page(self.exprs.last()?, self.instants.first, self.instants.last())
    }
}

fn active_since(event: &Event) -> Option<Timestamp> {
    event.data.get("active_since")?.as_str()?.parse().ok()
}

/// Instants around one, which is among them; and whether all that would be asked for is over.
fn span(at: Timestamp, since: Option<Timestamp>, interval_millis: i64, now: Timestamp) -> (Instants, bool) {
    let interval_millis = interval_millis.min(MAX_INTERVAL_MILLIS);
    let intervals = |count: i64| interval_millis.saturating_mul(count);
    let active = since.map_or(0, |since| at.millis_since(since).max(0));
    let before = intervals(INTERVALS_BEFORE).max(active.saturating_add(intervals(INTERVALS_BEFORE_ACTIVE)));
    let behind = intervals(INTERVALS_BEHIND);
    let before = before.min(MAX_BEFORE_MILLIS);
    // Whole intervals: between two evaluations there was nothing to see.
    let steps = ((before + behind) / interval_millis + MAX_INSTANTS - 2) / (MAX_INSTANTS - 1);
    let step_millis = interval_millis.saturating_mul(steps.max(1));
    let first = at.plus_millis(-(before / step_millis) * step_millis);
    let wanted = at.plus_millis((behind / step_millis) * step_millis);
    let last = wanted.min(now);
    let count = last.millis_since(first).max(0) / step_millis + 1;
    let instants = Instants { first, step_millis, count: usize::try_from(count.min(MAX_INSTANTS)).unwrap_or(1) };
    (instants, wanted <= now)
}

fn bounds_of(rule: &AlertRule) -> Vec<Bound> {
    if rule.plugin != THRESHOLD {
        return Vec::new();
    }
    let bound = |(name, operator): (&str, &'static str)| {
        let parameter = rule.parameters.iter().find(|parameter| parameter.name == name)?;
        let value = match parameter.value {
            ParameterValue::Integer(integer) => integer as f64,
            ParameterValue::Number(number) => number,
            ParameterValue::Flag(_) | ParameterValue::Text(_) | ParameterValue::Texts(_) => return None,
        };
        Some(Bound { operator, value })
    };
    BOUNDS.into_iter().filter_map(bound).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn seconds(instants: Instants) -> (i64, i64, i64, usize) {
        let of = |time: Timestamp| time.as_millis() / 1_000;
        (of(instants.first), of(instants.last()), instants.step_millis / 1_000, instants.count)
    }

    #[test]
    fn a_span_has_the_moment_among_its_instants_and_ends_now_at_the_latest() {
        let (instants, whole) = span(at(10_000), None, 15_000, at(20_000));
        assert_eq!((seconds(instants), whole), ((9_400, 10_300, 15, 61), true));
        let (instants, whole) = span(at(10_000), None, 15_000, at(10_031));
        assert_eq!((seconds(instants), whole), ((9_400, 10_030, 15, 43), false));
    }

    #[test]
    fn what_was_wrong_for_long_before_it_fired_is_seen_from_its_beginning_in_no_more_instants() {
        let (instants, _) = span(at(100_000), Some(at(96_400)), 15_000, at(200_000));
        assert_eq!(seconds(instants), (96_265, 100_270, 45, 90));
        for (active, interval) in [(0, 1), (0, 86_400), (99_000, 1), (99_999, 15), (0, 60)] {
            let (instants, _) = span(at(100_000), Some(at(active)), interval * 1_000, at(900_000));
            assert!(instants.count <= 120, "{instants:?}");
            assert!(instants.iter().any(|it| it == at(100_000)), "{instants:?}");
        }
    }
}
