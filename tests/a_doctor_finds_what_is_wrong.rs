//! `orion doctor` finds what keeps Orion from working, says how to mend it, and changes nothing.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::Output;
use std::time::Duration;

use orion_lab::{Prometheus, ScrapeConfig};
use serde_json::Value;

use crate::support::{Deployment, PATIENCE, TARGETS};

fn watched() -> (Prometheus, Deployment) {
    let prometheus = Prometheus::start(&ScrapeConfig::every(Duration::from_secs(1))).unwrap();
    let deployment = Deployment::new(&prometheus.url());
    deployment.rule("targets.yaml", TARGETS);
    (prometheus, deployment)
}

/// What fails, each with what is said of it.
fn failing(deployment: &Deployment, arguments: &[&str]) -> Vec<(String, String)> {
    failing_of(&deployment.orion(&[&["doctor", "--output", "ndjson"], arguments].concat()))
}

fn failing_of(output: &Output) -> Vec<(String, String)> {
    let lines = String::from_utf8(output.stdout.clone()).unwrap();
    let checks: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(checks.len() > 8, "{lines}\n{}", String::from_utf8_lossy(&output.stderr));
    let failing = checks.iter().filter(|check| check["verdict"] == "fails");
    let told = |check: &Value| {
        let faults = check["failures"].as_array().unwrap();
        assert!(faults.iter().all(|fault| !fault["mend"].as_str().unwrap().is_empty()), "{check}");
        let whats: Vec<&str> = faults.iter().map(|fault| fault["what"].as_str().unwrap()).collect();
        (check["name"].as_str().unwrap().to_owned(), whats.join("; "))
    };
    let failing: Vec<_> = failing.map(told).collect();
    assert_eq!(output.status.code(), Some(i32::from(!failing.is_empty())));
    failing
}

#[test]
fn nothing_is_wrong_with_a_deployment_that_is_well_before_it_runs_and_while_it_does() {
    let (_prometheus, deployment) = watched();
    assert_eq!(failing(&deployment, &[]), []);
    assert!(!deployment.path("memory").exists(), "who looks changes nothing");
    let orion = deployment.start_again();
    deployment.wait_until("the first evaluation", |it| it.offset_of("group/targets.yaml/targets").is_some());
    assert_eq!(failing(&deployment, &[]), []);
    assert!(orion.terminate().success());
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_how_to_mend_it() {
    let deployment = Deployment::new("http://127.0.0.1:9").with("REDIS_URL", "redis://127.0.0.1:9");
    deployment.rule("wrong.yaml", "groups: [\n");
    std::fs::write(deployment.path("plugins/broken.wasm"), "no component").unwrap();
    std::fs::write(deployment.path("file"), "").unwrap();
    let output =
        deployment.orion(&["doctor", "--output", "table", "--data", "file", "--prometheus-token-file", "none"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let folder = deployment.path("").display().to_string();
    // How much room there is, is not this test's.
    let lines = text.lines().filter(|line| !line.contains(" room "));
    let text = lines.collect::<Vec<_>>().join("\n").replace(folder.trim_end_matches('/'), "FOLDER");
    insta::assert_snapshot!(text, @r"
    holds     settings     no settings file; flags, variables and defaults count
    FAILS     secrets      1 thing wrong
                           the secret in none cannot be read: No such file or directory (os error 2)
                           → a start would end here with the same words
    holds     confinement  the kernel can all of it
    FAILS     plugins      1 thing wrong
                           plugin file broken.wasm: the file is not WebAssembly
                           → `orion plugin inspect FILE` says what a file is; rules that name no other plugin run on without it
    not seen  rules        not judged: the plugins that they may name do not load
    FAILS     memory       1 thing wrong
                           FOLDER/file cannot be written by this user (0): Permission denied (os error 13)
                           → `chown --recursive 0 FOLDER/file`, or run it as the user whose it is
    not seen  prometheus   not asked: see secrets
    not seen  loki         none: no rule can ask the source `loki`
    FAILS     redis        1 thing wrong
                           redis://127.0.0.1:9 does not answer: Connection refused (os error 111). Orion goes on by itself when it does
                           → start it, or say where it is with --redis-url (REDIS_URL); a host that runs goes on without it within its outbox
    not seen  interface    nothing is served: --listen none
    not seen  store        there is none yet; the first start makes it

    4 of 12 checks fail.
    ");
}

#[test]
fn a_refused_rule_file_and_a_prometheus_that_is_away_are_found() {
    let (mut prometheus, deployment) = watched();
    deployment.rule("wrong.yaml", "groups: [\n");
    prometheus.kill();
    let found = failing(&deployment, &[]);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["rules", "prometheus"]);
    assert!(found[0].1.contains("rules/wrong.yaml would be refused"), "{found:?}");
}

#[test]
fn starts_again_and_again_are_found() {
    let (prometheus, deployment) = watched();
    prometheus.wait_for("vector(1)", "\"1\"", PATIENCE).unwrap();
    for _ in 0..4 {
        deployment.start_again().kill();
    }
    let found = failing(&deployment, &[]);
    assert!(
        found.iter().any(|(name, what)| name == "starts" && what.starts_with("4 starts within ten minutes")),
        "{found:?}"
    );
}

#[test]
fn a_port_in_use_is_found_unless_it_is_the_running_orion_that_has_it() {
    let (mut prometheus, deployment) = watched();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = other.local_addr().unwrap().to_string();
    let found = failing(&deployment, &["--listen", &listen]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].0 == "interface" && found[0].1.contains(&format!("{listen} is in use")), "{found:?}");
    drop(other);
    assert_eq!(failing(&deployment, &["--listen", &listen]), []);
    let orion = deployment.start_with(&[("ORION_API__LISTEN", &listen)]);
    deployment.served_ready_at();
    assert_eq!(failing(&deployment, &["--listen", &listen]), []);
    prometheus.kill();
    let is_unready = |found: &[(String, String)]| {
        found.iter().any(|(name, what)| name == "interface" && what.contains("prometheus"))
    };
    deployment.wait_until("what it waits for", |it| is_unready(&failing(it, &["--listen", &listen])));
    assert!(orion.terminate().success());
}

#[test]
fn settings_that_an_address_needs_and_that_are_missing_are_found() {
    let (_prometheus, deployment) = watched();
    let found = failing(&deployment, &["--listen", "0.0.0.0:0"]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].0 == "secrets" && found[0].1.contains("--token-keys"), "{found:?}");
}

#[test]
fn what_another_user_left_in_the_memory_folder_is_found() {
    const USER: u32 = 65532;
    let deployment = Deployment::new("http://127.0.0.1:9");
    let orion = deployment.start_as(USER, &[]);
    deployment.wait_until("the start", |it| !it.attestations().is_empty());
    assert!(orion.terminate().success());
    let arguments = ["doctor", "--output", "ndjson"];
    let of_memory =
        || failing_of(&deployment.orion_as(USER, &arguments)).into_iter().find(|(name, _)| name == "memory");
    assert_eq!(of_memory(), None);
    chown(deployment.path("memory/decisions.jsonl"), Some(0), Some(0)).unwrap();
    let compiled = deployment.path("memory/compiled");
    std::fs::set_permissions(&compiled, std::fs::Permissions::from_mode(0o777)).unwrap();
    let (_, what) = of_memory().unwrap();
    assert!(what.contains("this user (65532) cannot write decisions.jsonl; others may write to"), "{what}");
    assert!(what.ends_with("(mode 777), and it holds native code"), "{what}");
}
