//! What people think of incidents is recorded with who and when, by the host that runs and where none runs, and changes nothing else.

use std::net::SocketAddr;
use std::process::Output;

use orion_lab::{RedisOptions, RedisServer};
use serde_json::{Value, json};

use crate::support::asked::{get, post_json};
use crate::support::browser::read;
use crate::support::issuer::{self, token_of};
use crate::support::{Deployment, Running};

/// Nobody is there.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Asks somebody who is not there, which becomes an incident; and makes incidents of whatever there is.
const RULES: &str = "
groups:
  - { name: any, interval: 1s, rules: [{ alert: Any, expr: up == 0 }] }
correlations:
  - name: of-everything
    match: { severity: '>= info' }
    group_by: [verdict]
    plugin: grouping
    incident: { type: anything, severity: info, summary: anything }
";

/// A host that runs, and has recorded an incident.
struct Scene {
    deployment: Deployment,
    orion: Running,
    address: SocketAddr,
    incident: String,
}

impl Scene {
    fn of(deployment: Deployment) -> Self {
        deployment.rule("rules.yaml", RULES);
        let orion = deployment.start();
        let at = deployment.served_at();
        let address = SocketAddr::new([127, 0, 0, 1].into(), at.port());
        deployment.wait_until("an incident", |it| !it.incidents_of("prometheus_outage", "opened").is_empty());
        let incident = deployment.incidents_of("prometheus_outage", "opened").remove(0);
        let incident = incident["incident_id"].as_str().unwrap().to_owned();
        Self { deployment, orion, address, incident }
    }

    fn mark(&self, arguments: &[&str]) -> Output {
        let url = format!("http://{}", self.address);
        mark(&self.deployment, &[arguments, &["--url", &url]].concat())
    }

    fn marks(&self) -> Vec<Value> {
        self.deployment.events_of("incident_marked", "occurred")
    }
}

fn mark(deployment: &Deployment, arguments: &[&str]) -> Output {
    deployment.orion(&[&["incident", "mark"], arguments].concat())
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn listed(deployment: &Deployment, incident: &str) -> Value {
    let list = json_of(&deployment.orion(&["incident", "list", "--output", "json"]));
    list.as_array().unwrap().iter().find(|it| it["incident_id"] == incident).unwrap().clone()
}

/// What the audit trail's own check says, where nothing runs.
fn audit_holds(deployment: &Deployment) -> bool {
    deployment.orion(&["audit", "verify"]).status.code() == Some(0)
}

#[test]
fn a_running_host_records_marks_the_last_one_counts_and_the_same_again_is_one() {
    let scene = Scene::of(Deployment::new(NOWHERE).serving().with("ORION_CONFINEMENT", "require"));
    let id = scene.incident.as_str();
    let first = json_of(&scene.mark(&[&id[..12], "useful", "--by", "ada", "--note", "it was <b>down</b>"]));
    assert_eq!(first["verdict"], "useful");
    assert_eq!(first["incident_id"], id);
    let again = json_of(&scene.mark(&[id, "useful", "--by", "ada", "--note", "it was <b>down</b>"]));
    assert_eq!(again, first);
    scene.mark(&[id, "noise", "--by", "bob"]);
    let last = json_of(&scene.mark(&[id, "useful", "--by", "ada", "--note", "it was <b>down</b>"]));
    assert_ne!(last["event_id"], first["event_id"], "what was said before another one is said anew");

    let address = scene.address;
    let story = get(address, &format!("/api/v1/incidents/{id}")).json();
    let told: Vec<_> = story["marks"].as_array().unwrap().iter().map(|it| (&it["verdict"], &it["by"])).collect();
    assert_eq!(json!(told), json!([["useful", "ada"], ["noise", "bob"], ["useful", "ada"]]));
    let item = get(address, "/api/v1/incidents").json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["incident_id"] == id)
        .cloned();
    assert_eq!(item.unwrap()["mark"], last);
    assert_eq!(listed(&scene.deployment, id)["mark"], last);
    let shown = scene.deployment.orion(&["incident", "show", id, "--output", "table"]);
    assert!(String::from_utf8(shown.stdout).unwrap().contains("noise, by bob"));

    let Scene { deployment, orion, .. } = scene;
    assert!(orion.terminate().success());
    let marks = deployment.events_of("incident_marked", "occurred");
    assert_eq!(marks.len(), 3);
    assert_eq!(marks[0]["data"]["note"], "it was <b>down</b>");
    let of_marks = |it: &Value| it["key"]["verdict"].as_str().is_some_and(|verdict| !verdict.is_empty());
    assert!(!deployment.incidents().iter().any(of_marks), "a mark makes no incident");
    assert!(audit_holds(&deployment));
    deployment.check_promises();
}

