//! What follows from a query alone: whether it can give a sample at all, and which labels its samples can have.
//!
//! Only what is certain is said, whatever the data: a warning that is wrong once is not read the second time. So every
//! function, operator and modifier that is not known here may give anything.

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{AggregateExpr, BinaryExpr, Expr, LabelModifier, VectorMatchCardinality, VectorSelector};

use super::calls;
use super::names::Names;
use super::values::{Keeps, Values};

/// The tree of a query may be as deep as it has operators; this walks it by recursion, and rules are not deeper.
const MAX_DEPTH: usize = 60;

/// What is known of a query's answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Facts {
    /// Labels that samples can have.
    pub(crate) labels: Names,
    /// Why it never gives a sample, if it never does.
    pub(super) never: Option<String>,
    /// Whether its samples are the 0 and 1 of a comparison, so that none is ever missing.
    pub(crate) is_truth: bool,
    pub(super) values: Values,
    /// One number, and no series.
    pub(super) is_scalar: bool,
}

impl Facts {
    /// Nothing is known.
    pub(crate) fn unknown() -> Self {
        Self { labels: Names::Any, never: None, is_truth: false, values: Values::any(), is_scalar: false }
    }

    pub(super) fn scalar(values: Values) -> Self {
        Self { labels: Names::none(), values, is_scalar: true, ..Self::unknown() }
    }

    /// Names why nothing can come out, when nothing can.
    fn checked(mut self, expr: &BinaryExpr) -> Self {
        if self.never.is_none() && self.values.is_empty() {
            self.never = Some(format!("no value can meet {}", shown(expr)));
        }
        self
    }

    /// The same labels and no more; anything may be the value.
    pub(super) fn of_any_value(self) -> Self {
        Self { values: Values::any(), is_truth: false, ..self }
    }
}

/// What is known of a query.
pub(super) fn facts(expr: &Expr) -> Facts {
    of(expr, 0)
}

fn of(expr: &Expr, depth: usize) -> Facts {
    if depth > MAX_DEPTH {
        return Facts::unknown();
    }
    let deeper = |expr: &Expr| of(expr, depth + 1);
    match expr {
        Expr::Paren(paren) => deeper(&paren.expr),
        Expr::NumberLiteral(number) => Facts::scalar(Values::one(number.val)),
        Expr::VectorSelector(selector) => of_selector(selector),
        Expr::MatrixSelector(matrix) => of_selector(&matrix.vs),
        Expr::Unary(unary) => deeper(&unary.expr).of_any_value(),
        Expr::Subquery(subquery) => deeper(&subquery.expr),
        Expr::Aggregate(aggregate) => of_aggregate(aggregate, deeper(&aggregate.expr)),
        Expr::Binary(binary) => of_binary(binary, deeper(&binary.lhs), deeper(&binary.rhs)),
        Expr::Call(call) => {
            let arguments: Vec<Facts> = call.args.args.iter().map(|argument| deeper(argument)).collect();
            calls::facts(call, &arguments)
        }
        Expr::StringLiteral(_) | Expr::Extension(_) => Facts::unknown(),
    }
}

fn of_selector(selector: &VectorSelector) -> Facts {
    let never = contradiction(&selector.matchers.matchers);
    let never = never.map(|label| format!("`{label}` cannot be both in {}", shown(selector)));
    Facts { never, ..Facts::unknown() }
}

/// A part of the query in backquotes. Its patterns were set aside before it was parsed, so one that has any cannot be shown.
fn shown(part: &impl std::fmt::Display) -> String {
    let text = part.to_string();
    if text.contains("=~") || text.contains("!~") { "a part of it".to_owned() } else { format!("`{text}`") }
}

/// A label that two matchers want to be different things. Patterns are not looked into.
fn contradiction(matchers: &[Matcher]) -> Option<&str> {
    let wants = |matcher: &&Matcher| matches!(matcher.op, MatchOp::Equal);
    let clashes = |one: &Matcher, other: &Matcher| {
        one.name == other.name
            && match other.op {
                MatchOp::Equal => one.value != other.value,
                MatchOp::NotEqual => one.value == other.value,
                MatchOp::Re(_) | MatchOp::NotRe(_) => false,
            }
    };
    let mut wanted = matchers.iter().filter(wants);
    wanted.find(|one| matchers.iter().any(|other| clashes(one, other))).map(|one| one.name.as_str())
}

fn of_aggregate(aggregate: &AggregateExpr, inner: Facts) -> Facts {
    let operator = aggregate.op.to_string();
    let picks = matches!(operator.as_str(), "topk" | "bottomk" | "limitk" | "limit_ratio");
    let labels = match &aggregate.modifier {
        _ if picks => inner.labels,
        None => Names::none(),
        Some(LabelModifier::Include(names)) => Names::of(&names.labels),
        Some(LabelModifier::Exclude(names)) => inner.labels.without(&names.labels),
    };
    let labels = match aggregate.param.as_deref() {
        Some(Expr::StringLiteral(label)) => labels.and([label.val.clone()]),
        _ => labels,
    };
    let values = match operator.as_str() {
        "min" | "max" | "topk" | "bottomk" | "limitk" | "limit_ratio" => inner.values,
        "sum" | "avg" => inner.values.sign_kept(),
        "count" => Values::between(1.0, f64::INFINITY),
        "group" => Values::one(1.0),
        _ => Values::any(),
    };
    Facts { labels, values, never: inner.never, is_truth: false, is_scalar: false }
}

