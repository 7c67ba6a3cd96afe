//! People read the console in a real browser: live, on a desk and on a phone, in the light and in the dark, behind a proxy, with ten
//! thousand incidents; and whatever a label says is text.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use orion_bus::{Body, Bus, Commit, NewRecord, RecordKind, SqliteBus};
use orion_lab::{Answered, AnsweringServer, Question};
use orion_model::{IdBuilder, Timestamp};
use serde_json::json;

use crate::support::asked::{ask, get};
use crate::support::browser::read;
use crate::support::{Deployment, Running, TARGETS};

/// Text that runs where it is taken for markup.
const SCRIPT: &str = "<script>globalThis.hit=1</script>";
const IMAGE: &str = "<img src=x onerror=globalThis.hit=1>";

/// What works hard does so throughout.
const LOADS: &str = r#"
groups:
  - name: loads
    interval: 1s
    rules:
      - alert: LoadHigh
        expr: load > 1
        labels: { severity: warning, event_type: load_high, service: "{{ $labels.job }}" }
        annotations: { summary: "{{ $labels.job }} works hard" }
correlations:
  - name: load
    match: { event_type: load_high }
    group_by: [service]
    plugin: grouping
    incident: { type: load, severity: warning, summary: "{{ $labels.service }} works hard" }
"#;

/// How long what is out stays so, and stays well.
const TURN_MILLIS: i64 = 4_000;

/// Something works hard all the time, something else is out now and well then, by the instant that is asked for.
fn world(question: &Question) -> Vec<Answered> {
    let labels = |job: &str| vec![("job", job.to_owned()), ("instance", IMAGE.to_owned())];
    match question.expr.as_str() {
        "load > 1" => vec![(labels(IMAGE), 3.0)],
        "up == 0" if question.at_millis / TURN_MILLIS % 2 == 0 => vec![(labels(SCRIPT), 0.0)],
        // What is looked at around an event.
        "load" => vec![(labels(IMAGE), 3.0)],
        "up" => vec![(labels(SCRIPT), (question.at_millis / TURN_MILLIS % 2) as f64)],
        _ => Vec::new(),
    }
}

struct Scene {
    _prometheus: AnsweringServer,
    deployment: Deployment,
    orion: Running,
    address: SocketAddr,
}

impl Scene {
    fn new() -> Self {
        let prometheus = AnsweringServer::start(world).unwrap();
        let deployment = Deployment::new(&prometheus.url()).serving().with("ORION_CONFINEMENT", "require");
        deployment.rule("targets.yaml", TARGETS);
        deployment.rule("loads.yaml", LOADS);
        let orion = deployment.start();
        let address = deployment.served_ready_at();
        deployment.wait_until("both to be incidents", |it| {
            ["load", "service_outage"].iter().all(|kind| !it.incidents_of(kind, "opened").is_empty())
        });
        Self { _prometheus: prometheus, deployment, orion, address }
    }

    fn show(self, story: &str) {
        read(story, self.address, &[]);
        assert!(self.orion.terminate().success());
        self.deployment.check_promises();
    }
}

#[test]
fn an_outage_comes_and_goes_before_the_eyes_of_who_looks_and_labels_are_text() {
    Scene::new().show("live");
}

#[test]
fn every_page_can_be_read_by_everybody_in_the_light_and_in_the_dark_on_a_desk_and_on_a_phone() {
    let scene = Scene::new();
    scene.deployment.rule("broken.yaml", "groups: 7");
    scene.deployment.wait_until("it to be refused", |_| get(scene.address, "/health").json()["status"] == "degraded");
    scene.show("looks");
}

#[test]
fn behind_a_proxy_at_a_path_of_its_own_nothing_is_missed_when_connections_break() {
    Scene::new().show("proxied");
}

#[test]
fn where_a_token_is_needed_the_console_asks_for_it_and_keeps_it_in_its_tab() {
    let deployment = Deployment::new("http://127.0.0.1:9")
        .with("ORION_API__LISTEN", "0.0.0.0:0")
        .with("ORION_API__TOKEN_KEYS", "token-keys")
        .with("ORION_API__ALLOW_PLAINTEXT", "true");
    std::fs::create_dir(deployment.path("token-keys")).unwrap();
    let key = orion_trust::SecretKey::from_seed(&[7; 32], "issuer");
    std::fs::write(deployment.path("token-keys/issuer.pub"), key.public().to_pem()).unwrap();
    let orion = deployment.start();
    let address = SocketAddr::new([127, 0, 0, 1].into(), deployment.served_at().port());
    deployment.wait_until("it to be ready", |_| get(address, "/-/ready").status == 200);
    assert_eq!(get(address, "/console/").status, 200);
    assert_eq!(get(address, "/api/v1/summary").status, 401);
    read("guarded", address, &[&token(&key)]);
    assert!(orion.terminate().success());
}

