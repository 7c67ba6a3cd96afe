//! `--otlp-endpoint`: whether traces of Orion's own work are sent to somebody. A build without the feature `otlp` cannot, and says so
//! where it is asked to.

#[cfg(not(feature = "otlp"))]
mod none;
#[cfg(feature = "otlp")]
mod sent;

use clap::Args;

#[cfg(not(feature = "otlp"))]
pub use none::Telemetry;
#[cfg(feature = "otlp")]
pub use sent::Telemetry;

/// Where traces are sent.
#[derive(Args, Clone)]
pub struct TelemetryArgs {
    /// Collector to which traces of Orion's own work are sent, by OTLP over HTTP: `http://collector:4318`. Without it nothing is sent to
    /// anybody; a build without the feature `otlp` cannot
    #[arg(long, value_name = "URL", env = "ORION_OTLP__ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

impl TelemetryArgs {
    /// An empty variable is an unset one.
    fn endpoint(&self) -> Option<&str> {
        self.otlp_endpoint.as_deref().filter(|url| !url.is_empty())
    }
}
