//! How far observation has come: the time before which no group will report anything any more.
//!
//! Timers of correlators follow this and not the wall clock. After downtime the Watcher catches up on what it missed, and
//! an incident must not be closed as idle before the events that keep it open were evaluated.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use orion_bus::Held;
use orion_model::Timestamp;
use tokio::sync::watch;

/// What the history is called of a host that is alone.
const ONLY_HISTORY: &str = "";

/// The progress of all groups.
#[derive(Debug, Default)]
pub struct Watermark {
    groups: Mutex<BTreeMap<String, Option<Progress>>>,
    agents: Mutex<BTreeMap<String, Heard>>,
}

/// What an agent said of how far it has come.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// Up to when everything that it saw is here; none where it did not say.
    reached: Option<Timestamp>,
    /// When it said so.
    at: Timestamp,
    /// For how long it is waited for.
    patience_millis: i64,
}

impl Heard {
    /// The time that it holds back others at; none where it is not waited for. One that is far behind, because it was cut off, is not
    /// waited for longer than one that says nothing: otherwise one agent could keep all incidents of a host from ending.
    fn holds_at(self, now: Timestamp) -> Option<Timestamp> {
        let is_waited_for = now.millis_since(self.at) <= self.patience_millis;
        let at_most = now.plus_millis(self.patience_millis.saturating_neg());
        is_waited_for.then(|| self.reached.map_or(at_most, |reached| reached.max(at_most)))
    }
}

/// How far one group has come, and in which history of the log.
#[derive(Clone, Debug)]
struct Progress {
    last: Timestamp,
    next: Timestamp,
    history: Arc<str>,
}

impl Watermark {
    /// A group is there; what it will report first is not known yet.
    pub fn expect(&self, group: &str) {
        self.with(|groups| {
            groups.entry(group.to_owned()).or_insert(None);
        });
    }

    /// A group has reported up to `last`, and the next thing it reports is not before `next`: in this history of the log. What it
    /// reported in another may be gone.
    pub fn advance(&self, group: &str, last: Timestamp, next: Timestamp, history: &Arc<str>) {
        self.with(|groups| {
            if let Some(place) = groups.get_mut(group) {
                *place = Some(Progress { last, next, history: history.clone() });
            }
        });
    }

    /// A group is gone.
    pub fn forget(&self, group: &str) {
        self.with(|groups| {
            groups.remove(group);
        });
    }

    /// An agent was heard of.
    pub(crate) fn hear(&self, agent: &str, reached: Option<Timestamp>, at: Timestamp, patience_millis: i64) {
        let heard = Heard { reached, at, patience_millis };
        self.agents.lock().unwrap_or_else(PoisonError::into_inner).insert(agent.to_owned(), heard);
    }

