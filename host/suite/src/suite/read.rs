//! From the text of a test file to a [`Suite`], or everything that is wrong with it.

use std::path::Path;

use orion_model::{Labels, WrittenSeries};

use super::expected::{Expected, Kind, Wanted};
use super::{AlertCase, ExpectedAlert, InputEvent, SampleCase, Suite, Test};
use crate::notation::{self, NoValues};
use crate::yaml::{Fields, Node, Page, Value, parse};

const FILE_KEYS: [&str; 5] = ["rule_files", "evaluation_interval", "group_eval_order", "fuzzy_compare", "tests"];

/// promtool's keys, then ours.
const TEST_KEYS: [&str; 13] = [
    "name",
    "interval",
    "input_series",
    "start_timestamp",
    "alert_rule_test",
    "promql_expr_test",
    "external_labels",
    "external_url",
    "input_events",
    "until",
    "exp_events",
    "exp_incidents",
    "exp_decisions",
];

const DEFAULT_INTERVAL_MILLIS: i64 = 60_000;

/// Samples of all series of a test: a hundred series, a sample a minute, for half a year.
const MAX_SAMPLES: usize = 32_000_000;

/// How much one test may have.
#[derive(Clone, Copy, Debug)]
pub struct TestLimits {
    /// Samples of all its series.
    pub samples: usize,
    /// Samples of all tests of the file.
    pub samples_of_file: usize,
    /// Instants at which it is evaluated.
    pub instants: i64,
}

/// What an author's own machine may be made to do.
const AT_A_DESK: TestLimits = TestLimits { samples: MAX_SAMPLES, samples_of_file: usize::MAX, instants: i64::MAX };

/// Reads a test file. The error is a report for a person.
pub fn read(path: &Path, text: &str) -> Result<Suite, String> {
    read_within(path, text, AT_A_DESK)
}

/// The same of a text of others.
pub fn read_within(path: &Path, text: &str, limits: TestLimits) -> Result<Suite, String> {
    let mut page = Page::new(path.display().to_string(), text);
    let suite = match parse(text) {
        Ok(documents) => match documents.first() {
            Some(root) => suite(&mut page, path, root, limits),
            None => {
                page.wrong(&(0..0), "this file holds no tests", None);
                None
            }
        },
        Err((bytes, message)) => {
            page.wrong(&bytes, message, None);
            None
        }
    };
    match (page.verdict(), suite) {
        (None, Some(suite)) => Ok(suite),
        (report, _) => Err(report.unwrap_or_default()),
    }
}

fn suite(page: &mut Page<'_>, path: &Path, root: &Node, mut limits: TestLimits) -> Option<Suite> {
    let fields = page.fields(root, "a test file", &FILE_KEYS)?;
    let interval = page.duration(&fields, "evaluation_interval").filter(|millis| *millis > 0);
    let interval_millis = interval.unwrap_or(DEFAULT_INTERVAL_MILLIS);
    let group_order: Vec<String> = page.text_list(&fields, "group_eval_order").into_iter().map(str::to_owned).collect();
    let repeated = group_order.iter().enumerate().find(|(at, name)| group_order.iter().take(*at).any(|it| it == *name));
    if let (Some((_, name)), Some(node)) = (repeated, fields.get("group_eval_order")) {
        page.wrong(&node.bytes, format!("the group `{name}` stands twice"), None);
    }
    let tests =
        page.list(&fields, "tests").iter().filter_map(|node| test(page, node, interval_millis, &mut limits)).collect();
    Some(Suite {
        path: path.to_owned(),
        rule_files: page.text_list(&fields, "rule_files").into_iter().map(str::to_owned).collect(),
        interval_millis,
        group_order,
        fuzzy: page.text(&fields, "fuzzy_compare") == Some("true"),
        tests,
    })
}

