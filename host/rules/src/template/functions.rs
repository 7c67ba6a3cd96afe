//! The functions templates know: Go's own, and Prometheus'. Names, how many arguments, and what they do.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use orion_model::parse_duration;

use super::eval::Budget;
use super::value::Value;
use super::{format, humanize, strings};
use crate::keys::nearest;

/// A function, found by name when the template is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    least: usize,
    most: usize,
    body: Body,
}

/// A function is its name; there is one of each.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// What a function does, by the shape of its arguments.
#[derive(Clone, Copy, Debug)]
enum Body {
    And,
    Or,
    Texts(fn(&[Value<'_>]) -> Result<String, String>),
    /// Of one text.
    Text(fn(&str) -> String),
    /// Of one number.
    Number(fn(f64) -> Result<String, String>),
    Truth(fn(&[Value<'_>]) -> Result<bool, String>),
    Match,
    Length,
    Index,
    Slice,
    Arguments,
    ToTime,
    ToDuration,
    ParseDuration,
    Replace,
    Constant(&'static str),
}

const ANY: usize = usize::MAX;

const FUNCTIONS: [Function; 40] = [
    f("and", 1, ANY, Body::And),
    f("or", 1, ANY, Body::Or),
    f("not", 1, 1, Body::Truth(|values| Ok(!values.first().is_some_and(Value::is_true)))),
    f("eq", 2, ANY, Body::Truth(equals_any)),
    f("ne", 2, 2, Body::Truth(|values| equals_any(values).map(|equal| !equal))),
    f("lt", 2, 2, Body::Truth(less)),
    f("le", 2, 2, Body::Truth(less_or_equal)),
    f("gt", 2, 2, Body::Truth(|values| less_or_equal(values).map(|le| !le))),
    f("ge", 2, 2, Body::Truth(|values| less(values).map(|lt| !lt))),
    f("len", 1, 1, Body::Length),
    f("index", 1, ANY, Body::Index),
    f("slice", 1, 3, Body::Slice),
    f("print", 0, ANY, Body::Texts(format::print)),
    f("println", 0, ANY, Body::Texts(format::println)),
    f("printf", 1, ANY, Body::Texts(printf)),
    f("html", 1, ANY, Body::Texts(|values| format::print(values).map(|text| strings::escape_html(&text)))),
    f("js", 1, ANY, Body::Texts(|values| format::print(values).map(|text| strings::escape_js(&text)))),
    f("urlquery", 1, ANY, Body::Texts(|values| format::print(values).map(|text| strings::escape_query(&text)))),
    f("humanize", 1, 1, Body::Number(|number| Ok(humanize::decimal(number)))),
    f("humanize1024", 1, 1, Body::Number(|number| Ok(humanize::binary(number)))),
    f("humanizeDuration", 1, 1, Body::Number(|number| Ok(humanize::duration(number)))),
    f("humanizePercentage", 1, 1, Body::Number(|number| Ok(humanize::percentage(number)))),
    f("humanizeTimestamp", 1, 1, Body::Number(humanize::timestamp)),
    f("toTime", 1, 1, Body::ToTime),
    f("toDuration", 1, 1, Body::ToDuration),
    f("parseDuration", 1, 1, Body::ParseDuration),
    f("title", 1, 1, Body::Text(strings::title)),
    f("toUpper", 1, 1, Body::Text(strings::upper)),
    f("toLower", 1, 1, Body::Text(strings::lower)),
    f("stripPort", 1, 1, Body::Text(strings::strip_port)),
    f("stripDomain", 1, 1, Body::Text(strings::strip_domain)),
    f("safeHtml", 1, 1, Body::Text(str::to_owned)),
    f("urlQueryEscape", 1, 1, Body::Text(strings::escape_query)),
    f("tableLink", 1, 1, Body::Text(|expr| format!("/graph?g0.expr={}&g0.tab=1", strings::escape_query(expr)))),
    f("graphLink", 1, 1, Body::Text(|expr| format!("/graph?g0.expr={}&g0.tab=0", strings::escape_query(expr)))),
    f("match", 2, 2, Body::Match),
    f("reReplaceAll", 3, 3, Body::Replace),
    f("args", 0, ANY, Body::Arguments),
    f("pathPrefix", 0, 0, Body::Constant("")),
    f("externalURL", 0, 0, Body::Constant("")),
];

const fn f(name: &'static str, least: usize, most: usize, body: Body) -> Function {
    Function { name, least, most, body }
}

/// Functions that Prometheus has and Orion refuses, and why.
pub(super) fn refused(name: &str) -> Option<&'static str> {
    match name {
        "query" => Some(
            "`query` is refused: a template only describes what the rule's query found, so that it reads the same \
             when it is replayed; put the second query into `expr`, or into a rule of its own",
        ),
        "first" | "label" | "value" | "strvalue" | "sortByLabel" => {
            Some("this function reads the answer of `query`, which templates cannot ask here; use $labels and $value")
        }
        "now" => Some(
            "`now` is refused: the same event must read the same whenever it is rendered; use `time()` in `expr`, \
             and $value here",
        ),
        "call" => Some("`call` needs a function value, and templates have none"),
        "tmpl" => Some("`tmpl` is only known in console templates; use `template`"),
        _ => None,
    }
}

/// The function of that name, or what to say.
pub(super) fn find(name: &str) -> Result<Function, String> {
    FUNCTIONS.into_iter().find(|function| function.name == name).ok_or_else(|| {
        match nearest(name, FUNCTIONS.iter().map(|function| function.name)) {
            Some(near) => format!("no function `{name}`: did you mean `{near}`?"),
            None => format!("no function `{name}`"),
        }
    })
}

/// Whether a function takes so many arguments.
pub(super) fn check_count(function: Function, count: usize) -> Result<(), String> {
    let Function { name, least, most, .. } = function;
    match count {
        _ if count < least => Err(format!("`{name}` takes at least {least} arguments, not {count}")),
        _ if count > most => Err(format!("`{name}` takes at most {most} arguments, not {count}")),
        _ => Ok(()),
    }
}

/// Whether this argument of `and` or `or` is its result.
pub(super) fn decides(function: Function, value: &Value<'_>) -> bool {
    match function.body {
        Body::And => !value.is_true(),
        Body::Or => value.is_true(),
        _ => false,
    }
}

/// Calls a function; its arguments were counted.
pub(super) fn call<'a>(function: Function, values: &[Value<'a>], budget: &mut Budget) -> Result<Value<'a>, String> {
    let explained = |why: String| format!("{}: {why}", function.name);
    let read: usize = values.iter().map(weight).sum();
    budget.take(read)?;
    let first = values.first().unwrap_or(&Value::Nil);
    match function.body {
        Body::And | Body::Or => Ok(values.last().cloned().unwrap_or(Value::Nil)),
        Body::Texts(body) => budget.text(body(values).map_err(explained)?),
        Body::Text(body) => budget.text(body(text(first).map_err(explained)?)),
        Body::Number(body) => budget.text(humanize::number(first).and_then(body).map_err(explained)?),
        Body::Truth(body) => body(values).map(Value::Flag).map_err(explained),
        Body::Length => length(first).map(Value::Integer).map_err(explained),
        Body::Index => index(values).map_err(explained),
        Body::Slice => budget.text(slice(values).map_err(explained)?),
        Body::Arguments => arguments(values).map_err(explained),
        Body::ToTime => humanize::number(first).and_then(humanize::millis).map(Value::Time).map_err(explained),
        Body::ToDuration => to_duration(first).map_err(explained),
        Body::ParseDuration => parse_seconds(first).map_err(explained),
        Body::Match => {
            budget.take(pattern_work(values))?;
            matches(values).map(Value::Flag).map_err(explained)
        }
        Body::Replace => {
            budget.take(pattern_work(values))?;
            budget.text(replace(values).map_err(explained)?)
        }
        Body::Constant(text) => Ok(Value::text(text)),
    }
}

/// Bytes a function has to read.
fn weight(value: &Value<'_>) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Map(map) => map.values().map(weight).sum(),
        _ => 0,
    }
}

/// What compiling a pattern counts, as bytes of text: up to some milliseconds, whatever its length.
const PATTERN_WORK_BYTES: usize = 32 * 1024;

/// Compiling a pattern and running it, as bytes of text: the time to run one is bounded by pattern times subject.
fn pattern_work(values: &[Value<'_>]) -> usize {
    let lengths = (values.first().map_or(0, weight), values.last().map_or(0, weight));
    PATTERN_WORK_BYTES + lengths.0 * lengths.1 / 16
}

fn text<'v>(value: &'v Value<'_>) -> Result<&'v str, String> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(format!("needs a text, not a {}", other.type_name())),
    }
}

fn printf(values: &[Value<'_>]) -> Result<String, String> {
    let (first, rest) = values.split_first().ok_or("a format is missing")?;
    format::printf(text(first)?, rest)
}

/// Go compares like with like: a whole number literal is no float, so `gt $value 5` is an error and `gt $value 5.0` is not.
fn compare(one: &Value<'_>, other: &Value<'_>) -> Result<Option<Ordering>, String> {
    match (one, other) {
        (Value::Flag(one), Value::Flag(other)) => Ok(Some(one.cmp(other))),
        (Value::Integer(one) | Value::Duration(one), Value::Integer(other) | Value::Duration(other)) => {
            Ok(Some(one.cmp(other)))
        }
        (Value::Number(one), Value::Number(other)) => Ok(one.partial_cmp(other)),
        (Value::Text(one), Value::Text(other)) => Ok(Some(one.cmp(other))),
        (Value::Number(_), Value::Integer(whole)) | (Value::Integer(whole), Value::Number(_)) => {
            Err(format!("incompatible types for comparison: float64 and int; write {whole}.0"))
        }
        (Value::Nil, _) | (_, Value::Nil) => Ok(None),
        _ => Err(format!("incompatible types for comparison: {} and {}", one.type_name(), other.type_name())),
    }
}

fn equals_any(values: &[Value<'_>]) -> Result<bool, String> {
    let (first, rest) = values.split_first().ok_or("a value is missing")?;
    for other in rest {
        let both_nothing = matches!((first, other), (Value::Nil, Value::Nil));
        if both_nothing || compare(first, other)? == Some(Ordering::Equal) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn ordered<'v, 'a>(values: &'v [Value<'a>]) -> Result<(&'v Value<'a>, &'v Value<'a>), String> {
    match values {
        [Value::Flag(_) | Value::Nil, _] => Err("invalid type for comparison".to_owned()),
        [one, other] => Ok((one, other)),
        _ => Err("takes two values".to_owned()),
    }
}

fn less(values: &[Value<'_>]) -> Result<bool, String> {
    let (one, other) = ordered(values)?;
    compare(one, other).map(|ordering| ordering == Some(Ordering::Less))
}

fn less_or_equal(values: &[Value<'_>]) -> Result<bool, String> {
    let (one, other) = ordered(values)?;
    compare(one, other).map(|ordering| matches!(ordering, Some(Ordering::Less | Ordering::Equal)))
}

fn matches(values: &[Value<'_>]) -> Result<bool, String> {
    match values {
        [pattern, subject] => Ok(strings::pattern(text(pattern)?)?.is_match(text(subject)?)),
        _ => Err("takes a pattern and a text".to_owned()),
    }
}

fn replace(values: &[Value<'_>]) -> Result<String, String> {
    let [pattern, replacement, subject] = values else {
        return Err("takes a pattern, a replacement and a text".to_owned());
    };
    let pattern = strings::pattern(text(pattern)?)?;
    strings::replace_all(&pattern, text(replacement)?, text(subject)?)
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn length(value: &Value<'_>) -> Result<i64, String> {
    match value {
        Value::Text(text) => Ok(whole(text.len())),
        Value::Labels(labels) => Ok(whole(labels.len())),
        Value::Map(map) => Ok(whole(map.len())),
        other => Err(format!("a {} has no length", other.type_name())),
    }
}

fn index<'a>(values: &[Value<'a>]) -> Result<Value<'a>, String> {
    let (first, keys) = values.split_first().ok_or("a value is missing")?;
    keys.iter().try_fold(first.clone(), |value, key| match (&value, key) {
        (Value::Labels(_) | Value::Map(_), Value::Text(name)) => value.field(name),
        (Value::Text(text), Value::Integer(at)) => {
            let byte = usize::try_from(*at).ok().and_then(|at| text.as_bytes().get(at));
            byte.map(|byte| Value::Integer(i64::from(*byte))).ok_or_else(|| format!("index out of range: {at}"))
        }
        (value, key) => Err(format!("a {} cannot be indexed with a {}", value.type_name(), key.type_name())),
    })
}

fn slice(values: &[Value<'_>]) -> Result<String, String> {
    let (first, bounds) = values.split_first().ok_or("a value is missing")?;
    let bytes = text(first)?.as_bytes();
    let bound = |at: usize, default: usize| match bounds.get(at) {
        None => Ok(default),
        Some(Value::Integer(bound)) => usize::try_from(*bound).map_err(|_| format!("index out of range: {bound}")),
        Some(other) => Err(format!("a text cannot be sliced with a {}", other.type_name())),
    };
    let (from, to) = (bound(0, 0)?, bound(1, bytes.len())?);
    let part = bytes.get(from..to).ok_or_else(|| format!("index out of range: {from} to {to} of {}", bytes.len()))?;
    // A cut through a character leaves what is no text; every text of Orion is.
    Ok(String::from_utf8_lossy(part).into_owned())
}

fn arguments<'a>(values: &[Value<'a>]) -> Result<Value<'a>, String> {
    // Maps within maps could be nested and doubled until printing them never ends.
    if values.iter().any(|value| matches!(value, Value::Map(_))) {
        return Err("cannot hold the result of another `args`".to_owned());
    }
    let named = values.iter().enumerate().map(|(at, value)| (format!("arg{at}"), value.clone()));
    Ok(Value::Map(Rc::new(named.collect::<BTreeMap<_, _>>())))
}

fn to_duration<'a>(value: &Value<'_>) -> Result<Value<'a>, String> {
    let seconds = humanize::number(value)?;
    humanize::millis(seconds)?;
    #[expect(clippy::cast_possible_truncation, reason = "the line above refuses what does not fit")]
    Ok(Value::Duration((seconds * 1e9) as i64))
}

fn parse_seconds<'a>(value: &Value<'_>) -> Result<Value<'a>, String> {
    let written = text(value)?;
    let millis = parse_duration(written).ok_or_else(|| format!("`{written}` is no duration"))?;
    #[expect(clippy::cast_precision_loss, reason = "no duration that people write is that long")]
    Ok(Value::Number(millis as f64 / 1000.0))
}
