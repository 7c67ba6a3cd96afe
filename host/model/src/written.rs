//! Series that are made up: what a test says that a source has.

/// One value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Written {
    /// A number.
    Value(f64),
    /// The series ends here, for now.
    Stale,
}

/// A series as it is written: labels with the metric's name among them, and samples in order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenSeries {
    /// Name and value, sorted by name; `__name__` is one of them.
    pub labels: Vec<(String, String)>,
    /// Milliseconds and what is written there.
    pub samples: Vec<(i64, Written)>,
}
