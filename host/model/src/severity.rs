//! How bad a thing is, in four steps.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Severity of an event or incident; ordered, `critical` is the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
    /// All of them, lowest first.
    pub const ALL: [Self; 4] = [Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// The word records use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// 0 to 3, as the plugin contract counts them.
    pub const fn rank(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no severity.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no severity: use info, warning, error or critical")]
pub struct UnknownSeverity(pub String);

impl FromStr for Severity {
    type Err = UnknownSeverity;

    /// Also takes the other words that public rule files use for the same steps (`warn`, `page`, `none`, …).
    fn from_str(text: &str) -> Result<Self, UnknownSeverity> {
        match text.to_ascii_lowercase().as_str() {
            "info" | "information" | "informational" | "notice" | "none" | "debug" | "low" => Ok(Self::Info),
            "warning" | "warn" | "minor" | "medium" => Ok(Self::Warning),
            "error" | "err" | "major" | "high" => Ok(Self::Error),
            "critical" | "crit" | "page" | "emergency" | "fatal" | "disaster" => Ok(Self::Critical),
            _ => Err(UnknownSeverity(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_ranks_agree_with_the_order() {
        for (rank, severity) in Severity::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(severity.rank()), rank);
            assert_eq!(severity.as_str().parse(), Ok(severity));
        }
        assert!("urgent".parse::<Severity>().is_err());
    }
}
