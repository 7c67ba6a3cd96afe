//! What an agent saw is at its control host in the end, each event once: over a buffer that is full, a link on which nobody answers, a
//! control host that is several, and either side put back from a snapshot. One whose events come late is said to be behind.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;

use orion_lab::{Link, RedisOptions, RedisServer};
use orion_model::Timestamp;
use serde_json::{Value, json};

use crate::metrics_are_read_by_prometheus;
use crate::support::Deployment;
use crate::support::asked::{get, post_json};
use crate::support::fleet::{Control, NOWHERE, SET, Site, all_is_there};

/// Four alerts, each with much to say, that begin in one second and end in the next: a quarter of a megabyte every second.
fn flapping() -> String {
    let description = "x".repeat(60_000);
    let rule = |number: u32| {
        format!(
            "      - alert: Flapping{number}\n        expr: floor(vector(time())) % 2 == 1\n        \
             labels: {{ severity: error, event_type: service_down, service: clock-{number} }}\n        \
             annotations: {{ description: {description} }}\n"
        )
    };
    let rules: String = (0..4).map(rule).collect();
    format!("groups:\n  - name: flapping\n    interval: 1s\n    rules:\n{rules}")
}

/// Entries of logs, which are read where the agent is.
const LOGS: &str = r#"
logs:
  - id: app-errors
    files: "*.log"
    match: 'ERROR (?P<what>\S+)'
    event_type: service_down
    severity: error
    labels: { service: app, what: "{{ $labels.what }}" }
    limit: 0
correlations:
  - name: service-outage
    match: { event_type: service_down, severity: ">= error" }
    group_by: [agent, service]
    plugin: grouping
    with: { at_least: 1 }
    incident: { type: service_outage, severity: critical, summary: "{{ $labels.service }} is out" }
"#;

/// The value of the sample that begins so.
fn sample(address: SocketAddr, begin: &str) -> Option<f64> {
    metrics_are_read_by_prometheus::sample(&get(address, "/metrics").body, begin)
}

fn time_of(event: &Value) -> Timestamp {
    event["ts"].as_str().unwrap().parse().unwrap()
}

/// At which instants one of the alerts began or ended, in the order in which that was recorded.
fn instants(deployment: &Deployment, service: &str) -> Vec<i64> {
    let events = deployment.events();
    let of_service = events.iter().filter(|event| event["labels"]["service"] == service);
    of_service.map(|event| time_of(event).as_millis()).collect()
}

/// How the control host does, as the agent says.
fn control_is(agent: SocketAddr, status: &str) -> bool {
    get(agent, "/health").json()["components"]["control"]["status"] == status
}

fn each_is_there_once(control: &Control) {
    let seen = control.seen();
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "{seen:?}");
}

#[test]
fn at_the_bound_of_the_buffer_evaluation_stands_still_and_what_was_missed_is_evaluated_afterwards() {
    let control = Control::new();
    let (orion, address) = control.start(&[]);
    let mut site = Site::new("eu-1", &control, address).with("ORION_AGENT__BUFFER_MIB", "1");
    let agent = site.agent.start();
    let asked = site.agent.served_ready_at();
    control.apply(address, &flapping());
    control.deployment.wait_until("the first of it", |_| !control.seen().is_empty());
    site.link.refuse();
    site.agent
        .wait_until("the buffer to be full", |_| sample(asked, "orion_store_writable{part=\"buffer\"}") == Some(0.0));
    let position = || sample(asked, "orion_bus_position ");
    let refused = || sample(asked, "orion_bus_commit_failures_total{reason=\"backlog\"}").unwrap();
    let (stands_at, refused_so_far) = (position(), refused());
    // Each try is an evaluation that comes to nothing, or somebody else who has something to say.
    site.agent.wait_until("several tries", |_| refused() >= refused_so_far + 3.0);
    assert_eq!(position(), stands_at, "nothing is recorded at the bound");
    let (waiting, limit) = (sample(asked, "orion_agent_backlog_bytes ").unwrap(), 1024.0 * 1024.0);
    assert_eq!(sample(asked, "orion_agent_backlog_limit_bytes "), Some(limit));
    // The commit that reached the bound is the last.
    assert!((limit..2.0 * limit).contains(&waiting), "{waiting}");
    assert!(site.agent.events_of("forward_buffer_full", "firing").is_empty(), "there is no room to say so");
    site.link.accept().unwrap();
    site.agent.wait_until("room", |it| !it.events_of("forward_buffer_full", "resolved").is_empty());
    let full = |status| site.agent.events_of("forward_buffer_full", status);
    // What is caught up on may fill it again for a moment.
    site.agent.wait_until("the missed instants", |_| {
        sample(asked, "orion_group_late_evaluations_total{") > Some(2.0)
            && sample(asked, "orion_agent_backlog_bytes ") < Some(limit / 2.0)
            && full("firing").len() == full("resolved").len()
    });
    control.apply(address, "groups: []\n");
    control.wait_until_runs(address, "eu-1", 2);
    control.deployment.wait_until("everything to be there", |_| all_is_there(&control, &[&site]));
    assert!(agent.terminate().success());
    control.deployment.wait_until("everything to be there", |_| all_is_there(&control, &[&site]));

    let (began, ended) = (time_of(&full("firing")[0]).as_millis(), time_of(&full("resolved")[0]).as_millis());
    control.deployment.wait_until("what was said of it, and the incident", |it| {
        it.events_of("forward_buffer_full", "resolved").len() == full("resolved").len()
            && !it.incidents_of("store_failure", "opened").is_empty()
    });
    for service in ["clock-0", "clock-1", "clock-2", "clock-3"] {
        let mut instants = instants(&control.deployment, service);
        // The end of the group is an end of what fires, at a time of its own.
        instants.pop();
        assert!(instants.windows(2).all(|pair| pair[1] - pair[0] == 1_000), "one is missing in {instants:?}");
        let missed = instants.iter().filter(|instant| (began..ended).contains(instant)).count();
        assert!(missed > 1, "{began} to {ended}: {instants:?}");
    }
    assert!(site.agent.events_of("instants_missed", "occurred").is_empty());
    assert!(orion.terminate().success());
    each_is_there_once(&control);
    site.agent.check_promises();
    control.deployment.check_promises();
}