fn test(page: &mut Page<'_>, node: &Node, interval_millis: i64, limits: &mut TestLimits) -> Option<Test> {
    let fields = page.fields(node, "a test", &TEST_KEYS)?;
    let start_millis = start(page, &fields, interval_millis);
    let step = page.duration(&fields, "interval").filter(|millis| *millis > 0).unwrap_or(interval_millis);
    let alerts: Vec<AlertCase> =
        page.list(&fields, "alert_rule_test").iter().filter_map(|node| alert_case(page, node)).collect();
    let samples: Vec<SampleCase> =
        page.list(&fields, "promql_expr_test").iter().filter_map(|node| sample_case(page, node)).collect();
    let input_events: Vec<InputEvent> =
        page.list(&fields, "input_events").iter().filter_map(|node| input_event(page, node)).collect();
    let records = records(page, &fields);
    let until = page.duration(&fields, "until");
    let lasts_millis = until.unwrap_or_else(|| {
        let of_alerts = alerts.iter().map(|case| case.at_millis);
        let of_samples = samples.iter().map(|case| case.at_millis);
        let of_events = input_events.iter().flat_map(|event| [Some(event.from_millis), event.to_millis]).flatten();
        let of_records = records.iter().flat_map(|(_, expected)| expected).filter_map(|expected| expected.at_millis);
        of_alerts.chain(of_samples).chain(of_events).chain(of_records).max().unwrap_or(0)
    });
    if lasts_millis / interval_millis >= limits.instants {
        let what =
            format!("this test has more than {} instants: let it end earlier, or evaluate less often", limits.instants);
        page.wrong(&node.bytes, what, None);
        return None;
    }
    Some(Test {
        name: page.text(&fields, "name").map(str::to_owned),
        line: page.line(node.bytes.start),
        start_millis,
        series: series(page, &fields, start_millis, step, limits),
        input_events,
        has_externals: fields.get("external_labels").or(fields.get("external_url")).is_some(),
        lasts_millis,
        alerts,
        samples,
        records,
    })
}

/// Seconds since 1970, or RFC 3339.
fn start(page: &mut Page<'_>, fields: &Fields<'_>, interval_millis: i64) -> i64 {
    let Some((node, text)) = fields.get("start_timestamp").and_then(|node| Some((node, node.text()?))) else {
        return 0;
    };
    let seconds = || text.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1_000));
    let time = || text.parse().ok().map(orion_model::Timestamp::as_millis);
    let Some(start) = seconds().or_else(time) else {
        let help = "write seconds since 1970, or a time as 2026-01-31T12:00:00Z".to_owned();
        page.wrong(&node.bytes, format!("`start_timestamp` is no time: `{text}`"), Some(help));
        return 0;
    };
    if start % interval_millis != 0 {
        page.wrong(&node.bytes, "`start_timestamp` must be a multiple of `evaluation_interval`", None);
    }
    start
}

fn series(
    page: &mut Page<'_>,
    fields: &Fields<'_>,
    start: i64,
    step: i64,
    limits: &mut TestLimits,
) -> Vec<WrittenSeries> {
    let most = limits.samples.min(limits.samples_of_file);
    let help = match limits.samples <= limits.samples_of_file {
        true => format!("a test has at most {most} samples: write fewer, or make several tests of it"),
        false => "the tests before it have the others: have them tested in several goes".to_owned(),
    };
    let mut room = most;
    let mut all = Vec::new();
    for node in page.list(fields, "input_series") {
        let Some(item) = page.fields(node, "a series", &["series", "values"]) else { continue };
        let labels = page.needed(&item, "series", "a series").map(notation::metric);
        let values = page.text(&item, "values").map_or(Ok(Vec::new()), |text| notation::values(text, room));
        let (labels, values) = match (labels, values) {
            (Some(Ok(labels)), Ok(values)) => (labels, values),
            (labels, values) => {
                let place = |key: &str| item.get(key).map_or(&item.bytes, |node| &node.bytes);
                if let Some(Err(why)) = labels {
                    page.wrong(place("series"), format!("no series: {why}"), None);
                }
                if let Err(why) = values {
                    let help = matches!(why, NoValues::TooMany { .. }).then(|| help.clone());
                    page.wrong(place("values"), why.to_string(), help);
                }
                continue;
            }
        };
        room = room.saturating_sub(values.len());
        let at = |k: i64| start.saturating_add(k.saturating_mul(step));
        let samples = (0..).zip(values).filter_map(|(k, value)| Some((at(k), value?))).collect();
        all.push(WrittenSeries { labels: pairs(&labels), samples });
    }
    limits.samples_of_file = limits.samples_of_file.saturating_sub(most - room);
    all
}

fn pairs(labels: &Labels) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn alert_case(page: &mut Page<'_>, node: &Node) -> Option<AlertCase> {
    let fields = page.fields(node, "an item of `alert_rule_test`", &["eval_time", "alertname", "exp_alerts"])?;
    let alertname = page.needed(&fields, "alertname", "an item of `alert_rule_test`")?;
    if alertname.is_empty() {
        page.wrong(&node.bytes, "an item of `alert_rule_test` needs `alertname`", None);
    }
    let mut expected = Vec::new();
    for item in page.list(&fields, "exp_alerts") {
        let Some(alert) = page.fields(item, "an alert", &["exp_labels", "exp_annotations"]) else { continue };
        let labels = alert.get("exp_labels").map(|node| page.texts(node, "`exp_labels`")).unwrap_or_default();
        let annotations = alert.get("exp_annotations").map(|node| page.texts(node, "`exp_annotations`"));
        // What Prometheus adds to every alert nobody has to write.
        let labels = labels.into_iter().chain([("alertname", alertname)]).collect();
        expected.push(ExpectedAlert { labels, annotations: annotations.unwrap_or_default().into_iter().collect() });
    }
    let at_millis = page.duration(&fields, "eval_time").unwrap_or(0);
    Some(AlertCase { line: page.line(node.bytes.start), at_millis, alertname: alertname.to_owned(), expected })
}

