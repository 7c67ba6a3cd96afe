//! The queue alone: its order, its bounds, and what a start in the middle leaves.

use std::cmp::Reverse;

use orion_model::{FailureReason, JobRequest, JobSpec, JobState, Priority, RecordId, Timestamp};
use proptest::prelude::*;

use super::queue::{
    FINISHED_KEPT_MILLIS, Full, MAX_ATTEMPTS, MAX_FINISHED, MAX_QUEUED, MAX_REASON_BYTES, MAX_RUNNING, Queue,
};
use super::{Done, NotDone, Stop};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn request(priority: Priority) -> JobRequest {
    let spec = JobSpec::Verify { offline: true, strict: false };
    JobRequest { spec, priority, timeout_millis: 1_000, by: "ada".to_owned() }
}

fn done() -> Result<Done, NotDone> {
    Ok(Done { result: "{}".to_owned(), holds: true })
}

/// What can happen to a queue.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(Priority),
    Begin,
    End(usize),
    Cancel(usize),
    Restart,
    Forget(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let priority = prop_oneof![Just(Priority::Low), Just(Priority::Normal), Just(Priority::High)];
    let step = prop_oneof![
        4 => priority.prop_map(Step::Ask),
        4 => Just(Step::Begin),
        3 => (0_usize..6).prop_map(Step::End),
        1 => (0_usize..40).prop_map(Step::Cancel),
        1 => Just(Step::Restart),
        1 => (0..2 * FINISHED_KEPT_MILLIS).prop_map(Step::Forget),
    ];
    proptest::collection::vec(step, 0..120)
}