fn of_binary(binary: &BinaryExpr, left: Facts, right: Facts) -> Facts {
    let modifier = binary.modifier.as_ref();
    // A side that is filled up has samples that nobody sent.
    if modifier.is_some_and(|modifier| modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some()) {
        return Facts::unknown();
    }
    let operator = binary.op.to_string();
    match operator.as_str() {
        "or" => Facts {
            labels: left.labels.or(right.labels),
            never: left.never.and(right.never),
            values: left.values.or(right.values),
            is_truth: false,
            is_scalar: false,
        },
        "and" => {
            let values = if is_one_question(binary) { left.values.and(right.values) } else { left.values };
            Facts { never: left.never.or(right.never), values, is_truth: false, ..left }.checked(binary)
        }
        "unless" => Facts { is_truth: false, ..left },
        _ => of_operation(binary, &operator, left, right),
    }
}

fn of_operation(binary: &BinaryExpr, operator: &str, left: Facts, right: Facts) -> Facts {
    let labels = match (left.is_scalar, right.is_scalar) {
        (true, true) => Names::none(),
        (true, false) => right.labels.clone(),
        (false, true) => left.labels.clone(),
        (false, false) => matched_labels(binary, &left, &right),
    };
    let is_scalar = left.is_scalar && right.is_scalar;
    let keeps = comparison(operator);
    let returns_truth = binary.modifier.as_ref().is_some_and(|modifier| modifier.return_bool);
    let values = match keeps {
        Some(_) if returns_truth => Values::between(0.0, 1.0),
        // A comparison of a number with series keeps the series.
        Some(keeps) if left.is_scalar => right.values.kept(keeps.mirrored(), left.values),
        Some(keeps) => left.values.kept(keeps, right.values),
        None => Values::any(),
    };
    let is_truth = keeps.is_some() && returns_truth && !is_scalar;
    let facts = Facts { labels, values, never: left.never.or(right.never), is_truth, is_scalar };
    if is_scalar { facts } else { facts.checked(binary) }
}

fn comparison(operator: &str) -> Option<Keeps> {
    match operator {
        "==" => Some(Keeps::Equal),
        "!=" => Some(Keeps::NotEqual),
        "<" => Some(Keeps::Less),
        "<=" => Some(Keeps::AtMost),
        ">" => Some(Keeps::Greater),
        ">=" => Some(Keeps::AtLeast),
        _ => None,
    }
}

/// Labels of what an operation between series gives.
fn matched_labels(binary: &BinaryExpr, left: &Facts, right: &Facts) -> Names {
    let Some(modifier) = &binary.modifier else { return left.labels.clone() };
    match (&modifier.card, &modifier.matching) {
        (VectorMatchCardinality::ManyToOne(more), _) => left.labels.clone().and(more.labels.clone()),
        (VectorMatchCardinality::OneToMany(more), _) => right.labels.clone().and(more.labels.clone()),
        (VectorMatchCardinality::OneToOne, Some(LabelModifier::Include(on))) => Names::of(&on.labels),
        (VectorMatchCardinality::OneToOne, Some(LabelModifier::Exclude(ignored))) => {
            left.labels.clone().without(&ignored.labels)
        }
        _ => left.labels.clone(),
    }
}

/// Whether both sides of an `and` ask for the very same samples and only keep different ones: `x > 90 and x < 10`.
fn is_one_question(binary: &BinaryExpr) -> bool {
    let is_plain = binary.modifier.as_ref().is_none_or(|modifier| modifier.matching.is_none());
    match (asked(&binary.lhs), asked(&binary.rhs)) {
        // Without a name a selector may find two series that differ in their names alone, which `and` does not see.
        (Expr::VectorSelector(left), Expr::VectorSelector(right)) => is_plain && left.name.is_some() && left == right,
        (left @ Expr::Aggregate(_), right @ Expr::Aggregate(_)) => is_plain && left == right,
        _ => false,
    }
}