#[test]
fn what_was_missed_is_recorded_with_its_time() {
    let scene = Scene::of(Deployment::new(NOWHERE).serving());
    let window = [
        "--missed",
        "--from",
        "2026-01-31T12:00:00Z",
        "--to",
        "2026-01-31T12:30:00Z",
        "--by",
        "ada",
        "--note",
        "films froze",
    ];
    let first = json_of(&scene.mark(&window));
    assert_eq!(json_of(&scene.mark(&window)), first);
    let marks = json_of(&scene.deployment.orion(&["incident", "marks", "--output", "json"]));
    assert_eq!(marks, json!([first]));
    assert_eq!(first["from"], "2026-01-31T12:00:00.000Z");
    assert_eq!(scene.marks().len(), 1);
    for half in [
        &["--missed", "--from", "1h"][..],
        &["--missed"],
        &[],
        &["5b1c90d2"],
        &["5b1c90d2", "missed"],
        &["5b1c90d2", "great"],
    ] {
        refused(&scene.mark(half));
    }
    assert!(scene.orion.terminate().success());
}

#[test]
fn a_mark_that_is_withdrawn_counts_no_more_and_who_withdrew_it_is_recorded() {
    let scene = Scene::of(Deployment::new(NOWHERE).serving());
    let id = scene.incident.as_str();
    let nothing = "there is nothing to withdraw";
    assert!(refused(&scene.mark(&[id, "--withdraw", "--by", "ada"])).contains(nothing));
    let noise = json_of(&scene.mark(&[id, "noise", "--by", "ada"]));
    assert_eq!(listed(&scene.deployment, id)["mark"], noise);

    let withdrawal = [id, "--withdraw", "--by", "bob", "--note", "it was the disk after all"];
    let withdrawn = json_of(&scene.mark(&withdrawal));
    assert_eq!(
        (&withdrawn["verdict"], &withdrawn["withdrawn"], &withdrawn["by"]),
        (&json!("noise"), &json!(true), &json!("bob"))
    );
    assert_eq!(json_of(&scene.mark(&withdrawal)), withdrawn, "the same again is one");
    assert!(refused(&scene.mark(&[id, "--withdraw", "--by", "ada"])).contains(nothing));
    assert!(refused(&scene.mark(&[id, "noise", "--withdraw", "--by", "ada"])).contains("cannot be used with"));

    assert_eq!(listed(&scene.deployment, id)["mark"], Value::Null);
    assert_eq!(json_of(&scene.deployment.orion(&["incident", "marks", "--output", "json"])), json!([]));
    let items = get(scene.address, "/api/v1/incidents").json()["items"].clone();
    assert!(items.as_array().unwrap().iter().all(|it| it.get("mark").is_none()), "{items}");
    let story = get(scene.address, &format!("/api/v1/incidents/{id}")).json();
    assert_eq!(story["marks"], json!([noise, withdrawn]), "what was said and withdrawn is not gone");
    let shown = scene.deployment.orion(&["incident", "show", id, "--output", "table"]);
    assert!(String::from_utf8(shown.stdout).unwrap().contains("noise withdrawn, by bob: it was the disk after all"));

    read("withdrawn", scene.address, &[id]);

    let again = json_of(&scene.mark(&[id, "noise", "--by", "ada"]));
    assert_ne!(again["event_id"], noise["event_id"]);
    assert_eq!(listed(&scene.deployment, id)["mark"], again);

    let Scene { deployment, orion, .. } = scene;
    assert!(orion.terminate().success());
    let marks = deployment.events_of("incident_marked", "occurred");
    let told: Vec<_> = marks.iter().map(|it| (&it["data"]["by"], &it["data"]["withdrawn"])).collect();
    assert_eq!(json!(told), json!([["ada", null], ["bob", true], ["ada", null]]));
    assert!(marks[1]["data"]["message"].as_str().unwrap().starts_with("bob withdraws that the incident"));
    assert!(audit_holds(&deployment));
    deployment.check_promises();
}

