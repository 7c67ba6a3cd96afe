//! Whatever is changed in files, store or checkpoints is found; and what a key has signed cannot be written anew.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use orion_bus::{RecordKind, SqliteBus};
use orion_trust::{Keyring, SecretKey};
use tempfile::TempDir;

use super::super::scene::{ROTATE_BYTES, Scene, at_day};
use super::super::{Audit, CHECKPOINTS_FILE, CLOSED_DIR, audit, pack_closed, rebuild};

fn key(seed: u8) -> Arc<SecretKey> {
    Arc::new(SecretKey::from_seed(&[seed; 32], ""))
}

async fn signed_scene() -> Scene {
    let mut scene = Scene::empty();
    scene.key = Some(key(1));
    for day in 0..4 {
        scene.day(day, 40).await;
    }
    scene
}

fn audit_with(folder: &Path, seeds: &[u8]) -> Audit {
    let keys = TempDir::new().unwrap();
    for seed in seeds {
        fs::write(keys.path().join(format!("{seed}.pub")), key(*seed).public().to_pem()).unwrap();
    }
    let mut store = SqliteBus::open_read_only(folder).unwrap();
    audit(folder, &mut store, false, Some(&Keyring::read(keys.path()).unwrap())).unwrap()
}

fn said(audit: &Audit) -> String {
    let lines: Vec<&str> = audit.findings.iter().map(|finding| finding.what.as_str()).collect();
    lines.join("\n")
}

/// Changes the store behind the back of everyone.
fn tamper(folder: &Path, sql: &str) {
    let database = folder.join("orion.db");
    let connection = rusqlite::Connection::open(database).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_trail_that_was_left_alone_holds_and_a_key_vouches_for_its_past() {
    let scene = signed_scene().await;
    pack_closed(scene.path()).unwrap();
    let found = audit_with(scene.path(), &[1]);
    assert_eq!(said(&found), "");
    assert_eq!((found.holds, found.position, found.checkpoints.count), (true, 160, 3));
    assert_eq!(found.checkpoints.vouched_for_up_to, Some(120));
    assert_eq!(found.checkpoints.keys, ["1.pub"]);
    assert_eq!(found.kinds.iter().map(|kind| kind.lines).sum::<u64>(), 160);
    // The same on another day makes no other checkpoint.
    scene.write(at_day(3, 7_200_000)).await;
    scene.write(at_day(5, 0)).await;
    assert_eq!(scene.audit().checkpoints.count, 3);
}

#[tokio::test]
async fn a_line_of_a_closed_file_that_was_changed_is_found() {
    let scene = signed_scene().await;
    let events = |folder: &Path| {
        let mut files: Vec<_> = fs::read_dir(folder.join(CLOSED_DIR)).unwrap().map(|it| it.unwrap().path()).collect();
        files.retain(|path| path.to_string_lossy().contains("events-"));
        files.sort();
        files
    };
    let path = events(scene.path())[1].clone();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"n\":", "\"m\":", 1)).unwrap();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(scene.wrong(), format!("{CLOSED_DIR}/{name}, line 1: is not as Orion wrote it"));
    fs::write(&path, &text).unwrap();
    pack_closed(scene.path()).unwrap();
    let packed = events(scene.path())[1].clone();
    let bytes = fs::read(&packed).unwrap();
    fs::write(&packed, &bytes[..bytes.len() - 20]).unwrap();
    assert!(
        scene.wrong().contains("cannot be unpacked from here on: the file was cut or changed"),
        "{}",
        scene.wrong()
    );
    fs::remove_file(&packed).unwrap();
    assert!(scene.wrong().contains("line 1: does not follow the line before it"), "{}", scene.wrong());
    // The first one: nothing before it says that it was there.
    fs::write(&packed, &bytes).unwrap();
    fs::remove_file(&events(scene.path())[0]).unwrap();
    assert!(scene.wrong().contains("events.jsonl begins at position "), "{}", scene.wrong());
    assert!(scene.wrong().ends_with(", and what was before it is missing"), "{}", scene.wrong());
}

#[tokio::test]
async fn a_record_that_was_taken_out_of_the_store_is_found() {
    let scene = signed_scene().await;
    tamper(scene.path(), "DELETE FROM log WHERE seq = 70");
    let wrong = scene.wrong();
    assert!(wrong.contains("orion.db has no record at position 70, and nothing was to be forgotten there"), "{wrong}");
    assert!(wrong.contains("is whole in itself and is not what orion.db has"), "{wrong}");
}

