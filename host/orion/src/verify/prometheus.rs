//! The Prometheus that is read: whether it alerts by itself, beside Orion.

use serde_json::json;

use tokio::runtime::Runtime;

use super::Subject;
use crate::finding::{Check, Fault, counted, some_of};

/// Whether it has no alerting rules and tells no Alertmanager. Not seen when it is not asked or does not answer.
pub fn check(subject: &Subject, runtime: &Runtime) -> Check {
    const NAME: &str = "prometheus";
    if subject.offline {
        return Check::not_seen(NAME, "not asked: --offline".to_owned(), json!({}));
    }
    let source = &subject.prometheus;
    let address = source.address().to_owned();
    let alerting = match runtime.block_on(source.alerting()) {
        Ok(alerting) => alerting,
        Err(error) => return Check::not_seen(NAME, error.to_string(), json!({ "address": address })),
    };
    let mut failures = Vec::new();
    if !alerting.rules.is_empty() {
        failures.push(Fault::new(
            format!(
                "{address} has {} of its own: {}",
                counted(alerting.rules.len(), "alerting rule"),
                some_of(&alerting.rules)
            ),
            "take them out of its `rule_files` and give them to Orion, which reads them as they are; or leave Prometheus out of \
             this with --offline",
        ));
    }
    if !alerting.alertmanagers.is_empty() {
        failures.push(Fault::new(
            format!("{address} tells an Alertmanager: {}", some_of(&alerting.alertmanagers)),
            "take `alerting:` out of its configuration; or leave Prometheus out of this with --offline",
        ));
    }
    let facts =
        json!({ "address": address, "alerting_rules": alerting.rules, "alertmanagers": alerting.alertmanagers });
    Check::of(NAME, format!("{address} has no alerting rules and tells no Alertmanager"), failures, facts)
}
