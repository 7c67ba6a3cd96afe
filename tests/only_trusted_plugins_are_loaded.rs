//! A plugin file runs when the lock has it and a trusted key stands behind it, wherever a lock or keys are there. What is refused
//! leaves its last good version running, and what cannot be judged changes nothing and lets nothing new in.

use crate::support::{self, Deployment, Running};
use orion_lab::{Exporter, Prometheus};
use orion_pipeline::library::digest_of;
use orion_trust::{Lock, LockedPlugin, SecretKey, SignatureFile};
use serde_json::Value;

/// Fires when the load is above seven, by the plugin of a file.
const RULES: &str = r#"
groups:
  - name: load
    interval: 1s
    rules:
      - { alert: Load, expr: load, plugin: mine.wasm, with: { above: 7 } }
"#;

/// A load of five, a Prometheus that scrapes it, and a deployment with keys that trusts its operator.
struct Scene {
    exporter: Exporter,
    _prometheus: Prometheus,
    deployment: Deployment,
}

impl Scene {
    fn new() -> Self {
        let exporter = Exporter::start("app").unwrap();
        exporter.set("load", 5.0);
        let prometheus = support::watching(&exporter, "load", "5");
        let deployment = Deployment::new(&prometheus.url());
        std::fs::create_dir(deployment.path("keys")).unwrap();
        deployment.rule("load.yaml", RULES);
        Self { exporter, _prometheus: prometheus, deployment }
    }

    /// Starts and waits until it is at work.
    fn start(&self, env: &[(&str, &str)]) -> Running {
        let orion = self.deployment.start_with(env);
        self.deployment.wait_until("the store", |it| it.path("memory/events.jsonl").exists());
        orion
    }

    fn start_with_keys(&self) -> Running {
        self.start(&[KEYS])
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        write(&self.deployment, name, content);
    }

    /// The message of the refusal that there is now.
    fn refusal(&self, file: &str) -> String {
        let mut message = String::new();
        self.deployment.wait_until("the refusal", |it| {
            let begun = refusals(it, "firing", file);
            let ends = refusals(it, "resolved", file).len();
            begun.len() > ends && {
                message = begun.last().unwrap()["data"]["message"].as_str().unwrap().to_owned();
                true
            }
        });
        message.replace(&self.deployment.path("").display().to_string(), "")
    }

    fn wait_for_the_end_of_refusals(&self, file: &str, count: usize) {
        self.deployment.wait_until("the end of the refusal", |it| refusals(it, "resolved", file).len() == count);
    }

    /// The digest of the plugin that says that the load is high, after that has come true.
    fn who_says_it(&self) -> String {
        self.exporter.set("load", 8.0);
        self.deployment.wait_until("the alert", |it| !it.events_of("load", "firing").is_empty());
        self.deployment.events_of("load", "firing")[0]["evidence"]["plugin_digest"].as_str().unwrap().to_owned()
    }
}

const KEYS: (&str, &str) = ("ORION_PLUGINS__TRUSTED_KEYS", "keys");

fn refusals(deployment: &Deployment, status: &str, file: &str) -> Vec<Value> {
    let mut events = deployment.events_of("plugin_refused", status);
    events.retain(|event| event["labels"]["file"] == file);
    events
}

fn write(deployment: &Deployment, name: &str, content: impl AsRef<[u8]>) {
    let path = deployment.path(name);
    let partial = path.with_extension("partial");
    std::fs::write(&partial, content).unwrap();
    std::fs::rename(partial, path).unwrap();
}

/// The standard plugin `threshold`, and versions of it that differ by a note at the end and do the same.
fn plugin(version: u8) -> Vec<u8> {
    let standard = orion_standard_plugins::STANDARD.iter().find(|plugin| plugin.name == "threshold").unwrap();
    let mut bytes = standard.component.to_vec();
    if version > 1 {
        // A custom section of three bytes: the name `n`, and one byte.
        bytes.extend([0, 3, 1, b'n', version]);
    }
    bytes
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32], "")
}

fn signature(bytes: &[u8], number: u8) -> String {
    let mut file = SignatureFile::of(digest_of(bytes));
    file.sign(&key(number));
    file.write()
}

fn lock(plugins: &[(&str, &[u8])]) -> String {
    let locked = |(file, bytes): &(&str, &[u8])| {
        let (name, version) = ("threshold".to_owned(), "1.0.0".to_owned());
        ((*file).to_owned(), LockedPlugin { name, version, digest: digest_of(bytes), source: None })
    };
    Lock { plugins: plugins.iter().map(locked).collect() }.write()
}

