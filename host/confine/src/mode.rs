//! How much confinement is asked for.

use std::fmt;

use serde::Serialize;

use crate::error::ConfineError;
use crate::kernel::Missing;

/// How much confinement is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// All of it, or no start.
    Require,
    /// What the kernel can; what it cannot is said.
    Auto,
    /// None.
    Off,
}

impl Mode {
    /// As it is written in settings and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::Auto => "auto",
            Self::Off => "off",
        }
    }
}

impl Mode {
    /// Whether a start is to be although this is missing.
    pub(crate) fn check(self, missing: &[Missing]) -> Result<(), ConfineError> {
        if self == Self::Require && !missing.is_empty() {
            return Err(ConfineError::Impossible(missing.to_vec()));
        }
        Ok(())
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
