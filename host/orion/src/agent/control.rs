//! The control host, as what is forwarded goes there.

use std::sync::Arc;

use async_trait::async_trait;
use orion_model::{AgentName, ForwardBatch, Forwarded};
use orion_pipeline::forward::Control;

use crate::remote::{Handed, Remote};

/// The control host of an agent.
pub struct ControlHost {
    remote: Arc<Remote>,
    path: String,
}

impl ControlHost {
    /// To be posted to under this name.
    pub fn new(remote: Arc<Remote>, agent: &AgentName) -> Self {
        Self { remote, path: format!("api/v1/agents/{agent}/events") }
    }
}

#[async_trait]
impl Control for ControlHost {
    async fn forward(&self, batch: &ForwardBatch) -> Result<Forwarded, String> {
        let body = serde_json::to_string(batch).map_err(|error| error.to_string())?;
        let unclear =
            |error: serde_json::Error| format!("{} answers what is none of Orion's: {error}", self.remote.address());
        match self.remote.hand_over(&self.path, body).await? {
            Handed::Taken(receipt) => serde_json::from_value(receipt).map(Forwarded::Taken).map_err(unclear),
            Handed::Elsewhere(taken) => serde_json::from_value(taken).map(Forwarded::Elsewhere).map_err(unclear),
        }
    }
}
