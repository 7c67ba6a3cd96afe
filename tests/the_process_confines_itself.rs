//! `orion run` confines itself before its first thread: the kernel says so of every one of them, and everything that a
//! deployment does still works. What is refused, and how, is tried one by one in `host/confine/tests/attack.rs`.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

use orion_lab::{Exporter, Prometheus};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use serde_json::Value;

use crate::support::{self, Deployment, Running};

const REQUIRE: (&str, &str) = ("ORION_CONFINEMENT", "require");

/// Nobody in particular.
const ORDINARY_USER: u32 = 65_534;

/// CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, as the kernel numbers them: all that root keeps.
const FILES_OF_ANY_OWNER: u64 = 1 << 1 | 1 << 2;

struct Lab {
    exporter: Exporter,
    prometheus: Prometheus,
}

impl Lab {
    fn start() -> Self {
        let exporter = Exporter::start("app").unwrap();
        exporter.set("load", 5.0);
        let prometheus = support::watching(&exporter, "load", "5");
        Self { exporter, prometheus }
    }

    fn deployment(&self) -> Deployment {
        Deployment::new(&self.prometheus.url())
    }
}

/// Fires while the load is above the bound.
fn rule(name: &str, bound: u32) -> String {
    format!(
        "groups:\n  - name: {name}\n    interval: 1s\n    rules:\n      - alert: {name}\n        expr: load\n        \
         with: {{ above: {bound} }}\n"
    )
}

fn fired(deployment: &Deployment, event_type: &str, times: usize) {
    deployment.wait_until(event_type, |it| it.events_of(event_type, "firing").len() == times);
}

/// What the kernel says of each thread: its name, `NoNewPrivs`, `Seccomp`, `CapEff`.
fn threads(orion: &Running) -> Vec<[String; 4]> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", orion.pid())).unwrap();
    let status = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).unwrap_or_default());
    let field = |status: &str, name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        value.unwrap_or_default().to_owned()
    };
    status
        // One that ended meanwhile has nothing to say.
        .filter(|status| !status.is_empty())
        .map(|status| ["Name", "NoNewPrivs", "Seccomp", "CapEff"].map(|name| field(&status, name)))
        .collect()
}

fn every_thread_is_confined(orion: &Running) {
    let threads = threads(orion);
    let names: BTreeSet<&str> = threads.iter().map(|[name, ..]| name.as_str()).collect();
    assert!(names.contains("orion-bus") && names.contains("plugin-deadline"), "{names:?}");
    for [name, no_new_privs, seccomp, capabilities] in &threads {
        assert_eq!([no_new_privs.as_str(), seccomp], ["1", "2"], "{name}");
        let capabilities = u64::from_str_radix(capabilities, 16).unwrap();
        assert_eq!(capabilities & !FILES_OF_ANY_OWNER, 0, "{name}");
    }
}

#[test]
fn every_thread_is_confined_and_a_real_prometheus_is_watched_as_ever() {
    let lab = Lab::start();
    let deployment = lab.deployment();
    deployment.rule("load.yaml", &rule("Load", 2));
    let orion = deployment.start_with(&[REQUIRE]);
    fired(&deployment, "load", 1);
    every_thread_is_confined(&orion);
    lab.exporter.set("load", 1.0);
    deployment.wait_until("the end of the alert", |it| it.events_of("load", "resolved").len() == 1);
    assert!(orion.terminate().success());
    deployment.check_promises();
}

#[test]
fn an_ordinary_user_is_confined_as_root_is() {
    let lab = Lab::start();
    let deployment = lab.deployment();
    deployment.rule("load.yaml", &rule("Load", 2));
    let orion = if rustix::process::getuid().is_root() {
        deployment.start_as(ORDINARY_USER, &[REQUIRE])
    } else {
        deployment.start_with(&[REQUIRE])
    };
    fired(&deployment, "load", 1);
    every_thread_is_confined(&orion);
    assert!(orion.terminate().success());
    assert_eq!(deployment.attestations()[0]["data"]["level"], "full");
    deployment.check_promises();
}