fn sample_case(page: &mut Page<'_>, node: &Node) -> Option<SampleCase> {
    let fields = page.fields(node, "an item of `promql_expr_test`", &["expr", "eval_time", "exp_samples"])?;
    let expr = page.needed(&fields, "expr", "an item of `promql_expr_test`")?;
    let mut expected = Vec::new();
    for item in page.list(&fields, "exp_samples") {
        let Some(sample) = page.fields(item, "a sample", &["labels", "value", "histogram"]) else { continue };
        if let Some(node) = sample.get("histogram") {
            page.wrong(&node.bytes, "native histograms are not supported: test what is computed from them", None);
        }
        let labels = notation::metric(page.text(&sample, "labels").unwrap_or_default());
        let text = page.text(&sample, "value").unwrap_or("0");
        match (labels, number(text)) {
            (Ok(labels), Some(value)) => expected.push((labels, value)),
            (Err(why), _) => page.wrong(&item.bytes, format!("no labels: {why}"), None),
            (_, None) => page.wrong(&item.bytes, format!("`value` must be a number, but is `{text}`"), None),
        }
    }
    let at_millis = page.duration(&fields, "eval_time").unwrap_or(0);
    Some(SampleCase { line: page.line(node.bytes.start), at_millis, expr: expr.to_owned(), expected })
}

/// YAML writes `.inf` and `.nan`; Rust and people write them without the dot.
fn number(text: &str) -> Option<f64> {
    let bare = text.trim_start_matches(['+', '-']);
    match bare.strip_prefix('.').filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic())) {
        Some(word) => text.replace(bare, word).parse().ok(),
        None => text.parse().ok(),
    }
}

fn input_event(page: &mut Page<'_>, node: &Node) -> Option<InputEvent> {
    let fields =
        page.fields(node, "an item of `input_events`", &["event_type", "severity", "labels", "at", "until"])?;
    let event_type = page.needed(&fields, "event_type", "an item of `input_events`")?;
    let labels = fields.get("labels").map(|node| page.texts(node, "`labels`")).unwrap_or_default();
    Some(InputEvent {
        event_type: event_type.to_owned(),
        severity: page.text(&fields, "severity").unwrap_or("warning").to_owned(),
        labels: labels.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect(),
        from_millis: page.duration(&fields, "at").unwrap_or(0),
        to_millis: page.duration(&fields, "until"),
    })
}

/// A key that is there and empty says: nothing is to be recorded.
fn records(page: &mut Page<'_>, fields: &Fields<'_>) -> Vec<(Kind, Vec<Expected>)> {
    let mut records = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| fields.has(kind.key())) {
        let items = page.list(fields, kind.key());
        records.push((kind, items.iter().filter_map(|node| expected(page, node, kind)).collect()));
    }
    records
}

