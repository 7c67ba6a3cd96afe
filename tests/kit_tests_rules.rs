//! How `orion-kit test` behaves: what passes, what fails and how it is said, with and without a Prometheus.
#![expect(clippy::disallowed_types, reason = "these tests start the binary and promtool; none of this is deployed")]
#![expect(clippy::unwrap_used, reason = "a test that meets what it does not expect has failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const RULES: &str = r#"
groups:
  - name: recorded
    rules:
      - record: job:up:count
        expr: count by (job) (up == 1)
  - name: targets
    rules:
      - alert: Down
        expr: up == 0
        for: 2m
        labels: { severity: error }
        annotations: { summary: "{{ $labels.job }} is down, {{ $value }}" }
      - alert: Few
        expr: job:up:count < 2
        labels: { severity: warning, event_type: few_targets }
      - alert: DownAndFew
        expr: ALERTS{alertname="Down", alertstate="firing"} and on (job) job:up:count < 2
"#;

const TESTS: &str = r#"
rule_files: [rules.yml]
evaluation_interval: 1m
group_eval_order: [recorded, targets]
tests:
  - name: a target goes down
    interval: 1m
    input_series:
      - { series: 'up{job="a", instance="1"}', values: "1x2 0x7" }
      - { series: 'up{job="a", instance="2"}', values: "1x9" }
    alert_rule_test:
      - { eval_time: 4m, alertname: Down }
      - eval_time: 5m30s
        alertname: Down
        exp_alerts:
          - exp_labels: { severity: error, job: a, instance: "1" }
            exp_annotations: { summary: "a is down, 0" }
      - eval_time: 3m
        alertname: Few
        exp_alerts:
          - exp_labels: { severity: warning, event_type: few_targets, job: a }
    promql_expr_test:
      - expr: job:up:count
        eval_time: 5m
        exp_samples: [{ labels: 'job:up:count{job="a"}', value: 1 }]
      - expr: ALERTS{alertname="Down"}
        eval_time: 4m
        exp_samples: [{ labels: 'ALERTS{alertname="Down", alertstate="pending", severity="error", job="a", instance="1"}', value: 1 }]
      - expr: ALERTS_FOR_STATE{alertname="Down"}
        eval_time: 5m
        exp_samples: [{ labels: 'ALERTS_FOR_STATE{alertname="Down", severity="error", job="a", instance="1"}', value: 180 }]
"#;

/// A folder with the rules and these tests.
struct Desk(TempDir);

impl Desk {
    fn new(tests: &str) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.write("rules.yml", RULES);
        desk.write("t.test.yaml", tests);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn kit(&self, arguments: &[&str]) -> Output {
        self.kit_with_path(arguments, None)
    }

