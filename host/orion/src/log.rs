//! Log lines: on stderr, text for a person, JSON for a collector.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;
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
    let Some(Lines { filter, json, ansi }) = telemetry.takes(Lines { filter, json, ansi }) else { return };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // That a line could not be written would be said on stderr, and a thread that cannot write there panics: a full disk that holds
    // the log would end the very stages that wait for it.
    let builder = builder.log_internal_errors(false);
    if json {
        builder.json().flatten_event(true).init();
    } else {
        builder.with_ansi(ansi).compact().init();
    }
}
