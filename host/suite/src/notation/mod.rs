//! The notation of series in promtool's test files: `up{job="x"}` and `1+2x5 _ stale`.

mod metric;
mod values;

pub use metric::metric;
pub use values::{NoValues, values};
