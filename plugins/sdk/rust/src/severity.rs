//! How bad a thing is, in four steps.

/// Severity; ordered, `Critical` is the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Will become a problem.
    Warning,
    /// Is a problem.
    Error,
    /// People are affected now.
    Critical,
}

impl Severity {
    /// From 0 to 3, as batches carry it. Anything higher is the highest.
    pub const fn from_rank(rank: u8) -> Self {
        match rank {
            0 => Self::Info,
            1 => Self::Warning,
            2 => Self::Error,
            _ => Self::Critical,
        }
    }

    /// 0 to 3.
    pub const fn rank(self) -> u8 {
        self as u8
    }

    /// The word records use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}
