//! A build that sends nothing to anybody.

use orion_source::Destination;

use super::TelemetryArgs;
use crate::cli::Failure;
use crate::log::Lines;

/// Nothing.
pub struct Telemetry;

/// Nothing.
pub struct Sending;

impl Telemetry {
    /// Of a command that runs no pipeline.
    pub const fn none() -> Self {
        Self
    }

    /// Who asks for traces is told that this build has none, rather than left to wonder where they are.
    pub fn of(args: &TelemetryArgs) -> Result<Self, Failure> {
        match args.endpoint() {
            None => Ok(Self),
            Some(_) => Err(Failure::Configuration(
                "this build sends nothing to anybody: --otlp-endpoint (ORION_OTLP__ENDPOINT) needs one that was built with \
                 `--features otlp`"
                    .to_owned(),
            )),
        }
    }

    /// Starts logging with spans, where there are any to be sent; gives the lines back where there are none.
    pub fn takes(&self, lines: Lines) -> Option<Lines> {
        Some(lines)
    }

    /// Where traces go.
    pub fn destination(&self) -> Option<Destination> {
        None
    }

    /// Begins to send.
    pub fn start(self) -> Sending {
        Sending
    }
}

impl Sending {
    /// Sends what is left.
    pub async fn end(self) {}
}
