//! A snapshot is taken while Orion runs, and comes back whole or not at all.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Deployment, history};

/// Ten days of records.
const RECORDS: i64 = 480;

const KEPT: [(&str, &str); 2] = [("ORION_MEMORY__KEEP", "39h30m"), ("ORION_MEMORY__ROTATE_BYTES", "8KiB")];

fn with_a_past() -> Deployment {
    let deployment = Deployment::new("http://127.0.0.1:9");
    history::fill(&deployment.path("memory"), RECORDS);
    deployment
}

fn starts(deployment: &Deployment) -> usize {
    deployment.attestations().len()
}

fn run_once(deployment: &Deployment, env: &[(&str, &str)]) {
    let before = starts(deployment);
    let orion = deployment.start_with(env);
    deployment.wait_until("the start", |it| starts(it) > before);
    assert!(orion.terminate().success());
}

fn json(deployment: &Deployment, arguments: &[&str]) -> Value {
    let output = deployment.orion(&[arguments, &["--output", "json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(deployment: &Deployment, arguments: &[&str]) -> String {
    let output = deployment.orion(arguments);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap().replace(&deployment.path("").display().to_string(), "DIR/")
}

/// A new deployment into which a snapshot was put.
fn restored(snapshot: &Path) -> Deployment {
    let elsewhere = Deployment::new("http://127.0.0.1:9");
    json(&elsewhere, &["snapshot", "restore", snapshot.to_str().unwrap()]);
    elsewhere
}

/// All records that were there, in the order of the trail.
fn exported(deployment: &Deployment) -> Vec<String> {
    let output = deployment.orion(&["audit", "export"]);
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn assert_holds(deployment: &Deployment) {
    let found = json(deployment, &["audit", "verify"]);
    assert_eq!(found["holds"], true, "{found:#}");
    deployment.check_promises();
}

#[test]
fn a_snapshot_of_a_running_deployment_goes_on_elsewhere_as_it_was() {
    let deployment = with_a_past();
    let orion = deployment.start();
    deployment.wait_until("the start", |it| starts(it) == 1);
    let taken = json(&deployment, &["snapshot", "create", "--to", "snapshot"]);
    assert_eq!((&taken["snapshot"], &taken["manifest"]["position"]), (&"snapshot".into(), &(RECORDS + 1).into()));
    assert!(orion.terminate().success());
    let then = exported(&deployment);
    run_once(&deployment, &[]);

    let elsewhere = restored(&deployment.path("snapshot"));
    run_once(&elsewhere, &[]);
    let now = exported(&elsewhere);
    assert_eq!(now[..then.len()], then);
    assert_eq!((now.len(), starts(&elsewhere)), (then.len() + 1, 2));
    assert_holds(&elsewhere);
}

#[test]
fn what_the_store_has_let_go_is_in_the_snapshot() {
    let deployment = with_a_past();
    run_once(&deployment, &KEPT[1..]);
    run_once(&deployment, &KEPT);
    let orion = deployment.start_with(&KEPT);
    deployment.wait_until("the start", |it| starts(it) == 3);
    assert!(json(&deployment, &["audit", "verify"])["forgotten"].as_u64() > Some(0));
    json(&deployment, &["snapshot", "create", "--to", "snapshot"]);
    assert!(orion.terminate().success());
    let then = exported(&deployment);
    let elsewhere = restored(&deployment.path("snapshot"));
    run_once(&elsewhere, &KEPT[1..]);
    assert_eq!(exported(&elsewhere)[..then.len()], then);
    assert_holds(&elsewhere);
}

#[test]
fn an_older_snapshot_takes_the_place_of_what_is_there_which_is_put_aside() {
    let deployment = with_a_past();
    run_once(&deployment, &[]);
    json(&deployment, &["snapshot", "create", "--to", "snapshot"]);
    let then = exported(&deployment);
    run_once(&deployment, &[]);
    let later = exported(&deployment);
    insta::assert_snapshot!(refused(&deployment, &["snapshot", "restore", "snapshot"]), @"");
    let orion = deployment.start();
    deployment.wait_until("the start", |it| starts(it) == 3);
    let owned = refused(&deployment, &["snapshot", "restore", "snapshot", "--replace"]);
    insta::assert_snapshot!(owned.replace(&orion.pid().to_string(), "PID"), @"");
    assert!(orion.terminate().success());

    let put_back = json(&deployment, &["snapshot", "restore", "snapshot", "--replace"]);
    let aside = Path::new(put_back["put_aside"].as_str().unwrap());
    assert_eq!(fs::read_to_string(aside.join("events.jsonl")).unwrap().lines().count(), RECORDS as usize / 3 + 3);
    run_once(&deployment, &[]);
    let now = exported(&deployment);
    assert_eq!((&now[..then.len()], now.len()), (&then[..], later.len()));
    assert_holds(&deployment);
}

#[test]
fn a_snapshot_that_was_changed_is_refused_and_nothing_is_put_back() {
    let deployment = with_a_past();
    run_once(&deployment, &[]);
    json(&deployment, &["snapshot", "create", "--to", "snapshot"]);
    insta::assert_snapshot!(refused(&deployment, &["snapshot", "create", "--to", "snapshot"]), @"");
    let restore = || {
        let said = refused(&deployment, &["snapshot", "restore", "snapshot", "--data", "new"]);
        assert!(!deployment.path("new/memory").exists());
        said
    };
    let database = deployment.path("snapshot/orion.db");
    let bytes = fs::read(&database).unwrap();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&database, changed).unwrap();
    let mut said = restore();
    fs::remove_file(&database).unwrap();
    said += &restore();
    fs::write(&database, bytes).unwrap();
    let manifest = deployment.path("snapshot/snapshot.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"orion.db\"", "\"../orion.db\"")).unwrap();
    said += &restore();
    fs::write(&manifest, text.replace("snapshot/1", "snapshot/2")).unwrap();
    said += &restore();
    fs::remove_file(&manifest).unwrap();
    said += &restore();
    insta::assert_snapshot!(said, @"");
    fs::write(&manifest, text).unwrap();
    json(&deployment, &["snapshot", "restore", "snapshot", "--data", "new"]);
}

#[test]
fn a_crash_leaves_the_old_or_the_new_and_both_are_whole() {
    let deployment = with_a_past();
    run_once(&deployment, &[]);
    let crash = |arguments: &[&str], point: &str| {
        let at = format!("{point}:1");
        assert!(!deployment.orion_with(arguments, &[("ORION_CRASH_AT", &at)]).status.success(), "{point}");
    };
    let create = ["snapshot", "create", "--to", "snapshot"];
    crash(&create, "snapshot::before_named");
    assert!(!deployment.path("snapshot").exists());
    json(&deployment, &create);
    let then = exported(&deployment);
    run_once(&deployment, &[]);
    let later = exported(&deployment);
    let restore = ["snapshot", "restore", "snapshot", "--replace"];
    crash(&restore, "restore::before_swap");
    assert_eq!(exported(&deployment), later);
    assert_holds(&deployment);
    crash(&restore, "restore::after_swap");
    run_once(&deployment, &[]);
    assert_eq!(exported(&deployment)[..then.len()], then);
    assert_holds(&deployment);
}
