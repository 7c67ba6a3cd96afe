//! Rules on logs: a group asks Loki, and what that answers is treated as an answer of Prometheus is. Against a stand-in that speaks as
//! Loki is documented to, because a real one is not at hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::support::Deployment;
use orion_lab::{LokiAnswer, LokiStandIn};

/// Nobody listens there, and nobody asks: these rules have no queries for it.
const NO_PROMETHEUS: &str = "http://127.0.0.1:9";

const RULES: &str = r#"
groups:
  - name: logs
    source: loki
    interval: 1s
    rules:
      - alert: ManyErrors
        expr: sum by (app) (count_over_time({env="prod"} |= "error" [1m])) > 10
        labels: { severity: error, event_type: many_errors, service: "{{ $labels.app }}" }
correlations:
  - name: errors
    match: { event_type: many_errors }
    group_by: [service]
    incident: { type: errors, severity: error, summary: "{{ $labels.service }} fails" }
"#;

/// What the stand-in says.
const CALM: u8 = 0;
const ERRORS: u8 = 1;
const LINES: u8 = 2;
const BAD: u8 = 3;
const BUSY: u8 = 4;

fn loki(state: &Arc<AtomicU8>) -> LokiStandIn {
    let state = state.clone();
    LokiStandIn::start(move |_| match state.load(Ordering::SeqCst) {
        CALM => LokiAnswer::Series(Vec::new()),
        ERRORS => LokiAnswer::Series(vec![(vec![("app", "web".to_owned())], 17.0)]),
        LINES => LokiAnswer::Lines,
        BAD => LokiAnswer::BadQuery("parse error at line 1, col 5: syntax error: unexpected IDENTIFIER".to_owned()),
        _ => LokiAnswer::Busy,
    })
    .unwrap()
}

#[test]
fn what_loki_counts_becomes_an_incident_and_its_outage_is_one_of_its_own() {
    let state = Arc::new(AtomicU8::new(ERRORS));
    let mut loki = loki(&state);
    let deployment = Deployment::new(NO_PROMETHEUS).with("LOKI_URL", &loki.url()).with("ORION_LOKI__TENANT", "team-a");
    std::fs::write(deployment.path("token"), "sesame\n").unwrap();
    let token = deployment.path("token").display().to_string();
    let deployment = deployment.with("ORION_LOKI__TOKEN_FILE", &token);
    deployment.rule("logs.yaml", RULES);
    let orion = deployment.start();
    deployment.wait_until("the incident", |it| !it.incidents_of("errors", "opened").is_empty());

    loki.stop();
    deployment.wait_until("the outage", |it| !it.incidents_of("loki_outage", "opened").is_empty());
    loki.restart().unwrap();
    deployment.wait_until("the recovery", |it| !it.incidents_of("loki_outage", "resolved").is_empty());
    state.store(BUSY, Ordering::SeqCst);
    deployment.wait_until("the second outage", |it| it.events_of("external_api_failure", "firing").len() == 2);
    // None of that was the end of the alert.
    assert_eq!(deployment.events_of("many_errors", "resolved").len(), 0);
    state.store(CALM, Ordering::SeqCst);
    deployment.wait_until("the end", |it| !it.events_of("many_errors", "resolved").is_empty());
    assert!(orion.terminate().success());

    let fired = deployment.events_of("many_errors", "firing");
    assert_eq!((fired.len(), &fired[0]["source"], &fired[0]["labels"]["service"]), (1, &"loki".into(), &"web".into()));
    assert_eq!(fired[0]["data"]["value"], 17.0);
    assert!(deployment.incidents_of("prometheus_outage", "opened").is_empty());
    let requests = loki.requests();
    assert!(!requests.is_empty());
    for request in requests {
        assert_eq!((request.method.as_str(), request.body.len()), ("GET", 0));
        assert!(request.target.starts_with("/loki/api/v1/query?query="), "{}", request.target);
        assert_eq!(request.header("x-scope-orgid"), Some("team-a"));
        assert_eq!(request.header("authorization"), Some("Bearer sesame"));
    }
    deployment.check_promises();
}

#[test]
fn what_loki_refuses_and_lines_instead_of_numbers_are_the_fault_of_the_rule() {
    for (answer, reason) in [(BAD, "syntax error: unexpected IDENTIFIER"), (LINES, "these are lines of logs")] {
        let loki = loki(&Arc::new(AtomicU8::new(answer)));
        let deployment = Deployment::new(NO_PROMETHEUS).with("LOKI_URL", &loki.url());
        deployment.rule("logs.yaml", RULES);
        let orion = deployment.start();
        deployment.wait_until("the fault", |it| !it.events_of("query_failure", "firing").is_empty());
        assert!(orion.terminate().success());
        let message = deployment.events_of("query_failure", "firing")[0]["data"]["message"].to_string();
        assert!(message.contains(reason), "{message}");
        assert!(deployment.events_of("external_api_failure", "firing").is_empty());
        deployment.check_promises();
    }
}

#[test]
fn a_group_that_asks_a_loki_nobody_named_is_refused_and_a_query_for_lines_too() {
    let deployment = Deployment::new(NO_PROMETHEUS);
    deployment.rule("logs.yaml", RULES);
    let orion = deployment.start();
    deployment.wait_until("the refusal", |it| !it.events_of("rule_file_refused", "firing").is_empty());
    assert!(orion.terminate().success());
    let message = deployment.events_of("rule_file_refused", "firing")[0]["data"]["message"].to_string();
    assert!(message.contains("asks the source `loki`, which is not configured"), "{message}");

    // Whoever checks rules need not have what they ask.
    let checked = deployment.orion(&["check", "--strict", "rules"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    deployment.rule("logs.yaml", &RULES.replace("sum by (app) (count_over_time(", "'").replace(" [1m])) > 10", "'"));
    let checked = deployment.orion(&["check", "rules"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(!checked.status.success() && said.contains("this query gives lines of logs"), "{said}");
}

#[test]
fn the_doctor_and_the_certificate_know_loki() {
    let loki = loki(&Arc::new(AtomicU8::new(CALM)));
    let deployment = Deployment::new(NO_PROMETHEUS).with("LOKI_URL", &loki.url());
    let said = |arguments: &[&str]| String::from_utf8(deployment.orion(arguments).stdout).unwrap();
    let doctor = said(&["doctor", "--output", "table"]);
    assert!(doctor.contains(&format!("{} answers", loki.url())), "{doctor}");
    // There is nothing to certify before something ran.
    assert!(deployment.start_again().terminate().success());
    let certificate = said(&["verify", "--offline", "--output", "json"]);
    assert!(certificate.contains(&format!("GET {}/loki/api/v1/query", loki.url())), "{certificate}");
}
