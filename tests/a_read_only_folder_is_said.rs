//! A memory folder that cannot be written: at the start that is said and nothing is done; while Orion runs it tries again until it
//! can, and nothing is lost.

use std::time::Duration;

use insta::assert_snapshot;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::support::twins::Twins;
use crate::support::{Deployment, Running, TARGETS, mounts};

const CANNOT_WRITE: Duration = Duration::from_secs(4);

/// What a start says that fails, without the folder, and that it exits with 3.
fn refusal(deployment: &Deployment) -> String {
    let output = deployment.orion(&["run", "--log-format", "text"]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    let refusal = said.lines().filter(|line| line.starts_with("orion: ")).collect::<Vec<_>>().join("\n");
    refusal.replace(deployment.path("").to_str().unwrap(), "DATA/")
}

#[test]
fn at_the_start_it_is_said_with_what_to_do_and_a_folder_that_can_be_written_again_is_all_it_needs() {
    if !mounts::are_own(
        "a_read_only_folder_is_said::at_the_start_it_is_said_with_what_to_do_and_a_folder_that_can_be_written_again_is_all_it_needs",
    ) {
        return;
    }
    let twins = Twins::begin();
    let memory = twins.disturbed.path("memory");
    let orion = twins.disturbed.start();
    twins.watch_for(1_000);
    orion.kill();
    mounts::read_only(&memory);
    assert_snapshot!(refusal(&twins.disturbed), @"orion: DATA/memory cannot be written (Read-only file system (os error 30)): Orion keeps its records there; make it a folder that the user Orion runs as may write, on a file system that is not read-only, or give another data folder");
    mounts::writable(&memory);
    let orion = twins.disturbed.start();
    println!("0 lost, 0 doubled: {:?}", twins.end(orion));
}

#[test]
fn a_folder_that_cannot_be_made_is_said() {
    let deployment = Deployment::new("http://127.0.0.1:9");
    deployment.rule("targets.yaml", TARGETS);
    std::fs::write(deployment.path("memory"), "a file").unwrap();
    assert_snapshot!(refusal(&deployment), @"orion: DATA/memory cannot be written (File exists (os error 17)): Orion keeps its records there; make it a folder that the user Orion runs as may write, on a file system that is not read-only, or give another data folder");
    assert_eq!(std::fs::read_to_string(deployment.path("memory")).unwrap(), "a file");
}

impl Running {
    /// From now on no write succeeds that makes a file longer than this; any file system, any user.
    fn limit_files(&self, bytes: Option<u64>) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap());
        prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
    }
}

#[test]
fn while_it_runs_it_tries_again_until_it_can_write_and_nothing_is_lost() {
    let twins = Twins::begin();
    let orion = twins.disturbed.start_with_failing_writes();
    twins.watch_for(2_000);
    orion.limit_files(Some(0));
    std::thread::sleep(CANNOT_WRITE);
    orion.limit_files(None);
    twins.disturbed.wait_until("the end of it", |it| !it.events_of("store_unwritable", "resolved").is_empty());
    let said = &twins.disturbed.events_of("store_unwritable", "firing")[0];
    assert_eq!(said["severity"], "critical");
    println!("{}", said["data"]["message"]);
    println!("0 lost, 0 doubled: {:?}", twins.end(orion));
}

#[test]
fn a_folder_that_is_moved_away_while_it_runs_loses_nothing_when_it_comes_back() {
    let twins = Twins::begin();
    let orion = twins.disturbed.start();
    twins.watch_for(2_000);
    let (memory, away) = (twins.disturbed.path("memory"), twins.disturbed.path("away"));
    std::fs::rename(&memory, &away).unwrap();
    std::fs::write(&memory, "not a folder").unwrap();
    std::thread::sleep(CANNOT_WRITE);
    std::fs::remove_file(&memory).unwrap();
    std::fs::rename(&away, &memory).unwrap();
    println!("0 lost, 0 doubled: {:?}", twins.end(orion));
}
