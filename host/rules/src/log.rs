//! One item of `logs:`: which lines of which logs, and the event that each of them is.

use std::collections::BTreeSet;

use orion_model::Severity;
use regex::{Regex, RegexBuilder};

use crate::checker::Checker;
use crate::event_type::default_event_type;
use crate::expr::Names;
use crate::group::{self, ANNOTATIONS, LABELS};
use crate::key::{Form, Key, key, names_of};
use crate::keys::{Fields, Text, nearest, text_of, texts_of};
use crate::log_entry::{LineMatch, LogEntry, LogFormat, LogSource, Multiline, Pattern};
use crate::log_time::{FORMATS, LogTime, TimeFormat};
use crate::logql;
use crate::template::Template;
use crate::tree::{Node, Value};

const FORMAT_WORDS: [&str; 3] = ["text", "json", "logfmt"];
const FROM_WORDS: [&str; 2] = ["end", "start"];

/// What an item of `logs:` may have.
pub(crate) const KEYS: [Key; 15] = [
    key("id", Form::Text, "Name of the entry, unique within the file. Positions in files are kept under it."),
    key("files", Form::Texts, "Patterns of paths, absolute or below each folder of logs: `nginx/*.log`."),
    key("loki", Form::Text, "In the place of files: a query in LogQL for lines that Loki has."),
    key("delay", Form::Duration, "How long lines may be on their way to Loki; without it 5s."),
    key(
        "from",
        Form::Word(&FROM_WORDS),
        "Where a file is begun that is there at first; one that comes later is read whole.",
    ),
    key("format", Form::Word(&FORMAT_WORDS), "How a line is read; members of JSON and pairs of logfmt are fields."),
    key("match", Form::LineMatch, "What a line has to hold: a regular expression, or one for each of some fields."),
    key("multiline", Form::Defined("multiline"), "Which lines belong together."),
    key("event_type", Form::Text, "Type of its events, in snake case; without it that of the id."),
    key("severity", Form::Text, "info, warning, error or critical, or a template that says one; without it warning."),
    key("labels", Form::Templates, "Templates of labels; `$labels` is what was captured, and the fields of the line."),
    key("annotations", Form::Templates, "Templates for people, such as `summary`."),
    key("data", Form::Texts, "Fields of the line that its event has beside what was captured."),
    key("limit", Form::Count, "Most events of one minute; what is above is counted and said. 0 is no limit."),
    key("time", Form::Defined("log_time"), "Where a line says when it was written; without it, it is when it is read."),
];

/// What `multiline:` may have.
pub(crate) const MULTILINE_KEYS: [Key; 3] = [
    key("start", Form::Text, "A regular expression that the first line of each record matches."),
    key("max_lines", Form::Count, "Most lines of a record, 2 to 1000; without it 200."),
    key("max_wait", Form::Duration, "How long the next line is waited for; without it 5s."),
];

/// What `time:` may have.
pub(crate) const TIME_KEYS: [Key; 2] = [
    key("field", Form::Text, "The captured group, or the field."),
    key("format", Form::Text, "rfc3339, rfc3164, unix, unix_ms, unix_ns, or as strftime has it; without it rfc3339."),
];

/// Events of one minute where nothing is said: far more than people read, and few enough for the audit trail of a year.
const DEFAULT_LIMIT: u32 = 600;

/// What a compiled expression may take. Counted repetitions of classes are what is larger.
const MAX_PATTERN_BYTES: usize = 1024 * 1024;

const DEFAULT_MAX_LINES: usize = 200;
const MOST_LINES: usize = 1_000;

const DEFAULT_MAX_WAIT_MILLIS: i64 = 5_000;
/// What is waited for longer is no longer part of one record.
const MOST_WAIT_MILLIS: i64 = 60_000;

/// Patterns of one entry: each is looked for at every look.
const MOST_PATTERNS: usize = 32;

/// Reads one item of `logs:`.
pub(crate) fn read<'n>(checker: &mut Checker<'_, '_>, node: &'n Node, ids: &mut BTreeSet<&'n str>) -> Option<LogEntry> {
    let fields = Fields::known(&mut checker.report, node, "an entry of `logs`", &names_of(&KEYS))?;
    let id = id(checker, &fields, ids);
    let from = from(checker, &fields);
    let is_of_files = fields.get("loki").is_none();
    let format = format(checker, &fields);
    let matches = match fields.get("match") {
        // The query says which lines are meant.
        None if !is_of_files => Some(Vec::new()),
        _ => matches(checker, &fields, format),
    };
    let multiline = match fields.get("multiline") {
        Some(node) => multiline(checker, node).map(Some),
        None => Some(None),
    };
    let event_type = event_type(checker, &fields, id);
    let severity = severity(checker, &fields);
    // Labels of a stream are there beside what is captured.
    let captured = captured(matches.as_deref().filter(|_| is_of_files), format);
    let labels = templates(checker, &fields, LABELS, captured.as_ref());
    let annotations = templates(checker, &fields, ANNOTATIONS, captured.as_ref());
    let data = data(checker, &fields, format);
    let limit = limit(checker, &fields);
    let time = match fields.get("time") {
        Some(node) => time(checker, node, captured.as_ref()).map(Some),
        None => Some(None),
    };
    let id = id?.as_str();
    Some(LogEntry {
        id: checker.unique_id(format!("{}/logs/{id}", checker.name)),
        from: from?,
        format,
        matches: matches?,
        multiline: multiline?,
        event_type: event_type?,
        severity: severity?,
        labels,
        annotations,
        data,
        limit: limit?,
        time: time?,
        line: checker.report.source.line(fields.bytes.start),
    })
}

