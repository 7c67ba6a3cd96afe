//! Anyone can verify that a deployment is what it promises to be: `orion verify` holds on one that was left alone, running or
//! stopped, and says what is wrong with one that was not.

use std::path::Path;
use std::time::Duration;

use crate::support::{self, Deployment, TARGETS};
use orion_bus::{Body, Bus, Commit, NewRecord, RecordKind, SqliteBus};
use orion_lab::{Exporter, Prometheus, RecordingProxy, ScrapeConfig};
use orion_model::{RecordId, Timestamp};
use orion_pipeline::library::digest_of;
use orion_pipeline::memory::{Begins, DEFAULT_ROTATE_BYTES, Projection};
use orion_trust::{Envelope, Lock, LockedPlugin, SecretKey, SignatureFile};
use serde_json::Value;

/// A deployment that has recorded an outage and was stopped, and the Prometheus it read.
struct Scene {
    prometheus: Prometheus,
    deployment: Deployment,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(prepare: impl FnOnce(&Deployment)) -> Self {
        let mut exporter = Exporter::start("jellyfin").unwrap();
        let targets = ScrapeConfig::every(Duration::from_secs(1)).target("jellyfin", exporter.address());
        let prometheus = Prometheus::start(&targets).unwrap();
        prometheus.wait_for("sum(up)", "\"1\"", support::PATIENCE).unwrap();
        let deployment = Deployment::new(&prometheus.url());
        deployment.rule("targets.yaml", TARGETS);
        prepare(&deployment);
        let orion = deployment.start();
        exporter.stop();
        deployment.wait_until("a decision", |it| !it.decisions().is_empty());
        assert!(orion.terminate().success());
        Self { prometheus, deployment }
    }

