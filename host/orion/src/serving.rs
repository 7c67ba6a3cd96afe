//! The HTTP interface of a pipeline, from before it starts until it ends.

use std::sync::Arc;

use orion_api::{Access, Listener, Server};
use orion_confine::{Attestation, Level};
use orion_model::Clock;
use orion_pipeline::outside::hook::Hook;

use crate::agent::Standing;
use crate::cli::Failure;
use crate::hooks::Hooks;
use crate::jobs::Desk;
use crate::setup::Pipeline;
use crate::told::Told;

/// The interface, or none where nobody is served.
pub struct Serving(Option<(Server, Vec<Hook>)>);

impl Serving {
    /// Begins to serve, and says where. What there is to tell comes with the pipeline.
    pub fn start(
        listener: Option<Listener>,
        access: Access,
        hooks: Hooks,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let Some(listener) = listener else { return Ok(Self(None)) };
        let address = listener.address();
        let scheme = if access.tls.is_some() { "https" } else { "http" };
        let server = Server::start(listener, access, hooks.guarded, clock).map_err(Failure::configuration)?;
        tracing::info!(%address, console = %format!("{scheme}://{address}/console/"), "serving HTTP");
        if !hooks.read.is_empty() {
            let names: Vec<&str> = hooks.read.iter().map(|hook| hook.name.as_str()).collect();
            tracing::info!(hooks = names.join(", "), "programs may deliver at /hooks/NAME");
        }
        Ok(Self(Some((server, hooks.read))))
    }

    /// The pipeline runs; that of an agent, where there is one.
    pub fn speak_for(
        &self,
        pipeline: &Pipeline,
        confined: &Attestation,
        agent: Option<Arc<Standing>>,
        jobs: Option<Desk>,
    ) {
        let Some((server, hooks)) = &self.0 else { return };
        server.speak_for(Arc::new(Told {
            observer: pipeline.engine.observer(),
            memory_dir: pipeline.memory_dir().to_owned(),
            appended: pipeline.bus().appended(),
            hooks: pipeline.engine.hooks(hooks.clone(), &*pipeline.bus()),
            shared: pipeline.shared(),
            agents: pipeline.engine.agents(),
            agent,
            jobs: jobs.map(Arc::new),
            confinement: (confined.level == Level::Full, confined.to_string()),
        }));
    }

    /// Ends, and lets go of the pipeline.
    pub async fn end(self) {
        if let Some((server, _)) = self.0 {
            server.end().await;
        }
    }
}
