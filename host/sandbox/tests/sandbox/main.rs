//! The sandbox from outside: its door, its limits, and the plugins that ship with it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail like tests do")]

mod admission;
mod frozen;
mod guests;
mod hostile;
mod labels;
mod limits;
mod native;
mod standard;
mod workload;