/// Digests change with every build of the plugin.
fn steady(message: &str) -> String {
    let names = (1..=9).map(|version| (digest_of(&plugin(version)).to_string(), format!("DIGEST-{version}")));
    names.fold(message.to_owned(), |text, (digest, name)| text.replace(&digest, &name))
}

#[test]
fn a_plugin_that_the_lock_does_not_have_is_refused_and_the_locked_one_runs_on() {
    let scene = Scene::new();
    scene.write("plugins/mine.wasm", plugin(1));
    scene.write("plugins/plugins.lock", lock(&[("mine.wasm", &plugin(1))]));
    let orion = scene.start(&[]);

    scene.write("plugins/mine.wasm", plugin(2));
    insta::assert_snapshot!(steady(&scene.refusal("mine.wasm")), @"`mine.wasm` is sha256:DIGEST-2, and plugins.lock has sha256:DIGEST-1 (threshold 1.0.0): put that version back, or look at this one and take it in with `orion-kit lock plugins`");
    scene.write("plugins/other.wasm", plugin(3));
    insta::assert_snapshot!(steady(&scene.refusal("other.wasm")), @"`other.wasm` is not in plugins.lock: remove it, or look at it and take it in with `orion-kit lock plugins`");

    // Also over a restart: the lock still vouches for what was accepted.
    assert!(orion.terminate().success());
    let orion = scene.start(&[]);
    assert_eq!(scene.who_says_it(), digest_of(&plugin(1)).to_string());

    // The lock is edited and the plugins are not touched.
    scene.write("plugins/plugins.lock", lock(&[("mine.wasm", &plugin(2)), ("other.wasm", &plugin(3))]));
    scene.wait_for_the_end_of_refusals("mine.wasm", 1);
    scene.wait_for_the_end_of_refusals("other.wasm", 1);
    assert!(orion.terminate().success());
    scene.deployment.check_promises();
}

#[test]
fn a_plugin_without_a_trusted_signature_is_refused_and_one_with_it_runs() {
    let scene = Scene::new();
    scene.write("keys/operator.pub", key(1).public().to_pem());
    scene.write("plugins/mine.wasm", plugin(1));
    let orion = scene.start_with_keys();
    insta::assert_snapshot!(scene.refusal("mine.wasm"), @"`mine.wasm` is not signed: there is no mine.wasm.sig beside it; whoever stands behind it makes that with `orion-kit sign mine.wasm --key KEY`");

    scene.write("plugins/mine.wasm.sig", signature(&plugin(1), 2));
    scene.deployment.wait_until("the next reason", |it| it.log().contains("no key in keys is that"));
    scene.write("plugins/mine.wasm.sig", signature(&plugin(1), 1));
    scene.wait_for_the_end_of_refusals("mine.wasm", 1);

    // Changed after it was signed.
    scene.write("plugins/mine.wasm", plugin(2));
    insta::assert_snapshot!(steady(&scene.refusal("mine.wasm")), @"`mine.wasm` is not vouched for by mine.wasm.sig: it was made for sha256:DIGEST-1, and the file is sha256:DIGEST-2: one of the two was changed or exchanged; have the file signed by a key of keys");
    assert!(orion.terminate().success());
    let orion = scene.start_with_keys();
    assert_eq!(scene.who_says_it(), digest_of(&plugin(1)).to_string());

    // Signed by a stranger only, and without a signature.
    scene.write("plugins/mine.wasm", plugin(3));
    scene.write("plugins/mine.wasm.sig", signature(&plugin(3), 2));
    scene.deployment.wait_until("a stranger's signature", |it| it.log().matches("no key in keys is that").count() > 1);
    std::fs::remove_file(scene.deployment.path("plugins/mine.wasm.sig")).unwrap();
    scene.deployment.wait_until("no signature", |it| it.log().matches("is not signed").count() > 1);
    assert!(orion.terminate().success());
    assert_eq!(scene.deployment.events_of("load", "firing").len(), 1);
    assert!(scene.deployment.events_of("load", "resolved").is_empty());
    scene.deployment.check_promises();
}

