//! A full disk stops what would be recorded and nothing else: it is said once, nothing is dropped, and when there is room again
//! Orion goes on by itself and records what it would have recorded without. The disks are real file systems, and small.

use std::path::Path;
use std::time::Duration;

use crate::support::mounts;
use crate::support::twins::Twins;
use crate::support::{Deployment, TARGETS};

const MIB: u64 = 1024 * 1024;

/// What compiled plugins, the store and its journal take, and some room.
const DISK_BYTES: u64 = 64 * MIB;

/// How long the disk is full, and traffic goes on.
const FULL: Duration = Duration::from_secs(5);

/// What is said once when a store cannot be written.
const SAID: &str = "nothing is recorded until it can be written again";

#[test]
fn a_full_store_is_said_once_nothing_is_dropped_and_room_is_all_it_needs() {
    if !mounts::are_own(
        "a_full_disk_is_waited_out::a_full_store_is_said_once_nothing_is_dropped_and_room_is_all_it_needs",
    ) {
        return;
    }
    let twins = Twins::begin_in(|it| mounts::small(&it.path("memory"), DISK_BYTES));
    let ballast = twins.disturbed.path("memory/ballast");
    let orion = twins.disturbed.start();
    twins.watch_for(3_000);
    mounts::fill(&ballast);
    let said = |it: &Deployment| it.log().matches(SAID).count();
    twins.disturbed.wait_until("the full disk to be said", |it| {
        // What was given back meanwhile is taken again: the journal and the files do not grow at the same moment.
        mounts::fill(&ballast);
        it.log().contains("no space left to write") && it.log().contains("orion.db") && said(it) > 0
    });
    std::thread::sleep(FULL);
    let lines = twins.disturbed.log().lines().filter(|line| line.contains("no space left")).count();
    assert!(lines <= 2, "once for the store and once for the files:\n{}", twins.disturbed.log());
    std::fs::remove_file(&ballast).unwrap();
    twins.disturbed.wait_until("the end of it", |it| !it.events_of("store_full", "resolved").is_empty());
    let compared = {
        let (firing, resolved) =
            (twins.disturbed.events_of("store_full", "firing"), twins.disturbed.events_of("store_full", "resolved"));
        assert!(
            firing[0]["ts"].as_str() < resolved[0]["ts"].as_str(),
            "with the time it began: {firing:#?} {resolved:#?}"
        );
        assert!(firing[0]["data"]["message"].as_str().unwrap().contains("no space left to write"), "{firing:#?}");
        twins.end(orion)
    };
    println!("full for {} s: 0 lost, 0 doubled: {compared:?}", FULL.as_secs());
}

#[test]
fn full_files_beside_a_store_with_room_are_recorded_at_once_and_written_when_there_is_room() {
    if !mounts::are_own(
        "a_full_disk_is_waited_out::full_files_beside_a_store_with_room_are_recorded_at_once_and_written_when_there_is_room",
    ) {
        return;
    }
    let twins = Twins::begin_in(|it| {
        let (file, disk) = (it.path("memory/events.jsonl"), it.path("disk"));
        mounts::small(&disk, DISK_BYTES);
        std::fs::create_dir(it.path("memory")).unwrap();
        for path in [&file, &disk.join("events.jsonl")] {
            std::fs::write(path, "").unwrap();
        }
        mounts::instead_of(&file, &disk.join("events.jsonl"));
    });
    let disk = twins.disturbed.path("disk");
    let orion = twins.disturbed.start();
    twins.watch_for(3_000);
    mounts::fill(&disk.join("ballast"));
    twins.disturbed.wait_until("the full disk to be said", |it| it.log().contains(SAID));
    std::thread::sleep(FULL);
    assert_eq!(twins.disturbed.log().matches("no space left").count(), 1, "{}", twins.disturbed.log());
    // The store has room: there it stands already.
    let tail = twins.disturbed.orion(&["tail", "-n", "100000", "--output", "ndjson"]);
    assert!(String::from_utf8_lossy(&tail.stdout).contains("store_full"));
    std::fs::remove_file(disk.join("ballast")).unwrap();
    twins.disturbed.wait_until("the end of it", |it| !it.events_of("store_full", "resolved").is_empty());
    assert_eq!(twins.disturbed.troubles(), ["store_full firing", "store_full resolved"]);
    assert_eq!(twins.disturbed.incidents_of("store_failure", "opened").len(), 1);
    assert_eq!(twins.disturbed.incidents_of("store_failure", "resolved").len(), 1);
    println!("0 lost, 0 doubled: {:?}", twins.end(orion));
}

