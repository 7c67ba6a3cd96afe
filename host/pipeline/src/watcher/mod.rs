//! Watcher: asks the sources, lets detectors look at the answers, and commits what they found as events.
//!
//! One task per rule group. An evaluation is: ask each distinct query of the group once for the instant, give every rule
//! its answer on a worker thread, step the rules' lifecycles, commit events, state and instant in one transaction.

mod absence;
mod asking;
mod changes;
mod ended;
mod event;
mod flush;
mod group;
mod health;
mod outcome;
mod overtaken;
mod plan;
mod rule;
mod rule_watch;
mod run;
#[cfg(test)]
pub(crate) mod run_tests;
mod said;
mod seat;
mod shadow;
mod standing;

pub use ended::{EndGroupError, end_stored_group};
pub use flush::next_flush;
pub use group::{Answers, Evaluating, Group, Which};
pub use health::{HealthError, Report, SOURCES_OWNER, SourceHealth};
pub use outcome::{HEALTH_ROOM, Outcome, RuleHealth};
pub use plan::{GroupPlan, RulePlan};
pub use rule::ActiveAlert;
pub use run::{Command, WatcherContext, WatcherSettings, run_group};
pub use said::{SAID_OWNER, Said, run_said};
pub use seat::Effort;
pub use standing::{GROUP_OWNERS, Standing, StandingAlert, standings};
