//! Queries, checked when the rule is read and not first when it is asked.
//!
//! The parser of PromQL says whether a query is right, but hardly where it goes wrong; [`place`] finds that out. What
//! the checker cannot judge (a function newer than it, a language other than PromQL) is a warning and never an error:
//! the source has the last word.

mod calls;
mod comparison;
mod facts;
mod names;
mod place;
mod regex;
mod tokens;
mod values;

#[cfg(test)]
mod tests;

use std::ops::Range;

use promql_parser::parser::{self, Expr, value::ValueType};

use crate::checker::Checker;
use crate::keys::{Text, nearest};
pub use comparison::{Comparison, comparison};
pub(crate) use facts::Facts;
pub(crate) use names::Names;
pub(crate) use place::Effort;
use tokens::{Brackets, Kind, Token};

/// Longer queries are generated, and not looked at by people.
pub const MAX_CHECKED_BYTES: usize = 64 * 1024;

/// Words, texts and signs of a query that is checked: the parser builds a tree as deep as there are operators, and
/// walks it by recursion.
pub const MAX_CHECKED_TOKENS: usize = 1_000;

/// Brackets within each other, for the same reason.
pub const MAX_CHECKED_DEPTH: usize = 100;

/// Something wrong with a query.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    bytes: Range<usize>,
    message: String,
    help: Option<String>,
    verdict: Verdict,
}

/// How sure the checker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// No source takes the query.
    Wrong,
    /// Sources take it, but it cannot do what an alert is for.
    Useless,
    /// It may well be right; the checker does not know.
    Unknown,
}

impl Problem {
    fn certain(bytes: Range<usize>, message: impl Into<String>) -> Self {
        Self { bytes, message: message.into(), help: None, verdict: Verdict::Wrong }
    }

    fn unsure(bytes: Range<usize>, message: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unknown, ..Self::certain(bytes, message) }
    }

    fn with_help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }
}

/// Checks a query and gives what follows from it. `is_promql` is false for a source that may speak another language.
pub(crate) fn check(checker: &mut Checker<'_, '_>, text: Text<'_>, is_promql: bool) -> Facts {
    let (problems, facts) = examine(text.as_str(), &mut checker.effort);
    for problem in problems {
        let start = checker.place(text, problem.bytes.start);
        let last = problem.bytes.end.saturating_sub(1).max(problem.bytes.start);
        let end = checker.place(text, last).max(start);
        let bytes = start..if problem.bytes.is_empty() { end } else { end + 1 };
        match problem.verdict {
            Verdict::Wrong if is_promql => {
                checker.report.error(&bytes, problem.message).maybe_help(problem.help);
            }
            Verdict::Useless => {
                checker.report.warning(&bytes, problem.message).maybe_help(problem.help);
            }
            Verdict::Wrong | Verdict::Unknown => {
                let message = format!("not understood by the checker: {}", problem.message);
                let help =
                    problem.help.unwrap_or_else(|| "the source has the last word: it is asked as it stands".into());
                checker.report.warning(&bytes, message).help(help);
            }
        }
    }
    if is_promql { facts } else { Facts::unknown() }
}

/// What is wrong with a query, and what follows from it.
fn examine(query: &str, effort: &mut Effort) -> (Vec<Problem>, Facts) {
    match parse(query, effort) {
        Err(problems) => (problems, Facts::unknown()),
        Ok((expr, mut problems)) => {
            let all = 0..query.trim_end().len();
            let facts = facts::facts(&expr);
            problems.extend(result_problem(expr.value_type(), all.clone()));
            problems.extend(facts.never.as_ref().map(|why| Problem {
                bytes: all,
                message: format!("this query never gives a sample: {why}"),
                help: None,
                verdict: Verdict::Useless,
            }));
            (problems, facts)
        }
    }
}

/// The query as a tree, with what is wrong with its patterns; or what kept it from being read. That a file has more than is
/// checked is told once.
fn parse(query: &str, effort: &mut Effort) -> Result<(Expr, Vec<Problem>), Vec<Problem>> {
    let all = 0..query.trim_end().len();
    if query.len() > MAX_CHECKED_BYTES {
        let message = format!("a query of {} bytes; up to {MAX_CHECKED_BYTES} are checked", query.len());
        return Err(vec![Problem::unsure(all, message)]);
    }
    let tokens = tokens::split(query);
    let depth = bracket_problem(query, &tokens).map_err(|problem| vec![problem])?;
    if tokens.len() > MAX_CHECKED_TOKENS || depth > MAX_CHECKED_DEPTH {
        return Err(vec![Problem::unsure(all, "a query too long or too deep to be checked")]);
    }
    if !effort.may_check(tokens.len()) {
        let message = "this file has more and longer queries than are checked; this one and further ones are not";
        return Err(if effort.is_news() { vec![Problem::unsure(all, message)] } else { Vec::new() });
    }
    // Patterns are checked apart: compiling one may cost more than all the rest, and engines differ in details.
    let (query, mut problems) = regex::set_aside(query, &tokens);
    match parser::parse(&query) {
        Ok(expr) => Ok((expr, problems)),
        Err(message) => {
            problems.push(explain(&query, &tokens, &message, effort));
            Err(problems)
        }
    }
}

