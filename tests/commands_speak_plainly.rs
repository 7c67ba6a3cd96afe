//! What an operator reads from each command, word for word.

use crate::support::{self, Deployment};

fn stdout(deployment: &Deployment, arguments: &[&str], code: i32) -> String {
    let output = deployment.orion(arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}\n{stderr}");
    text
}

fn stderr(deployment: &Deployment, arguments: &[&str], code: i32) -> String {
    let output = deployment.orion(arguments);
    assert_eq!(output.status.code(), Some(code));
    String::from_utf8(output.stderr).unwrap()
}

const WRONG: &str = r#"groups:
  - name: media
    rules:
      - alert: Down
        exprr: up == 0
        for: soon
      - alert: Load
        expr: sum(load
        plugin: treshold
        with: { above: 3 }
"#;

#[test]
fn check_says_everything_that_is_wrong_at_once_with_line_column_and_help() {
    let deployment = Deployment::new("");
    deployment.rule("wrong.yaml", WRONG);
    deployment.rule("right.yaml", support::TARGETS);
    insta::assert_snapshot!(stdout(&deployment, &["check", "--output", "table"], 2));
    let json = stdout(&deployment, &["check", "rules/wrong.yaml", "--output", "ndjson"], 2);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["ok"], false);
    assert!(value["diagnostics"].as_array().unwrap().len() >= 4, "{value:#}");
}

#[test]
fn the_rules_that_ship_pass_the_check() {
    let deployment = Deployment::new("");
    for name in ["media-stack.yaml", "host.yaml", "monitoring.yaml", "orion.yaml", "unusual.yaml"] {
        deployment.rule(name, &support::shipped_rules(name));
    }
    let text = stdout(&deployment, &["check", "--output", "table"], 0);
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.lines().all(|line| line.contains(": ok, ")), "{text}");
}

#[test]
fn check_says_what_only_shows_among_all_files_and_with_strict_takes_no_warning() {
    let deployment = Deployment::new("");
    deployment.rule(
        "again.yaml",
        &support::TARGETS.replace("match: { event_type: service_down", "match: { event_type: service_dwn"),
    );
    deployment.rule("targets.yaml", support::TARGETS);
    insta::assert_snapshot!(stdout(&deployment, &["check", "--output", "table"], 0));
    let strict = stdout(&deployment, &["check", "--strict", "--output", "table"], 2);
    assert!(strict.ends_with("2 warnings, and --strict allows none\n"), "{strict}");
    // What makes its events may be in a file that was not asked about.
    let alone = stdout(&deployment, &["check", "--strict", "rules/again.yaml", "--output", "table"], 0);
    assert_eq!(alone, "rules/again.yaml: ok, 1 rule, 1 correlation\n");
}

#[test]
fn the_schema_printed_is_the_one_of_the_documentation() {
    let printed = stdout(&Deployment::new(""), &["schema"], 0);
    assert!(printed == include_str!("../docs/rules.schema.json"), "run `cargo xtask schema`");
}

#[test]
fn inspect_shows_what_a_plugin_can_do() {
    let deployment = Deployment::new("");
    let text = stdout(&deployment, &["plugin", "inspect", "threshold", "--output", "table"], 0);
    // Digest and size change with every build of the plugin.
    let steady: Vec<&str> =
        text.lines().filter(|line| !line.starts_with("digest") && !line.starts_with("size")).collect();
    insta::assert_snapshot!(steady.join("\n"));
}

#[test]
fn every_wrong_use_says_what_where_and_what_to_do() {
    let deployment = Deployment::new("");
    let cases: [(&[&str], i32); 8] = [
        (&["tail"], 3),
        (&["incident", "list"], 3),
        (&["plugin", "inspect", "nothing"], 3),
        (&["check", "missing.yaml"], 3),
        (&["run", "--rules", "missing"], 3),
        (&["run", "--prometheus-url", "ftp://prometheus"], 3),
        (&["run", "--poll-interval", "soon"], 3),
        (&["run", "--confinement", "maybe"], 3),
    ];
    let mut said = String::new();
    for (arguments, code) in cases {
        let output = deployment.orion(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        said += &format!("$ orion {}\n", arguments.join(" "));
        for stream in [output.stdout, output.stderr] {
            let text = String::from_utf8(stream).unwrap().replace(&deployment.path("").display().to_string(), "DIR/");
            // What `run` says of itself before anything goes wrong.
            let usual = |line: &str| {
                ["Orion observes; people act", "this process is "].iter().any(|usual| line.contains(usual))
            };
            said.extend(text.lines().filter(|line| !usual(line)).map(|line| format!("{line}\n")));
        }
        said.push('\n');
    }
    insta::assert_snapshot!(said);
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let deployment = Deployment::new("");
    insta::assert_snapshot!(stdout(&deployment, &["--help"], 0));
    assert!(stdout(&deployment, &["completions", "bash"], 0).contains("_orion"));
    assert!(stderr(&deployment, &["--nonsense"], 3).contains("--nonsense"));
}
