//! The HTTP interface of the host: health, metrics and records, to be read, and hooks, at which programs deliver what they observed.
//!
//! It changes nothing of what was recorded: every endpoint is a GET, but for hooks, agents and marks, at which something more is recorded,
//! rule sets, of which another version is applied for the agents that fetch them, and jobs, which only look. What it tells it asks of a [`Host`],
//! so it knows nothing of sandboxes, rules or sources, and it serves from
//! the moment the process starts, also while there is nothing to tell yet.
//!
//! Whoever asks is a stranger. A connection, a request and an answer have limits, in bytes, in number and in seconds
//! (`serve`, `patience`); whoever is slow loses the connection and holds up nobody.

mod access;
mod agents;
mod audits;
mod body;
mod clients;
mod console;
mod deployment;
mod desk;
mod document;
mod follow;
mod health;
mod hook;
mod host;
mod incidents;
mod jobs;
mod listen;
mod logs;
mod marks;
mod metrics;
mod openapi;
mod page;
mod patience;
mod problem;
mod query;
mod reading;
mod records;
mod register;
mod router;
mod rule_files;
mod sent;
mod series;
mod serve;
mod sets;
mod sketch;
mod story;
mod stream;
mod tls;
mod token;
mod wish;

pub use access::{Access, MissingAccess};
pub use agents::AgentNotTaken;
pub use health::{Component, Health};
pub use hook::{BadSecret, Hook, NotTaken, OpenHooks, Secret};
pub use host::{Audit, Host, JobDesk, JobRefused, NotApplied, RulePage};
pub use listen::{DEFAULT_LISTEN, InvalidListen, Listen, ListenError, Listener};
pub use register::{Age, Found, Known, Register};
pub use serve::Server;
pub use story::Story;
pub use tls::{BadCertificate, Tls};
pub use wish::{Unmarkable, Weighed, Wish};
