//! A day of simulated time in which whatever can go wrong does, at minutes drawn from a seed: hosts are killed, stand still and are
//! ended, their Redis dies, forgets, fills up and is replaced by a replica that missed the last writes, links break, Prometheus refuses,
//! tears its answers and takes its time, rule files are edited and broken. A host with a file of its own has its files torn, its disk full and
//! a plugin at work replaced, too. In the end every host has recorded what one that was left alone has
//! recorded: the same events of each alert, the same revisions and decisions of each incident, each once and in the same order.
//!
//! Time passes two or three hundred times as fast for everybody but Redis, whose leases are short instead. `ORION_DRILL_MINUTES` says how long,
//! `ORION_DRILL_SEED` what happens when; `cargo xtask drill faults` is a day. The same seed is the same schedule.

mod deployment;
mod pair;
mod schedule;

use std::time::Instant;

use self::deployment::{Bus, Disturbed};
use self::schedule::{Schedule, trouble_of_source};
use crate::support::dice::number_of;
use crate::support::mounts;
use crate::support::pace::Pace;
use crate::support::twins::{Stage, Twins};

const MINUTES: &str = "ORION_DRILL_MINUTES";
const SEED: &str = "ORION_DRILL_SEED";

/// How hosts are drilled.
struct Usual {
    /// How many times as fast time passes.
    speed: i64,
    /// Where nothing else is said.
    minutes: u64,
    seed: u64,
}

const ON_REDIS: Usual = Usual { speed: 200, minutes: 40, seed: 20_261_128 };

/// A schedule so short has every fault in it with few seeds, of which this is one.
const ALONE: Usual = Usual { speed: 300, minutes: 30, seed: 330_725 };

/// What is a fifth of a second at the usual pace is a minute.
const STRETCH: i64 = 300;

const MINUTE_MILLIS: i64 = 60_000;

#[test]
fn hosts_that_share_a_redis_record_what_one_that_was_left_alone_records() {
    drill(Bus::Redis, &ON_REDIS);
}

#[test]
fn a_host_with_its_own_file_records_what_one_that_was_left_alone_records() {
    if mounts::are_own(
        "a_day_of_faults_loses_nothing::a_host_with_its_own_file_records_what_one_that_was_left_alone_records",
    ) {
        drill(Bus::Embedded, &ALONE);
    }
}

fn drill(bus: Bus, usual: &Usual) {
    let (minutes, seed) = (number_of(MINUTES).unwrap_or(usual.minutes), number_of(SEED).unwrap_or(usual.seed));
    let schedule = Schedule::draw(seed, i64::try_from(minutes).unwrap(), bus);
    println!("{bus:?}, {minutes} minutes; again with {SEED}={seed} {MINUTES}={minutes}");
    let began = Instant::now();
    let mut disturbed = Disturbed::prepare(bus, seed);
    let stage = Stage {
        pace: Some(Pace::fast(usual.speed, STRETCH)),
        disturbed: disturbed.environment(0),
        // Generations count the edits of a host, and only one of the two is edited and has plugins replaced.
        incomparable: vec!["generation", "plugin_digest"],
        plugin: Disturbed::plugin(bus),
        trouble: Some(Box::new(move |millis, right| trouble_of_source(seed, millis, right))),
    };
    let twins = Twins::begin_on(stage, |host| Disturbed::furnish(bus, host));
    let pace = twins.pace();
    disturbed.start(&twins);
    for (minute, happening) in schedule.happenings() {
        pace.sleep_until(twins.traffic_from() + minute * MINUTE_MILLIS);
        println!("{minute:>5}  {happening:?}");
        disturbed.suffer(&twins, *happening);
    }
    pace.sleep_until(twins.traffic_from() + i64::try_from(minutes).unwrap() * MINUTE_MILLIS);
    disturbed.heal(&twins);
    let to = twins.end_traffic();
    disturbed.end_past(&twins, to);
    let folders = disturbed.folders(&twins);
    let compared = twins.end_with(to, &folders.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    println!("{} in {} s: {}", minutes, began.elapsed().as_secs(), schedule.counted());
    println!("0 lost, 0 doubled, 0 others: {compared:?}");
}
