//! What becomes of alerts, instant by instant: each state with what leads into it and out of it, and the whole against restarts.

use super::*;
use proptest::prelude::*;

const MINUTE: i64 = 60_000;

fn labels(name: &str) -> Labels {
    [("name", name)].into_iter().collect()
}

/// Evaluates once a minute; each string lists the alerts seen, and the answer is the trace of transitions.
fn trace(terms: Terms, minutes: &[&str]) -> String {
    trace_with(terms, minutes, recovered)
}

fn recovered(_: &Alert) -> Absence {
    Absence::Recovered
}

fn trace_with(terms: Terms, minutes: &[&str], absence: fn(&Alert) -> Absence) -> String {
    let mut lifecycle = Lifecycle::default();
    let mut trace = Vec::new();
    for (minute, seen) in (0_i64..).zip(minutes) {
        let mut step = lifecycle.begin(Timestamp::from_millis(minute * MINUTE));
        for name in seen.split_terminator("").filter(|name| !name.is_empty()) {
            step.see_new(labels(name), None, 1.0, 0).unwrap();
        }
        for Changed { alert, transition, .. } in step.finish(terms, absence).changed {
            let name = alert.labels.get("name").unwrap();
            match transition {
                Some(Transition::Fired) => trace.push(format!("{minute}:{name}Fired")),
                Some(Transition::Resolved(Ending::Recovered)) => trace.push(format!("{minute}:{name}Resolved")),
                Some(Transition::Resolved(ending)) => trace.push(format!("{minute}:{name}{ending:?}")),
                None => {}
            }
        }
    }
    trace.join(" ")
}

fn for_minutes(minutes: i64) -> Terms {
    Terms { for_millis: minutes * MINUTE, ..Terms::default() }
}

#[test]
fn without_for_an_alert_fires_at_once_and_resolves_when_absent() {
    assert_eq!(trace(for_minutes(0), &["a", "a", "", "a"]), "0:aFired 2:aResolved 3:aFired");
}

#[test]
fn an_alert_fires_at_age_for_and_pending_ends_in_silence() {
    assert_eq!(trace(for_minutes(2), &["a", "a", "", "a", "a", "a", ""]), "5:aFired 6:aResolved");
}

#[test]
fn a_for_shorter_than_the_interval_fires_on_the_second_evaluation() {
    let terms = Terms { for_millis: 1, ..Terms::default() };
    assert_eq!(trace(terms, &["a", "a"]), "1:aFired");
}

#[test]
fn keep_firing_counts_from_the_first_absent_instant_and_a_return_resets_it() {
    let terms = Terms { keep_firing_for_millis: 2 * MINUTE, ..Terms::default() };
    assert_eq!(trace(terms, &["a", "", "", ""]), "0:aFired 3:aResolved");
    assert_eq!(trace(terms, &["a", "", "a", "", "", ""]), "0:aFired 5:aResolved");
}

#[test]
fn over_the_limit_the_active_stay_and_no_more_are_admitted() {
    let terms = Terms { limit: 2, ..Terms::default() };
    assert_eq!(trace(terms, &["ab", "abc", "bc", "bc"]), "0:aFired 0:bFired 2:aResolved 2:cFired");
}

#[test]
fn an_alert_outlives_so_many_evaluations_without_its_data_and_no_more() {
    let terms = Terms { missing_for: 2, ..Terms::default() };
    let trace = |minutes: &[&str]| trace_with(terms, minutes, |_| Absence::Missing);
    assert_eq!(trace(&["a", "", "", "a", "", "", ""]), "0:aFired 6:aMissing");
    assert_eq!(trace(&["a", "", "", "", "a"]), "0:aFired 3:aMissing 4:aFired");
}