fn needed<'n>(checker: &mut Checker<'_, '_>, fields: &Fields<'n>, key: &str, what: &str) -> Option<Text<'n>> {
    let text = fields.text(&mut checker.report, key);
    let is_empty = text.is_some_and(|text| text.as_str().trim().is_empty());
    if is_empty || fields.get(key).is_none() {
        let at = fields.key(key).map_or(&fields.bytes, |key| &key.bytes);
        checker.report.error(at, format!("{what} needs `{key}`")).label(format!("no `{key}`"));
    }
    text.filter(|_| !is_empty)
}

fn id<'n>(checker: &mut Checker<'_, '_>, fields: &Fields<'n>, ids: &mut BTreeSet<&'n str>) -> Option<Text<'n>> {
    let id = needed(checker, fields, "id", "an entry of `logs`")?;
    if !ids.insert(id.as_str()) {
        let message = format!("the entry `{}` stands twice in this file", id.as_str());
        checker.report.error(id.bytes(), message).help("give each entry of a file its own id");
    }
    Some(id)
}

/// Lines may be on their way to Loki for so long.
const DEFAULT_DELAY_MILLIS: i64 = 5_000;
/// What comes later is not waited for by anybody.
const MOST_DELAY_MILLIS: i64 = 600_000;

/// Where the lines come from: files, or Loki.
fn from(checker: &mut Checker<'_, '_>, fields: &Fields<'_>) -> Option<LogSource> {
    let Some(text) = fields.text(&mut checker.report, "loki") else {
        if let Some(delay) = fields.key("delay") {
            checker.report.error(&delay.bytes, "`delay` is about lines from Loki").label("no `loki`");
        }
        return files(checker, fields);
    };
    for key in ["files", "from", "multiline"].into_iter().filter_map(|key| fields.key(key)) {
        checker.report.error(&key.bytes, "this key is for files, and `loki` stands beside it");
    }
    logql::check_lines(checker, text);
    let delay_millis = fields.duration(&mut checker.report, "delay").unwrap_or(DEFAULT_DELAY_MILLIS);
    if delay_millis > MOST_DELAY_MILLIS {
        let at = fields.get("delay").map_or(&fields.bytes, |node| &node.bytes);
        checker.report.error(at, "`delay` is up to 10m");
        return None;
    }
    Some(LogSource::Loki { query: text.as_str().trim().to_owned(), delay_millis })
}

fn files(checker: &mut Checker<'_, '_>, fields: &Fields<'_>) -> Option<LogSource> {
    let from_start = word(checker, fields, "from", &FROM_WORDS).is_some_and(|word| word == "start");
    let Some(node) = fields.get("files") else {
        checker
            .report
            .error(&fields.bytes, "an entry of `logs` needs `files`")
            .label("no `files`")
            .help("say which files it reads: `files: nginx/*.log`, or a list of such; or `loki:` with a query");
        return None;
    };
    let texts = texts_of(&mut checker.report, node, "a pattern of `files`");
    if texts.len() > MOST_PATTERNS {
        let message = format!("`files` has {} patterns; at most {MOST_PATTERNS} are looked for", texts.len());
        checker.report.error(&node.bytes, message).help("one `*` stands for any name, `**` for any folders");
        return None;
    }
    let mut patterns = Vec::new();
    for text in texts {
        let wrong = match glob::Pattern::new(text.as_str()) {
            Ok(_) if text.as_str().trim().is_empty() => Some("it is empty".to_owned()),
            Ok(_) if text.as_str().split('/').any(|part| part == "..") => Some("`..` leads out of folders".to_owned()),
            Ok(_) => None,
            Err(why) => Some(why.msg.to_owned()),
        };
        match wrong {
            Some(why) => {
                let message = format!("`{}` is no pattern of paths: {why}", text.as_str());
                checker.report.error(text.bytes(), message);
            }
            None => patterns.push(text.as_str().to_owned()),
        }
    }
    (!patterns.is_empty()).then_some(LogSource::Files { patterns, from_start })
}

