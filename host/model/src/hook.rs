//! What programs that deliver what they observed may speak.

use std::fmt;
use std::str::FromStr;

/// How what comes to a hook is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HookKind {
    /// Notifications of Alertmanager, version 4.
    Alertmanager,
    /// Notifications of Grafana.
    Grafana,
    /// CloudEvents 1.0 over HTTP.
    CloudEvents,
    /// Events as Orion has them, signed by who delivers them.
    Generic,
}

impl HookKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Alertmanager, Self::Grafana, Self::CloudEvents, Self::Generic];

    /// The word for one.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alertmanager => "alertmanager",
            Self::Grafana => "grafana",
            Self::CloudEvents => "cloudevents",
            Self::Generic => "generic",
        }
    }
}

impl fmt::Display for HookKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no kind of hook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kind of hook: use alertmanager, grafana, cloudevents or generic")]
pub struct UnknownHookKind(String);

impl FromStr for HookKind {
    type Err = UnknownHookKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownHookKind(text.to_owned()))
    }
}
