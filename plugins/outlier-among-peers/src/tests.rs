//! What outlier-among-peers finds.

use orion_plugin::testing::DetectorProbe;
use orion_plugin::{ParameterValue, SeriesId};
use proptest::prelude::*;

use super::*;

fn probe(given: &[(&str, ParameterValue)]) -> DetectorProbe<OutlierAmongPeers> {
    DetectorProbe::new(given).unwrap()
}

fn found(given: &[(&str, ParameterValue)], values: &[f64]) -> Vec<SeriesId> {
    let samples: Vec<_> = (0..).zip(values.iter().copied()).collect();
    probe(given).observe(0, &samples).into_iter().map(|finding| finding.series.unwrap()).collect()
}

#[test]
fn one_that_is_unlike_the_rest_is_found_and_the_rest_is_not() {
    assert_eq!(found(&[], &[30.0, 31.0, 87.0, 32.0, 29.0, 30.5]), [2]);
    assert_eq!(found(&[], &[30.0, 31.0, 30.7, 32.0, 29.0, 30.5]), []);
}

#[test]
fn only_the_wanted_side_is_found() {
    let values = [100.0, 101.0, 99.0, 100.0, 102.0, 10.0, 900.0];
    for (direction, want) in [("up", vec![6]), ("down", vec![5]), ("both", vec![5, 6])] {
        assert_eq!(found(&[("direction", direction.into())], &values), want);
    }
}

#[test]
fn fewer_others_than_the_minimum_are_not_compared() {
    let values = [1.0, 1.0, 1.0, 1.0, 90.0];
    assert_eq!(found(&[("minimum_peers", 4_i64.into())], &values), [4]);
    assert_eq!(found(&[("minimum_peers", 5_i64.into())], &values), []);
}

#[test]
fn among_equals_the_minimum_decides_to_the_bound() {
    let values = |last| [100.0, 100.0, 100.0, 100.0, 100.0, last];
    // 125 is 20 % of itself above 100.
    assert_eq!(found(&[], &values(125.0)), [5]);
    assert_eq!(found(&[], &values(124.9)), []);
    assert_eq!(found(&[("minimum_absolute", 30.0.into())], &values(129.9)), []);
    assert_eq!(found(&[("minimum_absolute", 30.0.into())], &values(130.0)), [5]);
    assert_eq!(found(&[], &[0.0, 0.0, 0.0, 0.0, 0.0, 50.0]), [5]);
}

#[test]
fn when_half_of_a_group_is_unlike_the_other_half_nobody_is_found() {
    assert_eq!(found(&[], &[1.0, 1.1, 0.9, 50.0, 51.0, 49.0]), []);
}

#[test]
fn a_few_outliers_do_not_hide_each_other() {
    assert_eq!(found(&[], &[10.0, 10.2, 9.9, 10.1, 10.0, 9.8, 10.3, 70.0, 80.0, 90.0]), [7, 8, 9]);
}

#[test]
fn what_is_no_number_is_no_peer() {
    assert_eq!(found(&[], &[1.0, 1.0, 1.0, 1.0, f64::NAN, 90.0]), [5]);
    assert_eq!(found(&[("minimum_peers", 5_i64.into())], &[1.0, 1.0, 1.0, 1.0, f64::INFINITY, 90.0]), []);
}

#[test]
fn each_group_is_compared_within_itself_and_named() {
    let mut probe = probe(&[("group_by", ParameterValue::Texts(vec!["job".to_owned(), "zone".to_owned()]))]);
    for series in 0..12 {
        let job = if series % 2 == 0 { "api" } else { "db" };
        probe.define(series, &[("instance", &series.to_string()), ("job", job)]);
    }
    let mut samples: Vec<_> = (0..12).map(|series| (series, if series % 2 == 0 { 10.0 } else { 1000.0 })).collect();
    assert_eq!(probe.observe(0, &samples), []);
    samples[3].1 = 10.0;
    let findings = probe.observe(60_000, &samples);
    assert_eq!(
        findings.iter().map(|finding| (finding.series, finding.value, finding.timestamp)).collect::<Vec<_>>(),
        [(Some(3), 10.0, 60_000)]
    );
    assert_eq!(
        findings[0].message,
        "10 is 990 below the median 1000 of its 5 peers (job=db, zone=), which are usually within 200 of it"
    );
    assert!(findings[0].fields.iter().any(|field| field.name == "group" && field.value == "job=db, zone=".into()));
}

#[test]
fn what_cannot_be_meant_is_refused_in_words() {
    let refused = |given: &[(&str, ParameterValue)]| DetectorProbe::<OutlierAmongPeers>::new(given).err().unwrap().0;
    assert_eq!(refused(&[("deviation", f64::NAN.into())]), "`deviation` is not a number");
    assert_eq!(
        refused(&[("minimum_relative", 0.0.into())]),
        "say `minimum_relative` or `minimum_absolute`: among equals any difference is an outlier"
    );
}

proptest! {
    #[test]
    fn what_is_found_does_not_depend_on_the_order_of_the_answer_and_is_within_its_bounds(
        values in proptest::collection::vec(prop_oneof![5 => 90.0..110.0_f64, 1 => -500.0..500.0_f64], 5..30),
        order in any::<u64>(),
    ) {
        let samples: Vec<(SeriesId, f64)> = (0..).zip(values.iter().copied()).collect();
        let mut other = samples.clone();
        other.sort_by_key(|(series, _)| (u64::from(*series) + 1).wrapping_mul(order | 1));
        let mut probe = probe(&[]);
        let mut one = probe.observe(0, &samples);
        let mut two = probe.observe(0, &other);
        one.sort_by_key(|finding| finding.series);
        two.sort_by_key(|finding| finding.series);
        prop_assert_eq!(&one, &two);
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let median = (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0;
        for (series, value) in samples {
            let finding = one.iter().find(|finding| finding.series == Some(series));
            let distance = (value - median).abs();
            let mut distances: Vec<_> = values.iter().map(|value| (value - median).abs()).collect();
            distances.sort_by(f64::total_cmp);
            let spread = 1.4826 * (distances[(distances.len() - 1) / 2] + distances[distances.len() / 2]) / 2.0;
            let over = distance - (5.0 * spread).max(0.2 * value.abs().max(median.abs()));
            // On the bound itself rounding decides.
            prop_assert!(over.abs() < 1e-9 || finding.is_some() == (over > 0.0), "{value} {over}");
        }
    }
}
