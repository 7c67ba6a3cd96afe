//! Tests of rules. A file of them is promtool's, or speaks of Orion's own events, incidents and decisions; its alerts are computed by
//! the code that runs live, and what came of them is held against what was expected.
//!
//! Whoever plays tests says who answers their queries: a Prometheus that was started for it, at an author's desk, or what one
//! answered before. This crate starts neither processes nor servers.

pub mod notation;
pub mod report;
pub mod run;
pub mod suite;
pub mod yaml;
