//! The Numenta Anomaly Benchmark: labelled series as they lie in a folder, and the published scoring.
//!
//! A detector gives every row of every series a score. One threshold for all series, the best there is, says which rows are
//! detections; each window is worth more the earlier it is detected, and each detection outside costs. So what is measured
//! is the order in which a detector puts rows, over all series at once. The data is never part of this repository; `orion-kit evaluate`
//! scores people's own by the same rules.

mod corpus;
mod scoring;

pub use corpus::{Corpus, CorpusError, Row, Series, probation};
pub use scoring::{Outcome, Profile, Profiles, score};
