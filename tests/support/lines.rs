//! What is found in lines of logs, whoever has them.

use serde_json::Value;

use super::Deployment;

/// What the events say that became of lines, in their order.
pub fn found(deployment: &Deployment) -> Vec<String> {
    let what = |event: &Value| event["data"]["what"].as_str().unwrap().to_owned();
    deployment.events_of("app_errors", "occurred").iter().map(what).collect()
}

pub fn wait_for(deployment: &Deployment, count: usize) {
    deployment.wait_until(&format!("{count} events"), |it| found(it).len() >= count);
}
