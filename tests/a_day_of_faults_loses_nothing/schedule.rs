//! What goes wrong, and when: a function of the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orion_lab::Answer;

use super::deployment::Bus;
use crate::support::dice::Dice;

/// Hosts that share a Redis.
pub const HOSTS: usize = 2;

/// Something happens in two minutes of five.
const OF_FIVE: usize = 2;

/// How long at most something lasts: in real time as long as a lease and half as long again.
const LONGEST_MINUTES: usize = 10;

/// One thing that happens to the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// A host is killed.
    Killed(usize),
    /// Is killed, and its files are torn.
    KilledAndTorn(usize),
    /// Is told to end.
    Ended(usize),
    /// Is there again.
    Started(usize),
    /// Stands still.
    Paused(usize),
    /// Goes on.
    Resumed(usize),
    /// Its connections break.
    Cut(usize),
    /// Nothing passes.
    Silenced(usize),
    /// What Redis says is lost.
    Deafened(usize),
    /// Little passes, late.
    Slowed(usize),
    /// The link is a good one again.
    Linked(usize),
    /// Redis is killed. It has everything on its disk.
    RedisKilled,
    /// Redis is killed, and its files are gone.
    RedisLost,
    /// Redis is there again.
    RedisStarted,
    /// Everything in it is deleted.
    RedisEmptied,
    /// It stands still.
    RedisPaused,
    /// It goes on.
    RedisResumed,
    /// It takes no more.
    RedisFull,
    /// It has room.
    RedisHasRoom,
    /// Its replica no longer gets what is written.
    ReplicaCutOff,
    /// It is gone, and the replica takes its place.
    ReplicaPromoted,
    /// Rules that are not compared are others now.
    RuleEdited,
    /// A rule file is none.
    RuleBroken,
    /// A file that is no plugin lies in the folder of plugins.
    PluginBroken,
    /// It is gone.
    PluginMended,
    /// A plugin at work is another file, which finds the same.
    PluginReplaced,
    /// Nothing more can be written to the host's disk.
    DiskFull,
    /// There is room again.
    DiskHasRoom,
}

/// What has a trouble has no second one until that is over.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Host(usize),
    Link(usize),
    Redis,
    Rules,
    Plugins,
    PluginAtWork,
    Disk,
}

/// A trouble: how it begins, how it ends if it lasts, and what has it.
struct Trouble {
    subject: Subject,
    begins: Happening,
    ends: Option<Happening>,
}

impl Trouble {
    fn draw(dice: &mut Dice, bus: Bus) -> Self {
        use Happening::*;
        let host = match bus {
            Bus::Redis => dice.below(HOSTS),
            Bus::Embedded => 0,
        };
        let trouble = |subject, begins, ends| Self { subject, begins, ends };
        let of_host = [
            trouble(Subject::Host(host), Killed(host), Some(Started(host))),
            trouble(Subject::Host(host), Killed(host), Some(Started(host))),
            trouble(Subject::Host(host), Ended(host), Some(Started(host))),
            trouble(Subject::Host(host), Paused(host), Some(Resumed(host))),
            trouble(Subject::Rules, RuleEdited, None),
            trouble(Subject::Rules, RuleBroken, Some(RuleEdited)),
            trouble(Subject::Plugins, PluginBroken, Some(PluginMended)),
        ];
        let of_redis = [
            trouble(Subject::Link(host), Cut(host), None),
            trouble(Subject::Link(host), Silenced(host), Some(Linked(host))),
            trouble(Subject::Link(host), Deafened(host), Some(Linked(host))),
            trouble(Subject::Link(host), Slowed(host), Some(Linked(host))),
            trouble(Subject::Redis, RedisKilled, Some(RedisStarted)),
            trouble(Subject::Redis, RedisLost, Some(RedisStarted)),
            trouble(Subject::Redis, RedisEmptied, None),
            trouble(Subject::Redis, RedisPaused, Some(RedisResumed)),
            trouble(Subject::Redis, RedisFull, Some(RedisHasRoom)),
            trouble(Subject::Redis, ReplicaCutOff, Some(ReplicaPromoted)),
        ];
        let of_own_file = [
            trouble(Subject::Host(host), KilledAndTorn(host), Some(Started(host))),
            trouble(Subject::Disk, DiskFull, Some(DiskHasRoom)),
            trouble(Subject::PluginAtWork, PluginReplaced, None),
        ];
        let mut all: Vec<Self> = of_host.into_iter().collect();
        match bus {
            Bus::Redis => all.extend(of_redis),
            Bus::Embedded => all.extend(of_own_file),
        }
        all.swap_remove(dice.below(all.len()))
    }
}