#[test]
fn a_link_that_falls_silent_and_answers_that_are_lost_cost_nothing_but_time() {
    let control = Control::new();
    let (orion, address) = control.start(&[]);
    let mut site = Site::new("eu-1", &control, address);
    let agent = site.agent.start();
    let asked = site.agent.served_ready_at();
    control.apply(address, SET);
    site.target.stop();
    control.deployment.wait_until("the outage", |_| control.opened_of("eu-1") == 1);
    // Connections are taken and nobody says anything: not known to be cut off before an answer is due.
    site.link.set(Link { is_silent: true, ..Link::default() });
    site.target.restart().unwrap();
    site.saw_so_often(2);
    site.agent.wait_until("its health to say so", |_| control_is(asked, "failing"));
    site.target.stop();
    site.saw_so_often(3);
    assert_eq!(control.seen().len(), 1, "nothing comes through");
    // What was given up arrives all the same, late, and the agent sends it again.
    site.link.set(Link::default());
    control.deployment.wait_until("everything to be there", |_| all_is_there(&control, &[&site]));
    site.agent.wait_until("its health to say so", |_| control_is(asked, "ok"));

    site.link.set(Link { loses_answers: true, ..Link::default() });
    site.target.restart().unwrap();
    control.deployment.wait_until("what is taken and never answered", |_| control.seen().len() == 4);
    site.agent.wait_until("its health to say so", |_| control_is(asked, "failing"));
    site.target.stop();
    site.saw_so_often(5);
    site.link.set(Link::default());
    control.deployment.wait_until("everything to be there", |_| all_is_there(&control, &[&site]));
    control.deployment.wait_until("all outages", |_| control.opened_of("eu-1") == 3);
    assert!(agent.terminate().success());
    assert!(orion.terminate().success());
    each_is_there_once(&control);
    assert!(control.deployment.events_of("agent_began_anew", "occurred").is_empty());
    site.agent.check_promises();
    control.deployment.check_promises();
}

