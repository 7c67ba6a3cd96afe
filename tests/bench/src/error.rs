//! Why something could not be measured.

use std::fmt::Display;

/// A benchmark that has no figure.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// No benchmark is called that.
    #[error("there is no benchmark `{name}`; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// What was computed is wrong, so how fast it was means nothing.
    #[error("not measured, because the outputs are wrong: {0}")]
    Unequal(String),
    /// Something that the benchmark needs did not work.
    #[error("cannot {what}: {why}")]
    Failed {
        /// What was tried.
        what: String,
        /// What went wrong.
        why: String,
    },
    /// A server of the lab.
    #[error(transparent)]
    Lab(#[from] orion_lab::LabError),
}

impl BenchError {
    /// Turns an error of `what` into one of the bench.
    pub fn failed<E: Display>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |why| Self::Failed { what, why: why.to_string() }
    }
}

/// Outputs have to be equal before a figure is shown.
pub fn require_equal<T: PartialEq>(what: &str, left: &T, right: &T) -> Result<(), BenchError> {
    require(left == right, || format!("{what} differ"))
}

/// What has to hold before a figure is shown.
pub fn require(holds: bool, what: impl FnOnce() -> String) -> Result<(), BenchError> {
    if holds { Ok(()) } else { Err(BenchError::Unequal(what())) }
}
