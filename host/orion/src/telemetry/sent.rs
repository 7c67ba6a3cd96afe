//! A build that sends traces to where it is told.

use orion_source::Destination;
use orion_telemetry::{Endpoint, Traces};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::TelemetryArgs;
use crate::cli::Failure;
use crate::log::Lines;

/// Traces that are to be sent, if any are.
pub struct Telemetry(Option<Traces>);

/// Sends them until it ends.
pub struct Sending(Option<orion_telemetry::Sending>);

impl Telemetry {
    /// Of a command that runs no pipeline.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Certificate authorities are read here, and never again.
    pub fn of(args: &TelemetryArgs) -> Result<Self, Failure> {
        let Some(text) = args.endpoint() else { return Ok(Self(None)) };
        let endpoint = Endpoint::parse(text).map_err(Failure::configuration)?;
        Traces::to(endpoint, env!("CARGO_PKG_VERSION")).map(Some).map(Self).map_err(Failure::configuration)
    }

    /// Starts logging with spans, where there are any to be sent; gives the lines back where there are none. Lines and spans have a
    /// filter each, so a span that is traced is in no line.
    pub fn takes(&self, lines: Lines) -> Option<Lines> {
        let Some(traces) = &self.0 else { return Some(lines) };
        let spans = traces.layer(orion_pipeline::TRACED);
        tracing_subscriber::registry().with(spans).with(lines.layer()).init();
        None
    }

    /// Where traces go.
    pub fn destination(&self) -> Option<Destination> {
        let endpoint = self.0.as_ref()?.endpoint();
        Some(Destination { host: endpoint.host().to_owned(), port: endpoint.port() })
    }

    /// Begins to send. Needs a runtime.
    pub fn start(self) -> Sending {
        Sending(self.0.map(Traces::start))
    }
}

impl Sending {
    /// Sends what is left, if that can be done soon.
    pub async fn end(self) {
        if let Some(sending) = self.0 {
            sending.end().await;
        }
    }
}