/// All that happens, by the minute.
pub struct Schedule(Vec<(i64, Happening)>);

impl Schedule {
    /// The schedule of a seed.
    pub fn draw(seed: u64, minutes: i64, bus: Bus) -> Self {
        let mut dice = Dice::new(seed);
        let mut happenings = Vec::new();
        let mut troubled: BTreeMap<Subject, i64> = BTreeMap::new();
        for minute in 0..minutes {
            let (is_bad, trouble) = (dice.below(5) < OF_FIVE, Trouble::draw(&mut dice, bus));
            let lasts = i64::try_from(dice.between(1, LONGEST_MINUTES)).unwrap();
            if !is_bad || troubled.get(&trouble.subject).is_some_and(|until| *until >= minute) {
                continue;
            }
            happenings.push((minute, trouble.begins));
            if let Some(end) = trouble.ends {
                happenings.push((minute + lasts, end));
                troubled.insert(trouble.subject, minute + lasts);
            }
        }
        happenings.retain(|(minute, _)| *minute < minutes);
        happenings.sort_by_key(|(minute, _)| *minute);
        Self(happenings)
    }

    /// In their order.
    pub fn happenings(&self) -> &[(i64, Happening)] {
        &self.0
    }

    /// How often what happened.
    pub fn counted(&self) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (_, happening) in &self.0 {
            let text = format!("{happening:?}");
            *counts.entry(text.split('(').next().unwrap_or_default().to_owned()).or_default() += 1;
        }
        counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    }
}

/// What Prometheus says so long after the beginning: in some spells of the day it refuses, in some what it says is torn, in some it
/// takes its time.
pub fn trouble_of_source(seed: u64, millis: i64, right: Answer) -> Answer {
    const SPELL_MILLIS: i64 = 7 * 60_000;
    /// Most of the shortest interval, at the pace of the drill.
    const LATE: Duration = Duration::from_millis(150);
    let spell = u64::try_from(millis / SPELL_MILLIS).unwrap();
    match Dice::new(seed ^ (spell << 32)).below(24) {
        0 => Answer::Refused,
        1 => Answer::Torn,
        2 => Answer::Late(LATE, Box::new(right)),
        _ => right,
    }
}

#[test]
fn a_seed_is_one_schedule_and_what_begins_ends_before_the_next_begins() {
    let day = |seed| Schedule::draw(seed, 1_440, Bus::Redis);
    assert_eq!(day(7).happenings(), day(7).happenings());
    assert_ne!(day(7).happenings(), day(8).happenings());
    let mut is_down = false;
    for (_, happening) in day(7).happenings() {
        match happening {
            Happening::RedisKilled | Happening::RedisLost => assert!(!std::mem::replace(&mut is_down, true)),
            Happening::RedisStarted => assert!(std::mem::replace(&mut is_down, false)),
            Happening::RedisEmptied | Happening::RedisPaused | Happening::RedisFull => assert!(!is_down),
            _ => {}
        }
    }
}

#[test]
fn what_the_tests_run_has_every_fault_of_a_host_with_its_own_file_in_it() {
    let (seed, minutes) = (super::ALONE.seed, i64::try_from(super::ALONE.minutes).unwrap());
    let short = Schedule::draw(seed, minutes, Bus::Embedded);
    let kinds = |schedule: &Schedule| -> BTreeSet<Happening> { schedule.0.iter().map(|(_, it)| *it).collect() };
    assert_eq!(kinds(&short), kinds(&Schedule::draw(seed, 1_440, Bus::Embedded)));
    let said = |minute| trouble_of_source(seed, minute * 60_000, Answer::Series(Vec::new()));
    let has = |wanted: fn(&Answer) -> bool| (0..minutes).any(|minute| wanted(&said(minute)));
    assert!(has(|it| *it == Answer::Refused) && has(|it| *it == Answer::Torn));
    assert!(has(|it| matches!(it, Answer::Late(..))));
}
