//! One file per command.

pub mod check;
pub mod demo;
pub mod incident;
pub mod plugin;
pub mod run;
pub mod tail;
