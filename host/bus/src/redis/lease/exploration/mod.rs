//! Leases and commits together, every order of events: two hosts and one partition, with crashes, delays, lost answers, leases
//! that end and a server that forgets, at every step.
//!
//! The server is the model, the hosts' knowledge of leases is the client's own ([`super::holding::Holding`]), and what a host does about its
//! work is the contract of [`crate::Bus`]: commit from the offset that was loaded or committed last; after anything but success
//! load again. Each fault happens a few times at most, which bounds the states; within that all of them are looked at.
//!
//! [`world`] is what can be and what an event makes of it, [`search`] looks at all of it, and here is what must hold.

mod host;
mod search;
mod world;

use self::search::explore;
use self::world::{BOTH, Checks, Faults};

const NONE: Faults = Faults { timeouts: 0, crashes: 0, expiries: 0, drains: 0, doubts: 0, forgets: 0 };

/// Nothing that must never be can be reached, and from everything that can be there is a way on.
fn is_safe(faults: Faults) {
    let explored = explore(faults, BOTH).unwrap_or_else(|violation| panic!("{violation}"));
    eprintln!("{faults:?}: {} states, {} transitions", explored.states, explored.transitions);
    if let Some(trace) = explored.dead_end {
        panic!("nothing more is ever done after\n{trace}");
    }
}

#[test]
fn a_lease_may_end_and_an_answer_be_late_or_lost() {
    is_safe(Faults { timeouts: 1, expiries: 1, ..NONE });
    is_safe(Faults { timeouts: 1, doubts: 1, ..NONE });
    is_safe(Faults { timeouts: 2, ..NONE });
}

#[test]
fn a_host_may_crash_and_its_lease_end() {
    is_safe(Faults { crashes: 1, expiries: 1, ..NONE });
}

#[test]
fn a_host_may_leave_and_its_farewell_be_late() {
    is_safe(Faults { timeouts: 1, drains: 1, ..NONE });
    is_safe(Faults { expiries: 1, drains: 1, ..NONE });
}

#[test]
fn a_server_may_forget_what_it_did_last() {
    is_safe(Faults { timeouts: 1, forgets: 1, ..NONE });
    is_safe(Faults { expiries: 1, forgets: 1, ..NONE });
    is_safe(Faults { drains: 1, forgets: 1, ..NONE });
}

/// More faults in one life, the quickest to look at first. A test looks at the first of them, `cargo xtask drill leases` at all.
const LIVES: [Faults; 7] = [
    Faults { crashes: 1, drains: 1, ..NONE },
    Faults { crashes: 1, forgets: 1, ..NONE },
    Faults { timeouts: 1, crashes: 1, ..NONE },
    Faults { timeouts: 1, drains: 1, expiries: 1, ..NONE },
    Faults { timeouts: 2, expiries: 1, ..NONE },
    Faults { timeouts: 1, expiries: 2, ..NONE },
    Faults { timeouts: 1, expiries: 1, forgets: 1, ..NONE },
];

#[test]
fn all_of_it_may_happen_in_one_life() {
    let asked = std::env::var("ORION_DRILL_LIVES").ok();
    let lives = asked.map_or(1, |number| number.parse().unwrap());
    LIVES.into_iter().take(lives).for_each(is_safe);
}

#[test]
fn without_the_token_a_zombie_commits() {
    let faults = Faults { expiries: 1, ..NONE };
    assert!(explore(faults, BOTH).is_ok());
    let violation = explore(faults, Checks { token: false, ..BOTH }).err().unwrap();
    assert!(violation.starts_with("the stale token"), "{violation}");
}

#[test]
fn without_the_offset_a_commit_is_made_twice() {
    let faults = Faults { timeouts: 1, ..NONE };
    assert!(explore(faults, BOTH).is_ok());
    let violation = explore(faults, Checks { offset: false, ..BOTH }).err().unwrap();
    assert!(violation.starts_with("two commits"), "{violation}");
}