#[test]
fn data_that_are_missing_at_an_instant_that_is_evaluated_again_are_missing_once() {
    let terms = Terms { missing_for: 2, ..Terms::default() };
    // Whether it is an evaluation again, and whether the alert is gone with it.
    let gone = |seen_at: i64, evaluations: &[(i64, bool)]| -> Vec<bool> {
        let mut lifecycle = Lifecycle::default();
        let mut step = lifecycle.begin(Timestamp::from_millis(seen_at * MINUTE));
        step.see_new(labels("a"), None, 1.0, 0).unwrap();
        step.finish(terms, recovered);
        let ends = evaluations.iter().map(|(minute, is_again)| {
            let instant = Timestamp::from_millis(minute * MINUTE);
            let step = if *is_again { lifecycle.begin_again(instant) } else { lifecycle.begin(instant) };
            let outcome = step.finish(terms, |_| Absence::Missing);
            outcome.changed.iter().any(|changed| changed.transition.is_some())
        });
        ends.collect()
    };
    let (first, again) = (false, true);
    assert_eq!(
        gone(0, &[(1, first), (1, again), (1, again), (2, first), (2, again), (3, first)]),
        [false, false, false, false, false, true]
    );
    // Missing for the first time where it is evaluated again.
    assert_eq!(gone(0, &[(0, again), (1, first), (2, first)]), [false, false, true]);
}

#[test]
fn a_pending_alert_without_data_neither_fires_nor_loses_its_age() {
    let terms = Terms { missing_for: 2, ..for_minutes(2) };
    assert_eq!(trace_with(terms, &["a", "", "", "a"], |_| Absence::Missing), "3:aFired");
    assert_eq!(trace_with(terms, &["a", "", "", "", "a", "a"], |_| Absence::Missing), "");
}

#[test]
fn what_is_held_stays_for_as_long_as_it_is_held() {
    let terms = Terms { missing_for: 1, ..Terms::default() };
    assert_eq!(trace_with(terms, &["a", "", "", "", "", "a"], |_| Absence::Held), "0:aFired");
}

#[test]
fn keep_firing_begins_when_an_alert_is_missing_for_too_long() {
    let terms = Terms { missing_for: 1, keep_firing_for_millis: 2 * MINUTE, ..Terms::default() };
    assert_eq!(trace_with(terms, &["a", "", "", "", ""], |_| Absence::Missing), "0:aFired 4:aMissing");
}

/// Sees `a` at each minute under terms that change; the trace of transitions.
fn trace_of_terms(minutes: &[Terms]) -> String {
    let mut lifecycle = Lifecycle::default();
    let mut trace = Vec::new();
    for (minute, terms) in (0_i64..).zip(minutes) {
        let mut step = lifecycle.begin(Timestamp::from_millis(minute * MINUTE));
        step.see_new(labels("a"), None, 1.0, 0).unwrap();
        let changed = step.finish(*terms, recovered).changed;
        trace.extend(changed.iter().filter_map(|changed| Some(format!("{minute}:{:?}", changed.transition?))));
    }
    trace.join(" ")
}

#[test]
fn a_raised_for_demotes_and_a_lowered_one_never_fires_twice() {
    let (one, three) = (for_minutes(1), for_minutes(3));
    assert_eq!(trace_of_terms(&[one, one, three, three]), "1:Fired 2:Resolved(Demoted) 3:Fired");
    assert_eq!(trace_of_terms(&[three, three, one, one, three, one]), "2:Fired");
}

#[test]
fn a_duplicate_identity_leaves_the_state_untouched() {
    let mut lifecycle = Lifecycle::default();
    let mut step = lifecycle.begin(Timestamp::from_millis(0));
    step.see_new(labels("a"), None, 1.0, 0).unwrap();
    step.finish(Terms::default(), recovered);

    let mut step = lifecycle.begin(Timestamp::from_millis(MINUTE));
    step.see_new(labels("a"), None, 2.0, 0).unwrap();
    step.see_new(labels("b"), None, 2.0, 0).unwrap();
    assert_eq!(step.see_new(labels("b"), None, 3.0, 0), Err(DuplicateIdentity { labels: labels("b") }));
    assert_eq!(step.see_new(labels("a"), None, 3.0, 0), Err(DuplicateIdentity { labels: labels("a") }));
    drop(step);
    assert_eq!(lifecycle.alerts.iter().flatten().map(|alert| alert.value).collect::<Vec<_>>(), [1.0]);
}

