//! What a plugin cost before, in a file that is kept with its source.
//!
//! Only what is the same on every machine is in it: fuel, memory and size. So a baseline that was written here holds anywhere, and
//! a plugin that got dearer is told by a test that never looks at a clock.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{read, write};
use crate::cli::Failure;

/// How much more than in the baseline is let pass: another version of a compiler moves it by less.
const ALLOWED_GROWTH: f64 = 1.05;

/// What was measured, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Samples of a frame, or events of a batch.
    pub items: usize,
    /// Frames or batches.
    pub calls: usize,
    /// Work for a sample or an event.
    pub fuel_per_item: f64,
    /// What the instance held in the end.
    pub memory_bytes: usize,
    /// The plugin file.
    pub component_bytes: usize,
}

impl Baseline {
    /// What was measured before; what is measured now becomes the baseline where there is none.
    pub fn kept(path: &Path, now: &Self) -> Result<Option<Self>, Failure> {
        if !path.exists() {
            let text = serde_json::to_string_pretty(now).map_err(|why| Failure::Configuration(why.to_string()))?;
            write(path, format!("{text}\n").as_bytes())?;
            return Ok(None);
        }
        let before: Self = serde_json::from_slice(&read(path)?).map_err(|why| {
            Failure::BadFile(format!("{} is no baseline ({why}); remove it to measure anew", path.display()))
        })?;
        if (before.items, before.calls) != (now.items, now.calls) {
            let why = format!("{} was measured with --items {} --calls {}", path.display(), before.items, before.calls);
            return Err(Failure::Configuration(format!("{why}; do the same, or remove it")));
        }
        Ok(Some(before))
    }

    /// What grew by more than is let pass, in words.
    #[expect(clippy::cast_precision_loss, reason = "memory and files of plugins are far below 2^53 bytes")]
    pub fn grown(&self, now: &Self) -> Vec<String> {
        let facts = [
            ("fuel for each item", self.fuel_per_item, now.fuel_per_item),
            ("bytes of memory", self.memory_bytes as f64, now.memory_bytes as f64),
            ("bytes of the plugin", self.component_bytes as f64, now.component_bytes as f64),
        ];
        let grown = facts.iter().filter(|(_, before, now)| *now > before * ALLOWED_GROWTH);
        grown.map(|(what, before, now)| format!("{what}: {now:.1}, and before it was {before:.1}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(fuel_per_item: f64, memory_bytes: usize, component_bytes: usize) -> Baseline {
        Baseline { items: 10, calls: 10, fuel_per_item, memory_bytes, component_bytes }
    }

    #[test]
    fn a_twentieth_more_passes_and_more_than_that_does_not() {
        let before = measured(100.0, 1_000, 1_000);
        assert!(before.grown(&measured(105.0, 1_050, 1_050)).is_empty());
        let said = before.grown(&measured(105.1, 1_051, 1_051));
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(before.grown(&measured(50.0, 500, 500)).is_empty());
    }
}