    /// With another PATH no Prometheus is found.
    fn kit_with_path(&self, arguments: &[&str], path: Option<&str>) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orion-kit"));
        command.arg("test").args(arguments).current_dir(self.0.path()).env_remove("ORION_PLUGINS__DIR");
        if let Some(path) = path {
            command.env("PATH", path);
        }
        command.output().unwrap()
    }

    fn promtool(&self) -> bool {
        let output =
            Command::new("promtool").args(["test", "rules", "t.test.yaml"]).current_dir(self.0.path()).output();
        output.unwrap().status.success()
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// How long things took is another with every run.
fn timeless(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(", ") {
        Some((before, seconds)) if seconds.ends_with(" s)") => format!("{before})\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// Each makes one expectation wrong.
const SPOILED: [(&str, &str); 6] = [
    ("eval_time: 5m30s", "eval_time: 4m30s"),
    ("summary: \"a is down, 0\"", "summary: \"a is down\""),
    ("exp_labels: { severity: error, job: a", "exp_labels: { severity: error, job: b"),
    ("eval_time: 4m, alertname: Down", "eval_time: 6m, alertname: Down"),
    ("value: 1 }]\n      - expr: ALERTS{", "value: 2 }]\n      - expr: ALERTS{"),
    ("value: 180", "value: 240"),
];

#[test]
fn a_promtool_file_runs_unchanged_and_passes_and_fails_where_it_does_there() {
    let desk = Desk::new(TESTS);
    let output = desk.kit(&["t.test.yaml"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(desk.promtool());
    for (right, wrong) in SPOILED {
        assert_eq!(TESTS.matches(right).count(), 1, "{right}");
        let desk = Desk::new(&TESTS.replace(right, wrong));
        let output = desk.kit(&["t.test.yaml"]);
        assert_eq!(code(&output), 1, "{wrong}: {}", said(&output));
        assert!(!desk.promtool(), "{wrong}");
    }
}

#[test]
fn rules_that_read_alerts_see_those_of_other_rules() {
    let tests = TESTS.split("    alert_rule_test:").next().unwrap().to_owned()
        + "    alert_rule_test:\n\
           \x20     - { eval_time: 4m, alertname: DownAndFew }\n\
           \x20     - { eval_time: 5m, alertname: DownAndFew, exp_alerts: [{ exp_labels: { alertstate: firing, severity: error, job: a, instance: '1' } }] }\n";
    let desk = Desk::new(&tests);
    let output = desk.kit(&["t.test.yaml"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(desk.promtool());
}

/// Events, incidents and decisions, all of which are listed or the test fails.
const RECORDS: &str = r#"
rule_files: [rules.yml, correlations.yml]
tests:
  - name: what is out
    input_series:
      - { series: 'up{job="a", instance="1"}', values: "1x2 0x2 1x9" }
    input_events:
      - { event_type: out, severity: error, labels: { service: a }, at: 1m, until: 6m }
    until: 10m
    exp_events:
      - { at: 5m, event_type: few_targets, status: firing }
    exp_incidents:
      - { at: 1m, status: opened, severity: critical, key: { service: b } }
    exp_decisions: []
"#;

const CORRELATIONS: &str = r#"
correlations:
  - name: outage
    match: { event_type: out }
    group_by: [service]
    incident: { type: outage, severity: critical, summary: "{{ $labels.service }} is out" }
"#;

#[test]
fn what_is_missing_and_what_was_not_expected_is_shown_with_its_place() {
    let desk = Desk::new(
        &TESTS.replace("summary: \"a is down, 0\"", "summary: \"a is down\"").replace("value: 180", "value: 240"),
    );
    desk.write("correlations.yml", CORRELATIONS);
    desk.write("records.test.yml", RECORDS);
    let output = desk.kit(&[".", "--junit", "junit.xml"]);
    assert_eq!(code(&output), 1);
    insta::assert_snapshot!(timeless(&said(&output)));
    let junit = std::fs::read_to_string(desk.path("junit.xml")).unwrap();
    assert!(
        junit.contains("tests=\"1\" failures=\"1\" errors=\"0\"") && junit.contains("alert Down at 5m30s"),
        "{junit}"
    );

    let output = desk.kit(&[".", "--output", "json", "--name", "target"]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let test = &value["files"][1]["tests"][0];
    assert_eq!(
        (&test["ok"], &test["failures"][0]["line"], &test["expectations"]),
        (&false.into(), &13.into(), &6.into())
    );
    assert_eq!(value["files"][0]["tests"], Value::Array(Vec::new()));
}

#[test]
fn recorded_answers_need_no_prometheus_and_are_never_taken_for_others() {
    let desk = Desk::new(TESTS);
    let live = desk.kit(&["t.test.yaml", "--record", "answers.gz"]);
    assert_eq!(code(&live), 0, "{}", said(&live));
    let nowhere = Some("/nonexistent");
    let recorded = desk.kit_with_path(&["t.test.yaml", "--recorded", "answers.gz"], nowhere);
    assert_eq!(timeless(&said(&recorded)), timeless(&said(&live)));

    let without = desk.kit_with_path(&["t.test.yaml"], nowhere);
    assert_eq!(code(&without), 3);
    assert!(said(&without).contains("--recorded"), "{}", said(&without));

    desk.write("t.test.yaml", &TESTS.replace("1x2 0x7", "1x2 0x8"));
    let other = desk.kit_with_path(&["t.test.yaml", "--recorded", "answers.gz"], nowhere);
    assert_eq!(code(&other), 1);
    assert!(said(&other).contains("is recorded: record again, with --record"), "{}", said(&other));
}

#[test]
fn changes_of_rules_that_no_test_notices_are_listed_and_coverage_tells_what_never_happened() {
    let desk = Desk::new(TESTS);
    let output = desk.kit(&["t.test.yaml", "--mutate", "--coverage"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    insta::assert_snapshot!(timeless(&said(&output)));
}

#[test]
fn bad_files_and_wrong_arguments_are_told_apart() {
    let desk = Desk::new("rule_files: [rules.yml]\ntests:\n- inteval: 1m\n");
    let output = desk.kit(&["t.test.yaml"]);
    assert_eq!(code(&output), 2);
    assert!(
        said(&output).contains("t.test.yaml:3:3") && said(&output).contains("unknown key `inteval`"),
        "{}",
        said(&output)
    );

    let desk = Desk::new(TESTS);
    desk.write("rules.yml", &RULES.replace("expr: up == 0", "expr: up =="));
    let output = desk.kit(&["t.test.yaml"]);
    assert_eq!(code(&output), 2);
    assert!(said(&output).contains("rules.yml:10:20"), "{}", said(&output));
    // What Orion does not do, and a test does, is no news here.
    assert!(!said(&output).contains("recording rule"), "{}", said(&output));
    desk.write("rules.yml", RULES);

    for arguments in [&["none.yaml"][..], &["--recorded", "none.gz", "t.test.yaml"], &["--nonsense"]] {
        assert_eq!(code(&desk.kit(arguments)), 3, "{arguments:?}");
    }
    std::fs::remove_file(desk.path("t.test.yaml")).unwrap();
    assert_eq!(code(&desk.kit(&["."])), 3);
}

#[test]
fn a_rule_that_cannot_do_its_work_fails_its_test() {
    let tests = "rule_files: [rules.yml]\ntests:\n- name: two of one\n  input_series:\n  - {series: 'x{a=\"1\"}', values: 1x3}\n  - {series: 'x{a=\"2\"}', values: 1x3}\n  until: 2m\n";
    let desk = Desk::new(tests);
    desk.write("rules.yml", "groups:\n- name: g\n  rules:\n  - {alert: X, expr: x, labels: {a: same}}\n");
    let output = desk.kit(&["t.test.yaml"]);
    assert_eq!(code(&output), 1);
    assert!(said(&output).contains("rule_fault: rules.yml/g/X at 0s"), "{}", said(&output));
}

#[test]
fn the_rules_that_ship_pass_their_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_orion-kit"));
    let output = command.args(["test", "rules"]).current_dir(root).output().unwrap();
    assert_eq!(code(&output), 0, "{}", said(&output));
}