    /// A copy of what it has recorded, changed.
    fn tampered(&self, tamper: impl FnOnce(&Path)) -> Deployment {
        let copy = Deployment::new(&self.prometheus.url());
        copy_folder(&self.deployment.path("memory"), &copy.path("memory"));
        tamper(&copy.path("memory"));
        copy
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn edit(path: &Path, edit: impl FnOnce(&str) -> String) {
    let text = std::fs::read_to_string(path).unwrap();
    let edited = edit(&text);
    assert_ne!(edited, text);
    std::fs::write(path, edited).unwrap();
}

/// The certificate, and what the command exited with.
fn verify(deployment: &Deployment, arguments: &[&str]) -> (Value, Option<i32>) {
    let output = deployment.orion(&[&["verify", "--output", "json"], arguments].concat());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{stderr}")), output.status.code())
}

fn check<'v>(certificate: &'v Value, name: &str) -> &'v Value {
    certificate["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()
}

/// Everything that is wrong, one line each, without what differs from run to run.
fn wrong(deployment: &Deployment, arguments: &[&str]) -> String {
    let (certificate, code) = verify(deployment, arguments);
    assert_eq!((code, &certificate["holds"]), (Some(1), &Value::Bool(false)), "{certificate:#}");
    let mut said = String::new();
    for check in certificate["checks"].as_array().unwrap() {
        for fault in check["failures"].as_array().unwrap() {
            let text = |member: &str| fault[member].as_str().unwrap().to_owned();
            said += &format!("{}: {}\n→ {}\n", check["name"].as_str().unwrap(), text("what"), text("mend"));
        }
    }
    said.replace(&deployment.path("").display().to_string(), "")
}

fn assert_holds(deployment: &Deployment, arguments: &[&str]) {
    let (certificate, code) = verify(deployment, arguments);
    assert_eq!((code, &certificate["holds"]), (Some(0), &Value::Bool(true)), "{certificate:#}");
}

#[test]
fn a_deployment_that_was_left_alone_holds_and_each_promise_is_said() {
    let scene = Scene::new();
    assert_holds(&scene.deployment, &[]);
    let output = scene.deployment.orion(&["verify", "--output", "table"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    // Digests, times and counts differ from run to run.
    let text = text.replace(&scene.prometheus.url(), "PROMETHEUS");
    let steady = text.lines().skip(3).take_while(|line| !line.starts_with("FILE")).collect::<Vec<_>>().join("\n");
    let numbers = |text: &str| {
        text.split(|c: char| c.is_ascii_digit()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("#")
    };
    insta::assert_snapshot!(numbers(steady.trim_end()), @r"
    holds     autonomy     level N#: Orion observes and people act; there is no other level
    holds     plugins      # of the binary and none of the folder; each can emit and nothing else
    not seen  confinement  no process runs; verify while one does to see its confinement
    holds     senders      queries to the source; the bus is a file, and the interface only answers; no process runs, so nothing is connected
    holds     prometheus   PROMETHEUS has no alerting rules and tells no Alertmanager
    holds     decisions    # decision, each NO_ACTION at N#; no actions.jsonl
    holds     chain        # lines in # files, each following from the one before it, as the store has them
    ");
    insta::assert_snapshot!(text.lines().last().unwrap(), @"The certificate holds as far as could be seen: 6 of 7 checks.");
    assert!(text.contains("threshold") && text.contains("orion:plugin/findings@1.0.0#emit"), "{text}");
}

#[test]
fn of_a_running_deployment_it_says_what_the_kernel_says_of_each_thread() {
    let scene = Scene::new();
    let orion = scene.deployment.start();
    scene.deployment.wait_until("it to run", |it| check(&verify(it, &[]).0, "confinement")["verdict"] != "not_seen");
    let (certificate, code) = verify(&scene.deployment, &[]);
    let confinement = check(&certificate, "confinement");
    let pid = certificate["orion"]["pid"].as_u64().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let says = |line: &str| status.lines().any(|it| it.split_whitespace().eq(line.split_whitespace()));
    let is_confined = says("Seccomp: 2") && says("NoNewPrivs: 1");
    assert_eq!(confinement["verdict"], if is_confined { "holds" } else { "fails" }, "{confinement:#}");
    assert_eq!(code, Some(i32::from(!is_confined)));
    let threads = confinement["facts"]["threads"].as_array().unwrap();
    assert!(threads.iter().any(|thread| thread["name"] == "orion-bus"), "{confinement:#}");
    for name in ["autonomy", "plugins", "senders", "prometheus", "decisions", "chain"] {
        assert_eq!(check(&certificate, name)["verdict"], "holds", "{certificate:#}");
    }
    let binary = std::fs::read(env!("CARGO_BIN_EXE_orion")).unwrap();
    assert_eq!(certificate["orion"]["sha256"], digest_of(&binary).to_string());
    assert!(orion.terminate().success());
    scene.deployment.check_promises();
}

#[test]
fn whatever_was_changed_in_the_audit_trail_is_found() {
    let scene = Scene::new();
    assert_holds(&scene.tampered(|_| {}), &[]);

    let edited = scene.tampered(|memory| {
        edit(&memory.join("events.jsonl"), |text| text.replacen("\"error\"", "\"info\"", 1));
    });
    insta::assert_snapshot!(wrong(&edited, &[]), @r"
    chain: memory/events.jsonl, line 2: is not as Orion wrote it
    → keep a copy of events.jsonl as evidence and find out who changed it; then stop Orion and have it written anew from orion.db with `orion audit rebuild`
    ");

    // Written anew, with all its hashes.
    let rewritten = scene.tampered(|memory| {
        let mut entries = SqliteBus::open_read_only(memory).unwrap().read(0, 1_000).unwrap();
        entries.iter_mut().for_each(|entry| entry.body = entry.body.replace("error", "info").into());
        let elsewhere = tempfile::tempdir().unwrap();
        let last_seq = entries.len() as u64;
        let mut projection = Projection::open(elsewhere.path(), last_seq, &Begins::NONE, DEFAULT_ROTATE_BYTES).unwrap();
        projection.project(&entries).unwrap();
        std::fs::copy(elsewhere.path().join("events.jsonl"), memory.join("events.jsonl")).unwrap();
    });
    insta::assert_snapshot!(wrong(&rewritten, &[]), @r"
    chain: events.jsonl is whole in itself and is not what orion.db has: one of the two was written anew
    → keep a copy of events.jsonl as evidence and find out who changed it; then stop Orion and have it written anew from orion.db with `orion audit rebuild`
    ");

    let cut = scene.tampered(|memory| {
        edit(&memory.join("decisions.jsonl"), |_| String::new());
    });
    insta::assert_snapshot!(wrong(&cut, &[]), @r"
    chain: decisions.jsonl ends 1 record before orion.db does: its end was cut off
    → start Orion: it writes what is missing from the store; find out who cut it
    ");

    let removed = scene.tampered(|memory| std::fs::remove_file(memory.join("decisions.jsonl")).unwrap());
    assert_eq!(wrong(&removed, &[]), wrong(&cut, &[]));

    let acted = scene.tampered(|memory| std::fs::write(memory.join("actions.jsonl"), "").unwrap());
    insta::assert_snapshot!(wrong(&acted, &[]), @r"
    decisions: there is a file actions.jsonl, and Orion has no actions to write down
    → find out who put it there, and move it away
    ");

    let decided = scene.tampered(|memory| {
        edit(&memory.join("decisions.jsonl"), |text| text.replacen("NO_ACTION", "RESTART", 1));
    });
    insta::assert_snapshot!(wrong(&decided, &[]), @r"
    decisions: decisions.jsonl has decisions that are not NO_ACTION at N0: line 1
    → Orion cannot write these: keep a copy of the memory folder as evidence, find out who changed it, and restore a backup
    chain: memory/decisions.jsonl, line 1: is not as Orion wrote it
    → keep a copy of decisions.jsonl as evidence and find out who changed it; then stop Orion and have it written anew from orion.db with `orion audit rebuild`
    ");
}

/// Puts a decision into the store that Orion cannot make.
fn decide_otherwise(memory: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bus = SqliteBus::open(memory).unwrap();
        let body = Body::parse(r#"{"decision_type":"RESTART","autonomy_level":"N2"}"#).unwrap();
        let (id, ts) = (RecordId::from_bytes([7; 16]), Timestamp::from_millis(0));
        let record = NewRecord { kind: RecordKind::Decision, id, ts, body };
        let commit =
            Commit { owner: "stranger".to_owned(), expected: None, offset: 1, records: vec![record], state: vec![] };
        bus.commit(commit).await.unwrap();
        bus.close().unwrap();
    });
}

#[test]
fn a_decision_in_the_store_that_is_not_no_action_is_found() {
    let scene = Scene::new();
    let decided = scene.tampered(decide_otherwise);
    let said = wrong(&decided, &[]);
    assert!(said.starts_with("decisions: orion.db has decisions that are not NO_ACTION at N0: record "), "{said}");
    assert!(said.contains("chain: decisions.jsonl ends 1 record before orion.db does"), "{said}");
}

#[test]
fn a_plugin_that_nobody_vouches_for_is_found() {
    let plugin = orion_standard_plugins::STANDARD.iter().find(|plugin| plugin.name == "threshold").unwrap().component;
    let key = SecretKey::from_seed(&[1; 32], "");
    let scene = Scene::with(|deployment| std::fs::write(deployment.path("plugins/mine.wasm"), plugin).unwrap());
    let deployment = &scene.deployment;
    assert_holds(deployment, &[]);
    let (certificate, _) = verify(deployment, &[]);
    let rows = certificate["plugins"].as_array().unwrap();
    let mine = rows.iter().find(|row| row["file"] == "mine.wasm").unwrap();
    assert_eq!((&mine["digest"], &mine["contract"]), (&digest_of(plugin).to_string().into(), &"v1".into()));
    assert_eq!(mine["imports"], serde_json::json!(["orion:plugin/findings@1.0.0#emit"]));

    // It ran before anybody was asked.
    std::fs::create_dir(deployment.path("keys")).unwrap();
    std::fs::write(deployment.path("keys/operator.pub"), key.public().to_pem()).unwrap();
    insta::assert_snapshot!(wrong(deployment, &["--trusted-keys", "keys"]), @r"
    plugins: `mine.wasm` was accepted and is not vouched for: `mine.wasm` is not signed: there is no mine.wasm.sig beside it; whoever stands behind it makes that with `orion-kit sign mine.wasm --key KEY`
    → until then a process that has it runs on with it, and the next start is without it
    ");
    let locked = LockedPlugin {
        name: "another".to_owned(),
        version: "1.0.0".to_owned(),
        digest: digest_of(plugin),
        source: None,
    };
    let write_lock = |file: &str| {
        let lock = Lock { plugins: [(file.to_owned(), locked.clone())].into() };
        std::fs::write(deployment.path("plugins/plugins.lock"), lock.write()).unwrap();
    };
    write_lock("other.wasm");
    insta::assert_snapshot!(wrong(deployment, &[]), @r"
    plugins: `mine.wasm` was accepted and is not vouched for: `mine.wasm` is not in plugins.lock: remove it, or look at it and take it in with `orion-kit lock plugins`
    → until then a process that has it runs on with it, and the next start is without it
    ");
    write_lock("mine.wasm");
    insta::assert_snapshot!(wrong(deployment, &[]), @r"
    plugins: plugins.lock calls `mine.wasm` another 1.0.0, and it is threshold 1.0.0
    → make the lock anew with `orion-kit lock`
    ");
    std::fs::remove_file(deployment.path("plugins/plugins.lock")).unwrap();

    // Signed, and accepted anew.
    let mut signatures = SignatureFile::of(digest_of(plugin));
    signatures.sign(&key);
    std::fs::write(deployment.path("plugins/mine.wasm.sig"), signatures.write()).unwrap();
    let orion = deployment.start_with(&[("ORION_PLUGINS__TRUSTED_KEYS", "keys")]);
    deployment.wait_until("it to be accepted", |it| {
        verify(it, &["--trusted-keys", "keys"]).0["plugins"].to_string().contains("signed_by\":[\"")
    });
    assert!(orion.terminate().success());
    assert_holds(deployment, &["--trusted-keys", "keys"]);

    let kept = deployment.path(&format!("memory/last-good/{}.wasm", digest_of(plugin)));
    std::fs::write(kept, b"something else").unwrap();
    let said = wrong(deployment, &["--trusted-keys", "keys"]);
    assert!(
        said.contains("the accepted version of `mine.wasm` cannot be shown: ") && said.contains(".wasm was changed"),
        "{said}"
    );
}

#[test]
fn a_prometheus_that_alerts_by_itself_is_reported_and_can_be_left_out() {
    let scene = Scene::new();
    let rules = "groups: [{ name: own, rules: [{ alert: Down, expr: up == 0 }, { record: some, expr: up }] }]\n";
    let config = ScrapeConfig::every(Duration::from_secs(1)).rules(rules);
    let prometheus = Prometheus::start(&config).unwrap();
    let alerting =
        |arguments: &[&str]| wrong(&scene.deployment, &[&["--prometheus-url", &prometheus.url()], arguments].concat());
    prometheus.wait_for("vector(1)", "\"1\"", support::PATIENCE).unwrap();
    insta::assert_snapshot!(alerting(&[]).replace(&prometheus.url(), "PROMETHEUS"), @r"
    prometheus: PROMETHEUS has 1 alerting rule of its own: own/Down
    → take them out of its `rule_files` and give them to Orion, which reads them as they are; or leave Prometheus out of this with --offline
    ");
    let proxy = RecordingProxy::start(prometheus.address()).unwrap();
    wrong(&scene.deployment, &["--prometheus-url", &proxy.url()]);
    let asked = |path: &str| ("GET".to_owned(), path.to_owned());
    assert_eq!(proxy.requests(), [asked("/api/v1/alertmanagers"), asked("/api/v1/rules?type=alert")]);
    let left_out = ["--prometheus-url", &prometheus.url(), "--offline"];
    assert_holds(&scene.deployment, &left_out);
    assert_eq!(alerting(&["--offline", "--strict"]), "");
    let (certificate, _) = verify(&scene.deployment, &left_out);
    assert_eq!(check(&certificate, "prometheus")["verdict"], "not_seen");
}

#[test]
fn the_certificate_is_a_statement_that_a_key_signs() {
    let scene = Scene::new();
    let key = SecretKey::from_seed(&[3; 32], "auditor");
    std::fs::write(scene.deployment.path("auditor.key"), key.to_pem()).unwrap();
    let bare = scene.deployment.orion(&["verify", "--statement"]);
    assert_eq!(bare.status.code(), Some(0));
    let sealed = scene.deployment.orion(&["verify", "--statement", "--key", "auditor.key"]);
    assert_eq!(sealed.status.code(), Some(0));
    let envelope: Envelope = serde_json::from_slice(&sealed.stdout).unwrap();
    assert_eq!(envelope.payload_type, "application/vnd.in-toto+json");
    assert_eq!(envelope.open(&SecretKey::from_seed(&[4; 32], "").public()), None);
    let opened = envelope.open(&key.public()).unwrap();
    for statement in [opened, bare.stdout] {
        let statement: Value = serde_json::from_slice(&statement).unwrap();
        assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
        assert_eq!(statement["predicateType"], "urn:orion:n0-certificate:1");
        assert_eq!(statement["predicate"]["holds"], true);
        let orion = &statement["subject"][0];
        let binary = std::fs::read(env!("CARGO_BIN_EXE_orion")).unwrap();
        assert_eq!(
            (&orion["name"], &orion["digest"]["sha256"]),
            (&"orion".into(), &digest_of(&binary).to_string().into())
        );
    }
}

#[test]
fn where_there_is_nothing_to_verify_it_says_so() {
    let deployment = Deployment::new("");
    let output = deployment.orion(&["verify"]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap().replace(&deployment.path("").display().to_string(), "DIR/");
    insta::assert_snapshot!(said, @"orion: DIR/memory/orion.db does not exist: is this the memory folder, and has Orion run with it?");
    let output = deployment.orion(&["verify", "--key", "gone.key"]);
    assert_eq!(output.status.code(), Some(3));
}