/// The depth of the brackets, or what is wrong with brackets and quotes.
fn bracket_problem(query: &str, tokens: &[Token]) -> Result<usize, Problem> {
    let mut brackets = Brackets::default();
    let mut deepest = 0;
    for (index, token) in tokens.iter().enumerate() {
        if token.kind == (Kind::Text { closed: false }) {
            let quote = token.bytes.start..token.bytes.start + 1;
            return Err(Problem::certain(quote, "this quote is never closed"));
        }
        let open = brackets.innermost();
        if !brackets.take(query, index, token) {
            let sign = query.get(token.bytes.clone()).unwrap_or_default();
            let opener = open.and_then(|index| tokens.get(index)).and_then(|token| query.get(token.bytes.clone()));
            let message = match opener {
                Some(opener) => format!("`{sign}` closes nothing: `{opener}` is open here"),
                None => format!("`{sign}` closes nothing"),
            };
            return Err(Problem::certain(token.bytes.clone(), message));
        }
        deepest = deepest.max(brackets.depth());
    }
    match brackets.innermost().and_then(|index| tokens.get(index)) {
        Some(token) => {
            let sign = query.get(token.bytes.clone()).unwrap_or_default();
            Err(Problem::certain(token.bytes.clone(), format!("this `{sign}` is never closed")))
        }
        None => Ok(deepest),
    }
}

/// An alert needs one sample a series. Prometheus loads the rest too, and fails at every evaluation.
fn result_problem(value_type: ValueType, all: Range<usize>) -> Option<Problem> {
    let what = match value_type {
        ValueType::Matrix => "a range of samples for each series",
        ValueType::String => "a text",
        ValueType::Scalar | ValueType::Vector => return None,
    };
    let message = format!("this query gives {what}, and an alert needs one sample for each series");
    let help = "put a function around it, such as `rate(…)` or `max_over_time(…)`".to_owned();
    Some(Problem { bytes: all, message, help: Some(help), verdict: Verdict::Useless })
}

/// The parser's refusal, with its place.
fn explain(query: &str, tokens: &[Token], message: &str, effort: &mut Effort) -> Problem {
    let bytes = place::find(query, tokens, message, effort);
    let found = query.get(bytes.clone()).unwrap_or_default();
    if let Some(name) = message.strip_prefix("unknown function with name '").and_then(|rest| rest.strip_suffix('\'')) {
        return unknown_function(name, bytes);
    }
    if message.starts_with("unexpected character inside brackets") {
        // Newer versions of Prometheus compute with durations there.
        return Problem::unsure(bytes, message);
    }
    if !place::is_syntax(message) {
        return Problem::certain(bytes, message);
    }
    let message = match found {
        "" => "the query ends too early".to_owned(),
        _ if message == place::NO_QUERY => format!("`{found}` is not expected here"),
        _ => message.to_owned(),
    };
    Problem::certain(bytes, message)
}

/// Functions of PromQL, only to guess which one was meant.
const FUNCTIONS: [&str; 74] = [
    "abs",
    "absent",
    "absent_over_time",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "avg_over_time",
    "ceil",
    "changes",
    "clamp",
    "clamp_max",
    "clamp_min",
    "cos",
    "cosh",
    "count_over_time",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "deg",
    "delta",
    "deriv",
    "exp",
    "floor",
    "histogram_count",
    "histogram_fraction",
    "histogram_quantile",
    "histogram_sum",
    "hour",
    "idelta",
    "increase",
    "irate",
    "label_join",
    "label_replace",
    "last_over_time",
    "ln",
    "log10",
    "log2",
    "max_over_time",
    "min_over_time",
    "minute",
    "month",
    "pi",
    "predict_linear",
    "present_over_time",
    "quantile_over_time",
    "rad",
    "rate",
    "resets",
    "round",
    "scalar",
    "sgn",
    "sin",
    "sinh",
    "sort",
    "sort_desc",
    "sqrt",
    "stddev_over_time",
    "stdvar_over_time",
    "sum_over_time",
    "tan",
    "tanh",
    "time",
    "timestamp",
    "vector",
    "year",
    "sum",
    "count",
    "topk",
    "bottomk",
    "quantile",
];

/// A slip of the hand is an error; a name like none that is known may be newer than the checker.
fn unknown_function(name: &str, bytes: Range<usize>) -> Problem {
    let message = format!("there is no function `{name}`");
    match nearest(name, FUNCTIONS) {
        Some(near) => Problem::certain(bytes, message).with_help(Some(format!("did you mean `{near}`?"))),
        None => Problem::unsure(bytes, message),
    }
}
