//! Orion is killed again and again at moments drawn from a seed, and its files are torn in between. What is recorded in the end is
//! what is recorded by one that nobody killed: the same events of each alert, the same revisions and decisions of each incident,
//! each once and in the same order; the files are the store's, line by line.
//!
//! `ORION_DRILL_KILLS` says how often, `ORION_DRILL_SEED` when; `cargo xtask drill crash` kills a thousand times.

use std::time::{Duration, Instant};

use crate::support::dice::{Dice, number_of};
use crate::support::tear::Tear;
use crate::support::twins::{Twins, now_millis, wait_for};

const KILLS: &str = "ORION_DRILL_KILLS";
const DEFAULT_KILLS: u64 = 24;
const SEED: &str = "ORION_DRILL_SEED";
const DEFAULT_SEED: u64 = 20_261_128;

/// The latest moment at which it is killed, after it was started: by then it has caught up and is at work.
const LATEST_MILLIS: usize = 2_000;

/// And while it still starts.
const STARTING_MILLIS: usize = 400;

#[test]
fn killed_at_any_moment_and_its_files_torn_it_records_what_one_that_ran_through_records() {
    let (kills, seed) = (number_of(KILLS).unwrap_or(DEFAULT_KILLS), number_of(SEED).unwrap_or(DEFAULT_SEED));
    println!("{kills} kills, {SEED}={seed}");
    let mut dice = Dice::new(seed);
    let twins = Twins::begin();
    let begun = twins.disturbed.attestations().len();
    let began = Instant::now();
    let mut torn = [0; Tear::ALL.len()];
    for _ in 0..kills {
        let orion = twins.disturbed.start();
        let latest = if dice.once_in(3) { STARTING_MILLIS } else { LATEST_MILLIS };
        std::thread::sleep(Duration::from_millis(dice.below(latest) as u64));
        orion.kill();
        if dice.once_in(2) {
            let tear = dice.below(Tear::ALL.len());
            torn[tear] += 1;
            Tear::ALL[tear].tear(&twins.disturbed, &mut dice);
        }
    }
    let took = began.elapsed();
    let orion = twins.disturbed.start();
    // What is left to be caught up may be much.
    wait_for(&twins.disturbed, now_millis());
    let starts = twins.disturbed.attestations().len() - begun;
    let troubles = twins.disturbed.troubles();
    assert!(troubles.is_empty(), "{troubles:?}");
    let compared = twins.end(orion);
    println!("{kills} kills within {} s; {starts} starts came so far that they are recorded", took.as_secs());
    println!("torn in between: {:?}", Tear::ALL.iter().zip(torn).collect::<Vec<_>>());
    println!("0 lost, 0 doubled, 0 others: {compared:?}");
}
