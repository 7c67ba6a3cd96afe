//! Watcher → bus → Guardian → Brain → Memory: what happens between an answer and a line in the audit trail.
//!
//! Every stage is a loop `read → compute → commit` over the same bus. [`library`] decides what runs, [`watcher`] asks
//! sources and turns findings into events, [`guardian`] turns events into incidents, [`brain`] records `NO_ACTION` for each,
//! and [`memory`] writes it all down for people. [`engine`] starts and ends them; [`replay`]
//! goes the same way over the past, and [`jobs`] are what is asked of a host while it does all this.

mod access;
pub mod archive;
pub mod around;
pub mod aside;
pub mod attestation;
pub mod brain;
pub mod clock;
pub mod condition;
mod draft;
pub mod engine;
#[cfg(test)]
mod fills;
pub mod forward;
pub mod guardian;
mod history;
pub mod jobs;
mod kept;
pub mod library;
mod lifecycle;
pub mod logs;
pub mod marks;
pub mod memory;
pub mod meters;
pub mod observer;
pub mod outside;
mod plugin_state;
pub mod quarantine;
pub mod replay;
pub mod rule_sets;
pub mod schedule;
mod shared_labels;
pub mod shares;
#[cfg(test)]
mod shipped;
pub mod snapshot;
mod stage;
pub mod store_watch;
pub mod supervision;
pub mod watcher;
mod watermark;
mod workers;

/// The target of the spans of evaluations, queries, commits and steps of stages: for whoever traces what Orion does. They say names of
/// groups and owners and how many records there were, and nothing of what is observed.
pub const TRACED: &str = "orion::stage";
