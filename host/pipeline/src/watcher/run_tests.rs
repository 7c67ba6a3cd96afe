//! The loop of a group where the store does not take what it says, or loses it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orion_bus::{Bus, Commit, SqliteBus};
use orion_model::Clock;
use tokio::sync::watch;

use super::ended::{ENDED, owner_of, written};
use super::{Command, GroupPlan, SourceHealth, WatcherContext, WatcherSettings, run_group};
use crate::clock::SystemClock;
use crate::fills::Fills;
use crate::shipped::generation;
use crate::watermark::Watermark;
use crate::workers::Workers;

const RULES: &str = "groups: [{ name: g, interval: 1h, rules: [{ alert: A, expr: q }] }]";
const OWNER: &str = "group/f.yaml/g";

/// More than it ever takes.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn plan() -> GroupPlan {
    generation(RULES).groups.into_values().next().unwrap()
}

pub(crate) fn context(bus: Arc<dyn Bus>, health: SourceHealth) -> Arc<WatcherContext> {
    Arc::new(WatcherContext {
        bus,
        sources: BTreeMap::new(),
        health,
        clock: Arc::new(SystemClock),
        watermark: Arc::new(Watermark::default()),
        workers: Workers::new(1),
        meters: Arc::default(),
        settings: WatcherSettings::default(),
        evaluations: watch::Sender::new(0),
    })
}

/// A step of the group that says nothing but how far it came.
fn came_to(expected: Option<i64>, offset: i64) -> Commit {
    Commit { owner: OWNER.to_owned(), expected, offset, ..Commit::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_removed_while_the_disk_is_full_ends_when_there_is_room() {
    let plan = plan();
    assert_eq!(owner_of(&plan.group.id), OWNER);
    let dir = tempfile::tempdir().unwrap();
    let bus = Arc::new(Fills::new(SqliteBus::open(dir.path()).unwrap(), OWNER));
    let last = plan.slots.at_or_before(SystemClock.now());
    bus.commit(came_to(None, last.as_millis())).await.unwrap();
    let context = context(bus.clone(), SourceHealth::open(bus.clone(), bus.clone()).await.unwrap());
    let (commands, heard) = watch::channel(Command::Adopt(plan.clone()));
    let (_down, shutdown) = watch::channel(false);
    let group = tokio::spawn(run_group(context, plan, heard, shutdown));
    bus.fill(true);
    commands.send_replace(Command::Remove(2));
    // It tries, and fails, and tries again.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!group.is_finished());
    bus.fill(false);
    tokio::time::timeout(PATIENCE, group).await.expect("it goes on as if nobody had removed it").unwrap();
    let state = bus.load(OWNER).await.unwrap().state;
    assert_eq!(state, [(ENDED.to_vec(), written(2))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_last_step_was_lost_does_it_again_before_time_goes_on() {
    let (plan, dir) = (plan(), tempfile::tempdir().unwrap());
    let bus = Arc::new(Fills::new(SqliteBus::open(dir.path()).unwrap(), OWNER));
    let now = SystemClock.now();
    let (last, before) =
        (plan.slots.at_or_before(now).as_millis(), plan.slots.at_or_before(now).as_millis() - 3_600_000);
    bus.commit(came_to(None, last)).await.unwrap();
    let context = context(bus.clone(), SourceHealth::open(bus.clone(), bus.clone()).await.unwrap());
    context.watermark.expect(&plan.group.id);
    let (_commands, heard) = watch::channel(Command::Adopt(plan.clone()));
    let (_down, shutdown) = watch::channel(false);
    let group = tokio::spawn(run_group(context.clone(), plan, heard, shutdown));
    let reached = |history| context.watermark.reached(now, history).is_some();
    let until = async |holds: &dyn Fn() -> bool| {
        let waited = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waited).await.unwrap();
    };
    until(&|| reached("")).await;
    assert_eq!(*context.evaluations.borrow(), 0, "the present instant was evaluated before");
    bus.commit(came_to(Some(last), before)).await.unwrap();
    assert!(!reached("second"));
    bus.begin("second");
    until(&|| reached("second")).await;
    assert!(*context.evaluations.borrow() > 0, "the instant that was lost is evaluated again first");
    group.abort();
}