#[test]
fn a_key_that_is_taken_away_refuses_its_plugins_and_at_the_next_start_they_do_not_run() {
    let scene = Scene::new();
    scene.write("keys/operator.pub", key(1).public().to_pem());
    scene.write("keys/other.pub", key(2).public().to_pem());
    scene.write("plugins/mine.wasm", plugin(1));
    scene.write("plugins/mine.wasm.sig", signature(&plugin(1), 1));
    let orion = scene.start_with_keys();
    std::fs::remove_file(scene.deployment.path("keys/operator.pub")).unwrap();
    let message = scene.refusal("mine.wasm").replace(&key(1).public().id().short(), "KEY-1");
    insta::assert_snapshot!(message, @"`mine.wasm` is not vouched for by mine.wasm.sig: it is signed by key KEY-1, and no key in keys is that; have the file signed by a key of keys");
    // While it runs, what was accepted runs on.
    assert_eq!(scene.who_says_it(), digest_of(&plugin(1)).to_string());
    assert!(orion.terminate().success());

    let orion = scene.start_with_keys();
    scene.deployment.wait_until("the end of its alert", |it| it.events_of("load", "resolved").len() == 1);
    assert_eq!(scene.deployment.events_of("rule_file_refused", "firing").len(), 1);
    scene.write("keys/operator.pub", key(1).public().to_pem());
    scene.wait_for_the_end_of_refusals("mine.wasm", 1);
    scene.deployment.wait_until("its return", |it| it.events_of("load", "firing").len() == 2);
    assert!(orion.terminate().success());
    scene.deployment.check_promises();
}