    /// An agent is not waited for any more.
    pub(crate) fn forget_agent(&self, agent: &str) {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner).remove(agent);
    }

    /// Up to when everything is reported, at most `now`, or what was reported last: after the clock went back that is later. `None`
    /// while a group's progress in this history is not known.
    pub fn reached(&self, now: Timestamp, history: &str) -> Option<Timestamp> {
        let own = self.reached_by_groups(now, history)?;
        let agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        Some(agents.values().filter_map(|heard| heard.holds_at(now)).fold(own, Timestamp::min))
    }

    fn reached_by_groups(&self, now: Timestamp, history: &str) -> Option<Timestamp> {
        self.with(|groups| {
            let newest = groups.values().flatten().map(|progress| progress.last).fold(now, Timestamp::max);
            groups.values().try_fold(newest, |low, progress| {
                let progress = progress.as_ref().filter(|progress| *progress.history == *history)?;
                Some(low.min(progress.next.plus_millis(-1)))
            })
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Option<Progress>>) -> T) -> T {
        // A panic elsewhere leaves the map whole: every change of it is one call.
        act(&mut self.groups.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How far observation has come, for who has to know: of this host, or of all hosts that share a deployment.
#[derive(Clone, Debug)]
pub enum Reached {
    /// This host observes everything there is.
    Own(Arc<Watermark>),
    /// Every host tells the others.
    Shared {
        /// What they told.
        held: watch::Receiver<Held>,
        /// The server process to which this host has given back what it lost.
        settled: watch::Receiver<Arc<str>>,
        /// How far this host has read the log.
        appended: watch::Receiver<u64>,
    },
}

impl Reached {
    /// Up to when everything is reported and can be read here, at most `now`. `None` while that is not known.
    pub fn at(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Own(watermark) => watermark.reached(now, ONLY_HISTORY),
            Self::Shared { held, settled, appended } => {
                reached_by_all(&held.borrow(), &settled.borrow(), *appended.borrow())
            }
        }
    }
}

/// What a host tells of itself: up to when it has reported everything, where in the log the last of it is, and at which server process.
///
/// Behind a loss positions go on far away, and one of before says nothing any more: a correlator would take time for passed whose events
/// have yet to be given back, and would not count them when they come.
pub fn told(reached: Timestamp, position: u64, process: &str) -> String {
    format!("{}@{position}@{process}", reached.as_millis())
}

fn reached_by_all(held: &Held, settled: &str, appended: u64) -> Option<Timestamp> {
    // What nobody observes is observed later, from the past.
    if held.in_doubt || held.free_watcher_slots > 0 {
        return None;
    }
    let mut lowest = None;
    for node in held.nodes.iter().filter(|node| node.is_live) {
        let (millis, place) = node.watermark.split_once('@')?;
        let (position, process) = place.split_once('@')?;
        if process != settled || position.parse::<u64>().ok()? > appended {
            return None;
        }
        let reached = Timestamp::from_millis(millis.parse().ok()?);
        lowest = Some(lowest.map_or(reached, |lowest: Timestamp| lowest.min(reached)));
    }
    lowest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use orion_bus::Node;

    use super::*;

    fn node(name: &str, is_live: bool, watermark: &str) -> Node {
        let (name, watermark, info) = (name.to_owned(), watermark.to_owned(), String::new());
        Node { name, roles: BTreeSet::new(), is_live, seen_millis: 0, watermark, info }
    }

    #[test]
    fn hosts_that_share_the_work_wait_for_the_slowest_and_for_what_they_have_not_read() {
        let mut held = Held { nodes: vec![node("a", true, "70@5@r"), node("b", true, "50@9@r")], ..Held::default() };
        assert_eq!(reached_by_all(&held, "r", 9), Some(Timestamp::from_millis(50)));
        assert_eq!(reached_by_all(&held, "r", 8), None, "the last that b reported is not read yet");
        assert_eq!(reached_by_all(&held, "s", 9), None, "nobody has said anything of this process yet");
        held.free_watcher_slots = 1;
        assert_eq!(reached_by_all(&held, "r", 9), None, "somebody's rules are not evaluated");
        held.free_watcher_slots = 0;
        held.nodes.push(node("c", false, "1@1@r"));
        assert_eq!(reached_by_all(&held, "r", 9), Some(Timestamp::from_millis(50)), "the dead do not count");
        held.nodes.push(node("d", true, ""));
        assert_eq!(reached_by_all(&held, "r", 9), None, "one does not know yet");
        held.in_doubt = true;
        assert_eq!(reached_by_all(&held, "r", 9), None);
        assert_eq!(told(Timestamp::from_millis(7), 3, "r"), "7@3@r");
    }

    #[test]
    fn the_slowest_group_holds_time_back_and_an_unknown_one_stops_it() {
        let at = Timestamp::from_millis;
        let mark = Watermark::default();
        assert_eq!(mark.reached(at(100), ""), Some(at(100)));
        mark.expect("a");
        mark.expect("b");
        mark.advance("a", at(40), at(50), &Arc::default());
        assert_eq!(mark.reached(at(100), ""), None);
        mark.advance("b", at(90), at(500), &Arc::default());
        assert_eq!(mark.reached(at(100), ""), Some(at(49)));
        mark.forget("a");
        mark.advance("a", at(0), at(1), &Arc::default());
        assert_eq!(mark.reached(at(100), ""), Some(at(100)));
    }

    #[test]
    fn a_clock_that_went_back_does_not_stop_time() {
        let at = Timestamp::from_millis;
        let mark = Watermark::default();
        mark.expect("a");
        mark.advance("a", at(1_000), at(1_005), &Arc::default());
        assert_eq!(mark.reached(at(10), ""), Some(at(1_000)));
        mark.advance("a", at(1_005), at(1_010), &Arc::default());
        assert_eq!(mark.reached(at(20), ""), Some(at(1_005)));
    }

    #[test]
    fn what_was_reported_in_a_history_that_is_over_does_not_count() {
        let at = Timestamp::from_millis;
        let mark = Watermark::default();
        mark.expect("a");
        mark.advance("a", at(40), at(50), &Arc::from("first"));
        assert_eq!((mark.reached(at(100), "first"), mark.reached(at(100), "second")), (Some(at(49)), None));
        // It has loaded again what is there, and goes on from before.
        mark.advance("a", at(20), at(30), &Arc::from("second"));
        assert_eq!(mark.reached(at(100), "second"), Some(at(29)));
    }
}
