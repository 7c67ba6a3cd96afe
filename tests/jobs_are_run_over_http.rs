//! Jobs are asked for over HTTP and done beside observing: each gives what the command gives that does the same, to who may ask, and changes
//! nothing.
#![expect(
    clippy::disallowed_types,
    reason = "the author's tool is a program that is compared with; none of this is deployed"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use orion_lab::{RedisOptions, RedisServer};
use serde_json::{Value, json};

use crate::support::asked::{get, post_json};
use crate::support::issuer::{self, token_of};
use crate::support::jobs::{RULES, Scene, ask, id_of, json_of};
use crate::support::{self, Deployment, wait_until};

const TESTS: &str = r#"
rule_files: [load.yaml]
evaluation_interval: 1m
tests:
  - name: one worker
    input_series: [{ series: 'load{worker="a"}', values: '0 2x3 0' }]
    alert_rule_test:
      - { eval_time: 2m, alertname: Overloaded, exp_alerts: [{ exp_labels: { severity: error, service: a, worker: a } }] }
  - name: a wrong expectation
    input_events: [{ event_type: overloaded, severity: error, labels: { service: b }, at: 1m, until: 3m }]
    exp_incidents: []
"#;

fn text(name: &str, text: &str) -> Value {
    json!({ "name": name, "text": text })
}

