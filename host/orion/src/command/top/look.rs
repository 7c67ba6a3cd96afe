//! One look at a running Orion: what its interface answers.

use serde_json::{Value, json};

use crate::remote::Remote;

/// Rules that one look takes in. Of more, those behind it in the alphabet are left out, and the page says so.
const MAX_RULES: usize = 2_000;

/// Rules in one answer: as many as the interface gives.
const RULES_AT_ONCE: usize = 500;

/// Open incidents that one look takes in.
const MAX_INCIDENTS: usize = 100;

/// What was answered.
pub struct Look {
    pub summary: Value,
    pub health: Value,
    pub persistence: Value,
    pub incidents: Vec<Value>,
    pub rules: Vec<Value>,
    pub plugins: Vec<Value>,
}

impl Look {
    /// Asks for all of it.
    pub async fn at(remote: &Remote) -> Result<Self, String> {
        let incidents = format!("api/v1/incidents?state=open&limit={MAX_INCIDENTS}");
        Ok(Self {
            summary: remote.get("api/v1/summary").await?,
            health: remote.get("health").await?,
            persistence: remote.get("api/v1/persistence").await?,
            incidents: items(&remote.get(&incidents).await?),
            rules: rules(remote).await?,
            plugins: items(&remote.get("api/v1/plugins").await?),
        })
    }

    /// All of it as one document.
    pub fn value(&self) -> Value {
        json!({
            "summary": self.summary, "health": self.health, "persistence": self.persistence,
            "incidents": self.incidents, "rules": self.rules, "plugins": self.plugins,
        })
    }
}

async fn rules(remote: &Remote) -> Result<Vec<Value>, String> {
    let (mut rules, mut path) = (Vec::new(), format!("api/v1/rules?limit={RULES_AT_ONCE}"));
    loop {
        let page = remote.get(&path).await?;
        rules.extend(items(&page));
        let Some(next) = page.get("next").and_then(Value::as_str).filter(|_| rules.len() < MAX_RULES) else {
            rules.truncate(MAX_RULES);
            return Ok(rules);
        };
        let next = percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC);
        path = format!("api/v1/rules?limit={RULES_AT_ONCE}&cursor={next}");
    }
}

fn items(page: &Value) -> Vec<Value> {
    page.get("items").and_then(Value::as_array).cloned().unwrap_or_default()
}
