//! What a power loss leaves, as far as one machine can show it: the folder as it is at some moment between two writes of a process
//! that stands still. Each copy starts, catches up and ends with what one that was never stopped has recorded.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::support::dice::{Dice, number_of};
use crate::support::twins::Twins;
use crate::support::{Deployment, Running};

const SEED: &str = "ORION_DRILL_SEED";
const DEFAULT_SEED: u64 = 20_261_128;

const COPIES: usize = 6;

/// Between two copies.
const MOST_MILLIS: usize = 700;

/// What a power loss does not leave: it is shared memory that happens to have a name.
const LOST: [&str; 1] = ["orion.db-shm"];

#[test]
fn each_copy_starts_and_ends_with_what_one_that_ran_through_has_recorded() {
    let seed = number_of(SEED).unwrap_or(DEFAULT_SEED);
    println!("{SEED}={seed}");
    let mut dice = Dice::new(seed);
    let twins = Twins::begin();
    let orion = twins.disturbed.start();
    twins.watch_for(500);
    let mut copies = Vec::new();
    for _ in 0..COPIES {
        std::thread::sleep(Duration::from_millis(dice.below(MOST_MILLIS) as u64));
        let copy = twins.another();
        orion.stand_still_while(|| copy_files(&twins.disturbed.path("memory"), &copy.path("memory")));
        copies.push(copy);
    }
    let to = twins.end_traffic();
    twins.wait_past(&twins.disturbed, to);
    assert!(orion.terminate().success());
    for copy in &copies {
        let orion = copy.start();
        twins.wait_past(copy, to);
        assert!(orion.terminate().success());
        assert_eq!(copy.troubles(), [""; 0]);
    }
    let folders: Vec<_> = copies.iter().chain([&twins.disturbed]).map(|it: &Deployment| it.path("")).collect();
    let folders: Vec<&Path> = folders.iter().map(AsRef::as_ref).collect();
    println!("{COPIES} copies: 0 lost, 0 doubled: {:?}", twins.end_with(to, &folders));
}

impl Running {
    /// Stops every thread of it, wherever it is, and lets it go on afterwards.
    fn stand_still_while(&self, act: impl FnOnce()) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED).unwrap();
        act();
        kill_process(pid, Signal::CONT).unwrap();
    }
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        if entry.path().is_file() && !LOST.iter().any(|lost| name == *lost) {
            std::fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}