/// What the author's tool says of these tests; it writes down what Prometheus answered.
fn played_by_the_kit(folder: &Path) -> Value {
    // Built beside this one wherever all of the workspace is tested.
    let kit = Path::new(env!("CARGO_BIN_EXE_orion")).with_file_name("orion-kit");
    assert!(kit.exists(), "{} is needed: test the whole workspace", kit.display());
    let output = Command::new(kit)
        .args(["test", "load.test.yaml", "--record", "answers.gz", "--output", "json"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    json_of(&output)
}

/// Without how long each took.
fn without_seconds(mut report: Value) -> Value {
    for test in
        report["files"].as_array_mut().unwrap().iter_mut().flat_map(|file| file["tests"].as_array_mut().unwrap())
    {
        test.as_object_mut().unwrap().remove("seconds");
    }
    report
}

#[test]
fn a_replay_gives_what_the_command_gives() {
    let scene = Scene::new("require");
    let (from, to) = scene.span();
    let recorded = scene.deployment.events().len();
    let job = scene.done(&json!({ "kind": "replay", "from": from, "to": to, "by": "ada" }));
    assert_eq!((&job["state"], &job["holds"], &job["asked_by"]), (&"done".into(), &true.into(), &"ada".into()));
    assert_eq!(job["progress"]["done"], job["progress"]["total"]);
    let result = scene.result(&job);
    assert!(!result["incidents"].as_array().unwrap().is_empty(), "{result:#}");
    let rules = scene.deployment.path("rules");
    let span = ["replay", "--from", &from, "--to", &to, "--rules", rules.to_str().unwrap()];
    assert_eq!(result, scene.orion(&span));

    let edited = RULES.replace("load > 1\n", "load > 2.5\n");
    let file = scene.deployment.path("load.yaml");
    std::fs::write(&file, &edited).unwrap();
    let others = json!([text("load.yaml", &edited)]);
    let job = scene.done(&json!({ "kind": "replay", "from": from, "to": to, "rules": others, "by": "ada" }));
    let difference = scene.result(&job);
    assert_eq!(difference["only_rules"].as_array().unwrap().len(), 1, "{difference:#}");
    assert_eq!(difference, scene.orion(&[&span[..], &["--diff", file.to_str().unwrap()]].concat()));

    // A job only looks: beside what was observed there is who asked.
    let new: Vec<Value> = scene.deployment.events().split_off(recorded);
    assert!(new.iter().all(|event| event["event_type"] == "job_requested"), "{new:?}");
    assert_eq!(new.len(), 2);
    assert_eq!(new[0]["labels"]["by"], "ada");
    assert!(scene.orion.terminate().success());
    scene.deployment.check_promises();
}

#[test]
fn tests_give_what_the_kit_gives_and_start_no_prometheus() {
    let scene = Scene::new("require");
    let folder = scene.deployment.path("desk");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("load.yaml"), RULES).unwrap();
    std::fs::write(folder.join("load.test.yaml"), TESTS).unwrap();
    let by_kit = without_seconds(played_by_the_kit(&folder));
    let answers = orion_suite::run::Answers::text_of(&folder.join("answers.gz"), 1_000_000).unwrap();
    let job = scene.done(&json!({
        "kind": "test", "tests": [text("load.test.yaml", TESTS)], "answers": text("a.gz", &answers), "by": "ada",
    }));
    assert_eq!((&job["state"], &job["holds"]), (&"done".into(), &false.into()), "{job:#}");
    assert_eq!(without_seconds(scene.result(&job)), by_kit);

    // The same from a shell, and of files of the rules folder: with the exit code of the tool.
    std::fs::copy(folder.join("answers.gz"), scene.deployment.path("answers.gz")).unwrap();
    scene.deployment.rule("load.test.yaml", TESTS);
    let file = folder.join("load.test.yaml");
    let shell =
        ["start", "test", file.to_str().unwrap(), "--recorded", "answers.gz", "--by", "ada", "--wait", "--result"];
    let output = scene.job(&[&shell[..], &["--output", "json"]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(without_seconds(json_of(&output)), by_kit);
    let named = scene.done(&json!({ "kind": "test", "tests": [{ "name": "load.test.yaml" }], "by": "ada" }));
    assert_eq!((&named["state"], &named["holds"]), (&"done".into(), &false.into()), "{named:#}");
    let said = scene.result(&named)["files"][0]["tests"][0]["failures"].to_string();
    assert!(said.contains("is recorded") || scene.result(&named).to_string().contains("is recorded"), "{said}");
}

#[test]
fn a_check_gives_what_the_command_gives() {
    let scene = Scene::new("off");
    // What the process does not take away from itself does not hold, seen from within as from outside.
    let job = scene.done(&json!({ "kind": "verify", "by": "ada" }));
    assert_eq!((&job["state"], &job["holds"]), (&"done".into(), &false.into()), "{job:#}");
    let within = scene.result(&job);
    let listen = scene.address.to_string();
    let outside = scene.orion(&["verify", "--listen", &listen]);
    let verdicts = |certificate: &Value| -> Vec<(Value, Value)> {
        let checks = certificate["checks"].as_array().unwrap().iter();
        checks.map(|check| (check["name"].clone(), check["verdict"].clone())).collect()
    };
    assert_eq!(verdicts(&within), verdicts(&outside), "{within:#}\n{outside:#}");
    assert_eq!((&within["plugins"], &within["orion"]), (&outside["plugins"], &outside["orion"]));
}

/// When rules of this file are noisy: every other second, long before anything that runs here is evaluated.
const PAST: &str = "2017-01-01T00:00:00Z";

/// Bytes of records that one replay of a job may hold, as documented.
const MAX_HELD_BYTES: usize = 64 * 1024 * 1024;

#[test]
fn a_replay_holds_as_many_records_as_it_may_and_with_more_it_fails_and_says_where() {
    let scene = Scene::new("require");
    // Each event is as large as a template lets it be, and both replays of the job say the same: the result is small.
    let past = "floor(vector(time())) % 2 == 1 and on() vector(time()) < 1500000000";
    let rule = format!(
        "groups: [{{ name: past, interval: 1s, rules: [{{ alert: Past, expr: '{past}', annotations: {{ text: {} }} }}] }}]",
        "x".repeat(60_000)
    );
    scene.deployment.rule("past.yaml", &rule);
    let is_live = || get(scene.address, "/api/v1/rules").body.contains("past.yaml/past/Past");
    wait_until("the rule to be live", is_live, || get(scene.address, "/api/v1/rules").body);
    let from: orion_model::Timestamp = PAST.parse().unwrap();
    let replay = |seconds: usize, rules: Value| {
        let to = from.plus_millis(i64::try_from(seconds).unwrap() * 1_000);
        json!({ "kind": "replay", "from": from, "to": to, "rules": rules, "timeout_millis": 600_000, "by": "ada" })
    };
    let few = scene.done(&replay(10, json!([])));
    let few = scene.result(&few);
    let bytes_of = |event: &Value| event.to_string().len();
    let sizes: Vec<usize> = few["events"].as_array().unwrap().iter().map(bytes_of).collect();
    assert!(sizes.len() >= 9 && sizes.iter().all(|size| *size > 60_000), "{sizes:?}");
    let most = MAX_HELD_BYTES * sizes.len() / sizes.iter().sum::<usize>();
    let same = json!([text("load.yaml", RULES), text("past.yaml", &rule)]);

    let held = scene.done(&replay(most - 5, same.clone()));
    assert_eq!((&held["state"], &held["failure"]), (&"done".into(), &Value::Null), "{held:#}");
    let same_events = scene.result(&held)["same_events"].as_u64().unwrap();
    assert!(usize::try_from(same_events).unwrap().abs_diff(most) < 10, "{same_events} of {most}");

    let failed = scene.done(&replay(most + 60, same));
    assert_eq!(
        (&failed["state"], &failed["failure"]["reason"]),
        (&"failed".into(), &"configuration".into()),
        "{failed:#}"
    );
    let message = failed["failure"]["message"].as_str().unwrap();
    for part in ["the rules that run", "more than 64 MiB", "2017-01-01T00:18:", "a shorter span", "`orion replay`"] {
        assert!(message.contains(part), "{part} in {message}");
    }
    assert!(failed["progress"]["done"].as_u64() < failed["progress"]["total"].as_u64(), "{failed:#}");
    assert!(scene.orion.terminate().success());
}

#[test]
fn tests_have_as_many_samples_as_they_may_and_with_one_more_the_job_says_which_test() {
    /// Samples of one test, and of all tests of a job, as documented.
    const MAX: usize = 2_000_000;
    const TESTS_OF_JOB: usize = 4;
    let deployment = Deployment::new("http://127.0.0.1:9").serving();
    let orion = deployment.start();
    let address = deployment.served_at();
    deployment.wait_until("it to take jobs", |_| get(address, "/api/v1/jobs").status == 200);
    // `0x9` is ten values.
    let of_samples = |count: usize| format!("- {{ input_series: [{{ series: x, values: '0x{}' }}] }}\n", count - 1);
    let done = |tests: &[Value]| {
        let asked = ask(
            address,
            &json!({ "kind": "test", "tests": tests, "rules": [text("none.yaml", "groups: []")], "by": "ada" }),
        );
        assert_eq!(asked.status, 202, "{asked:?}");
        let mut job = Value::Null;
        deployment.wait_until("the end of the job", |_| {
            job = get(address, asked.header("location").unwrap()).json();
            !["queued", "running"].contains(&job["state"].as_str().unwrap())
        });
        job
    };
    let file = |name: &str, tests: &[usize]| {
        let tests: String = tests.iter().map(|count| of_samples(*count)).collect();
        text(name, &format!("rule_files: [none.yaml]\ntests:\n{tests}"))
    };
    let half = TESTS_OF_JOB / 2;
    let full = done(&[file("one.yaml", &vec![MAX; half]), file("other.yaml", &vec![MAX; half])]);
    assert_eq!((&full["state"], &full["holds"]), (&"done".into(), &true.into()), "{full:#}");

    let failed = |tests: &[Value], says: &[&str]| {
        let job = done(tests);
        assert_eq!((&job["state"], &job["failure"]["reason"]), (&"failed".into(), &"bad_rule".into()), "{job:#}");
        let message = job["failure"]["message"].as_str().unwrap();
        says.iter().for_each(|part| assert!(message.contains(part), "{part} in {message}"));
    };
    failed(
        &[file("one.yaml", &[MAX + 1])],
        &["one.yaml:3:", "more values than the 2000000", "a test has at most 2000000 samples", "several tests"],
    );
    failed(
        &[file("one.yaml", &vec![MAX; half]), file("other.yaml", &[MAX, MAX - 5, 6])],
        &["other.yaml:5:", "more values than the 5", "the tests before it", "several goes"],
    );
    assert!(orion.terminate().success());
}

#[test]
fn a_viewer_may_look_and_not_ask() {
    let deployment = Deployment::new("http://127.0.0.1:9")
        .with("ORION_API__LISTEN", "0.0.0.0:0")
        .with("ORION_API__TOKEN_KEYS", "token-keys")
        .with("ORION_API__ALLOW_PLAINTEXT", "true");
    issuer::known_to(&deployment);
    let orion = deployment.start();
    let address = SocketAddr::new([127, 0, 0, 1].into(), deployment.served_at().port());
    let as_one = |subject: &str, role: &str| format!("Bearer {}", token_of(subject, role));
    let body = r#"{"kind":"verify","offline":true}"#;
    let send =
        |authorization: &str, body: &str| post_json(address, "/api/v1/jobs", &[("Authorization", authorization)], body);
    let ask = |authorization: &str| send(authorization, body);
    let mut asked = None;
    deployment.wait_until("it to take jobs", |_| {
        asked = Some(ask(&as_one("grace", "operator")));
        asked.as_ref().is_some_and(|asked| asked.status != 503)
    });
    let asked = asked.unwrap();
    assert_eq!((asked.status, &asked.json()["asked_by"]), (202, &"grace".into()), "{asked:?}");
    let as_other = send(&as_one("grace", "operator"), r#"{"kind":"verify","by":"somebody else"}"#);
    assert_eq!(as_other.status, 400);
    assert!(as_other.json()["detail"].as_str().unwrap().contains("the token is of `grace`"), "{as_other:?}");
    let refused = ask(&as_one("ada", "viewer"));
    assert_eq!(refused.status, 403);
    assert!(refused.json()["detail"].as_str().unwrap().contains("`operator`"), "{refused:?}");
    let place = format!("/api/v1/jobs/{}/cancel", id_of(&asked.json()));
    let viewer = as_one("ada", "viewer");
    assert_eq!(post_json(address, &place, &[("Authorization", &viewer)], "{}").status, 403);
    let looked = support::asked::ask(address, "GET", "/api/v1/jobs", &[("Authorization", &viewer)]);
    assert_eq!((looked.status, looked.json()["items"].as_array().unwrap().len()), (200, 1));
    assert_eq!(get(address, "/api/v1/jobs").status, 401);
    assert!(orion.terminate().success());
}

#[test]
fn where_hosts_share_a_redis_a_job_belongs_to_the_host_that_was_asked() {
    let redis = RedisServer::start(&RedisOptions::default()).unwrap();
    let host = |name: &str| {
        let deployment = Deployment::new("http://127.0.0.1:9").serving();
        let deployment = deployment.with("REDIS_URL", &redis.url()).with("ORION_NODE_NAME", name);
        let orion = deployment.start();
        let address = deployment.served_at();
        deployment.wait_until("it to take jobs", |_| get(address, "/api/v1/jobs").status == 200);
        (deployment, orion, address)
    };
    let (one, first, there) = host("one");
    let (other, second, elsewhere) = host("other");
    let asked = ask(there, &json!({ "kind": "verify", "offline": true, "by": "ada" }));
    assert_eq!(asked.status, 202, "{asked:?}");
    let place = format!("/api/v1/jobs/{}", id_of(&asked.json()));
    one.wait_until("the end of the job", |_| get(there, &place).json()["state"] == "done");
    assert_eq!(get(elsewhere, &place).status, 404);
    // Who asked is on record everywhere.
    for deployment in [&one, &other] {
        deployment.wait_until("who asked", |it| it.events_of("job_requested", "occurred").len() == 1);
    }
    assert!(first.terminate().success() && second.terminate().success());
    one.check_promises();
}

#[test]
fn what_is_no_job_is_refused_with_what_is_wrong_and_bad_rules_are_told_as_a_check_tells_them() {
    let scene = Scene::new("require");
    for (body, says) in [
        (json!({ "kind": "repair", "by": "ada" }), "unknown variant `repair`"),
        (json!({ "kind": "verify" }), "`by` is missing"),
        (json!({ "kind": "verify", "by": "ada", "stict": true }), "unknown field `stict`"),
        (json!({ "kind": "test", "tests": [], "by": "ada" }), "`tests` is empty"),
        (json!({ "kind": "test", "tests": [{ "name": "gone.yaml" }], "by": "ada" }), "`gone.yaml` has no text"),
        (json!({ "kind": "test", "tests": [{ "name": "../load.yaml" }], "by": "ada" }), "in no folder"),
        (json!({ "kind": "verify", "by": "ada", "timeout_millis": 5 }), "`timeout_millis` is 5"),
        (
            json!({ "kind": "replay", "from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z", "by": "ada" }),
            "`from` comes first",
        ),
    ] {
        let refused = scene.ask(&body);
        assert_eq!(refused.status, 400, "{body}: {refused:?}");
        assert!(refused.json()["detail"].as_str().unwrap().contains(says), "{body}: {refused:?}");
    }
    let file = scene.deployment.path("bad.yaml");
    std::fs::write(&file, "groups: [{ name: g, rules: [{ alert: A, expr: up, plugin: nobody }] }]").unwrap();
    let checked = scene.deployment.orion(&["check", file.to_str().unwrap()]);
    let (from, to) = scene.span();
    let shell =
        ["start", "replay", "--from", &from, "--to", &to, "--diff", file.to_str().unwrap(), "--by", "ada", "--wait"];
    let output = scene.job(&[&shell[..], &["--output", "json"]].concat());
    assert_eq!((output.status.code(), checked.status.code()), (Some(2), Some(2)), "{output:?}");
    let failure = json_of(&output)["failure"].clone();
    assert_eq!(failure["reason"], "bad_rule");
    assert!(failure["message"].as_str().unwrap().contains("bad.yaml:1:"), "{failure}");
}
