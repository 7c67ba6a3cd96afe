//! The audit trail is kept as its operator wants it: in files that are closed and packed, within limits, whole through crashes,
//! and anyone can check it, write it anew and take it along.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use orion_trust::SecretKey;
use serde_json::Value;

use crate::support::{Deployment, history};

/// Ten days, and what of them is older than [`KEEP`].
const RECORDS: i64 = 480;
const OLD: u64 = 400;
const KEEP: &str = "39h30m";

const SMALL_FILES: (&str, &str) = ("ORION_MEMORY__ROTATE_BYTES", "8KiB");
const KEPT: (&str, &str) = ("ORION_MEMORY__KEEP", KEEP);

/// A deployment with a past that is not written down yet.
fn with_a_past() -> Deployment {
    let deployment = Deployment::new("http://127.0.0.1:9");
    history::fill(&deployment.path("memory"), RECORDS);
    deployment
}

/// Runs until something is so, and ends in order.
fn run(deployment: &Deployment, env: &[(&str, &str)], what: &str, holds: impl FnMut(&Deployment) -> bool) {
    let orion = deployment.start_with(env);
    deployment.wait_until(what, holds);
    assert!(orion.terminate().success());
}

fn starts(deployment: &Deployment) -> usize {
    deployment.attestations().len()
}

/// What `orion audit verify` says, and what it exits with.
fn audit(deployment: &Deployment, arguments: &[&str]) -> (Value, Option<i32>) {
    let output = deployment.orion(&[&["audit", "verify", "--output", "json"], arguments].concat());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{stderr}")), output.status.code())
}

fn assert_holds(deployment: &Deployment) -> Value {
    let (found, code) = audit(deployment, &[]);
    assert_eq!((code, &found["holds"]), (Some(0), &Value::Bool(true)), "{found:#}");
    found
}

/// Closed files by their names, unpacked.
fn closed(deployment: &Deployment) -> BTreeMap<String, String> {
    let entries = fs::read_dir(deployment.path("memory/archive")).into_iter().flatten().map(Result::unwrap);
    let read = |path: &Path| {
        let mut text = String::new();
        GzDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        text
    };
    entries.map(|entry| (entry.file_name().into_string().unwrap(), read(&entry.path()))).collect()
}

fn stderr(output: std::process::Output, deployment: &Deployment, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code));
    String::from_utf8(output.stderr).unwrap().replace(&deployment.path("").display().to_string(), "DIR/")
}

#[test]
fn files_are_closed_and_packed_and_what_is_old_goes_from_store_and_files() {
    let deployment = with_a_past();
    run(&deployment, &[SMALL_FILES], "the past to be written", |it| starts(it) == 1);
    let before = closed(&deployment);
    assert!(before.len() > 30 && before.keys().all(|name| name.ends_with(".jsonl.gz")), "{:?}", before.keys());
    let found = assert_holds(&deployment);
    assert_eq!((&found["forgotten"], &found["position"]), (&0.into(), &(RECORDS + 1).into()));
    assert_eq!(deployment.decisions().len(), 160);

    run(&deployment, &[SMALL_FILES, KEPT], "what is old to go", |it| {
        starts(it) == 2 && assert_holds(it)["forgotten"].as_u64() >= Some(OLD) && closed(it).len() < before.len() / 2
    });
    let found = assert_holds(&deployment);
    assert_eq!(found["position"], RECORDS + 2, "positions go on");
    assert!(deployment.decisions().len() < 40);
    deployment.check_promises();
    let certificate = deployment.orion(&["verify", "--offline"]);
    assert_eq!(certificate.status.code(), Some(0), "{}", String::from_utf8_lossy(&certificate.stdout));
}

