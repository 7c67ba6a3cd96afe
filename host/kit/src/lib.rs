//! What authors of rules and plugins do at their desks. `orion-kit new`, `build`, `check`, `inspect`, `run` and `bench` are the way
//! from an idea to a plugin, in each language that has a room in [`toolchain`]. `orion-kit test` plays rule files over made-up
//! data and says what came of them; `key`, `sign` and `lock` say who stands behind a plugin; `fetch` brings plugins into a folder.
//!
//! A test is promtool's, or speaks of Orion's own events, incidents and decisions. Its data are written into a real
//! Prometheus; its alerts are computed by the code that runs live. This crate starts processes; the deployed `orion` links
//! nothing of it.

pub mod author;
mod bindings;
pub mod cli;
pub mod command;
pub mod contract;
pub mod coverage;
pub mod evaluate;
pub mod fetch;
pub mod input;
pub mod mutants;
pub mod plugins;
pub mod report;
pub mod server;
pub mod template;
pub mod toolchain;
pub mod trust;
