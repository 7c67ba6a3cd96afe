//! What follows from the functions of PromQL. One that is not known here may give anything.

use promql_parser::parser::{Call, Expr};

use super::facts::Facts;
use super::names::Names;
use super::values::Values;

/// What is known of a call, given what is known of its arguments.
pub(super) fn facts(call: &Call, arguments: &[Facts]) -> Facts {
    let first = arguments.first();
    let is_series = |facts: &Facts, argument: &Expr| !facts.is_scalar && !matches!(argument, Expr::StringLiteral(_));
    let series = arguments.iter().zip(&call.args.args).find(|(facts, argument)| is_series(facts, argument));
    let inner = series.map(|(facts, _)| facts.clone());
    // These find out what is missing, so they have something to say of nothing.
    if matches!(call.func.name, "absent" | "absent_over_time") {
        return Facts { values: Values::one(1.0), ..Facts::unknown() };
    }
    let text = |index: usize| match call.args.args.get(index).map(|argument| &**argument) {
        Some(Expr::StringLiteral(text)) => Some(text.val.clone()),
        _ => None,
    };
    match (call.func.name, inner) {
        ("vector", _) => Facts {
            labels: Names::none(),
            values: first.map_or(Values::any(), |argument| argument.values),
            ..Facts::unknown()
        },
        ("scalar" | "time" | "pi", _) => Facts::scalar(Values::any()),
        ("label_replace" | "label_join", Some(inner)) => match text(1) {
            Some(label) => Facts { labels: inner.labels.and([label]), ..inner },
            None => Facts { labels: Names::Any, ..inner },
        },
        ("sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc", Some(inner)) => inner,
        ("min_over_time" | "max_over_time" | "last_over_time" | "first_over_time", Some(inner)) => {
            Facts { is_truth: false, ..inner }
        }
        ("histogram_quantile" | "histogram_fraction", Some(inner)) => {
            Facts { labels: inner.labels.clone().without(&["le".to_owned()]), ..inner.of_any_value() }
        }
        ("count_over_time", Some(inner)) => {
            Facts { values: Values::between(1.0, f64::INFINITY), is_truth: false, ..inner }
        }
        ("changes" | "resets", Some(inner)) => {
            Facts { values: Values::between(0.0, f64::INFINITY), is_truth: false, ..inner }
        }
        ("present_over_time", Some(inner)) => Facts { values: Values::one(1.0), is_truth: false, ..inner },
        (name, Some(inner)) if KEEPS_LABELS.contains(&name) => inner.of_any_value(),
        // One that is not known may give anything, and nothing only when it is given nothing.
        (_, Some(inner)) => Facts { never: inner.never, ..Facts::unknown() },
        (_, None) => Facts::unknown(),
    }
}

/// Functions whose samples have the labels of the series they are given, or fewer.
const KEEPS_LABELS: [&str; 33] = [
    "abs",
    "avg_over_time",
    "ceil",
    "clamp",
    "clamp_max",
    "clamp_min",
    "delta",
    "deriv",
    "exp",
    "floor",
    "histogram_avg",
    "histogram_count",
    "histogram_sum",
    "double_exponential_smoothing",
    "holt_winters",
    "idelta",
    "increase",
    "irate",
    "ln",
    "log10",
    "log2",
    "mad_over_time",
    "predict_linear",
    "quantile_over_time",
    "rate",
    "round",
    "sgn",
    "sqrt",
    "stddev_over_time",
    "stdvar_over_time",
    "sum_over_time",
    "timestamp",
    "day_of_week",
];
