//! How `orion-kit evaluate` behaves: its numbers are those that one reckons by hand, its page needs nothing and runs nothing, and what is
//! wrong with a file is said with its line.
#![expect(clippy::disallowed_types, reason = "these tests start the binary and a browser; none of this is deployed")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that meets what it does not expect has failed")]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/toolchains.rs"]
mod toolchains;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use desk::Desk;
use orion_bus::{Body, Bus, Commit, NewRecord, RecordKind, SqliteBus};
use orion_lab::{Prometheus, ScrapeConfig, WebServer};
use orion_model::{IdBuilder, Mark, RecordId, Said, Timestamp, Written, WrittenSeries};
use serde_json::{Value, json};

/// Text that runs where it is taken for markup.
const SCRIPT: &str = "<script>globalThis.hit=1</script>";

/// The first of January 2026, in seconds.
const BEGIN: i64 = 1_767_225_600;

impl Desk {
    /// What the evaluation says on stdout, and on stderr.
    fn evaluated(&self, arguments: &[&str], code: i32) -> [String; 2] {
        self.said(&[&["evaluate"], arguments].concat(), code)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let [out, err] = self.evaluated(&[arguments, &["--output", "json"]].concat(), 0);
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"))
    }

    fn refused(&self, arguments: &[&str], code: i32) -> String {
        let [_, err] = self.evaluated(arguments, code);
        err
    }
}

/// A hundred minutes that are 0, and 10 in these.
fn spikes(minutes: &[i64]) -> String {
    spikes_each(60, minutes)
}

/// The same with a sample each so many seconds.
fn spikes_each(seconds: i64, places: &[i64]) -> String {
    let row = |place: i64| {
        let value = if places.contains(&place) { 10 } else { 0 };
        format!("{},{value}\n", BEGIN + place * seconds)
    };
    ["timestamp,value\n".to_owned()].into_iter().chain((0..100).map(row)).collect()
}

fn minute(minute: i64) -> String {
    Timestamp::from_millis((BEGIN + minute * 60) * 1_000).to_string()
}

/// Windows from one minute to another, as columns.
fn windows(of: &[(&str, i64, i64)]) -> String {
    let row = |(series, from, to): &(&str, i64, i64)| format!("{series},{},{},\n", minute(*from), minute(*to));
    ["series,start,end,note\n".to_owned()].into_iter().chain(of.iter().map(row)).collect()
}

/// Of a hundred minutes fifteen are learned. One window is found after five minutes, one is not; two alarms are in none.
fn by_hand() -> Desk {
    let desk = Desk::new();
    desk.write("load.csv", &spikes(&[3, 30, 45, 80]));
    desk.write("labels.csv", &windows(&[("load.csv", 40, 59), ("load.csv", 70, 75)]));
    desk
}

const THRESHOLD: [&str; 8] =
    ["--plugin", "threshold", "--set", "above=5", "--csv", "load.csv", "--labels", "labels.csv"];

fn near(value: &Value, wanted: f64) {
    let value = value.as_f64().unwrap();
    assert!((value - wanted).abs() < 1e-9, "{value} is not {wanted}");
}

#[test]
fn the_numbers_are_those_that_one_reckons_by_hand() {
    let desk = by_hand();
    let told = desk.json(&THRESHOLD);
    let totals = &told["totals"];
    for (name, wanted) in
        [("alarms", 3), ("false_alarms", 2), ("windows", 2), ("found", 1), ("median_seconds_to_detect", 300)]
    {
        near(&totals[name], f64::from(wanted));
    }
    near(&totals["precision"], 1.0 / 3.0);
    near(&totals["recall"], 0.5);
    // Judged is from minute 15 to minute 99.
    near(&totals["days"], 84.0 / 1_440.0);
    near(&totals["alarms_per_day"], 3.0 / (84.0 / 1_440.0));
    // As published: s(x) = 2 / (1 + e^5x) - 1. The window of twenty rows is detected with fifteen of them to come, the alarm before all
    // windows costs 0.11, and the one a window's length (of five steps) behind the second costs s(1) of that.
    let s = |x: f64| 2.0 / (1.0 + (5.0 * x).exp()) - 1.0;
    let of = |false_alarm: f64, missed: f64| {
        let gained = s(-15.0 / 20.0) / s(-1.0) + missed - false_alarm + s(1.0) * false_alarm;
        100.0 * gained.max(0.0) / (2.0 + 2.0 * missed)
    };
    near(&totals["nab"]["standard"], of(0.11, 1.0));
    near(&totals["nab"]["low_false_positives"], of(0.22, 1.0));
    near(&totals["nab"]["low_false_negatives"], of(0.11, 2.0));
    let verdicts: Vec<_> =
        told["series"][0]["alarms"].as_array().unwrap().iter().map(|it| (&it["at"], &it["verdict"])).collect();
    assert_eq!(
        json!(verdicts),
        json!([[minute(3), "unjudged"], [minute(30), "false"], [minute(45), "right"], [minute(80), "false"]])
    );
}