/// A token as an issuer signs it, until the year 2100.
fn token(key: &orion_trust::SecretKey) -> String {
    use base64::Engine;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let claims = json!({ "sub": "ada", "aud": "orion", "role": "viewer", "exp": 4_102_444_800_i64 });
    let signed = format!("{}.{}", encode(br#"{"alg":"EdDSA"}"#), encode(claims.to_string().as_bytes()));
    format!("{signed}.{}", encode(&key.sign(signed.as_bytes())))
}

/// Incidents and rules that the console has to be quick with.
const INCIDENTS: i64 = 10_000;
const RULES: usize = 2_000;

/// Rules of a group.
const GROUP: usize = 50;

#[test]
fn ten_thousand_incidents_and_two_thousand_rules_are_searched_and_scrolled_and_few_of_them_are_drawn() {
    let prometheus = AnsweringServer::start(|_| Vec::new()).unwrap();
    let deployment = Deployment::new(&prometheus.url()).serving();
    let rule = |n: usize| format!("      - {{ alert: Rule{n}, expr: load{n} > 1 }}\n");
    let group = |n: usize| {
        let rules: String = (n * GROUP..(n + 1) * GROUP).map(rule).collect();
        format!("  - name: group{n}\n    interval: 1m\n    rules:\n{rules}")
    };
    let groups: String = (0..RULES / GROUP).map(group).collect();
    deployment.rule("many.yaml", &format!("groups:\n{groups}"));
    fill(&deployment.path("memory"));
    let orion = deployment.start();
    let address = deployment.served_ready_at();
    deployment.wait_until("all of it to be known", |_| {
        let summary = get(address, "/api/v1/summary").json();
        summary["incidents"]["known"] == INCIDENTS && summary["rules"] == RULES
    });
    read("crowd", address, &[&INCIDENTS.to_string(), &RULES.to_string()]);
    assert!(orion.terminate().success());
}

/// Puts incidents into a store, a minute apart, that nobody has decided about so far.
fn fill(memory: &Path) {
    let end = Timestamp::from_millis(1_790_000_000_000);
    let records = (0..INCIDENTS).map(|n| incident(n, end.plus_millis((n - INCIDENTS) * 60_000))).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bus = SqliteBus::open(memory).unwrap();
        for (owner, offset, records) in [("past", 1, records), ("guardian", INCIDENTS, Vec::new())] {
            let commit = Commit { owner: owner.to_owned(), expected: None, offset, records, state: Vec::new() };
            bus.commit(commit).await.unwrap();
        }
        bus.close().unwrap();
    });
}

fn incident(n: i64, ts: Timestamp) -> NewRecord {
    let (id, digest) = (IdBuilder::new("crowd").number(n).finish(), "0".repeat(64));
    let severity = ["critical", "error", "warning", "info"][usize::try_from(n % 4).unwrap()];
    let status = if n % 100 == 0 { "opened" } else { "resolved" };
    let body = json!({
        "incident_id": id, "incident_type": "service_outage", "severity": severity, "status": status, "revision": 1, "ts": ts,
        "opened_at": ts.plus_millis(-(n % 977) * 1_000), "correlation": "many.yaml/outage", "key": { "service": format!("service-{n}") },
        "summary": format!("service-{n} is out"), "reason": "first event", "event_ids": [], "event_count": n % 7 + 1, "generation": 1,
        "plugin": "grouping", "plugin_digest": digest,
    });
    NewRecord { kind: RecordKind::Incident, id, ts, body: Body::of(&body).unwrap() }
}

/// All files below a folder, by their names in it.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_of(&path) } else { vec![path] }).collect()
}

#[test]
fn every_file_of_the_console_is_kept_for_ever_and_says_what_a_browser_may_do_with_it() {
    let deployment = Deployment::new("http://127.0.0.1:9").serving();
    let _orion = deployment.start();
    let address = deployment.served_at();
    let page = get(address, "/console/");
    let (before, _) = page.body.split_once("/main.js\"").unwrap();
    let version = before.rsplit('"').next().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host/api/console");
    let names: Vec<String> = files_of(&folder)
        .iter()
        .map(|path| path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "index.html")
        .collect();
    let targets = names.iter().map(|name| format!("/console/{version}/{name}"));
    for target in targets.chain(["/".to_owned(), "/console".to_owned(), "/console/".to_owned()]) {
        let answer = get(address, &target);
        let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{target}: {answer:?}"));
        for part in ["default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"] {
            assert!(policy.contains(part), "{target}: {policy}");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{target}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{target}");
        match answer.status {
            200 if target == "/console/" => assert_eq!(answer.header("cache-control"), Some("no-cache")),
            200 => assert!(answer.header("cache-control").unwrap().contains("immutable"), "{target}"),
            status => assert_eq!((status, answer.header("location")), (307, Some("console/")), "{target}"),
        }
    }
    let tag = page.header("etag").unwrap();
    assert_eq!(ask(address, "GET", "/console/", &[("If-None-Match", tag)]).status, 304);
    assert_eq!(get(address, "/console/0000000000000000/main.js").status, 404);
    assert_eq!(get(address, &format!("/console/{version}/../../../Cargo.toml")).status, 404);
}