/// The query without the comparisons with numbers around it.
fn asked(expr: &Expr) -> &Expr {
    let mut expr = expr;
    loop {
        expr = match expr {
            Expr::Paren(paren) => &paren.expr,
            Expr::Binary(binary)
                if matches!(*binary.rhs, Expr::NumberLiteral(_))
                    && comparison(&binary.op.to_string()).is_some()
                    && !binary.modifier.as_ref().is_some_and(|modifier| modifier.return_bool) =>
            {
                &binary.lhs
            }
            other => return other,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use promql_parser::parser;

    fn of(query: &str) -> Facts {
        facts(&parser::parse(query).unwrap())
    }

    fn labels(query: &str) -> String {
        match of(query).labels {
            Names::Any => "any".to_owned(),
            Names::Only(names) => names.into_iter().collect::<Vec<_>>().join(","),
        }
    }

    #[test]
    fn labels_that_a_query_takes_away_are_known() {
        for (query, want) in [
            ("up", "any"),
            ("sum by (a, b) (up)", "a,b"),
            ("sum(up)", ""),
            ("sum without (a) (up)", "any"),
            ("sum without (a) (sum by (a, b) (up))", "b"),
            ("topk by (a) (3, up)", "any"),
            ("topk(3, sum by (a) (up))", "a"),
            ("count_values by (a) (\"version\", up)", "a,version"),
            ("rate(x[5m]) > 5", "any"),
            ("100 * (sum by (a) (x) / sum by (a) (y)) > 90", "a"),
            ("5 < sum by (a) (x)", "a"),
            ("sum by (a) (x) * on (a) group_left (b) y", "a,b"),
            ("x * on (a) group_right (b) sum by (a, c) (y)", "a,b,c"),
            ("x / on (a) y", "a"),
            ("sum by (a, b) (x) / ignoring (b) y", "a"),
            ("sum by (a) (x) and on (a) y", "a"),
            ("sum by (a) (x) or sum by (b) (y)", "a,b"),
            ("sum by (a) (x) or y", "any"),
            ("sum by (a) (x) unless y", "a"),
            ("label_replace(sum by (a) (x), \"b\", \"$1\", \"a\", \"(.*)\")", "a,b"),
            ("label_join(sum(x), \"b\", \"-\")", "b"),
            ("histogram_quantile(0.9, sum by (le, a) (rate(x_bucket[5m])))", "a"),
            ("max_over_time(sum by (a) (x)[5m:])", "a"),
            ("absent(sum by (a) (x))", "any"),
            ("vector(1)", ""),
            ("-sum by (a) (x)", "a"),
            ("info(sum by (a) (x))", "any"),
            ("time() - max by (a) (x)", "a"),
        ] {
            assert_eq!(labels(query), want, "{query}");
        }
    }

    #[test]
    fn a_query_that_can_give_nothing_is_found_out() {
        for (query, why) in [
            ("vector(1) == 2", "no value can meet `vector(1) == 2`"),
            ("x > 5 < 3", "no value can meet `x > 5 < 3`"),
            ("count(x) == 0", "no value can meet `count(x) == 0`"),
            ("count by (a) (up == 0) < 1", "no value can meet `count by (a) (up == 0) < 1`"),
            ("absent(x) == 0", "no value can meet `absent(x) == 0`"),
            ("0 == count(x)", "no value can meet `0 == count(x)`"),
            ("x > 90 and x < 10", "no value can meet `x > 90 and x < 10`"),
            (
                "sum by (a) (x) > 9 and (sum by (a) (x) < 1)",
                "no value can meet `sum by (a) (x) > 9 and (sum by (a) (x) < 1)`",
            ),
            ("(x == bool 1) > 1", "no value can meet `(x == bool 1) > 1`"),
            ("changes(x[5m]) < 0", "no value can meet `changes(x[5m]) < 0`"),
            ("up{a=\"b\", a=\"c\"} == 0", "`a` cannot be both in `up{a=\"b\",a=\"c\"}`"),
            ("rate(x{a=\"b\", a!=\"b\"}[5m])", "`a` cannot be both in `x{a!=\"b\",a=\"b\"}`"),
            ("count(x{a=~\"b\"}) == 0", "no value can meet a part of it"),
            ("y and on () (x > 5 < 3)", "no value can meet `x > 5 < 3`"),
            ("sum(x > 5 < 3) * 2", "no value can meet `x > 5 < 3`"),
        ] {
            assert_eq!(of(query).never.as_deref(), Some(why), "{query}");
        }
    }

    #[test]
    fn a_query_that_may_give_something_is_left_alone() {
        for query in [
            "x > 5",
            "x > 3 < 5",
            "x >= 5 <= 5",
            "x != 5",
            "vector(1)",
            "vector(1) == 1",
            "count(x) > 0",
            "count(x) == 0 or up == 0",
            "up == 0 unless count(x) == 0",
            "absent(x > 5 < 3)",
            "absent(x) == 1",
            "x > 90 and on (a) x < 10",
            "x > 90 and y < 10",
            "{a=\"b\"} > 90 and {a=\"b\"} < 10",
            "x > 90 or x < 10",
            "sum(x) < 0",
            "rate(x[5m]) < 0",
            "1 > bool 2",
            "up{a=\"b\", a=~\"c\"}",
            "up{a=\"b\", a!=\"c\"}",
            "scalar(x > 5 < 3) + 1",
            "x * NaN > 3",
            "-count(x) < 0",
            "min_over_time(x[5m]) == 0 > -1",
        ] {
            assert_eq!(of(query).never, None, "{query}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}count(x) == 0{}", "(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
        assert_eq!(of(&deep).never, None);
        assert!(of(&deep.replacen("((", "(", 4).replacen("))", ")", 4)).never.is_some());
    }
}