#[test]
fn every_form_says_the_same_and_limits_decide_how_it_ends() {
    let desk = by_hand();
    let [table, _] = desk.evaluated(&THRESHOLD, 0);
    assert!(table.contains("load.csv  100      2        1      3       2"), "{table}");
    assert!(table.contains("recall            0.500 (1 of 2 windows)"), "{table}");
    let [lines, _] = desk.evaluated(&[&THRESHOLD[..], &["--output", "ndjson"]].concat(), 0);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["series"], &lines[1]["totals"]["found"]), (2, &json!("load.csv"), &json!(1)));
    let [yaml, _] = desk.evaluated(&[&THRESHOLD[..], &["--output", "yaml"]].concat(), 0);
    assert!(yaml.contains("\"recall\": 0.5"), "{yaml}");
    for (limit, code) in [
        (["--min-recall", "0.5"], 0),
        (["--min-recall", "0.51"], 1),
        (["--min-precision", "0.3"], 0),
        (["--min-precision", "0.4"], 1),
        (["--max-alarms-per-day", "52"], 0),
        (["--max-alarms-per-day", "51"], 1),
    ] {
        desk.evaluated(&[&THRESHOLD[..], &limit].concat(), code);
    }
}

#[test]
fn a_rule_is_evaluated_as_it_is_in_its_file() {
    let desk = by_hand();
    let rules = "groups:
  - name: load
    rules:
      - { alert: High, expr: load, plugin: threshold, with: { above: 5 }, labels: { severity: error, series: other } }
      - { alert: Long, expr: load, plugin: threshold, with: { above: 5 }, for: 2m }
";
    desk.write("rules.yaml", rules);
    let alarms = |rule: &str| {
        let told = desk.json(&["rules.yaml", "--rule", rule, "--csv", "load.csv", "--labels", "labels.csv"]);
        told["totals"]["alarms"].as_i64().unwrap()
    };
    assert_eq!(alarms("High"), 3);
    assert_eq!(alarms("Long"), 0, "a spike of a minute is no alarm where two are asked for");
    let why = desk.refused(&["rules.yaml", "--rule", "Low", "--csv", "load.csv", "--labels", "labels.csv"], 3);
    assert!(why.contains("rules.yaml/load/High"), "{why}");
    desk.write("rules.yaml", "groups: 7\n");
    desk.refused(&["rules.yaml", "--rule", "High", "--csv", "load.csv", "--labels", "labels.csv"], 2);
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_line_and_what_to_do() {
    let desk = by_hand();
    desk.write("bad.csv", "timestamp,value\n1767225600,1\n1767225660,x\n");
    desk.write("labels.yaml", "- { series: load.csv, start: 1767225600, end: soon }\n");
    desk.write("other.csv", &windows(&[("lod.csv", 40, 59)]));
    let of = |csv: &str, labels: &str| desk.refused(&["--csv", csv, "--labels", labels], 2);
    assert!(of("bad.csv", "labels.csv").contains("bad.csv: line 3: `x` is no number: leave a cell empty"));
    assert!(of("load.csv", "labels.yaml").contains("labels.yaml: line 1: `soon` is no time: write it as"));
    let why = of("load.csv", "other.csv");
    assert!(why.contains("line 2: there is no series `lod.csv`") && why.contains("\n  load.csv"), "{why}");
    let twice = desk.refused(&["--csv", "load.csv", "--csv", "load.csv", "--labels", "labels.csv"], 2);
    assert!(twice.contains("is in another file, too"), "{twice}");
    for (arguments, said) in [
        (&["--csv", "load.csv"][..], "--labels FILE"),
        (&["--labels", "labels.csv"], "--csv FILE"),
        (&["--csv", "load.csv", "--labels", "labels.csv", "--rule", "High"], "RULE_FILE"),
        (&["--prometheus", "http://127.0.0.1:9", "--from", "1h", "--labels", "labels.csv"], "--query"),
        (&["--csv", "none.csv", "--labels", "labels.csv", "--min-recall", "2"], "part of one"),
    ] {
        let why = desk.refused(arguments, 3);
        assert!(why.contains(said), "{arguments:?}: {why}");
    }
    let why =
        desk.refused(&["--plugin", "threshold", "--set", "abov=5", "--csv", "load.csv", "--labels", "labels.csv"], 2);
    assert!(why.contains("abov"), "{why}");
}

/// Ten days of a daily wave, each ten minutes, in which a value that never was comes once, on the eighth day.
fn wave(name: &str) -> String {
    let row = |step: i64| {
        let hour = (step % 144) as f64 / 6.0;
        // A parabola through the day and a small tooth: the same digits on every machine.
        let value = 50.0 + (hour - 12.0) * (hour - 12.0) / 4.0 + (step % 7) as f64 / 10.0;
        let value = if (1_080..1_086).contains(&step) { 140.0 } else { value };
        format!("{},{value}\n", BEGIN + step * 600)
    };
    [format!("time,{name}\n")].into_iter().chain((0..1_440).map(row)).collect()
}

#[test]
fn the_anomaly_detector_is_drawn_with_what_it_would_have_taken_for_usual_and_a_browser_shows_it_and_runs_nothing() {
    let desk = Desk::new();
    desk.write("wave.csv", &wave(SCRIPT));
    desk.write("load.csv", &spikes_each(600, &[60]));
    let labels = format!(
        "- {{ series: '{SCRIPT}', start: {}, end: {}, note: '{SCRIPT}' }}\n- {{ series: load.csv, start: {}, end: {} }}\n",
        BEGIN + 1_080 * 600,
        BEGIN + 1_090 * 600,
        BEGIN,
        BEGIN + 60,
    );
    desk.write("labels.yaml", &labels);
    let given = ["--csv", "wave.csv", "--csv", "load.csv", "--labels", "labels.yaml", "--html", "page.html"];
    let told = desk.json(&given);
    let wave = told["series"].as_array().unwrap().iter().find(|it| it["series"] == SCRIPT).unwrap();
    assert_eq!(wave["windows"][0]["found_at"], Timestamp::from_millis((BEGIN + 1_080 * 600) * 1_000).to_string());
    assert_eq!(
        (&told["totals"]["recall"], &told["totals"]["false_alarms"]),
        (&json!(1.0), &json!(0)),
        "{:#}",
        told["totals"]
    );
    let page = std::fs::read_to_string(desk.path("page.html")).unwrap();
    assert!(page.len() < 300_000, "{}", page.len());
    assert!(page.contains("default-src 'none'") && !page.contains("<script"));
    assert!(page.contains("class=\"near\" d=\"M"), "the band is drawn");
    for elsewhere in ["http://", "https://", "url(", "@import", "src="] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    let server = WebServer::start([("/page.html".to_owned(), page.into_bytes())].into_iter().collect()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/browser/evaluation.mjs");
    let mut command = Command::new("node");
    let shown = toolchains::give(&mut command).arg(script).arg(format!("{}/page.html", server.url())).output().unwrap();
    assert!(
        shown.status.success(),
        "{}{}",
        String::from_utf8_lossy(&shown.stdout),
        String::from_utf8_lossy(&shown.stderr)
    );
}

#[test]
fn what_a_prometheus_remembers_is_evaluated() {
    let prometheus = Prometheus::start(&ScrapeConfig::written(Duration::from_secs(60))).unwrap();
    let samples = |spikes: &'static [i64]| {
        let at = |minute: i64| {
            ((BEGIN + minute * 60) * 1_000, Written::Value(if spikes.contains(&minute) { 10.0 } else { 0.0 }))
        };
        (0..100).map(at).collect()
    };
    let labels = |host: &str| vec![("__name__".to_owned(), "load".to_owned()), ("host".to_owned(), host.to_owned())];
    prometheus
        .write(&[
            WrittenSeries { labels: labels("a"), samples: samples(&[45]) },
            WrittenSeries { labels: labels("b"), samples: samples(&[80]) },
        ])
        .unwrap();
    let desk = Desk::new();
    desk.write("labels.csv", &windows(&[("*", 40, 59)]));
    let (from, to) = (minute(0), minute(99));
    let told = desk.json(&[
        "--plugin",
        "threshold",
        "--set",
        "above=5",
        "--prometheus",
        &prometheus.url(),
        "--query",
        "load",
        "--from",
        &from,
        "--to",
        &to,
        "--step",
        "1m",
        "--labels",
        "labels.csv",
    ]);
    let totals = &told["totals"];
    // The window counts for each of the two series.
    assert_eq!(
        (&totals["windows"], &totals["found"], &totals["alarms"], &totals["false_alarms"]),
        (&json!(2), &json!(1), &json!(2), &json!(1))
    );
    assert_eq!(told["series"][0]["labels"]["host"], "a");
    let nothing = [
        "--prometheus",
        &prometheus.url(),
        "--query",
        "no_such",
        "--from",
        &from,
        "--to",
        &to,
        "--labels",
        "labels.csv",
    ];
    assert!(desk.refused(&nothing, 3).contains("not one sample"));
}

fn incident(number: i64, ts: Timestamp) -> (RecordId, NewRecord) {
    let id = IdBuilder::new("evaluated").number(number).finish();
    let body = json!({
        "incident_id": id, "incident_type": "service_outage", "severity": "error", "status": "resolved", "revision": 1, "ts": ts,
        "opened_at": ts.plus_millis(-60_000), "correlation": "f.yaml/outage", "key": { "service": "s" }, "summary": format!("{SCRIPT} is out"),
        "reason": "first event", "event_ids": [], "event_count": 1, "generation": 1, "plugin": "grouping", "plugin_digest": "0".repeat(64),
    });
    (id, NewRecord { kind: RecordKind::Incident, id, ts, body: Body::of(&body).unwrap() })
}

#[test]
fn incidents_that_people_marked_are_judged_and_are_labels_for_other_rules() {
    let desk = Desk::new();
    let memory = desk.path("data/memory");
    let at = |minute: i64| Timestamp::from_millis((BEGIN + minute * 60) * 1_000);
    let (ids, records): (Vec<_>, Vec<_>) =
        [46, 200, 300, 24 * 60].map(|minute| incident(minute, at(minute))).into_iter().unzip();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bus = SqliteBus::open(&memory).unwrap();
        let commit = Commit { owner: "past".to_owned(), expected: None, offset: 1, records, state: Vec::new() };
        bus.commit(commit).await.unwrap();
        bus.close().unwrap();
    });
    let mark = |said: Said, withdrawn: bool| {
        let mark = Mark { said, withdrawn, by: "ada".to_owned(), note: None };
        let marked = orion_pipeline::marks::mark_stopped(&memory, 1 << 20, mark, None, at(24 * 60));
        runtime.block_on(marked).unwrap();
    };
    let (noise, missed) = (Said::Noise { incident_id: ids[1] }, Said::missed(at(70), at(75)));
    let useful = [ids[0], ids[2]].map(|incident_id| Said::Useful { incident_id });
    useful.into_iter().chain([noise.clone(), missed.clone()]).for_each(|said| mark(said, false));
    let told = desk.json(&["--marks", "data", "--html", "page.html"]);
    let totals = &told["totals"];
    near(&totals["precision"], 2.0 / 3.0);
    near(&totals["recall"], 2.0 / 3.0);
    // Three marked ones, from minute 46 to the end of the day.
    near(&totals["alarms_per_day"], 3.0 / ((1_440.0 - 46.0) / 1_440.0));
    assert!(told["notes"].to_string().contains("1 of 4 incidents are not marked"), "{}", told["notes"]);
    assert!(!std::fs::read_to_string(desk.path("page.html")).unwrap().contains("<script"));
    // As labels: what was useful at minute 45 and what was missed lie within the samples, the third does not.
    desk.write("load.csv", &spikes(&[45]));
    let told = desk.json(&["--plugin", "threshold", "--set", "above=5", "--csv", "load.csv", "--marks", "data"]);
    assert_eq!((&told["totals"]["windows"], &told["totals"]["found"]), (&json!(2), &json!(1)));
    // What is withdrawn was never said.
    [noise, missed].into_iter().for_each(|said| mark(said, true));
    let told = desk.json(&["--marks", "data"]);
    near(&told["totals"]["precision"], 1.0);
    near(&told["totals"]["recall"], 1.0);
    assert!(told["notes"].to_string().contains("2 of 4 incidents are not marked"), "{}", told["notes"]);
    let told = desk.json(&["--plugin", "threshold", "--set", "above=5", "--csv", "load.csv", "--marks", "data"]);
    assert_eq!(told["totals"]["windows"], 1);
}
