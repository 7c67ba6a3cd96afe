//! Log lines: on stderr, text for a person, JSON for a collector; and the last of them kept for who asks a running Orion.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::cli::LogFormat;
use crate::kept_lines::KeptLines;
use crate::telemetry::Telemetry;

/// How lines look, and which there are.
pub struct Lines {
    /// The level: `info`, `debug`, or per crate.
    pub filter: EnvFilter,
    /// One JSON object each.
    pub json: bool,
    /// In colours.
    pub ansi: bool,
}

impl Lines {
    /// What writes them.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(self) -> impl Layer<S> {
        // That a line could not be written would be said on stderr, and a thread that cannot write there panics: a full disk that holds
        // the log would end the very stages that wait for it.
        let shown = fmt::layer().with_writer(std::io::stderr).with_target(false).log_internal_errors(false);
        let shown = match self.json {
            true => shown.json().flatten_event(true).boxed(),
            false => shown.with_ansi(self.ansi).compact().boxed(),
        };
        let kept = fmt::layer().with_writer(KeptLines::of_process()).with_target(false).log_internal_errors(false);
        shown.and_then(kept.json().flatten_event(true)).with_filter(self.filter)
    }
}

/// Starts logging. `ORION_LOG` sets the level, `info` by default. Where traces are sent, spans go there.
pub fn start(format: LogFormat, telemetry: &Telemetry) {
    let on_terminal = std::io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !on_terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let filter = EnvFilter::try_from_env("ORION_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let ansi = on_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let Some(lines) = telemetry.takes(Lines { filter, json, ansi }) else { return };
    tracing_subscriber::registry().with(lines.layer()).init();
}
