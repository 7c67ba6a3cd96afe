//! What became of edits of rules and plugins.

use orion_metrics::{Counter, Gauge, Text};
use orion_model::Timestamp;

use super::seconds;

/// What became of edits of rules and plugins.
#[derive(Debug, Default)]
pub struct ReloadMeter {
    is_successful: Gauge,
    last_success: Gauge,
    generation: Gauge,
    reloads: Counter,
    failures: Counter,
}

impl ReloadMeter {
    /// The folders were looked at: whether everything in them runs, and what runs now.
    pub(crate) fn note(&self, is_whole: bool, now: Timestamp, generation: u64) {
        self.reloads.increase();
        self.is_successful.set(f64::from(u8::from(is_whole)));
        match is_whole {
            true => self.last_success.set(seconds(now)),
            false => self.failures.increase(),
        }
        // As exact as a number of edits needs to be.
        self.generation.set(generation as f64);
    }

    pub(super) fn write(&self, text: &mut Text) {
        let help = "Whether all rule and plugin files run as they are in their folders; 0 while any is refused.";
        text.gauge("orion_config_last_reload_successful", help, self.is_successful.get());
        let help = "When all rule and plugin files were last seen to run as they are in their folders.";
        text.gauge("orion_config_last_reload_success_timestamp_seconds", help, self.last_success.get());
        text.gauge(
            "orion_config_generation",
            "Number of the generation of rules and plugins that runs.",
            self.generation.get(),
        );
        text.counter("orion_config_reloads_total", "Looks at the folders of rules and plugins.", self.reloads.get());
        let help = "Looks at the folders of rules and plugins that found a file which is refused.";
        text.counter("orion_config_reload_failures_total", help, self.failures.get());
    }
}
