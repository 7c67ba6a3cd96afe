//! One file per command.

pub mod apply;
pub mod aside;
pub mod audit;
pub mod check;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod explain;
pub mod get;
pub mod healthcheck;
pub mod incident;
pub mod job;
pub mod listing;
pub mod logs;
pub mod mark;
pub mod migrate;
pub mod plugin;
pub mod record;
pub mod replay;
pub mod rule;
pub mod run;
pub mod schema;
pub mod snapshot;
pub mod tail;
pub mod top;
pub mod verify;