/// All ways in which one that runs can end.
fn outcomes() -> [(Result<Done, NotDone>, Option<Stop>); 6] {
    [
        (done(), None),
        (Err(NotDone::BadRule("bad".to_owned())), None),
        (Err(NotDone::Failed("away".to_owned())), None),
        (Err(NotDone::Stopped), Some(Stop::Cancelled)),
        (Err(NotDone::Stopped), Some(Stop::TimedOut)),
        (Err(NotDone::Stopped), Some(Stop::HostEnds)),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_order_and_bounds_hold_and_what_is_over_stays_so(steps in steps()) {
        let (mut queue, mut number, mut now) = (Queue::default(), 0_u64, 0_i64);
        for step in steps {
            let before = queue.clone();
            now += 1;
            match step {
                Step::Ask(priority) => {
                    number += 1;
                    let is_full = before.count(JobState::Queued) >= MAX_QUEUED;
                    prop_assert_eq!(queue.ask(&request(priority), number, at(now)).is_err(), is_full);
                }
                Step::Begin => {
                    let first = before.jobs().filter(|(_, job)| job.state == JobState::Queued)
                        .max_by_key(|(number, job)| (job.priority, Reverse(*number))).map(|(_, job)| job.id);
                    let free = before.count(JobState::Running) < MAX_RUNNING;
                    prop_assert_eq!(queue.begin(at(now)).map(|job| job.id), first.filter(|_| free));
                }
                Step::End(way) => {
                    let ran = before.jobs().find(|(_, job)| job.state == JobState::Running).map(|(_, job)| job.clone());
                    if let Some(ran) = ran {
                        let (outcome, stop) = &outcomes()[way];
                        queue.end(&ran, outcome, *stop, at(now));
                        prop_assert_eq!(queue.count(JobState::Running), before.count(JobState::Running) - 1);
                    }
                }
                Step::Cancel(place) => {
                    if let Some((_, job)) = before.jobs().nth(place) {
                        let is_over = job.state.is_over();
                        prop_assert_eq!(queue.cancel(job.id, "bob", at(now)).is_none(), is_over);
                    }
                }
                Step::Restart => {
                    queue.restart(at(now));
                    prop_assert_eq!(queue.count(JobState::Running), 0);
                }
                Step::Forget(later) => {
                    now += later;
                    queue.forget(at(now));
                    prop_assert!(queue.jobs().filter(|(_, job)| job.state.is_over()).count() <= MAX_FINISHED);
                }
            }
            prop_assert!(queue.count(JobState::Running) <= MAX_RUNNING);
            // One that ran comes back beside those that wait already.
            prop_assert!(queue.count(JobState::Queued) <= MAX_QUEUED + MAX_RUNNING);
            for (_, job) in before.jobs() {
                match queue.get(job.id) {
                    Some(now) if job.state.is_over() => prop_assert_eq!(now, job),
                    Some(now) => prop_assert!(now.attempts <= MAX_ATTEMPTS),
                    None => prop_assert!(job.state.is_over(), "one that is not over was forgotten"),
                }
            }
        }
    }
}

#[test]
fn the_highest_priority_comes_first_and_then_who_asked_first() {
    let mut queue = Queue::default();
    let asked = [Priority::Low, Priority::Normal, Priority::High, Priority::Normal, Priority::High];
    let ids: Vec<RecordId> = (1..)
        .zip(asked)
        .map(|(number, priority)| queue.ask(&request(priority), number, at(number.cast_signed())).unwrap().id)
        .collect();
    let mut order = Vec::new();
    while let Some(job) = queue.begin(at(9)) {
        queue.end(&job, &done(), None, at(9));
        order.push(ids.iter().position(|id| *id == job.id).unwrap());
    }
    assert_eq!(order, [2, 4, 1, 3, 0]);
}

#[test]
fn one_more_than_may_wait_is_refused_until_one_begins() {
    let mut queue = Queue::default();
    for number in 1..=MAX_QUEUED as u64 {
        queue.ask(&request(Priority::Normal), number, at(1)).unwrap();
    }
    assert_eq!(queue.ask(&request(Priority::High), 99, at(1)), Err(Full));
    queue.begin(at(1)).unwrap();
    queue.ask(&request(Priority::High), 100, at(1)).unwrap();
}

#[test]
fn a_job_with_which_the_host_dies_again_and_again_is_given_up() {
    let mut queue = Queue::default();
    let id = queue.ask(&request(Priority::Normal), 1, at(1)).unwrap().id;
    for attempt in 1..=MAX_ATTEMPTS {
        assert_eq!(queue.begin(at(2)).unwrap().attempts, attempt);
        queue.restart(at(3));
    }
    assert_eq!(queue.begin(at(4)), None);
    let failure = queue.get(id).unwrap().failure.clone().unwrap();
    assert_eq!(failure.reason, FailureReason::HostDied);
    assert!(failure.message.contains("3 times"), "{}", failure.message);
}

#[test]
fn of_a_long_reason_as_much_is_kept_as_may_be() {
    for (bytes, is_whole) in [(MAX_REASON_BYTES, true), (MAX_REASON_BYTES + 2, false)] {
        let mut queue = Queue::default();
        let id = queue.ask(&request(Priority::Normal), 1, at(1)).unwrap().id;
        let job = queue.begin(at(2)).unwrap();
        let why = "ä".repeat(bytes / 2);
        queue.end(&job, &Err(NotDone::BadRule(why.clone())), None, at(3));
        let kept = queue.get(id).unwrap().failure.clone().unwrap().message;
        assert_eq!(kept == why, is_whole);
        assert!(kept.starts_with(&"ä".repeat(MAX_REASON_BYTES / 2)) && kept.len() < MAX_REASON_BYTES + 100);
    }
}

#[test]
fn an_orderly_end_of_the_host_is_no_attempt() {
    let mut queue = Queue::default();
    queue.ask(&request(Priority::Normal), 1, at(1)).unwrap();
    for _ in 0..10 {
        let job = queue.begin(at(2)).unwrap();
        assert_eq!(job.attempts, 1);
        queue.end(&job, &Err(NotDone::Stopped), Some(Stop::HostEnds), at(3));
    }
}

#[test]
fn what_was_cancelled_while_it_ran_is_not_begun_again() {
    for by_death in [true, false] {
        let mut queue = Queue::default();
        let id = queue.ask(&request(Priority::Normal), 1, at(1)).unwrap().id;
        let job = queue.begin(at(2)).unwrap();
        assert_eq!(queue.cancel(id, "bob", at(3)).unwrap().state, JobState::Running);
        match by_death {
            true => queue.restart(at(4)),
            false => queue.end(&job, &Err(NotDone::Stopped), Some(Stop::HostEnds), at(4)),
        }
        let job = queue.get(id).unwrap();
        assert_eq!((job.state, job.cancelled_by.as_deref()), (JobState::Cancelled, Some("bob")));
    }
}

#[test]
fn what_was_over_long_ago_and_more_than_are_kept_are_forgotten() {
    let mut queue = Queue::default();
    for number in 1..=MAX_FINISHED as u64 + 2 {
        queue.ask(&request(Priority::Normal), number, at(0)).unwrap();
        let job = queue.begin(at(0)).unwrap();
        queue.end(&job, &done(), None, at(number.cast_signed()));
    }
    queue.forget(at(30));
    let kept: Vec<u64> = queue.jobs().map(|(number, _)| number).collect();
    assert_eq!(kept, (3..=MAX_FINISHED as u64 + 2).collect::<Vec<_>>());
    queue.forget(at(10 + FINISHED_KEPT_MILLIS));
    assert_eq!(queue.jobs().next().map(|(number, _)| number), Some(10));
}