#[test]
fn a_crash_at_any_point_of_keeping_leaves_a_trail_that_holds() {
    const POINTS: [&str; 9] = [
        "memory::before_close",
        "memory::after_close",
        "memory::before_packed",
        "memory::after_packed",
        "memory::before_checkpoint",
        "memory::after_checkpoint",
        "memory::before_forget",
        "memory::after_forget",
        "memory::before_delete",
    ];
    for point in POINTS {
        let deployment = with_a_past();
        // Checkpoints come with the first record behind a past that is written down.
        if point.ends_with("_checkpoint") || point.ends_with("_delete") {
            run(&deployment, &[SMALL_FILES], "the past to be written", |it| starts(it) == 1);
        }
        let at = format!("{point}:1");
        let mut orion = deployment.start_with(&[SMALL_FILES, KEPT, ("ORION_CRASH_AT", &at)]);
        assert!(!orion.wait().success(), "it did not crash at {point}");
        run(&deployment, &[SMALL_FILES, KEPT], "what is old to go", |it| {
            let (found, _) = audit(it, &[]);
            found["forgotten"].as_u64() >= Some(OLD) && closed_before(it, &found)
        });
        assert_holds(&deployment);
        deployment.check_promises();
        assert!(closed(&deployment).keys().all(|name| name.ends_with(".jsonl.gz")), "{point}");
    }
}

/// Whether no file is left that begins in the first half of the past.
fn closed_before(deployment: &Deployment, found: &Value) -> bool {
    found["kinds"].as_array().unwrap().iter().all(|kind| kind["first_seq"].as_i64() > Some(RECORDS / 2))
        && !deployment.path("memory/archive/.partial").exists()
}