#[test]
fn a_name_is_found_and_a_port_that_was_not_configured_is_not() {
    let lab = Lab::start();
    let port = lab.prometheus.address().port();
    let deployment = Deployment::new(&format!("http://localhost:{port}"));
    deployment.rule("load.yaml", &rule("Load", 2));
    let orion = deployment.start_with(&[REQUIRE]);
    fired(&deployment, "load", 1);
    assert!(orion.terminate().success());
    let attested = &deployment.attestations()[0]["data"];
    assert_eq!(attested["may_connect"], serde_json::json!([port]));
    assert_eq!(attested["name_resolution"], "files");
    deployment.check_promises();
}

#[test]
fn rules_and_plugins_are_taken_through_links_and_from_folders_that_are_replaced() {
    let lab = Lab::start();
    let deployment = lab.deployment();
    let path = |name: &str| deployment.path(name);
    // As Kubernetes mounts a ConfigMap: files are links through a link that is swapped.
    let version = |name: &str, bound: u32| {
        std::fs::create_dir_all(path(name)).unwrap();
        let text = rule("Load", bound).replace("with:", "plugin: mine.wasm\n        with:");
        std::fs::write(path(name).join("load.yaml"), text).unwrap();
    };
    let point = |link: &str, to: &str| {
        symlink(to, path("new-link")).unwrap();
        std::fs::rename(path("new-link"), path(link)).unwrap();
    };
    version("rules/..2026_1", 9);
    point("rules/..data", "..2026_1");
    symlink("..data/load.yaml", path("rules/load.yaml")).unwrap();
    // The plugins as a release: the folder itself is a link.
    let standard = |name: &str| orion_standard_plugins::STANDARD.iter().find(|plugin| plugin.name == name).unwrap();
    for release in ["releases/1", "releases/2"] {
        std::fs::create_dir_all(path(release)).unwrap();
        std::fs::write(path(release).join("mine.wasm"), standard("threshold").component).unwrap();
    }
    std::fs::write(path("releases/2/new.wasm"), standard("absence").component).unwrap();
    std::fs::remove_dir(path("plugins")).unwrap();
    point("plugins", "releases/1");

    let orion = deployment.start_with(&[REQUIRE]);
    deployment.wait_until("the start", |it| it.attestations().len() == 1);
    assert!(deployment.events_of("load", "firing").is_empty());

    version("rules/..2026_2", 2);
    point("rules/..data", "..2026_2");
    fired(&deployment, "load", 1);

    // A link to other plugins, and a rule that needs what is only there.
    point("plugins", "releases/2");
    deployment.rule("new.yaml", &rule("New", 2).replace("with: { above: 2 }", "plugin: new.wasm"));
    deployment.wait_until("the new plugin", |it| {
        let log = it.log();
        log.contains("generation=3")
    });

    // A whole folder in the place of another.
    std::fs::create_dir(path("other-rules")).unwrap();
    std::fs::write(path("other-rules/other.yaml"), rule("Other", 2)).unwrap();
    std::fs::rename(path("rules"), path("old-rules")).unwrap();
    std::fs::rename(path("other-rules"), path("rules")).unwrap();
    fired(&deployment, "other", 1);
    assert!(orion.terminate().success());
    assert!(deployment.events_of("rule_file_refused", "firing").is_empty());
    assert!(deployment.events_of("plugin_refused", "firing").is_empty());
    deployment.check_promises();
}

