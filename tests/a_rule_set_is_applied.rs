//! A rule set that somebody pushes to a control host is judged, kept in versions and recorded with who and when; agents are given it, its
//! correlations run at once, and what is wrong changes nothing.

use std::net::SocketAddr;
use std::process::Output;

use orion_lab::{RedisOptions, RedisServer};
use serde_json::{Value, json};

use crate::support::asked::{ask, get, post_json};
use crate::support::issuer::{self, token_of};
use crate::support::{Deployment, Running};

/// Nobody is there.
const NOWHERE: &str = "http://127.0.0.1:9";

/// A rule for agents, which must not run here, and a correlation for what they observe, which must.
const SET: &str = r#"
groups:
  - name: far
    interval: 1s
    rules: [{ alert: FarAway, expr: up == 0, labels: { event_type: far_away } }]
correlations:
  - name: said
    match: { event_type: said_by_a_program }
    group_by: [service]
    plugin: grouping
    incident: { type: said, severity: warning, summary: "{{ $labels.service }} says so" }
"#;

/// A control host.
struct Scene {
    deployment: Deployment,
    orion: Running,
    address: SocketAddr,
}

impl Scene {
    fn new() -> Self {
        let deployment = Deployment::new(NOWHERE).serving().with("ORION_API__WEBHOOKS", "hooks.yaml");
        std::fs::write(deployment.path("hooks.yaml"), "hooks: [{ name: programs, kind: cloudevents }]\n").unwrap();
        Self::of(deployment)
    }

    fn of(deployment: Deployment) -> Self {
        std::fs::create_dir(deployment.path("set")).unwrap();
        let orion = deployment.start();
        let address = SocketAddr::new([127, 0, 0, 1].into(), deployment.served_ready_at().port());
        Self { deployment, orion, address }
    }

    fn file(&self, name: &str, text: &str) {
        std::fs::write(self.deployment.path("set").join(name), text).unwrap();
    }

    fn asks(&self, arguments: &[&str]) -> Output {
        let url = format!("http://{}", self.address);
        self.deployment.orion(&[arguments, &["--url", &url]].concat())
    }

    fn apply(&self, arguments: &[&str]) -> Output {
        self.asks(&[&["apply", "-f", "set", "--by", "ada"], arguments].concat())
    }

    fn applied(&self, arguments: &[&str]) -> Value {
        json_of(&self.apply(&[arguments, &["--output", "json"]].concat()))
    }

    fn listed(&self, what: &[&str]) -> Value {
        json_of(&self.asks(&[&["get"], what, &["--output", "json"]].concat()))
    }

    fn served(&self, target: &str) -> Value {
        get(self.address, target).json()
    }