#[test]
fn lines_of_log_files_are_read_where_the_agent_is_and_correlated_at_the_control_host() {
    let control = Control::new();
    let (orion, address) = control.start(&[]);
    let site = Site::new("eu-1", &control, address);
    let logs = site.agent.path("logs");
    std::fs::create_dir(&logs).unwrap();
    let mut site = site.with("ORION_LOGS__DIRS", logs.to_str().unwrap());
    let agent = site.agent.start();
    control.apply(address, LOGS);
    site.agent.wait_until("the first look", |it| it.offset_of("logs/a.yaml/logs/app-errors").is_some());
    let write = |text: &str| {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(logs.join("app.log")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    write("INFO fine\nERROR one\n");
    control.deployment.wait_until("the incident", |_| control.opened_of("eu-1") == 1);
    // Cut off, rotated, killed in between: lines are read on, and come when they can.
    site.link.refuse();
    write("ERROR two\n");
    site.saw_so_often(2);
    std::fs::rename(logs.join("app.log"), logs.join("app.log.1")).unwrap();
    write("ERROR three\n");
    site.saw_so_often(3);
    agent.kill();
    write("ERROR four\n");
    let agent = site.agent.start();
    site.saw_so_often(4);
    site.link.accept().unwrap();
    control.deployment.wait_until("everything to be there", |_| all_is_there(&control, &[&site]));
    let events = control.deployment.events_of("service_down", "occurred");
    let told = events.iter().map(|event| (&event["labels"]["what"], &event["labels"]["agent"], &event["source"]));
    let line = |what: &str| (json!(what), json!("eu-1"), json!("files"));
    let lines = ["one", "two", "three", "four"].map(line);
    assert!(told.eq(lines.iter().map(|(what, agent, source)| (what, agent, source))), "{events:?}");
    assert!(agent.terminate().success());
    assert!(orion.terminate().success());
    control.deployment.check_promises();
}

#[test]
fn where_control_hosts_share_a_redis_an_agent_may_speak_to_any_of_them_and_each_event_is_there_once() {
    let mut redis = RedisServer::start(&RedisOptions::default()).unwrap();
    let (one, two) = (Control::sharing(&redis, "one"), Control::sharing(&redis, "two"));
    let (of_one, at_one) = one.start(&[]);
    let mut site = Site::of("eu-1", &[&one, &two], at_one);
    let agent = site.agent.start();
    one.apply(at_one, SET);
    site.target.stop();
    one.deployment.wait_until("the outage", |_| one.opened_of("eu-1") == 1);
    // Another one comes, and the agent is led there, where its rules and its place are known.
    let (of_two, at_two) = two.start(&[]);
    site.link.redirect(at_two);
    site.target.restart().unwrap();
    site.saw_so_often(2);
    for control in [&one, &two] {
        control.deployment.wait_until("everything to be there", |_| all_is_there(control, &[&site]));
    }
    two.wait_until_runs(at_two, "eu-1", 1);
    // Redis is away: nothing is taken, or it is taken once.
    redis.kill();
    site.target.stop();
    site.saw_so_often(3);
    redis.restart().unwrap();
    two.deployment.wait_until("everything to be there", |_| all_is_there(&two, &[&site]));
    // One of them dies with what it was given, and the other one goes on.
    of_two.kill();
    site.target.restart().unwrap();
    site.link.redirect(at_one);
    site.saw_so_often(4);
    one.deployment.wait_until("everything to be there", |_| all_is_there(&one, &[&site]));
    let (of_two, _) = two.start(&[]);
    for control in [&one, &two] {
        control.deployment.wait_until("everything to be there", |_| all_is_there(control, &[&site]));
        control.deployment.wait_until("the end of both outages", |it| {
            control.opened_of("eu-1") == 2 && it.incidents_of("service_outage", "resolved").len() == 2
        });
        each_is_there_once(control);
        assert!(control.deployment.events_of("agent_began_anew", "occurred").is_empty());
    }
    assert!(agent.terminate().success());
    assert!(of_one.terminate().success());
    assert!(of_two.terminate().success());
    one.deployment.check_promises();
    two.deployment.check_promises();
}

#[test]
fn an_agent_that_is_put_back_on_another_machine_fetches_its_rules_and_brings_what_is_not_there() {
    let control = Control::new();
    let (orion, address) = control.start(&[]);
    let mut site = Site::new("eu-1", &control, address);
    let agent = site.agent.start();
    control.apply(address, SET);
    site.target.stop();
    control.deployment.wait_until("the outage", |_| control.opened_of("eu-1") == 1);
    done(&site.agent, &["snapshot", "create", "--to", "snapshot"]);
    let snapshot = site.agent.path("snapshot");
    // What it sees behind the snapshot is forwarded, and gone with the machine.
    site.target.restart().unwrap();
    control.deployment.wait_until("the end of it", |_| control.seen().len() == 2);
    agent.kill();
    let elsewhere = site.another_machine();
    done(&elsewhere, &["snapshot", "restore", snapshot.to_str().unwrap()]);
    let gone = std::mem::replace(&mut site.agent, elsewhere);
    assert_eq!(site.saw().len(), 1, "of before the snapshot");
    let agent = site.agent.start();
    control.deployment.wait_until("it to begin anew", |it| {
        it.events_of("agent_began_anew", "occurred").len() == 1 && site.agent.path("set/rules/a.yaml").exists()
    });
    // The end of the outage is found again, in what Prometheus remembers.
    site.saw_so_often(2);
    site.target.stop();
    site.saw_so_often(3);
    control.deployment.wait_until("the next outage", |_| control.opened_of("eu-1") == 2);
    let of_agent: BTreeSet<_> = site.saw().into_iter().collect();
    control
        .deployment
        .wait_until("everything to be there", |_| of_agent.is_subset(&control.seen().into_iter().collect()));
    each_is_there_once(&control);
    let statuses: Vec<String> = site.saw().into_iter().map(|(_, _, status)| status).collect();
    assert_eq!(statuses, ["firing", "resolved", "firing"]);
    assert!(agent.terminate().success());
    assert!(orion.terminate().success());
    gone.check_promises();
    site.agent.check_promises();
    control.deployment.check_promises();
}

#[test]
fn a_control_host_that_is_put_back_is_given_again_what_it_has_not_and_gives_its_rules() {
    let control = Control::new();
    let (orion, address) = control.start(&[]);
    let mut site = Site::new("eu-1", &control, address);
    let agent = site.agent.start();
    control.apply(address, SET);
    control.wait_until_runs(address, "eu-1", 1);
    site.target.stop();
    control.deployment.wait_until("the outage", |_| control.opened_of("eu-1") == 1);
    done(&control.deployment, &["snapshot", "create", "--to", "snapshot"]);
    site.target.restart().unwrap();
    control.apply(address, &SET.replace("severity: error,", "severity: error, edited: \"yes\","));
    control.wait_until_runs(address, "eu-1", 2);
    control.deployment.wait_until("the end of it", |_| control.seen().len() >= 2);
    orion.kill();
    done(&control.deployment, &["snapshot", "restore", "snapshot", "--replace"]);
    assert_eq!(control.seen().len(), 1, "of before the snapshot");
    site.target.stop();
    site.saw_so_often(3);
    let (orion, address) = control.start(&[]);
    site.link.redirect(address);
    control.deployment.wait_until("everything to be there", |_| all_is_there(&control, &[&site]));
    // The set is the one of before, too.
    control.wait_until_runs(address, "eu-1", 1);
    control.deployment.wait_until("both outages", |_| control.opened_of("eu-1") == 2);
    assert!(agent.terminate().success());
    control.deployment.wait_until("everything to be there", |_| all_is_there(&control, &[&site]));
    assert!(orion.terminate().success());
    each_is_there_once(&control);
    site.agent.check_promises();
    control.deployment.check_promises();
}

fn done(deployment: &Deployment, arguments: &[&str]) {
    let output = deployment.orion(arguments);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn an_agent_that_speaks_and_whose_events_come_late_is_behind_until_they_are_here() {
    let control = Deployment::new(NOWHERE).serving().with("ORION_AGENTS__SILENCE", "30s");
    // By a clock that runs five times as fast, where a confined process can read it.
    let clock = control.path("memory/.clock");
    std::fs::create_dir(control.path("memory")).unwrap();
    let now = orion_model::Clock::now(&orion_pipeline::clock::SystemClock).as_millis();
    std::fs::write(&clock, format!("0 5 {now}")).unwrap();
    let orion = control.start_with(&[("ORION_CLOCK_FILE", clock.to_str().unwrap())]);
    let address = control.served_ready_at();
    let says = |reached: &Value| {
        let status = json!({
            "orion": "1", "rules": { "set": "default", "version": 7, "refused": { "version": 8, "why": "no" } }, "generation": 1,
            "refused": [], "backlog_events": 3, "backlog_bytes": 4_096, "reached": reached,
        });
        let answer = post_json(address, "/api/v1/agents/eu-1/status", &[], &status.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    let now = || get(address, "/api/v1/summary").json()["time"].clone();
    let stands = now();
    control.wait_until("it to be behind", |it| {
        says(&stands);
        it.events_of("agent_behind", "firing").len() == 1
    });
    let behind = &control.events_of("agent_behind", "firing")[0];
    assert_eq!(behind["labels"], json!({ "agent": "eu-1" }));
    control.wait_until("the incident", |it| {
        says(&Value::Null);
        it.incidents_of("agent_behind", "opened").len() == 1
    });
    assert!(control.events_of("agent_silent", "firing").is_empty());
    for (begin, value) in [
        ("orion_agent_live{agent=\"eu-1\"}", 1.0),
        ("orion_agent_reported_backlog_events{agent=\"eu-1\"}", 3.0),
        ("orion_agent_reported_backlog_bytes{agent=\"eu-1\"}", 4_096.0),
        ("orion_agent_reported_rules_version{agent=\"eu-1\",set=\"default\"}", 7.0),
        ("orion_agent_reported_rules_refused_version{agent=\"eu-1\",set=\"default\"}", 8.0),
    ] {
        assert_eq!(sample(address, begin), Some(value), "{begin}");
    }
    let told: Timestamp = stands.as_str().unwrap().parse().unwrap();
    let reached = sample(address, "orion_agent_reached_timestamp_seconds{agent=\"eu-1\"}").unwrap();
    assert!((reached - told.as_millis() as f64 / 1_000.0).abs() < 0.001, "{reached} for {told}");
    control.wait_until("the end of it", |it| {
        says(&now());
        it.incidents_of("agent_behind", "resolved").len() == 1
    });
    assert_eq!(control.events_of("agent_behind", "resolved").len(), 1);
    assert!(orion.terminate().success());
    control.check_promises();
}