fn word<'n>(checker: &mut Checker<'_, '_>, fields: &Fields<'n>, key: &str, words: &[&str]) -> Option<&'n str> {
    let text = fields.text(&mut checker.report, key)?;
    if !words.contains(&text.as_str()) {
        let near = nearest(text.as_str(), words.iter().copied());
        let message = format!("`{key}` is one of {}, but here `{}`", words.join(", "), text.as_str());
        checker.report.error(text.bytes(), message).maybe_help(near.map(|near| format!("did you mean `{near}`?")));
    }
    Some(text.as_str())
}

fn format(checker: &mut Checker<'_, '_>, fields: &Fields<'_>) -> LogFormat {
    match word(checker, fields, "format", &FORMAT_WORDS) {
        Some("json") => LogFormat::Json,
        Some("logfmt") => LogFormat::Logfmt,
        _ => LogFormat::Text,
    }
}

fn matches(checker: &mut Checker<'_, '_>, fields: &Fields<'_>, format: LogFormat) -> Option<Vec<LineMatch>> {
    let Some(node) = fields.get("match") else {
        checker
            .report
            .error(&fields.bytes, "an entry of `logs` needs `match`")
            .label("no `match`")
            .help("say which lines are events: `match: 'error|failed'`; `match: '.'` is every line that is not empty");
        return None;
    };
    let Value::Map(_) = &node.value else {
        let text = text_of(&mut checker.report, node, "`match`")?;
        return Some(vec![LineMatch { field: None, pattern: pattern(checker, text)? }]);
    };
    if format == LogFormat::Text {
        let message = "a line of text has no fields to match";
        checker.report.error(&node.bytes, message).help("write one expression, or say the `format` of the lines");
        return None;
    }
    let conditions = Fields::any(&mut checker.report, node, "`match`")?;
    let mut matches = Vec::new();
    for (name, _, value) in conditions.iter() {
        let text = text_of(&mut checker.report, value, &format!("`{name}`"))?;
        matches.push(LineMatch { field: Some(name.to_owned()), pattern: pattern(checker, text)? });
    }
    Some(matches)
}

/// Compiles an expression; what is wrong with it is said where it stands.
fn pattern(checker: &mut Checker<'_, '_>, text: Text<'_>) -> Option<Pattern> {
    match compiled(text.as_str()) {
        Ok(regex) => Some(Pattern::new(regex)),
        Err(regex::Error::CompiledTooBig(limit)) => {
            let message = format!("this expression takes more than {limit} bytes when it is compiled");
            checker.report.error(text.bytes(), message).help("repeat less: `{1000}` of a class is a thousand of them");
            None
        }
        Err(why) => {
            let last = why.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            checker.report.error(text.bytes(), format!("this is no regular expression: {last}")).help(
                "what is understood is that of RE2: no look-around and no references back, so that no text takes long",
            );
            None
        }
    }
}

fn compiled(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES).build()
}

fn multiline(checker: &mut Checker<'_, '_>, node: &Node) -> Option<Multiline> {
    let fields = Fields::known(&mut checker.report, node, "`multiline`", &names_of(&MULTILINE_KEYS))?;
    let start = needed(checker, &fields, "start", "`multiline`").and_then(|text| pattern(checker, text));
    let max_lines = match fields.text(&mut checker.report, "max_lines") {
        None => Some(DEFAULT_MAX_LINES),
        Some(text) => {
            let count = text.as_str().parse().ok().filter(|count| (2..=MOST_LINES).contains(count));
            if count.is_none() {
                let message = format!("`max_lines` is 2 to {MOST_LINES}, but here `{}`", text.as_str());
                checker.report.error(text.bytes(), message);
            }
            count
        }
    };
    let max_wait_millis = fields.duration(&mut checker.report, "max_wait").unwrap_or(DEFAULT_MAX_WAIT_MILLIS);
    if !(1..=MOST_WAIT_MILLIS).contains(&max_wait_millis) {
        let at = fields.get("max_wait").map_or(&fields.bytes, |node| &node.bytes);
        checker.report.error(at, "`max_wait` is 1ms to 1m");
        return None;
    }
    Some(Multiline { start: start?, max_lines: max_lines?, max_wait_millis })
}

fn event_type(checker: &mut Checker<'_, '_>, fields: &Fields<'_>, id: Option<Text<'_>>) -> Option<String> {
    let Some(text) = fields.text(&mut checker.report, "event_type") else {
        return match fields.get("event_type") {
            None => id.map(|id| default_event_type(id.as_str())),
            Some(_) => None,
        };
    };
    let usual = default_event_type(text.as_str());
    if usual != text.as_str() {
        let message = format!("`{}` is no type of events", text.as_str());
        checker.report.error(text.bytes(), message).help(format!("write it in snake case: `{usual}`"));
        return None;
    }
    Some(usual)
}