#[test]
fn a_damaged_lock_or_key_lets_nothing_new_in_and_changes_nothing() {
    let scene = Scene::new();
    scene.write("keys/operator.pub", key(1).public().to_pem());
    scene.write("plugins/mine.wasm", plugin(1));
    scene.write("plugins/mine.wasm.sig", signature(&plugin(1), 1));
    let whole = lock(&[("mine.wasm", &plugin(1)), ("new.wasm", &plugin(2))]);
    scene.write("plugins/plugins.lock", &whole);
    let orion = scene.start_with_keys();

    scene.write("plugins/plugins.lock", &whole[..whole.len() / 2]);
    insta::assert_snapshot!(scene.refusal("plugins.lock"), @r#"plugins/plugins.lock cannot be used: it is not as `orion-kit lock` writes it: invalid basic string, expected `"`; put the right one back, or look at the plugins and make it anew with `orion-kit lock plugins`"#);
    scene.write("plugins/new.wasm.sig", signature(&plugin(2), 1));
    scene.write("plugins/new.wasm", plugin(2));
    assert!(
        scene.refusal("new.wasm").starts_with("whether `new.wasm` may run cannot be told: plugins/plugins.lock cannot")
    );
    scene.write("keys/torn.pub", "-----BEGIN PUBLIC KEY-----\nMCow");
    insta::assert_snapshot!(scene.refusal("torn.pub"), @"the trusted key keys/torn.pub cannot be used: it is not a key in PEM form: it ends before `-----END PUBLIC KEY-----`; put the key back, or remove the file");

    // Neither now nor at the next start is what runs held back.
    assert!(orion.terminate().success());
    let orion = scene.start_with_keys();
    assert_eq!(scene.who_says_it(), digest_of(&plugin(1)).to_string());
    assert!(refusals(&scene.deployment, "firing", "mine.wasm").is_empty());

    scene.write("plugins/plugins.lock", &whole);
    scene.wait_for_the_end_of_refusals("plugins.lock", 1);
    assert!(refusals(&scene.deployment, "resolved", "new.wasm").is_empty());
    std::fs::remove_file(scene.deployment.path("keys/torn.pub")).unwrap();
    scene.wait_for_the_end_of_refusals("new.wasm", 1);
    assert!(orion.terminate().success());
    scene.deployment.check_promises();
}

#[test]
fn what_ran_unsigned_before_does_not_run_once_keys_are_asked_for() {
    let scene = Scene::new();
    scene.write("plugins/mine.wasm", plugin(1));
    let orion = scene.start(&[]);
    assert_eq!(scene.who_says_it(), digest_of(&plugin(1)).to_string());
    assert!(orion.terminate().success());
    let orion = scene.start_with_keys();
    scene.refusal("mine.wasm");
    scene.deployment.wait_until("the end of its alert", |it| it.events_of("load", "resolved").len() == 1);
    assert!(orion.terminate().success());
    scene.deployment.check_promises();
}

#[test]
fn check_refuses_what_a_start_would_refuse_and_the_plugins_of_the_binary_need_no_signature() {
    let deployment = Deployment::new("");
    std::fs::create_dir(deployment.path("keys")).unwrap();
    deployment.rule("load.yaml", &RULES.replace("plugin: mine.wasm", "plugin: threshold@1"));
    let check = ["check", "--trusted-keys", "keys", "--output", "table"];
    assert_eq!(said(&deployment, &check, 0), "rules/load.yaml: ok, 1 rule, 0 correlations\n");
    write(&deployment, "plugins/mine.wasm", plugin(1));
    insta::assert_snapshot!(said(&deployment, &check, 2), @"orion: plugin file mine.wasm: `mine.wasm` is not signed: there is no mine.wasm.sig beside it; whoever stands behind it makes that with `orion-kit sign mine.wasm --key KEY`");
    write(&deployment, "keys/operator.pub", key(1).public().to_pem());
    write(&deployment, "plugins/mine.wasm.sig", signature(&plugin(1), 1));
    said(&deployment, &check, 0);
    write(&deployment, "plugins/plugins.lock", lock(&[("mine.wasm", &plugin(2))]));
    insta::assert_snapshot!(steady(&said(&deployment, &check, 2)), @"orion: plugin file mine.wasm: `mine.wasm` is sha256:DIGEST-1, and plugins.lock has sha256:DIGEST-2 (threshold 1.0.0): put that version back, or look at this one and take it in with `orion-kit lock plugins`");
    write(&deployment, "plugins/plugins.lock", "version = 7\n");
    insta::assert_snapshot!(said(&deployment, &check, 3), @"orion: plugins/plugins.lock cannot be used: it is not as `orion-kit lock` writes it: it says version 7, and this Orion reads version 1; put the right one back, or look at the plugins and make it anew with `orion-kit lock plugins`");
    std::fs::remove_file(deployment.path("plugins/plugins.lock")).unwrap();
    insta::assert_snapshot!(said(&deployment, &["check", "--trusted-keys", "gone"], 3), @"orion: the folder of trusted keys gone cannot be read: No such file or directory (os error 2); give another with --trusted-keys, or create it");
}

#[test]
fn a_rule_asks_for_a_version_and_is_told_which_are_here() {
    let deployment = Deployment::new("");
    let check = |plugin: &str, code| {
        deployment.rule("load.yaml", &RULES.replace("mine.wasm", plugin));
        said(&deployment, &["check", "--output", "table"], code)
    };
    for plugin in ["threshold@1.0.0", "threshold@1.0", "threshold@1"] {
        check(plugin, 0);
    }
    insta::assert_snapshot!(check("threshold@2", 2), @r"
    error: plugin `threshold` is here in version 1.0.0, and the rule wants 2
     --> rules/load.yaml:6:44
      |
    6 |       - { alert: Load, expr: load, plugin: threshold@2, with: { above: 7 } }
      |                                            ^^^^^^^^^^^
      |
      = help: write `threshold@1.0.0`, or `threshold` for the version that is here

    1 of 1 files would be refused
    ");
    insta::assert_snapshot!(check("treshold@1", 2), @r"
    error: there is no plugin `treshold`
     --> rules/load.yaml:6:44
      |
    6 |       - { alert: Load, expr: load, plugin: treshold@1, with: { above: 7 } }
      |                                            ^^^^^^^^^^
      |
      = help: did you mean `threshold`?

    1 of 1 files would be refused
    ");
}

#[test]
fn two_versions_of_a_plugin_stand_side_by_side_and_each_rule_gets_its_own() {
    let deployment = Deployment::new("");
    let module = wat::parse_str(include_str!("../host/sandbox/tests/frozen/v1/detector.wat")).unwrap();
    let manifest = include_str!("../host/sandbox/tests/frozen/v1/detector.toml").replace("frozen-detector", "mine");
    for version in ["1.4.0", "2.0.1"] {
        let manifest = manifest.replace("version = \"1.0.0\"", &format!("version = \"{version}\""));
        let component = orion_componentize::componentize(&module, &manifest).unwrap();
        write(&deployment, &format!("plugins/mine-{version}.wasm"), component);
    }
    let check = |plugin: &str, code| {
        deployment.rule("load.yaml", &RULES.replace("mine.wasm", plugin));
        said(&deployment, &["check", "--output", "table"], code)
    };
    for plugin in ["mine", "mine@1", "mine@1.4.0", "mine@2", "mine-1.4.0.wasm"] {
        check(plugin, 0);
    }
    let refused = check("mine@3", 2);
    assert!(refused.contains("plugin `mine` is here in version 1.4.0 and 2.0.1, and the rule wants 3"), "{refused}");
}

/// What a command says on both streams.
fn said(deployment: &Deployment, arguments: &[&str], code: i32) -> String {
    let output = deployment.orion(arguments);
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text.replace(&deployment.path("").display().to_string(), "")
}