#[test]
fn every_start_is_attested_and_opens_no_incident() {
    let lab = Lab::start();
    let deployment = lab.deployment();
    for start in 1..=2 {
        let orion = deployment.start_with(&[REQUIRE]);
        deployment.wait_until("the attestation", |it| it.attestations().len() == start);
        assert!(orion.terminate().success());
    }
    for event in deployment.attestations() {
        assert_eq!(event["severity"], "info");
        assert_eq!(event["source"], "orion");
        assert_eq!((&event["data"]["mode"], &event["data"]["level"]), (&"require".into(), &"full".into()));
        let memory = deployment.path("memory").display().to_string();
        assert_eq!(event["data"]["may_write"], serde_json::json!([memory]));
    }
    assert!(deployment.incidents().is_empty());
    deployment.check_promises();
}

/// Starts Orion where landlock is not to be had, as under a service manager with an old list of calls: a filter is inherited
/// from the thread that starts a process.
fn start_without_landlock<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    let calls = [libc::SYS_landlock_create_ruleset, libc::SYS_landlock_add_rule, libc::SYS_landlock_restrict_self];
    let hidden = calls.into_iter().map(|call| (call, Vec::new())).collect();
    let action = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter: BpfProgram =
        SeccompFilter::new(hidden, SeccompAction::Allow, action, arch).unwrap().try_into().unwrap();
    std::thread::scope(|scope| {
        let start = || {
            seccompiler::apply_filter(&filter).unwrap();
            act()
        };
        scope.spawn(start).join().unwrap()
    })
}

#[test]
fn where_it_is_required_and_cannot_be_had_nothing_starts_and_nothing_is_written() {
    let deployment = Deployment::new("http://127.0.0.1:9");
    let output = start_without_landlock(|| deployment.orion(&["run", "--confinement", "require"]));
    assert_eq!(output.status.code(), Some(3));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"
    orion: this process cannot be confined here, and `--confinement require` starts it in no other way:
      - files and TCP ports are not limited: the kernel has no landlock, or a filter hides it
    It needs Linux 6.7 or newer that boots with landlock, and a container or service that lets landlock_* and seccomp
    through. `--confinement auto` starts with what can be had and says what cannot.
    ");
    assert!(!deployment.path("memory").exists());
}

#[test]
fn where_it_cannot_be_had_auto_starts_with_the_rest_and_says_what_is_missing() {
    let deployment = Deployment::new("http://127.0.0.1:9");
    let orion = start_without_landlock(|| deployment.start_with(&[("ORION_CONFINEMENT", "auto")]));
    deployment.wait_until("the attestation", |it| !it.attestations().is_empty());
    every_thread_is_confined(&orion);
    assert!(orion.terminate().success());
    let attested = &deployment.attestations()[0];
    assert_eq!((&attested["severity"], &attested["data"]["level"]), (&"warning".into(), &"partial".into()));
    let missing = "files and TCP ports are not limited: the kernel has no landlock, or a filter hides it";
    assert_eq!(attested["data"]["missing"], serde_json::json!([missing]));
    said(&deployment, missing);
}

#[test]
fn off_is_said() {
    let deployment = Deployment::new("http://127.0.0.1:9");
    let orion = deployment.start_with(&[("ORION_CONFINEMENT", "off")]);
    deployment.wait_until("the attestation", |it| !it.attestations().is_empty());
    let own = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    for [name, _, seccomp, _] in threads(&orion) {
        assert!(own.contains(&format!("Seccomp:\t{seccomp}\n")), "{name} has more than what started it");
    }
    assert!(orion.terminate().success());
    assert_eq!(deployment.attestations()[0]["data"]["level"], "none");
    said(&deployment, "this process is NOT confined (off)");
}

fn said(deployment: &Deployment, what: &str) {
    let log = deployment.log();
    assert!(log.contains(what), "{log}");
}

#[test]
fn the_demonstration_is_confined_as_well() {
    let deployment = Deployment::new("");
    let output = deployment.orion(&["demo", "--once", "--speed", "600", "--data", "story", "--confinement", "require"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("this process is confined (require)"), "{stderr}");
    let events = std::fs::read_to_string(deployment.path("story/memory/events.jsonl")).unwrap();
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert!(events.into_iter().all(|event| event["event_type"] != "confinement_attested"));
}