fn severity(checker: &mut Checker<'_, '_>, fields: &Fields<'_>) -> Option<Template> {
    let Some(text) = fields.text(&mut checker.report, "severity") else {
        return fields.get("severity").is_none().then(|| Template::verbatim(Severity::Warning.as_str()));
    };
    let template = group::template(checker, text)?;
    if let Some(Err(unknown)) = template.is_static().map(str::parse::<Severity>) {
        let near = nearest(text.as_str(), Severity::ALL.map(Severity::as_str));
        let help = near.map(|near| format!("did you mean `{near}`?"));
        checker.report.error(text.bytes(), unknown.to_string()).maybe_help(help);
        return None;
    }
    Some(template)
}

/// The names of what is captured; `None` where any field of a line may be named.
fn captured(matches: Option<&[LineMatch]>, format: LogFormat) -> Option<BTreeSet<String>> {
    let matches = matches.filter(|_| format == LogFormat::Text)?;
    let names = matches.iter().flat_map(|one| one.pattern.regex().capture_names().flatten());
    Some(names.map(str::to_owned).collect())
}

fn templates(
    checker: &mut Checker<'_, '_>,
    fields: &Fields<'_>,
    what: &str,
    captured: Option<&BTreeSet<String>>,
) -> Vec<(String, Template)> {
    let Some(node) = fields.get(what.trim_matches('`')) else { return Vec::new() };
    let templates = group::labels(checker, node, what, &Names::Any);
    for (name, template) in &templates {
        let at = node.entry(name).map_or(&node.bytes, |value| &value.bytes);
        if what == LABELS && matches!(*name, "severity" | "event_type") {
            let message = format!("`{name}` of events from logs is not a label");
            checker.report.error(at, message).help(format!("write `{name}:` beside `labels:`"));
        }
        let Some(captured) = captured else { continue };
        for printed in template.printed_labels().into_iter().filter(|printed| !captured.contains(*printed)) {
            let near = nearest(printed, captured.iter().map(String::as_str));
            let help = near
                .map_or_else(|| format!("capture it: `(?P<{printed}>…)`"), |near| format!("did you mean `{near}`?"));
            let message = format!("`{printed}` is always empty here: `match` has no group of this name");
            checker.report.warning(at, message).label("always empty").help(help);
        }
    }
    templates.into_iter().map(|(name, template)| (name.to_owned(), template)).collect()
}

fn data(checker: &mut Checker<'_, '_>, fields: &Fields<'_>, format: LogFormat) -> Vec<String> {
    let Some(node) = fields.get("data") else { return Vec::new() };
    if format == LogFormat::Text {
        let message = "a line of text has no fields; what is captured is in `data` anyway";
        checker.report.warning(&node.bytes, message).label("has no effect");
    }
    let names = texts_of(&mut checker.report, node, "a name in `data`");
    names.into_iter().map(|text| text.as_str().to_owned()).collect()
}

fn limit(checker: &mut Checker<'_, '_>, fields: &Fields<'_>) -> Option<u32> {
    let Some(text) = fields.text(&mut checker.report, "limit") else {
        return fields.get("limit").is_none().then_some(DEFAULT_LIMIT);
    };
    let limit = text.as_str().parse().ok();
    if limit.is_none() {
        let message = format!("`limit` counts events of a minute, but is `{}`", text.as_str());
        checker.report.error(text.bytes(), message).help("0 means no limit");
    }
    limit
}

fn time(checker: &mut Checker<'_, '_>, node: &Node, captured: Option<&BTreeSet<String>>) -> Option<LogTime> {
    let fields = Fields::known(&mut checker.report, node, "`time`", &names_of(&TIME_KEYS))?;
    let field = needed(checker, &fields, "field", "`time`");
    if let (Some(field), Some(captured)) = (field, captured)
        && !captured.contains(field.as_str())
    {
        let near = nearest(field.as_str(), captured.iter().map(String::as_str));
        let message = format!("`match` has no group `{}`", field.as_str());
        checker.report.error(field.bytes(), message).maybe_help(near.map(|near| format!("did you mean `{near}`?")));
        return None;
    }
    let format = match fields.text(&mut checker.report, "format") {
        None => Some(TimeFormat::Rfc3339),
        Some(text) => match TimeFormat::parse(text.as_str()) {
            Ok(format) => Some(format),
            Err(why) => {
                let help = format!("{}, or as strftime has it: `%d/%b/%Y:%H:%M:%S %z`", FORMATS.join(", "));
                checker.report.error(text.bytes(), why).help(help);
                None
            }
        },
    };
    Some(LogTime { field: field?.as_str().to_owned(), format: format? })
}
