//! What is found in lines of logs, whoever has them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Deployment, Running};

/// Nobody listens there, and nobody asks: rules about lines have no queries for it.
pub const NO_PROMETHEUS: &str = "http://127.0.0.1:9";

/// Begins to follow, so that everything from here on is seen. The owner is the entry `app-errors` of `app.yaml`.
pub fn begins(deployment: &Deployment, owner: &str) {
    let owner = format!("{owner}/app.yaml/logs/app-errors");
    deployment.wait_until("the first look", |it| it.offset_of(&owner).is_some());
}

/// What the events say that became of lines, in their order.
pub fn found(deployment: &Deployment) -> Vec<String> {
    let what = |event: &Value| event["data"]["what"].as_str().unwrap().to_owned();
    deployment.events_of("app_errors", "occurred").iter().map(what).collect()
}

pub fn wait_for(deployment: &Deployment, count: usize) {
    deployment.wait_until(&format!("{count} events"), |it| found(it).len() >= count);
}

/// Has it end, and looks whether so many lines were found, each once.
pub fn each_once(deployment: &Deployment, orion: Running, count: usize, crashed_at: &str) {
    assert!(orion.terminate().success());
    let found = found(deployment);
    assert_eq!((found.len(), found.iter().collect::<BTreeSet<_>>().len()), (count, count), "{crashed_at}");
    deployment.check_promises();
}
