//! Traces of Orion's own work, sent by OTLP to where its owner says, and nowhere else.
//!
//! This is the one place where Orion says something to anybody without being asked, so it is in no build that does not ask for it.
//! What is sent are spans of evaluations, queries, commits and steps of the stages: names of groups and owners, counts and durations. No
//! answer of a source, no event, no label of a series.
//!
//! Nothing here runs by itself: spans wait in a queue of bounded length until [`Traces::start`] is called, which is behind the
//! confinement, and what does not fit is counted and lost. Whoever works never waits for a collector.

mod client;
mod endpoint;
mod ids;
mod queue;
mod sending;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter as _};
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

pub use endpoint::Endpoint;
pub use sending::Sending;

use client::{ANSWER_TIME, Client};
use ids::Ids;
use queue::{Queue, Waiting};

/// What collectors call it.
const SERVICE: &str = "orion";

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The address.
    #[error("the address of the collector cannot be used: {0}; write it like http://collector:4318")]
    Endpoint(String),
    /// What sends.
    #[error("traces cannot be sent: {0}")]
    Sender(String),
}

/// What makes traces of spans, and where they go.
pub struct Traces {
    provider: SdkTracerProvider,
    exporter: SpanExporter,
    waiting: Waiting,
    endpoint: Endpoint,
}

impl Traces {
    /// To this collector. Certificate authorities are read here, and never again; nothing is sent and no thread is started.
    pub fn to(endpoint: Endpoint, version: &str) -> Result<Self, TelemetryError> {
        let client = Client::new(&endpoint)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(endpoint.traces())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(ANSWER_TIME)
            .build();
        let mut exporter = exporter.map_err(|error| TelemetryError::Sender(error.to_string()))?;
        let version = KeyValue::new("service.version", version.to_owned());
        let resource = Resource::builder_empty().with_service_name(SERVICE).with_attribute(version).build();
        exporter.set_resource(&resource);
        let (queue, waiting) = Queue::new();
        let provider = SdkTracerProvider::builder()
            .with_id_generator(Ids::default())
            .with_span_processor(queue)
            .with_resource(resource)
            .build();
        Ok(Self { provider, exporter, waiting, endpoint })
    }

    /// What takes spans of this target, and of no other: libraries have spans as well, about what they are given.
    pub fn layer<S>(&self, target: &str) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let only = Targets::new().with_target(target, Level::DEBUG);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(only)
    }

    /// Where they go.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Begins to send. Needs a runtime.
    pub fn start(self) -> Sending {
        Sending::start(self.exporter, self.waiting, self.endpoint, self.provider)
    }
}
