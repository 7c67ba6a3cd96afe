//! Entries of `logs:`: what they mean, and what is said of mistakes.

use super::{accept, parse, said};
use crate::{LogFormat, LogSource};

#[test]
fn an_entry_that_says_little_has_defaults() {
    let file = accept("logs: [{ id: SSH failures, files: auth.log, match: Failed }]");
    let entry = &file.logs[0];
    assert_eq!((entry.id.as_str(), entry.event_type.as_str()), ("test.yaml/logs/SSH failures", "ssh_failures"));
    assert_eq!((entry.severity.is_static(), entry.limit, entry.format), (Some("warning"), 600, LogFormat::Text));
    assert_eq!(entry.from, LogSource::Files { patterns: vec!["auth.log".to_owned()], from_start: false });
    assert!(entry.multiline.is_none() && entry.time.is_none());
}

#[test]
fn mistakes_in_an_entry_are_said_at_their_places() {
    let with = |more: &str| format!("logs:\n  - id: a\n    files: a.log\n    match: 'x(?P<user>y)'\n    {more}\n");
    for (text, expected) in [
        ("logs: [{ files: a, match: x }]".to_owned(), "needs `id`"),
        ("logs: [{ id: a, match: x }]".to_owned(), "needs `files`"),
        ("logs: [{ id: a, files: a }]".to_owned(), "needs `match`"),
        ("logs: [{ id: a, files: '../a', match: x }]".to_owned(), "`..` leads out of folders"),
        ("logs: [{ id: a, files: 'a[', match: x }]".to_owned(), "is no pattern of paths"),
        ("logs: [{ id: a, files: a, match: '(' }]".to_owned(), "is no regular expression"),
        ("logs: [{ id: a, files: a, match: '(?=x)' }]".to_owned(), "is no regular expression"),
        ("logs: [{ id: a, files: a, match: '(\\w{100}){100}' }]".to_owned(), "bytes when it is compiled"),
        ("logs: [{ id: a, files: a, match: { level: x } }]".to_owned(), "has no fields to match"),
        ("logs: [{ id: a, files: a, match: x }, { id: a, files: a, match: x }]".to_owned(), "stands twice"),
        ("logs: [{ id: a, loki: 'rate({a=\"b\"}[1m])' }]".to_owned(), "gives no lines of logs"),
        ("logs: [{ id: a, loki: '{a=\"b}' }]".to_owned(), "that is not closed"),
        ("logs: [{ id: a, loki: '{a=\"b\"}', files: a }]".to_owned(), "`loki` stands beside it"),
        ("logs: [{ id: a, loki: '{a=\"b\"}', delay: 11m }]".to_owned(), "`delay` is up to 10m"),
        (with("delay: 1s"), "is about lines from Loki"),
        (with("format: xml"), "`format` is one of text, json, logfmt"),
        (with("multiline: { max_lines: 5 }"), "`multiline` needs `start`"),
        (with("multiline: { start: x, max_lines: 1 }"), "`max_lines` is 2 to 1000"),
        (with("multiline: { start: x, max_wait: 2m }"), "`max_wait` is 1ms to 1m"),
        (with("event_type: Login Failed"), "is no type of events"),
        (with("severity: loud"), "loud"),
        (with("labels: { severity: error }"), "is not a label"),
        (with("labels: { who: '{{ $labels.usr }}' }"), "`usr` is always empty here"),
        (with("time: { field: at }"), "`match` has no group `at`"),
        (with("time: { field: user, format: '%H:%M' }"), "does not say a whole date and time"),
        (with("limit: many"), "counts events of a minute"),
        (with("mtch: x"), "did you mean `match`?"),
    ] {
        let said = said(&parse(&text)).join("\n");
        assert!(said.contains(expected), "{text}\n{said}");
    }
}

#[test]
fn lines_from_loki_need_a_query_alone() {
    let file =
        accept("logs: [{ id: errors, loki: '{app=\"web\"} |= \"error\"', labels: { app: '{{ $labels.app }}' } }]");
    let query = "{app=\"web\"} |= \"error\"".to_owned();
    assert_eq!(file.logs[0].from, LogSource::Loki { query, delay_millis: 5_000 });
    assert!(file.logs[0].matches.is_empty());
}

#[test]
fn a_correlation_that_reads_events_of_logs_is_reached() {
    let text = "logs: [{ id: a, files: a, match: x, event_type: login_failed }]\n\
                correlations: [{ name: c, match: { event_type: login_failed }, incident: { type: t } }]";
    let file = accept(text);
    let own = accept("correlations: [{ name: o, match: { event_type: o }, incident: { type: o } }]");
    let set = [crate::SetFile { file: &file, text }];
    assert!(crate::check_set(&set, Some(&own))[0].is_empty());
}