    /// A program says something that only the set makes an incident of.
    fn say(&self, id: &str) {
        let event = json!({
            "specversion": "1.0", "id": id, "source": "/test", "type": "said_by_a_program", "data": { "service": "jellyfin" },
        });
        let kind = [("Content-Type", "application/cloudevents+json")];
        let answer = crate::support::asked::post(self.address, "/hooks/programs", &kind, &event.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn correlations(&self) -> u64 {
        self.served("/api/v1/summary")["correlations"].as_u64().unwrap()
    }
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn text_of(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_set_is_compared_applied_and_gone_back_from_and_its_correlations_run_at_once() {
    let scene = Scene::new();
    let before = scene.correlations();
    scene.file("far.yaml", SET);
    let compared = text_of(&scene.apply(&["--dry-run", "--output", "table"]), 0);
    insta::assert_snapshot!(compared, @r"
    + rule far.yaml/far/FarAway
    + correlation far.yaml/said
    would be version 1 of `default`: 1 rule added, 1 correlation added
    ");
    assert_eq!(get(scene.address, "/api/v1/sets/default").status, 404);

    let first = scene.applied(&[]);
    assert_eq!((&first["version"], &first["applied"]), (&json!(1), &json!(true)));
    assert_eq!(scene.applied(&[])["applied"], false, "the same again is no version");
    scene.deployment.wait_until("the correlation", |_| scene.correlations() == before + 1);
    scene.say("1");
    scene.deployment.wait_until("the incident", |it| !it.incidents_of("said", "opened").is_empty());
    assert_eq!(scene.deployment.incidents_of("said", "opened")[0]["correlation"], "default/far.yaml/said");
    let summary = scene.served("/api/v1/summary");
    assert_eq!((&summary["groups"], &summary["rules"]), (&json!(0), &json!(0)), "rules of a set are for agents");

    scene.file("far.yaml", &SET.replace("up == 0", "up < 1").replace("alert: FarAway", "alert: FarOff"));
    let second = text_of(&scene.apply(&["--output", "table"]), 0);
    insta::assert_snapshot!(second, @r"
    + rule far.yaml/far/FarOff
    - rule far.yaml/far/FarAway
    applied: version 2 of `default`, 1 rule added, 1 rule removed
    ");
    let back = json_of(&scene.asks(&["apply", "--back-to", "1", "--by", "bob", "--output", "json"]));
    assert_eq!((&back["version"], &back["digest"]), (&json!(3), &first["digest"]));

    let events = scene.deployment.events_of("rule_set_applied", "occurred");
    let told: Vec<_> = events.iter().map(|event| (&event["labels"]["version"], &event["data"]["by"])).collect();
    assert_eq!(json!(told), json!([["1", "ada"], ["2", "ada"], ["3", "bob"]]));
    assert_eq!(events[1]["data"]["rules"]["added"]["ids"], json!(["far.yaml/far/FarOff"]));
    assert_eq!(scene.listed(&["sets"])[0]["kept"], json!([1, 2, 3]));
    assert!(scene.orion.terminate().success());
    scene.deployment.check_promises();
}

#[test]
fn agents_are_given_the_set_and_told_in_few_bytes_that_nothing_has_changed() {
    let scene = Scene::new();
    scene.file("far.yaml", SET);
    let applied = scene.applied(&[]);
    let first = get(scene.address, "/api/v1/sets/default?node=eu-1");
    let set = first.json();
    assert_eq!(set["files"], json!([{ "name": "far.yaml", "text": SET }]));
    assert_eq!((&set["set"], &set["version"], &set["digest"]), (&json!("default"), &json!(1), &applied["digest"]));
    let tag = first.header("etag").unwrap().to_owned();
    let again = || ask(scene.address, "GET", "/api/v1/sets/default?node=eu-1", &[("If-None-Match", &tag)]);
    assert_eq!((again().status, again().body.as_str()), (304, ""));
    scene.file("other.yaml", "groups: []\n");
    scene.applied(&[]);
    assert_eq!(again().json()["version"], 2);
    assert_eq!(get(scene.address, "/api/v1/sets/default?version=1").json(), set);
    for nothing in ["/api/v1/sets/default?version=7", "/api/v1/sets/elsewhere", "/api/v1/sets/a.b"] {
        let answer = get(scene.address, nothing);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (404, Some("application/problem+json")),
            "{nothing}"
        );
    }
    assert!(scene.orion.terminate().success());
}

#[test]
fn all_that_is_wrong_is_said_as_check_says_it_and_nothing_changes() {
    let scene = Scene::new();
    scene.file("far.yaml", SET);
    scene.applied(&[]);
    scene.file("far.yaml", &SET.replace("expr:", "exprr:"));
    scene.file("worse.yaml", "groups: [{ name: g, rules: [{ alert: A, expr: up, plugin: treshold }] }]\n");
    let refused = text_of(&scene.apply(&["--output", "table"]), 2);
    insta::assert_snapshot!(refused, @r"
    error: a rule needs `expr`
     --> far.yaml:5:13
      |
    5 |     rules: [{ alert: FarAway, exprr: up == 0, labels: { event_type: far_away } }]
      |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ no `expr`

    error: unknown key `exprr` in a rule
     --> far.yaml:5:31
      |
    5 |     rules: [{ alert: FarAway, exprr: up == 0, labels: { event_type: far_away } }]
      |                               ^^^^^ unknown
      |
      = help: did you mean `expr`?

    error: there is no plugin `treshold`
     --> worse.yaml:1:59
      |
    1 | groups: [{ name: g, rules: [{ alert: A, expr: up, plugin: treshold }] }]
      |                                                           ^^^^^^^^
      |
      = help: did you mean `threshold`?

    2 of 2 files would be refused: nothing is applied
    ");
    let checked = text_of(&scene.deployment.orion(&["check", "set", "--output", "table"]), 2);
    let of_check: Vec<&str> = checked.lines().filter(|line| !line.contains("would be refused")).collect();
    let of_apply = refused.replace(" far.yaml", " set/far.yaml").replace(" worse.yaml", " set/worse.yaml");
    assert_eq!(of_apply.lines().filter(|line| !line.contains("would be refused")).collect::<Vec<_>>(), of_check);
    let answer = scene.apply(&["--output", "json"]);
    assert_eq!(answer.status.code(), Some(2));
    assert_eq!(json_of(&answer)["said"][0]["diagnostics"][0]["line"], 5);
    assert_eq!(scene.served("/api/v1/sets/default")["version"], 1);
    assert_eq!(scene.deployment.events_of("rule_set_applied", "occurred").len(), 1);
    for (arguments, why) in [
        (&["apply", "-f", "nowhere"][..], "nowhere cannot be read"),
        (&["apply", "-f", "set", "--set", "a/b"], "letters, digits"),
        (&["apply", "-f", "set/far.yaml", "set/far.yaml"], "is there twice"),
        (&["apply", "-f", "set", "--rolling", "0"], "0 is not in"),
        (&["apply", "--back-to", "9"], "version 9"),
        (&["apply"], "--file"),
    ] {
        let output = scene.asks(&[arguments, &["--by", "ada"]].concat());
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
    scene.file("far.yaml", SET);
    std::fs::remove_file(scene.deployment.path("set/worse.yaml")).unwrap();
    let late = scene.apply(&["--base-version", "7"]);
    assert_eq!(late.status.code(), Some(3));
    assert!(String::from_utf8(late.stderr).unwrap().contains("has version 1 by now"));
    assert!(scene.orion.terminate().success());
}

#[test]
fn what_is_no_set_and_what_a_page_of_others_sends_is_refused() {
    let scene = Scene::new();
    let status =
        |headers: &[(&str, &str)], body: &str| post_json(scene.address, "/api/v1/sets/default", headers, body).status;
    let good = r##"{"files":[{"name":"a.yaml","text":"groups: []"}],"by":"ada"}"##;
    assert_eq!(status(&[("Origin", "https://evil.example")], good), 403);
    let long = format!(r##"{{"files":[{{"name":"a.yaml","text":"{}"}}],"by":"ada"}}"##, "#".repeat((2 << 20) + 1));
    for (body, wanted) in [
        (r##"{"files":[],"by":"ada"}"##, 400),
        (r##"{"files":[{"name":"../a.yaml","text":""}],"by":"ada"}"##, 400),
        (r##"{"files":[{"name":"a.yaml","text":"groups: []"}]}"##, 400),
        (r##"{"files":[{"name":"a.yaml","text":"groups: []"}],"by":"ada","act":true}"##, 400),
        (r##"{"files":[{"name":"a.yaml","text":"groups: 3"}],"by":"ada"}"##, 422),
        ("", 400),
        (long.as_str(), 400),
        (good, 200),
    ] {
        assert_eq!(status(&[], body), wanted, "{}", body.get(..60).unwrap_or(body));
    }
    assert!(scene.orion.terminate().success());
    scene.deployment.check_promises();
}

/// The set, as who may only read sees it.
fn served_with(scene: &Scene) -> Value {
    let bearer = format!("Bearer {}", token_of("eu-1", "viewer"));
    ask(scene.address, "GET", "/api/v1/sets/default?node=eu-1", &[("Authorization", &bearer)]).json()
}

#[test]
fn where_tokens_are_issued_only_an_admin_applies_and_the_token_says_who() {
    let deployment = Deployment::new(NOWHERE)
        .with("ORION_API__LISTEN", "0.0.0.0:0")
        .with("ORION_API__TOKEN_KEYS", "token-keys")
        .with("ORION_API__ALLOW_PLAINTEXT", "true");
    issuer::known_to(&deployment);
    let scene = Scene::of(deployment);
    scene.file("far.yaml", SET);
    let with = |role: &str, arguments: &[&str]| {
        std::fs::write(scene.deployment.path("token"), token_of("grace", role)).unwrap();
        scene.asks(&[&["apply", "-f", "set", "--token-file", "token"], arguments].concat())
    };
    let refused = |output: &Output| {
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        String::from_utf8(output.stderr.clone()).unwrap()
    };
    assert!(refused(&scene.apply(&[])).contains("a token is needed"));
    for role in ["viewer", "operator"] {
        assert!(refused(&with(role, &[])).contains("`admin`"), "{role}");
        assert!(refused(&with(role, &["--dry-run"])).contains("`admin`"), "{role}");
    }
    // Nobody is taken for somebody else, whether that is only asked or meant.
    for arguments in [&["--by", "ada"][..], &["--by", "ada", "--dry-run"]] {
        let other = refused(&with("admin", arguments));
        assert!(other.contains("`by` says `ada`, and the token is of `grace`"), "{other}");
    }
    assert!(scene.deployment.events_of("rule_set_applied", "occurred").is_empty());
    assert_eq!(with("admin", &[]).status.code(), Some(0));
    let applied = &scene.deployment.events_of("rule_set_applied", "occurred")[0];
    assert_eq!((&applied["data"]["by"], &applied["ts"]), (&json!("grace"), &served_with(&scene)["applied_at"]));
    assert_eq!(with("admin", &["--by", "grace"]).status.code(), Some(0));
    assert_eq!(served_with(&scene)["applied_by"], "grace");
    assert!(scene.orion.terminate().success());
}

#[test]
fn on_this_machine_too_only_an_admin_applies_where_tokens_are_issued() {
    let deployment = Deployment::new(NOWHERE).serving().with("ORION_API__TOKEN_KEYS", "token-keys");
    issuer::known_to(&deployment);
    let scene = Scene::of(deployment);
    scene.file("far.yaml", SET);
    let output = scene.apply(&[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stderr).unwrap().contains("`admin`"));
    std::fs::write(scene.deployment.path("token"), token_of("grace", "admin")).unwrap();
    let applied = json_of(&scene.asks(&["apply", "-f", "set", "--token-file", "token", "--output", "json"]));
    assert_eq!(applied["version"], 1);
    assert!(scene.orion.terminate().success());
}

#[test]
fn sets_survive_a_kill_and_come_back_with_a_snapshot() {
    let scene = Scene::new();
    scene.file("far.yaml", SET);
    scene.applied(&[]);
    scene.file("far.yaml", &SET.replace("up == 0", "up < 1"));
    scene.applied(&[]);
    let served = scene.served("/api/v1/sets/default");
    scene.deployment.wait_until("the correlation", |_| scene.correlations() > 0);
    let correlations = scene.correlations();
    let taken = scene.deployment.orion(&["snapshot", "create", "--to", "snapshot"]);
    assert!(taken.status.success(), "{taken:?}");
    let Scene { deployment, orion, .. } = scene;
    orion.kill();
    let again = |deployment: &Deployment| {
        let orion = deployment.start_again();
        let address = deployment.served_ready_at();
        assert_eq!(get(address, "/api/v1/sets/default").json(), served);
        assert_eq!(get(address, "/api/v1/sets/default?version=1").json()["version"], 1);
        assert_eq!(get(address, "/api/v1/summary").json()["correlations"], correlations);
        assert!(orion.terminate().success());
        assert_eq!(deployment.events_of("rule_set_applied", "occurred").len(), 2);
        deployment.check_promises();
    };
    again(&deployment);
    let elsewhere = Deployment::new(NOWHERE).serving();
    let restored = elsewhere.orion(&["snapshot", "restore", deployment.path("snapshot").to_str().unwrap()]);
    assert!(restored.status.success(), "{restored:?}");
    again(&elsewhere);
}

#[test]
fn what_a_running_host_has_is_listed_from_elsewhere() {
    let scene = Scene::new();
    scene.deployment.rule("near.yaml", crate::support::TARGETS);
    scene.deployment.wait_until("the rule", |_| scene.listed(&["rules"]).as_array().is_some_and(|it| it.len() == 1));
    assert_eq!(scene.listed(&["rules"])[0]["rule"], "near.yaml/targets/TargetDown");
    let plugins = text_of(&scene.asks(&["get", "plugins", "--output", "table"]), 0);
    assert!(plugins.contains("threshold") && plugins.contains("in the binary"), "{plugins}");
    let nodes = scene.listed(&["nodes"]);
    assert_eq!((&nodes[0]["alone"], &nodes[0]["state"]), (&json!(true), &json!("runs")));
    scene.deployment.wait_until("an incident", |it| !it.incidents_of("prometheus_outage", "opened").is_empty());
    let open = scene.listed(&["incidents", "--open"]);
    assert_eq!(open[0]["incident_type"], "prometheus_outage");
    let none = text_of(&scene.asks(&["get", "sets", "--output", "table"]), 0);
    insta::assert_snapshot!(none, @"no rule set was applied: `orion apply -f DIR` does");
    scene.file("far.yaml", SET);
    scene.applied(&["--rolling"]);
    let sets = text_of(&scene.asks(&["get", "sets", "--output", "table"]), 0);
    assert!(sets.contains("default") && sets.contains("ada"), "{sets}");
    for what in ["rules", "incidents"] {
        let table = text_of(&scene.asks(&["get", what, "--output", "table"]), 0);
        assert_eq!(table.lines().count(), 2, "{table}");
    }
    assert!(scene.orion.terminate().success());
}

#[test]
fn hosts_that_share_a_redis_share_the_sets() {
    let redis = RedisServer::start(&RedisOptions::default()).unwrap();
    let host = |name: &str| {
        Scene::of(Deployment::new(NOWHERE).serving().with("REDIS_URL", &redis.url()).with("ORION_NODE_NAME", name))
    };
    let (one, two) = (host("one"), host("two"));
    one.file("far.yaml", SET);
    two.file("far.yaml", &SET.replace("up == 0", "up < 1"));
    assert_eq!(one.applied(&[])["version"], 1);
    // What it has not looked at yet it knows when it has to.
    assert_eq!(two.applied(&[])["version"], 2);
    one.orion.hang_up();
    one.deployment.wait_until("the version of the other", |_| one.served("/api/v1/sets/default")["version"] == 2);
    for scene in [&one, &two] {
        scene.deployment.wait_until("both records", |it| it.events_of("rule_set_applied", "occurred").len() == 2);
    }
    assert!(two.orion.terminate().success());
    assert!(one.orion.terminate().success());
    one.deployment.check_promises();
}
