//! Rule files → a checked, typed rule set.
//!
//! A rule file is a Prometheus alerting-rule file, plus detectors (`plugin:`/`with:`) and correlations. This crate reads
//! one text at a time and touches nothing else: no folder, no clock, no network. Everything wrong with a file is
//! listed at once, each with its line, so that a person edits once and not once per mistake.
//!
//! The way of a text: [`parse_file`] → a tree with spans → groups and correlations checked key by key → [`RuleFile`].
//! A settings file goes the same way, as far as its keys and places: [`parse_settings`]; a file of hooks is read with [`parse_hooks`].
//! The pipeline then asks [`EventMatcher`], [`write_group_key`] and [`Template`] at run time.

mod alert;
mod catalog;
mod checker;
mod correlation;
mod diagnostic;
mod event_type;
mod expr;
mod file;
mod group;
mod group_by;
mod hooks;
mod key;
mod keys;
mod log;
mod log_entry;
mod log_time;
mod logql;
mod match_check;
mod matcher;
mod parameters;
mod place;
mod rule;
mod scalar;
mod schema;
mod set;
mod settings;
mod sigma;
mod source;
mod template;
pub mod tree;

#[cfg(test)]
mod tests;

pub use catalog::PluginCatalog;
pub use diagnostic::{Diagnostic, Level, Span, render};
pub use event_type::default_event_type;
pub use expr::{Comparison, comparison};
pub use file::{Parsed, parse_file};
pub use group_by::{GroupName, write_group_key};
pub use hooks::{HookSetting, MAX_HOOKS, parse_hooks};
pub use log_entry::{LineMatch, LogEntry, LogFormat, LogSource, Multiline, Pattern};
pub use log_time::{LogTime, TimeFormat};
pub use matcher::EventMatcher;
pub use rule::{AlertRule, Correlation, Group, IncidentSpec, NoData, OnEmpty, RuleFile};
pub use schema::schema;
pub use set::{SetFile, check_set, count, with_set};
pub use settings::{Setting, parse_settings};
pub use template::{Template, TemplateData, TemplateError};