#[test]
fn what_was_deleted_or_changed_is_written_anew_byte_for_byte() {
    let deployment = with_a_past();
    run(&deployment, &[SMALL_FILES], "the past to be written", |it| starts(it) == 1);
    let (before, events) = (closed(&deployment), fs::read(deployment.path("memory/events.jsonl")).unwrap());
    let first = before.keys().find(|name| name.starts_with("incidents-")).unwrap();
    fs::remove_file(deployment.path("memory/archive").join(first)).unwrap();
    fs::write(deployment.path("memory/events.jsonl"), "my notes\n").unwrap();
    let (found, code) = audit(&deployment, &[]);
    assert_eq!((code, &found["holds"]), (Some(1), &Value::Bool(false)));
    let rebuilt = deployment.orion(&["audit", "rebuild", "--rotate-bytes", "8KiB", "--output", "json"]);
    assert_eq!(rebuilt.status.code(), Some(0), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    let rebuilt: Value = serde_json::from_slice(&rebuilt.stdout).unwrap();
    assert_eq!(rebuilt, serde_json::json!({ "kept_up_to": 0, "written": RECORDS + 1, "position": RECORDS + 1 }));
    assert_eq!(closed(&deployment), before);
    assert_eq!(fs::read(deployment.path("memory/events.jsonl")).unwrap(), events);
    assert_holds(&deployment);

    // With a beginning that the store has let go, and a crash in the middle.
    run(&deployment, &[SMALL_FILES, KEPT], "what is old to go", |it| {
        starts(it) == 2 && assert_holds(it)["forgotten"].as_u64() >= Some(OLD)
    });
    let before = closed(&deployment);
    let crashed = deployment
        .orion_with(&["audit", "rebuild", "--rotate-bytes", "8KiB"], &[("ORION_CRASH_AT", "memory::opened_again:1")]);
    assert!(!crashed.status.success());
    let rebuilt = deployment.orion(&["audit", "rebuild", "--rotate-bytes", "8KiB", "--output", "json"]);
    assert_eq!(rebuilt.status.code(), Some(0), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    assert_eq!(closed(&deployment), before);
    assert_holds(&deployment);
}

#[test]
fn history_that_was_written_anew_is_found_by_a_checkpoint_that_a_key_signed() {
    let deployment = with_a_past();
    let key = SecretKey::from_seed(&[5; 32], "notary");
    fs::write(deployment.path("notary.key"), key.to_pem()).unwrap();
    fs::create_dir(deployment.path("keys")).unwrap();
    fs::write(deployment.path("keys/notary.pub"), key.public().to_pem()).unwrap();
    let signing = ("ORION_MEMORY__CHECKPOINT_KEY", "notary.key");
    run(&deployment, &[signing], "the past to be written", |it| starts(it) == 1);
    run(&deployment, &[signing], "a checkpoint", |it| starts(it) == 2);
    let (found, code) = audit(&deployment, &["--trusted-keys", "keys"]);
    assert_eq!(code, Some(0), "{found:#}");
    assert_eq!(found["checkpoints"]["vouched_for_up_to"], RECORDS + 1);
    assert_eq!(found["checkpoints"]["keys"], serde_json::json!(["notary.pub"]));

    let store = rusqlite::Connection::open(deployment.path("memory/orion.db")).unwrap();
    store.execute_batch("UPDATE log SET body = replace(body, 'jellyfin', 'sonarr') WHERE seq = 7").unwrap();
    drop(store);
    assert_eq!(deployment.orion(&["audit", "rebuild"]).status.code(), Some(0));
    let output = deployment.orion(&["audit", "verify", "--output", "table"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let at = found["checkpoints"]["last"].as_str().unwrap();
    let told =
        text.lines().skip_while(|line| !line.is_empty()).skip(4).collect::<Vec<_>>().join("\n").replace(at, "TIME");
    insta::assert_snapshot!(told, @"");
}

#[test]
fn records_are_exported_in_their_order_by_kind_and_time() {
    let deployment = with_a_past();
    run(&deployment, &[SMALL_FILES], "the past to be written", |it| starts(it) == 1);
    let export = |arguments: &[&str]| {
        let output = deployment.orion(&[&["audit", "export"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let all = export(&[]);
    let seqs = all.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_i64().unwrap());
    assert!(seqs.eq(1..=RECORDS + 1));
    let decisions = export(&["--kind", "decision"]);
    assert_eq!(decisions.lines().count(), 160);
    assert!(decisions.lines().all(|line| all.contains(line)));
    // Two days of the ten have 96 records, and so has what lies between two and four days ago.
    assert_eq!(export(&["--from", "4d", "--to", "2d"]).lines().count(), 96);
    let csv = export(&["--format", "csv", "--kind", "incident,decision"]);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 321);
    insta::assert_snapshot!(lines[0], @"");
    assert!(lines[2].starts_with("3,20") && lines[2].contains(",decision,NO_ACTION,,,"), "{}", lines[2]);

    let written = export(&["--out", "all.ndjson", "--output", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap()["records"], RECORDS + 1);
    assert_eq!(fs::read_to_string(deployment.path("all.ndjson")).unwrap(), all);
    let again = deployment.orion(&["audit", "export", "--out", "all.ndjson"]);
    insta::assert_snapshot!(stderr(again, &deployment, 3), @"");
}

#[test]
fn what_cannot_be_done_is_said_with_what_to_do() {
    let deployment = with_a_past();
    let orion = deployment.start();
    deployment.wait_until("the start", |it| starts(it) == 1);
    let pid = orion.pid().to_string();
    let running = deployment.orion(&["audit", "rebuild"]);
    insta::assert_snapshot!(stderr(running, &deployment, 3).replace(&pid, "PID"), @"");
    // Checking disturbs nobody.
    assert_holds(&deployment);
    assert!(orion.terminate().success());
    let mut said = String::new();
    for arguments in [
        &["audit", "verify", "--data", "gone"][..],
        &["audit", "rebuild", "--data", "gone"],
        &["audit", "export", "--data", "gone"],
        &["audit", "verify", "--trusted-keys", "gone"],
        &["run", "--keep", "3h"],
        &["run", "--keep-bytes", "10GB"],
        &["run", "--checkpoint-key", "gone.key"],
    ] {
        said += &stderr(deployment.orion(arguments), &deployment, 3);
    }
    insta::assert_snapshot!(said, @"");
    assert!(!deployment.path("gone").exists());
}
