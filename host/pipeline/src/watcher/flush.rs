//! When groups in which nothing happens are written down all the same.

use orion_model::Timestamp;

/// How long evaluations in which nothing happened may go uncommitted. They are evaluated again after a crash, with the
/// same result; committing each would be most of what a quiet rule costs. All groups keep their instants at the same
/// moments, multiples of this: so they share a transaction and a sync, and the disk of a quiet host wakes once.
const QUIET_COMMIT_MILLIS: i64 = 30_000;

/// The first of these moments behind an instant.
pub fn next_flush(after: Timestamp) -> Timestamp {
    let millis = after.as_millis();
    Timestamp::from_millis(millis - millis.rem_euclid(QUIET_COMMIT_MILLIS) + QUIET_COMMIT_MILLIS)
}