#[test]
fn ended_and_killed_and_started_on_a_full_disk_it_loses_nothing() {
    if !mounts::are_own("a_full_disk_is_waited_out::ended_and_killed_and_started_on_a_full_disk_it_loses_nothing") {
        return;
    }
    let twins = Twins::begin_in(|it| mounts::small(&it.path("memory"), DISK_BYTES));
    let ballast = twins.disturbed.path("memory/ballast");
    for ends in [true, false] {
        let mut orion = twins.disturbed.start();
        twins.watch_for(2_000);
        let said = twins.disturbed.log().matches(SAID).count();
        twins.disturbed.wait_until("the full disk to be said", |it| {
            mounts::fill(&ballast);
            it.log().matches(SAID).count() > said
        });
        std::thread::sleep(Duration::from_secs(1));
        if ends {
            orion.signal_to_end();
            let code = orion.wait().code();
            assert!(matches!(code, Some(0 | 3)), "{code:?}");
        } else {
            orion.kill();
        }
        mounts::fill(&ballast);
        started_in_vain(&twins.disturbed, &ballast);
        std::fs::remove_file(&ballast).unwrap();
    }
    let orion = twins.disturbed.start();
    println!("0 lost, 0 doubled: {:?}", twins.end(orion));
}

/// It refuses to start; or, where the journal of a killed one had room left, it starts, and says that it is full when that is used.
fn started_in_vain(deployment: &Deployment, ballast: &Path) {
    let said = deployment.log().matches(SAID).count();
    let mut orion = deployment.start();
    let mut code = None;
    deployment.wait_until("it to end, or to say that the disk is full", |it| {
        mounts::fill(ballast);
        code = orion.ended().map(|status| status.code());
        code.is_some() || it.log().matches(SAID).count() > said
    });
    match code {
        Some(code) => {
            assert_eq!(code, Some(3), "{}", deployment.log());
            let log = deployment.log();
            let last = log.lines().last().unwrap_or_default();
            assert!(last.starts_with("orion: ") && last.to_lowercase().contains("no space left"), "{last}");
        }
        None => orion.kill(),
    }
}

#[test]
fn a_plugin_saved_on_a_full_disk_is_taken_when_there_is_room() {
    if !mounts::are_own("a_full_disk_is_waited_out::a_plugin_saved_on_a_full_disk_is_taken_when_there_is_room") {
        return;
    }
    let deployment = Deployment::new("http://127.0.0.1:9");
    deployment.rule("targets.yaml", TARGETS);
    let ballast = deployment.path("memory/ballast");
    mounts::small(&deployment.path("memory"), DISK_BYTES);
    let orion = deployment.start();
    deployment.wait_until("the first look", |it| !it.attestations().is_empty());
    mounts::fill(&ballast);
    let plugin = crate::support::guests::detector("mine", "1.0.0", &crate::support::guests::say("1"));
    std::fs::write(deployment.path("plugins/mine.wasm"), plugin).unwrap();
    deployment.wait_until("the refusal", |it| it.log().contains("its last good version cannot be kept"));
    std::fs::remove_file(&ballast).unwrap();
    // Nobody saves it again.
    deployment.wait_until("it to be taken", |it| {
        std::fs::read_dir(it.path("memory/last-good")).is_ok_and(|mut files| {
            files.any(|file| file.unwrap().path().extension().is_some_and(|extension| extension == "wasm"))
        })
    });
    assert!(orion.terminate().success());
    deployment.check_promises();
}
