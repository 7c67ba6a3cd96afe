//! What a Prometheus does by itself beside answering: rules of its own that alert, and Alertmanagers that it tells.
//!
//! Asked by people who verify a deployment, never by a pipeline.

use orion_model::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Prometheus;
use super::endpoint::Call;
use crate::decode::excerpt;
use crate::error::SourceError;
use crate::session::QuerySession;

/// What a Prometheus does by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerting {
    /// Its own alerting rules, as `group/alert`.
    pub rules: Vec<String>,
    /// Addresses of the Alertmanagers it tells.
    pub alertmanagers: Vec<String>,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alertmanagers {
    #[serde(default)]
    active_alertmanagers: Vec<Alertmanager>,
}

#[derive(Deserialize)]
struct Alertmanager {
    url: String,
}

#[derive(Deserialize)]
struct Groups {
    #[serde(default)]
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    name: String,
    #[serde(rename = "type")]
    type_: String,
}

impl Alerting {
    fn of(managers: Alertmanagers, groups: Groups) -> Self {
        let of_group = |group: Group| {
            let alerts = group.rules.into_iter().filter(|rule| rule.type_ == "alerting");
            alerts.map(move |rule| format!("{}/{}", group.name, rule.name)).collect::<Vec<_>>()
        };
        Self {
            rules: groups.groups.into_iter().flat_map(of_group).collect(),
            alertmanagers: managers.active_alertmanagers.into_iter().map(|manager| manager.url).collect(),
        }
    }
}

impl Prometheus {
    /// Asks for its alerting rules and its Alertmanagers: two GETs.
    pub async fn alerting(&self) -> Result<Alerting, SourceError> {
        let managers: Alertmanagers = self.tell(self.endpoint.alertmanagers_call()).await?;
        let groups: Groups = self.tell(self.endpoint.rules_call()).await?;
        Ok(Alerting::of(managers, groups))
    }

    async fn tell<T: DeserializeOwned>(&self, call: Call) -> Result<T, SourceError> {
        let body = self.answer(&call, &mut QuerySession::new(""), Timestamp::default()).await?;
        let answer: Answer<T> = serde_json::from_slice(&body).map_err(|error| SourceError::UnexpectedShape {
            why: error.to_string(),
            at: 0,
            excerpt: excerpt(&body, 0),
        })?;
        Ok(answer.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers as Prometheus 3 gives them.
    const MANAGERS: &str = r#"{"status":"success","data":{
        "activeAlertmanagers":[{"url":"http://127.0.0.1:9093/api/v2/alerts"}],
        "droppedAlertmanagers":[{"url":"http://127.0.0.1:9094/api/v2/alerts"}]}}"#;
    const RULES: &str = r#"{"status":"success","data":{"groups":[{"name":"own","file":"rules.yml","interval":15,"rules":[
        {"name":"Down","query":"up == 0","duration":0,"labels":{},"alerts":[],"health":"ok","type":"alerting"},
        {"name":"job:up","query":"up","health":"ok","type":"recording"}]}]}}"#;

    fn alerting(managers: &str, rules: &str) -> Alerting {
        let managers: Answer<Alertmanagers> = serde_json::from_str(managers).unwrap();
        let rules: Answer<Groups> = serde_json::from_str(rules).unwrap();
        Alerting::of(managers.data, rules.data)
    }

    #[test]
    fn alerting_rules_and_active_alertmanagers_are_found_and_nothing_else() {
        let found = alerting(MANAGERS, RULES);
        assert_eq!(found.rules, ["own/Down"]);
        assert_eq!(found.alertmanagers, ["http://127.0.0.1:9093/api/v2/alerts"]);
        let none = r#"{"status":"success","data":{}}"#;
        assert_eq!(alerting(none, none), Alerting::default());
    }
}