#[test]
fn a_time_that_was_marked_as_missed_is_withdrawn_where_a_host_runs_and_where_none_does() {
    let scene = Scene::of(Deployment::new(NOWHERE).serving());
    let window = |to: &'static str| ["--missed", "--from", "2026-01-31T12:00:00Z", "--to", to, "--by", "ada"];
    let (one, other) = (window("2026-01-31T12:30:00Z"), window("2026-01-31T12:40:00Z"));
    let withdrawing = |window: [&'static str; 7]| [&window[..], &["--withdraw"]].concat();
    let listed = |deployment: &Deployment| json_of(&deployment.orion(&["incident", "marks", "--output", "json"]));
    json_of(&scene.mark(&one));
    // Another time, also one that begins at the same moment, is another thing.
    let why = refused(&scene.mark(&withdrawing(other)));
    assert!(why.contains("the time from 2026-01-31T12:00:00.000Z to 2026-01-31T12:40:00.000Z is not marked"), "{why}");
    let kept = json_of(&scene.mark(&other));
    assert_eq!(json_of(&scene.mark(&withdrawing(one)))["withdrawn"], true);
    assert_eq!(listed(&scene.deployment), json!([kept]));

    let Scene { deployment, orion, .. } = scene;
    assert!(orion.terminate().success());
    let withdrawn = json_of(&mark(&deployment, &withdrawing(other)));
    assert_eq!((&withdrawn["verdict"], &withdrawn["to"]), (&json!("missed"), &json!("2026-01-31T12:40:00.000Z")));
    assert_eq!(json_of(&mark(&deployment, &withdrawing(other))), withdrawn);
    assert_eq!(listed(&deployment), json!([]));
    assert!(
        refused(&mark(&deployment, &[&withdrawing(one)[..], &["--note", "again"]].concat()))
            .contains("nothing to withdraw")
    );
    assert_eq!(deployment.events_of("incident_marked", "occurred").len(), 4);
    assert!(audit_holds(&deployment));
    deployment.check_promises();
}

#[test]
fn where_no_host_runs_the_command_records_and_the_files_hold_it() {
    let scene = Scene::of(Deployment::new(NOWHERE).serving());
    let (deployment, id) = (scene.deployment, scene.incident);
    // The settings do not say where it serves.
    let why = refused(&mark(&deployment, &[&id, "noise", "--by", "ada"]));
    assert!(why.contains("--url"), "{why}");
    assert!(scene.orion.terminate().success());
    let first = json_of(&mark(&deployment, &[&id, "noise", "--by", "ada"]));
    assert_eq!(json_of(&mark(&deployment, &[&id, "noise", "--by", "ada"])), first);
    json_of(&mark(&deployment, &["--missed", "--from", "2h", "--to", "1h", "--by", "ada"]));
    assert_eq!(deployment.events_of("incident_marked", "occurred").len(), 2);
    assert!(audit_holds(&deployment));
    assert!(
        refused(&mark(&deployment, &["ffffffff", "noise", "--by", "ada"])).contains("no incident's id begins with")
    );
    assert!(refused(&mark(&deployment, &[&id, "noise", "--by", ""])).contains("name of 1 to"));

    let orion = deployment.start_again();
    deployment.wait_until("it to observe", |it| it.attestations().len() == 2);
    assert_eq!(listed(&deployment, &id)["mark"], first);
    assert!(orion.terminate().success());
    assert!(audit_holds(&deployment));
    assert!(deployment.orion(&["audit", "rebuild"]).status.success());
    assert_eq!(deployment.events_of("incident_marked", "occurred").len(), 2);
    assert!(audit_holds(&deployment));
    deployment.check_promises();
}

#[test]
fn where_tokens_are_needed_one_that_may_only_read_marks_nothing_and_the_token_says_who() {
    let deployment = Deployment::new(NOWHERE)
        .with("ORION_API__LISTEN", "0.0.0.0:0")
        .with("ORION_API__TOKEN_KEYS", "token-keys")
        .with("ORION_API__ALLOW_PLAINTEXT", "true");
    issuer::known_to(&deployment);
    let scene = Scene::of(deployment);
    let with = |role: &str, arguments: &[&str]| {
        std::fs::write(scene.deployment.path("token"), token_of("grace", role)).unwrap();
        scene.mark(&[&[&scene.incident, "useful", "--token-file", "token"], arguments].concat())
    };
    assert!(refused(&scene.mark(&[&scene.incident, "useful", "--by", "ada"])).contains("a token is needed"));
    assert!(refused(&with("viewer", &[])).contains("operator"));
    assert!(refused(&scene.mark(&[&scene.incident, "--withdraw", "--token-file", "token"])).contains("operator"));
    let other = refused(&with("operator", &["--by", "ada"]));
    assert!(other.contains("`by` says `ada`, and the token is of `grace`"), "{other}");
    assert!(scene.marks().is_empty());
    assert_eq!(json_of(&with("operator", &[]))["by"], "grace");
    assert_eq!(json_of(&with("operator", &["--by", "grace"]))["by"], "grace");
    assert!(scene.orion.terminate().success());
}

#[test]
fn a_web_page_of_others_marks_nothing_and_what_is_no_mark_is_said() {
    let scene = Scene::of(Deployment::new(NOWHERE).serving());
    let target = format!("/api/v1/incidents/{}/marks", scene.incident);
    let status = |headers: &[(&str, &str)], body: &str| post_json(scene.address, &target, headers, body).status;
    let good = r#"{"verdict":"noise","by":"ada"}"#;
    assert_eq!(status(&[("Origin", "https://evil.example")], good), 403);
    let long = format!(r#"{{"verdict":"noise","by":"ada","note":"{}"}}"#, "x".repeat(20_000));
    for (body, wanted) in [
        (r#"{"verdict":"missed","by":"ada"}"#, 400),
        (r#"{"verdict":"noise"}"#, 400),
        (r#"{"verdict":"noise","by":"ada","act":true}"#, 400),
        ("", 400),
        (long.as_str(), 413),
        (good, 200),
    ] {
        assert_eq!(status(&[], body), wanted, "{body}");
    }
    assert_eq!(post_json(scene.address, "/api/v1/incidents/ffffffff/marks", &[], good).status, 404);
    let withdraw = |headers: &[(&str, &str)], body: &str| {
        post_json(scene.address, &format!("{target}/withdraw"), headers, body).status
    };
    assert_eq!(withdraw(&[("Origin", "https://evil.example")], r#"{"by":"ada"}"#), 403);
    assert_eq!(withdraw(&[], r#"{"verdict":"noise","by":"ada"}"#), 400);
    scene.deployment.wait_until("the mark", |_| scene.marks().len() == 1);
    assert!(scene.orion.terminate().success());
}

#[test]
fn where_hosts_share_a_redis_a_host_that_runs_records_and_a_folder_alone_does_not() {
    let redis = RedisServer::start(&RedisOptions::default()).unwrap();
    let url = redis.url();
    let scene = Scene::of(Deployment::new(NOWHERE).serving().with("REDIS_URL", &url));
    let marked = json_of(&scene.mark(&[&scene.incident, "noise", "--by", "ada"]));
    let Scene { deployment, orion, incident, .. } = scene;
    assert_eq!(listed(&deployment, &incident)["mark"], marked);
    assert!(orion.terminate().success());
    let why = refused(&mark(&deployment, &[&incident, "useful", "--by", "ada"]));
    assert!(why.contains("share on a Redis"), "{why}");
    assert_eq!(listed(&deployment, &incident)["mark"], marked);
    deployment.check_promises();
}
