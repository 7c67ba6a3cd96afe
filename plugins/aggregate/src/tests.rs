//! What aggregate says, case by case and against the plainest model of it, whatever the order, the batches and the restarts.

use orion_plugin::testing::{
    CorrelatorProbe, Cut, Holding, Naive, Story, TestEvent, ToldEvent, lines, of_each, one_by_one, play, stories,
};
use orion_plugin::{ParameterValue, Status};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;

type Given = Vec<(&'static str, ParameterValue)>;

fn given(function: &str, parameters: &[(&'static str, ParameterValue)]) -> Given {
    [&[("function", function.into())], parameters].concat()
}

fn event(status: Status, minute: i64, fingerprint: u64, value: f64) -> ToldEvent {
    ToldEvent::from(TestEvent::at_minute(status, minute, fingerprint)).valued(value)
}

fn with(minute: i64, value: f64) -> ToldEvent {
    event(Status::Occurred, minute, 1, value)
}

fn told(given: &Given, events: &[ToldEvent]) -> Vec<Story> {
    one_by_one::<Aggregate>(given, Measure::STATE_VERSION, events, 90 * MINUTE).unwrap()
}

#[test]
fn a_sum_opens_with_the_event_that_makes_it_too_large() {
    let sum = given("sum", &[("gte", 10.0.into())]);
    let said = told(&sum, &[with(0, 4.0), with(5, 5.0), with(9, 1.0), with(11, 0.0)]);
    assert_eq!(
        lines(&said),
        ["9 sum of 3 events within 10m is 10 [1, 5001, 9001, 11001]; 16 sum no longer at least 10 for 5m"]
    );
}

#[test]
fn an_edge_is_exactly_at_the_window() {
    let sum = given("sum", &[("gte", 10.0.into())]);
    let mut last = with(10, 5.0);
    assert!(told(&sum, &[with(0, 5.0), last.clone()]).is_empty());
    last.event.timestamp -= 1;
    assert_eq!(told(&sum, &[with(0, 5.0), last]).len(), 1);
}

#[test]
fn an_average_and_a_percentile_are_those_of_the_window_and_are_told() {
    let avg = given("avg", &[("lt", 3.0.into()), ("at_least", 2_i64.into()), ("idle", 0_i64.into())]);
    let said = told(&avg, &[with(0, 1.0), with(1, 4.0), with(2, 7.0)]);
    assert_eq!(
        lines(&said),
        ["1 avg of 2 events within 10m is 2.5 [1, 1001, 2001]; 2 avg no longer less than 3 for 0s"]
    );
    assert_eq!((said[0].facts[0].name.as_str(), &said[0].facts[0].value), ("avg", &2.5.into()));
    let p90 = given("percentile", &[("gte", 46.0.into()), ("percentile", 90.0.into())]);
    let said = told(&p90, &[10.0, 20.0, 30.0, 40.0, 50.0].map(|value| with(1, value)));
    assert_eq!(said[0].opened.1, "p90 of 5 events within 10m is 46");
}

#[test]
fn a_late_event_may_show_that_it_never_was_so() {
    let avg = given("avg", &[("gte", 4.0.into()), ("lateness", (5 * MINUTE).into()), ("idle", MINUTE.into())]);
    let said = told(&avg, &[with(20, 4.0), with(18, 0.0)]);
    assert_eq!(lines(&said), ["20 avg of 1 events within 10m is 4 [18001, 20001]; 21 avg no longer at least 4 for 1m"]);
}

#[test]
fn it_stands_until_the_events_are_older_than_the_window() {
    let avg = given("avg", &[("gt", 3.0.into()), ("idle", 0_i64.into())]);
    assert_eq!(told(&avg, &[with(0, 4.0)])[0].closed.as_ref().unwrap().0, 10 * MINUTE);
}

#[test]
fn a_value_may_be_a_label_and_what_is_no_number_does_not_count() {
    let of_label = given("sum", &[("gt", 5.0.into()), ("field", "bytes".into())]);
    let labelled = |minute, bytes: &str| with(minute, 100.0).labelled("bytes", bytes);
    let said =
        told(&of_label, &[labelled(0, "3"), with(1, 9.0), labelled(2, "much"), labelled(3, "NaN"), labelled(4, "3")]);
    assert_eq!(said[0].opened, (4 * MINUTE, "sum of 2 events within 10m is 6".to_owned()));
    assert!(told(&given("sum", &[("gt", 5.0.into())]), &[with(0, f64::NAN), with(1, f64::INFINITY)]).is_empty());
}

#[test]
fn a_small_sum_is_judged_when_the_window_is_over() {
    let small = given("sum", &[("lt", 5.0.into()), ("idle", 0_i64.into())]);
    assert_eq!(lines(&told(&small, &[with(0, 1.0), with(9, 3.0)])).len(), 1);
    assert!(told(&small, &[with(0, 1.0), with(9, 4.0)]).is_empty());
    assert_eq!(told(&small, &[with(0, 1.0)])[0].opened.0, 10 * MINUTE);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let refused = |given: &Given| CorrelatorProbe::<Aggregate>::new(given).err().unwrap().0;
    assert_eq!(refused(&given("median", &[])), "`function` is one of `sum`, `avg`, `percentile`");
    assert_eq!(
        refused(&given("percentile", &[("percentile", 101.0.into())])),
        "`percentile` is a number from 0 to 100"
    );
    assert!(refused(&given("sum", &[])).starts_with("say when"));
}

/// So that events of one second and of several follow each other.
const STEP: i64 = 300;

fn stream(lateness: i64) -> impl Strategy<Value = Vec<(ToldEvent, Cut)>> {
    let status = prop_oneof![3 => Just(Status::Occurred), 3 => Just(Status::Firing), 2 => Just(Status::Resolved)];
    let cut = prop_oneof![4 => Just(Cut::None), 1 => Just(Cut::Batch), 1 => Just(Cut::Tick), 1 => Just(Cut::Restart)];
    let value = prop_oneof![4 => (-4_i32..9).prop_map(|tenths| f64::from(tenths) / 10.0), 1 => Just(f64::NAN)];
    let drawn = (0_u64..3, 0_i64..6, 0..=lateness, status, value, cut);
    proptest::collection::vec(drawn, 1..50).prop_map(|drawn| {
        let mut reached = 100;
        let told = |(index, (fingerprint, step, late, status, value, cut)): (usize, _)| {
            reached += step;
            let mut told = event(status, reached - late, fingerprint, value);
            told.event.position = index as u64;
            told.event.timestamp = (reached - late) * STEP;
            (told, cut)
        };
        drawn.into_iter().enumerate().map(told).collect()
    })
}

fn naive(function: &str, numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    match function {
        "sum" => numbers.iter().sum(),
        "avg" => numbers.iter().sum::<f64>() / numbers.len() as f64,
        // The median.
        _ if sorted.len() % 2 == 1 => sorted[sorted.len() / 2],
        _ => {
            let (below, above) = (sorted[sorted.len() / 2 - 1], sorted[sorted.len() / 2]);
            below + (above - below) * 0.5
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn aggregate_is_its_model_whatever_the_order_batches_ticks_and_restarts(
        (lateness, events) in (0_i64..6).prop_flat_map(|lateness| (Just(lateness), stream(lateness))),
        function in prop_oneof![Just("sum"), Just("avg"), Just("percentile")],
        bound in -2_i32..6, at_least in 1_usize..4, window in 1_i64..15, idle in 0_i64..8, max in 1_i64..60,
    ) {
        let bound = f64::from(bound) / 10.0;
        let (window, idle, max) = (window * STEP, idle * STEP, max * STEP);
        let given = given(function, &[
            ("gte", bound.into()), ("percentile", 50.0.into()), ("at_least", (at_least as i64).into()),
            ("window", window.into()), ("idle", idle.into()), ("max", max.into()),
            ("lateness", (lateness * STEP).into()),
        ]);
        let holds = |history: &[ToldEvent]| {
            let now = history.last()?.event.timestamp;
            let inside = |index: &usize| history[*index].event.timestamp > now - window;
            let members: Vec<_> = (0..history.len()).filter(inside).collect();
            let numbers: Vec<_> = members.iter().map(|index| history[*index].value).collect();
            let holds = numbers.len() >= at_least && naive(function, &numbers) >= bound;
            holds.then_some(Holding { until: now + window, members })
        };
        let rank = |told: &ToldEvent| (!told.value.is_nan()).then_some(0);
        let model = Naive { idle, max, waits_for_alerts: true, reads_resolved: false, rank: &rank, holds: &holds };
        let end = 1_000 * STEP;
        let plain: Vec<_> = events.iter().map(|(told, _)| told.clone()).collect();
        let changes = play::<Aggregate>(&given, Measure::STATE_VERSION, &events, end).unwrap();
        let said = stories(changes.clone());
        let outlines = |stories: &std::collections::BTreeMap<String, Vec<Story>>| {
            stories.values().flatten().map(Story::outline).collect::<Vec<_>>()
        };
        prop_assert_eq!(outlines(&said), outlines(&model.stories(&plain, end)));
        let uncut: Vec<_> = plain.into_iter().map(|told| (told, Cut::Batch)).collect();
        let uncut = play::<Aggregate>(&given, Measure::STATE_VERSION, &uncut, end).unwrap();
        prop_assert_eq!(of_each(changes), of_each(uncut));
    }
}