/// Changes a record in the store, and has all files follow with all their hashes.
async fn rewrite(scene: &Scene, seq: u64) {
    tamper(scene.path(), &format!("UPDATE log SET body = replace(body, '\"n\":', '\"m\":') WHERE seq = {seq}"));
    let mut store = SqliteBus::open_read_only(scene.path()).unwrap();
    rebuild(scene.path(), &mut store, ROTATE_BYTES, |_| {}).unwrap();
}

#[tokio::test]
async fn a_history_that_was_written_anew_with_all_its_hashes_is_found_by_its_checkpoints() {
    let scene = signed_scene().await;
    let checkpoints = fs::read_to_string(scene.path().join(CHECKPOINTS_FILE)).unwrap();
    rewrite(&scene, 30).await;
    assert!(scene.wrong().contains("is not what the checkpoint of 1970-01-02T01:00:00.000Z says"), "{}", scene.wrong());
    // Checkpoints that follow the new history cannot be signed without the key.
    fs::remove_file(scene.path().join(CHECKPOINTS_FILE)).unwrap();
    assert_eq!(scene.wrong(), "", "without keys and checkpoints nothing shows");
    assert!(said(&audit_with(scene.path(), &[1])).contains("there is no checkpoint from before position 41"));
    let forged = checkpoints.lines().map(|line| line.split(",\"signature\"").next().unwrap().to_owned() + "}\n");
    fs::write(scene.path().join(CHECKPOINTS_FILE), forged.collect::<String>()).unwrap();
    assert!(said(&audit_with(scene.path(), &[1])).contains("checkpoints were changed, removed or moved here"));
}

#[tokio::test]
async fn a_checkpoint_of_a_stranger_a_changed_one_and_a_missing_one_are_found() {
    let scene = signed_scene().await;
    let found = said(&audit_with(scene.path(), &[2]));
    assert_eq!(found, "the checkpoint of 1970-01-04T01:00:00.000Z is not signed by a key that is trusted");
    let path = scene.path().join(CHECKPOINTS_FILE);
    let text = fs::read_to_string(&path).unwrap();
    // The last one, of which no other holds a hash.
    let at = text.rfind("\"position\":120").unwrap();
    fs::write(&path, format!("{}\"position\":119{}", &text[..at], &text[at + 14..])).unwrap();
    let found = said(&audit_with(scene.path(), &[1]));
    assert_eq!(found, "the signature of the checkpoint of 1970-01-04T01:00:00.000Z is not one of the key 1.pub");
    let lines: Vec<&str> = text.lines().collect();
    fs::write(&path, format!("{}\n{}\n", lines[0], lines[2])).unwrap();
    assert!(said(&audit_with(scene.path(), &[1])).contains("checkpoints.jsonl, line 2: does not follow"));
    fs::write(&path, format!("{}\n{}\n", lines[0], lines[1])).unwrap();
    let found = said(&audit_with(scene.path(), &[1]));
    assert_eq!(found, "there is no checkpoint from before position 121, where the records of 1970-01-04 begin");
}

#[tokio::test]
async fn a_checkpoint_that_a_crash_tore_is_made_again() {
    let scene = signed_scene().await;
    let path = scene.path().join(CHECKPOINTS_FILE);
    let text = fs::read_to_string(&path).unwrap();
    for length in (0..text.len()).step_by(97) {
        fs::write(&path, &text[..length]).unwrap();
        let kept = text[..length].lines().count() - usize::from(!text[..length].ends_with('\n') && length > 0);
        drop(super::super::Checkpoints::open(scene.path(), None).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), kept, "{length} bytes");
    }
}

#[tokio::test]
async fn an_end_that_was_cut_behind_what_the_store_has_let_go_is_found() {
    let scene = Scene::of_days(3, 24).await;
    scene.retain(super::super::retention::Keep { millis: Some(86_400_000), bytes: None }, at_day(30, 0)).await;
    assert_eq!(scene.wrong(), "");
    let path = scene.path().join("events.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..=text.find('\n').unwrap()]).unwrap();
    assert!(scene.wrong().contains("orion.db has forgotten everything up to 72: its end is gone"), "{}", scene.wrong());
    let refused = super::super::Projection::open(scene.path(), 72, &scene.begins().await, ROTATE_BYTES).err();
    assert!(matches!(refused, Some(super::super::MemoryError::Gap { .. })), "{refused:?}");
    // What is left is moved away: a new trail begins, and it does not look like an old one.
    fs::remove_file(&path).unwrap();
    scene.day(30, 40).await;
    assert!(scene.lines(RecordKind::Event).len() > 1);
    assert!(scene.wrong().contains("what was before it is missing"), "{}", scene.wrong());
}
