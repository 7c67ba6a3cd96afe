//! Whether the host lives, whether it observes, and how each of its parts is.
//!
//! Three questions, because three kinds of programs ask. A supervisor restarts what does not live: a source that is down is no
//! reason for that, so [`live`] knows nothing of sources. Whoever waits until a host does its work asks whether it is
//! [`ready`], and gets told by name what keeps it from that. A person, or a page of tiles, looks at [`report`].

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::desk::Desk;
use crate::document::Document;

/// How the parts of a host are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// By name.
    pub components: BTreeMap<&'static str, Component>,
}

/// How one part is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Component {
    /// Whether it does what it is there for.
    pub is_well: bool,
    /// Whether the host does its work only when this part is well.
    pub is_needed: bool,
    /// In one line.
    pub message: String,
}

impl Component {
    /// A part without which nothing is observed or recorded.
    pub fn needed(is_well: bool, message: impl Into<String>) -> Self {
        Self { is_well, is_needed: true, message: message.into() }
    }

    /// A part whose troubles leave the rest at work.
    pub fn helpful(is_well: bool, message: impl Into<String>) -> Self {
        Self { is_well, is_needed: false, message: message.into() }
    }
}

impl Health {
    /// What keeps the host from its work, by name.
    fn obstacles(&self) -> impl Iterator<Item = (&&'static str, &Component)> {
        self.components.iter().filter(|(_, component)| component.is_needed && !component.is_well)
    }

    pub(crate) fn status(&self) -> &'static str {
        if self.obstacles().next().is_some() {
            "unavailable"
        } else if self.components.values().any(|component| !component.is_well) {
            "degraded"
        } else {
            "ok"
        }
    }
}

/// Whether the process answers at all.
pub(crate) async fn live() -> &'static str {
    "Orion is alive.\n"
}

/// Whether it observes and records.
pub(crate) async fn ready(State(desk): State<Arc<Desk>>) -> Response {
    let Some(host) = desk.host() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready: Orion is starting, or ending\n").into_response();
    };
    let health = host.health().await;
    let obstacles: Vec<String> =
        health.obstacles().map(|(name, component)| format!("not ready: {name}: {}\n", component.message)).collect();
    match obstacles.is_empty() {
        true => "Orion is ready.\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, obstacles.concat()).into_response(),
    }
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    version: &'static str,
    autonomy_level: &'static str,
    uptime_seconds: u64,
    components: BTreeMap<&'static str, ReportedComponent>,
}

#[derive(Serialize)]
struct ReportedComponent {
    status: &'static str,
    message: String,
}

/// Everything, for people and for what asks on their behalf: always 200 from a process that lives.
pub(crate) async fn report(State(desk): State<Arc<Desk>>) -> Response {
    let health = match desk.host() {
        Some(host) => Some(host.health().await),
        None => None,
    };
    let status = health.as_ref().map_or("starting", Health::status);
    let reported = |component: Component| ReportedComponent {
        status: if component.is_well { "ok" } else { "failing" },
        message: component.message,
    };
    let components = health.unwrap_or_default().components;
    let report = Report {
        status,
        version: env!("CARGO_PKG_VERSION"),
        autonomy_level: "N0",
        uptime_seconds: desk.uptime().as_secs(),
        components: components.into_iter().map(|(name, component)| (name, reported(component))).collect(),
    };
    Document::of(&report).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health<const N: usize>(components: [(&'static str, Component); N]) -> Health {
        Health { components: components.into() }
    }

    #[test]
    fn a_host_is_as_well_as_what_it_needs_and_degraded_by_the_rest() {
        let well = ("bus", Component::needed(true, ""));
        assert_eq!(health([well.clone()]).status(), "ok");
        assert_eq!(health([well.clone(), ("plugins", Component::helpful(false, ""))]).status(), "degraded");
        let down = health([well, ("sources", Component::needed(false, "prometheus does not answer"))]);
        assert_eq!(down.status(), "unavailable");
        assert_eq!(down.obstacles().map(|(name, _)| *name).collect::<Vec<_>>(), ["sources"]);
    }
}