fn expected(page: &mut Page<'_>, node: &Node, kind: Kind) -> Option<Expected> {
    let known: Vec<&str> = ["at"].into_iter().chain(kind.fields().iter().copied()).collect();
    let fields = page.fields(node, &format!("an item of `{}`", kind.key()), &known)?;
    let mut wanted = Vec::new();
    for name in kind.fields() {
        match fields.get(name).map(|node| (node, &node.value)) {
            Some((node, Value::Map(_))) => {
                let members = page.texts(node, &format!("`{name}`"));
                let members = members.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
                wanted.push(((*name).to_owned(), Wanted::Members(members)));
            }
            Some((_, Value::Scalar(scalar))) => {
                wanted.push(((*name).to_owned(), Wanted::Text(scalar.text.clone())));
            }
            Some((node, Value::List(_))) => {
                page.wrong(&node.bytes, format!("`{name}` must be a text or texts by name"), None);
            }
            None => {}
        }
    }
    let at_millis = page.duration(&fields, "at");
    Some(Expected { line: page.line(node.bytes.start), at_millis, fields: wanted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use orion_model::Written;

    fn read_text(text: &str) -> Result<Suite, String> {
        read(Path::new("t.yaml"), text)
    }

    #[test]
    fn promtools_keys_are_read() {
        let suite = read_text(
            "rule_files: [a.yml, 'b*.yml']\nevaluation_interval: 30s\ngroup_eval_order: [b, a]\ntests:\n\
             - interval: 1m\n  name: first\n  input_series:\n  - {series: 'up{a=\"b\"}', values: '1 _ stale'}\n  - {series: x}\n\
             \x20 alert_rule_test:\n  - eval_time: 1m30s\n    alertname: Down\n    exp_alerts:\n    - exp_labels: {a: b}\n      \
             exp_annotations: {summary: gone}\n    - {}\n\
             \x20 promql_expr_test:\n  - {expr: up, eval_time: 2m, exp_samples: [{labels: 'up{}', value: -.inf}, {value: 1e3}]}\n",
        )
        .unwrap();
        assert_eq!(
            (suite.rule_files.len(), suite.interval_millis, &*suite.group_order),
            (2, 30_000, &["b".into(), "a".into()][..])
        );
        let test = &suite.tests[0];
        assert_eq!(
            (test.title().as_str(), test.line, test.lasts_millis, test.expectations()),
            ("first", 5, 120_000, 2)
        );
        assert_eq!(test.series[0].samples, [(0, Written::Value(1.0)), (120_000, Written::Stale)]);
        assert_eq!(test.series[1].samples, []);
        assert_eq!(test.alerts[0].expected[0].labels.to_string(), r#"{a="b", alertname="Down"}"#);
        assert_eq!(test.alerts[0].expected[1].labels.to_string(), r#"{alertname="Down"}"#);
        let values: Vec<f64> = test.samples[0].expected.iter().map(|(_, value)| *value).collect();
        assert_eq!(values, [f64::NEG_INFINITY, 1000.0]);
    }

    #[test]
    fn orions_keys_are_read_and_an_empty_list_is_an_expectation() {
        let suite = read_text(
            "tests:\n- start_timestamp: '2026-01-01T00:00:00Z'\n  until: 1h\n  input_events:\n  - {event_type: x, at: 1m, until: 5m, labels: {a: b}}\n\
             \x20 exp_events: []\n  exp_incidents:\n  - {at: 1m, status: opened, key: {a: b}}\n",
        )
        .unwrap();
        let test = &suite.tests[0];
        assert_eq!((test.start_millis, test.lasts_millis), (1_767_225_600_000, 3_600_000));
        assert_eq!(test.records[0], (Kind::Event, Vec::new()));
        assert_eq!(test.records[1].1[0].shown(), "{ at: 1m, status: opened, key: { a: b } }");
        assert_eq!(test.expectations(), 2);
    }

    #[test]
    fn a_text_of_others_has_limits() {
        let limits = TestLimits { samples: 3, samples_of_file: 5, instants: 10 };
        let read = |text: &str| read_within(Path::new("t.yaml"), text, limits);
        let test = |values: &str, until: &str| {
            format!("- {{until: {until}, input_series: [{{series: x, values: '{values}'}}]}}\n")
        };
        assert!(read(&format!("tests:\n{}{}", test("0x2", "9m"), test("0x1", "9m"))).is_ok());
        let both = format!("{}{}", test("0x2", "1m"), test("0x2", "1m"));
        for (wrong, parts) in [
            (test("0x3", "1m"), ["t.yaml:2:", "more values than the 3", "a test has at most 3 samples"]),
            (test("1 1 1 1", "1m"), ["t.yaml:2:", "more values than the 3", "a test has at most 3 samples"]),
            (test("0x2", "10m"), ["t.yaml:2:", "more than 10 instants", "evaluate less often"]),
            (both, ["t.yaml:3:", "more values than the 2", "the tests before it have the others"]),
        ] {
            let said = read(&format!("tests:\n{wrong}")).unwrap_err();
            parts.iter().for_each(|part| assert!(said.contains(part), "{part} in\n{said}"));
        }
    }

    #[test]
    fn everything_wrong_is_said_at_once_with_its_place() {
        let report = read_text(
            "rule_files: a.yml\ntests:\n- inteval: 1m\n  input_series:\n  - {series: 'up{', values: '1+x'}\n  - {series: h, values: '{{schema:1}}'}\n\
             \x20 alert_rule_test:\n  - {eval_time: soon}\n  exp_events:\n  - {labels: [a]}\n",
        )
        .unwrap_err();
        for part in [
            "t.yaml:1:13",
            "`rule_files` must be a list",
            "unknown key `inteval` in a test",
            "a label is missing at the end",
            "after the sign there is no number",
            "native histograms",
            "an item of `alert_rule_test` needs `alertname`",
            "`labels` must be a text or texts by name",
        ] {
            assert!(report.contains(part), "{part} in\n{report}");
        }
        assert!(read_text("").unwrap_err().contains("holds no tests"));
        assert!(read_text("a: b: c").unwrap_err().contains("not YAML"));
    }
}
