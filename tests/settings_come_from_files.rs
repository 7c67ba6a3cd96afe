//! Settings come from files, below variables and flags, and what is wrong with a file is said before anything is done.

use std::collections::BTreeMap;
use std::time::Duration;

use orion_lab::{Prometheus, ScrapeConfig};
use serde_json::Value;

use crate::support::{Deployment, TARGETS};

/// Takes part in no setting by itself.
fn deployment() -> Deployment {
    // An empty variable is an unset one.
    Deployment::new("").with("ORION_DATA__DIR", "")
}

fn file(deployment: &Deployment, path: &str, text: &str) {
    let path = deployment.path(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Value and origin by setting, as `orion config show` has them.
fn shown(deployment: &Deployment, arguments: &[&str], env: &[(&str, &str)]) -> BTreeMap<String, (String, String)> {
    let output = deployment.orion_with(&[&["config", "show", "--output", "ndjson"], arguments].concat(), env);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = |item: &Value, member: &str| item[member].as_str().unwrap().to_owned();
    let lines = String::from_utf8(output.stdout).unwrap();
    let items = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    items.map(|it| (text(&it, "setting"), (text(&it, "value"), text(&it, "origin")))).collect()
}

fn pair(value: &str, origin: &str) -> (String, String) {
    (value.to_owned(), origin.to_owned())
}

#[test]
fn what_is_nearer_counts_more_key_by_key_and_everything_says_where_it_comes_from() {
    let deployment = deployment();
    file(&deployment, "config/orion/orion.yaml", "poll_interval: 40s\nmemory: { keep: 30d }\nlease: 20s\n");
    file(&deployment, "orion.yaml", "poll_interval: 50s\nlease: 30s\nrules: { dir: my-rules }\n");
    let settings = shown(&deployment, &[], &[("ORION_LEASE", "9s"), ("REDIS_URL", "redis://:hunter2@r:1")]);
    assert_eq!(settings["poll_interval"], pair("50s", "orion.yaml:1"));
    assert_eq!(settings["lease"], pair("9s", "ORION_LEASE"));
    assert_eq!(settings["rules.dir"], pair("my-rules", "orion.yaml:3"));
    assert_eq!(settings["watcher.catch_up"], pair("1h", "default"));
    assert_eq!(settings["redis.url"], pair("redis://:***@r:1", "REDIS_URL"));
    let of_user = deployment.path("config/orion/orion.yaml").display().to_string();
    assert_eq!(settings["memory.keep"], pair("30d", &format!("{of_user}:2")));
    let alone = shown(&deployment, &["--config", "config/orion/orion.yaml"], &[]);
    assert_eq!(alone["poll_interval"], pair("40s", "config/orion/orion.yaml:1"));
}

#[test]
fn a_deployment_runs_by_its_file_and_asks_a_prometheus_that_wants_to_know_who_asks() {
    // The hash is of `open-sesame`.
    let hash = "$2b$05$abcdefghijklmnopqrstuutXu9KzOt.1yBoZUeFWoT/914/JfszCO";
    let targets = ScrapeConfig::every(Duration::from_secs(1)).target("gone", "127.0.0.1:9".parse().unwrap());
    let prometheus = Prometheus::start(&targets.asked_by("orion", hash)).unwrap();
    let deployment = deployment();
    file(&deployment, "etc/password", "open-sesame\n");
    file(&deployment, "etc/rules/targets.yaml", TARGETS);
    let text = format!(
        "data: {{ dir: .. }}\nrules: {{ dir: rules }}\nprometheus:\n  url: {}\n  user: orion\n  password_file: password\n",
        prometheus.url()
    );
    file(&deployment, "etc/orion.yaml", &text);
    let deployment = deployment.with("ORION_CONFIG", "etc/orion.yaml");
    let orion = deployment.start();
    deployment.wait_until("the incident", |it| !it.incidents_of("service_outage", "opened").is_empty());
    assert!(orion.terminate().success());
    deployment.check_promises();
}

const WRONG: &str =
    "poll_intervall: 10s\nprometheus:\n  url: http://me:hunter2@p:9090\n  timeout: soon\nlog: { format: loud }\n";

#[test]
fn everything_that_is_wrong_with_a_file_is_said_at_once_and_nothing_is_done() {
    let deployment = deployment();
    deployment.rule("targets.yaml", TARGETS);
    file(&deployment, "orion.yaml", WRONG);
    for command in [&["run"][..], &["check"], &["tail"]] {
        let output = deployment.orion(command);
        assert_eq!(output.status.code(), Some(3), "{command:?}");
        assert!(output.stdout.is_empty());
        assert!(String::from_utf8(output.stderr).unwrap().contains("unknown key `poll_intervall`"), "{command:?}");
    }
    assert!(!deployment.path("memory").exists());
    let validate = deployment.orion(&["config", "validate"]);
    assert_eq!(validate.status.code(), Some(3));
    insta::assert_snapshot!(String::from_utf8(validate.stdout).unwrap(), @r"
    error: unknown key `poll_intervall` in the settings
     --> orion.yaml:1:1
      |
    1 | poll_intervall: 10s
      | ^^^^^^^^^^^^^^ unknown
      |
      = help: did you mean `poll_interval`?

    error: `prometheus.url` holds a password, and settings files are shown to people
     --> orion.yaml:3:8
      |
    3 |   url: http://me:hunter2@p:9090
      |        ^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write the password to a file that only Orion can read, and name that; or set the variable

    error: `prometheus.timeout` cannot be `soon`
     --> orion.yaml:4:12
      |
    4 |   timeout: soon
      |            ^^^^
      |
      = help: write it as 15s, 1m30s or 500ms

    error: `log.format` cannot be `loud`
     --> orion.yaml:5:16
      |
    5 | log: { format: loud }
      |                ^^^^
      |
      = help: one of auto, text, json
    ");
    assert!(deployment.orion(&["--help"]).status.success(), "help is given whatever a file says");
}

#[test]
fn a_file_that_is_named_has_to_be_there() {
    let deployment = deployment();
    let output = deployment.orion(&["check", "--config", "none.yaml"]);
    assert_eq!(output.status.code(), Some(3));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"orion: none.yaml does not exist; --config or ORION_CONFIG names it");
}

#[test]
fn a_file_to_begin_with_is_made_once_and_changes_nothing() {
    let deployment = deployment();
    let before = shown(&deployment, &[], &[]);
    assert!(deployment.orion(&["config", "init", "--out", "orion.yaml"]).status.success());
    assert_eq!(shown(&deployment, &[], &[]), before);
    assert!(deployment.orion(&["config", "validate"]).status.success());
    let again = deployment.orion(&["config", "init", "--out", "orion.yaml"]);
    assert_eq!(again.status.code(), Some(3), "what somebody edited is not written over");
    let there = String::from_utf8(deployment.orion(&["config", "path", "--output", "ndjson"]).stdout).unwrap();
    assert!(there.ends_with("{\"path\":\"orion.yaml\",\"exists\":true}\n"), "{there}");
}

#[test]
#[cfg(not(feature = "otlp"))]
fn a_build_that_sends_nothing_says_so_to_who_asks_it_to() {
    let output = deployment().orion_with(&["run"], &[("ORION_OTLP__ENDPOINT", "http://collector:4318")]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("this build sends nothing to anybody") && said.contains("--features otlp"), "{said}");
}