#[test]
fn an_alert_is_about_the_series_it_was_seen_on_last() {
    let mut lifecycle = Lifecycle::default();
    let mut step = lifecycle.begin(Timestamp::from_millis(0));
    step.see_new(labels("a"), Some((1, 0)), 1.0, 0).unwrap();
    let handle = step.finish(Terms::default(), recovered).admitted[0].unwrap();
    let mut step = lifecycle.begin(Timestamp::from_millis(1));
    step.see(handle, (2, 0), 1.0, 0).unwrap();
    step.finish(Terms::default(), recovered);
    assert_eq!(lifecycle.alerts().map(|alert| alert.series).collect::<Vec<_>>(), [Some((2, 0))]);
}

#[test]
fn a_handle_finds_its_alert_until_it_ends() {
    let mut lifecycle = Lifecycle::default();
    let mut step = lifecycle.begin(Timestamp::from_millis(0));
    step.see_new(labels("a"), None, 1.0, 0).unwrap();
    let handle = step.finish(Terms::default(), recovered).admitted[0].unwrap();
    let mut step = lifecycle.begin(Timestamp::from_millis(1));
    assert_eq!(step.see(handle, (0, 0), 2.0, 0), Ok(true));
    assert!(step.see(handle, (0, 0), 2.0, 0).is_err());
    step.finish(Terms::default(), recovered);
    lifecycle.begin(Timestamp::from_millis(2)).finish(Terms::default(), recovered);
    let mut step = lifecycle.begin(Timestamp::from_millis(3));
    step.see_new(labels("b"), None, 1.0, 0).unwrap();
    assert_eq!(step.see(handle, (0, 0), 2.0, 0), Ok(false));
}

proptest! {
    /// A run that is cut anywhere and restored from what was saved gives the transitions of an uninterrupted one.
    #[test]
    fn restoring_what_was_saved_changes_nothing(
        minutes in proptest::collection::vec("[abc]?[d]?", 1..20),
        cut in 0_usize..20,
        for_minutes in 0_i64..3,
        keep_minutes in 0_i64..3,
        missing_for in 0_u32..3,
    ) {
        let (for_millis, keep_firing_for_millis) = (for_minutes * MINUTE, keep_minutes * MINUTE);
        let terms = Terms { for_millis, keep_firing_for_millis, missing_for, limit: 0 };
        let run = |cut: Option<usize>| {
            let mut lifecycle = Lifecycle::default();
            let mut store: std::collections::BTreeMap<Fingerprint, String> = std::collections::BTreeMap::new();
            let mut transitions = Vec::new();
            for (minute, seen) in minutes.iter().enumerate() {
                if cut == Some(minute) {
                    lifecycle = Lifecycle::default();
                    for json in store.values() {
                        lifecycle.restore(serde_json::from_str(json).unwrap());
                    }
                }
                let instant = Timestamp::from_millis(i64::try_from(minute).unwrap() * MINUTE);
                let mut step = lifecycle.begin(instant);
                for name in seen.chars() {
                    step.see_new(labels(&name.to_string()), None, 1.0, 0).unwrap();
                }
                let absence = |_: &Alert| if minute % 3 == 0 { Absence::Recovered } else { Absence::Missing };
                for changed in step.finish(terms, absence).changed {
                    match changed.is_over {
                        true => drop(store.remove(&changed.alert.fingerprint)),
                        false => {
                            let json = serde_json::to_string(&changed.save()).unwrap();
                            store.insert(changed.alert.fingerprint, json);
                        }
                    }
                    if let Some(transition) = changed.transition {
                        let Alert { labels, since, fired, .. } = changed.alert;
                        transitions.push((minute, transition, labels, since, fired));
                    }
                }
            }
            transitions
        };
        prop_assert_eq!(run(Some(cut)), run(None));
    }
}
