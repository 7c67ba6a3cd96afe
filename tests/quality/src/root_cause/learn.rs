//! A graph from normal operation, where nobody tells one: two components whose mean latencies rise and fall together have to do
//! with each other, and the slower one waits for the quicker.

use std::collections::BTreeMap;

use super::petshop::Table;

/// From this rank correlation on.
const LEAST_CORRELATION: f64 = 0.5;

/// Instants at which both have a sample.
const LEAST_SAMPLES: usize = 100;

/// Pairs of a component and one that it is thought to call.
pub fn calls(normal: &Table) -> Vec<(String, String)> {
    let latencies: BTreeMap<&str, &[Option<f64>]> = normal
        .columns
        .iter()
        .filter(|column| column.metric == "latency" && column.statistic == "Average")
        .map(|column| (&*column.service, &*column.values))
        .collect();
    let mut calls = Vec::new();
    for (one, of_one) in &latencies {
        for (other, of_other) in
            latencies.range::<str, _>((std::ops::Bound::Excluded(*one), std::ops::Bound::Unbounded))
        {
            let both: Vec<(f64, f64)> =
                of_one.iter().zip(*of_other).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
            if both.len() < LEAST_SAMPLES || correlation(&both) < LEAST_CORRELATION {
                continue;
            }
            let (of_one, of_other): (Vec<_>, Vec<_>) = both.into_iter().unzip();
            let (caller, callee) = if middle(of_one) >= middle(of_other) { (one, other) } else { (other, one) };
            calls.push(((*caller).to_owned(), (*callee).to_owned()));
        }
    }
    calls
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Spearman's: that of the ranks.
fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let (one, other) = (ranks(pairs.iter().map(|pair| pair.0)), ranks(pairs.iter().map(|pair| pair.1)));
    let mean = |ranks: &[f64]| ranks.iter().sum::<f64>() / ranks.len().max(1) as f64;
    let (mean_one, mean_other) = (mean(&one), mean(&other));
    let product = |a: &[f64], mean_a: f64, b: &[f64], mean_b: f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum()
    };
    let together = product(&one, mean_one, &other, mean_other);
    let alone = product(&one, mean_one, &one, mean_one) * product(&other, mean_other, &other, mean_other);
    if alone > 0.0 { together / alone.sqrt() } else { 0.0 }
}

/// Equal values share the mean of their ranks.
fn ranks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut ordered: Vec<(f64, usize)> = values.zip(0..).collect();
    ordered.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut ranks = vec![0.0; ordered.len()];
    let mut rank = 0;
    for equal in ordered.chunk_by(|one, other| one.0.total_cmp(&other.0).is_eq()) {
        let shared = rank as f64 + (equal.len() - 1) as f64 / 2.0;
        for (_, place) in equal {
            if let Some(own) = ranks.get_mut(*place) {
                *own = shared;
            }
        }
        rank += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root_cause::petshop::Column;

    #[test]
    fn what_rises_and_falls_together_is_a_call_of_the_slower_to_the_quicker() {
        let wave = |at: usize| ((at * 37) % 101) as f64;
        let column = |service: &str, value: &dyn Fn(usize) -> f64| Column {
            service: service.to_owned(),
            metric: "latency".to_owned(),
            statistic: "Average".to_owned(),
            values: (0..200).map(|at| Some(value(at))).collect(),
        };
        let alone = |at: usize| ((at * at) % 103) as f64;
        let columns = vec![
            column("quick", &|at| wave(at)),
            column("slow", &|at| 500.0 + 2.0 * wave(at)),
            column("alone", &alone),
        ];
        let normal = Table { instants: Vec::new(), columns };
        assert_eq!(calls(&normal), [("slow".to_owned(), "quick".to_owned())]);
    }
}
