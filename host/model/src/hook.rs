//! Hooks: what programs that deliver what they observed may speak, what one of them delivers, and what became of it.

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

/// What came to a hook, from somebody who may deliver there.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// The hook.
    pub hook: String,
    /// What its body is, without parameters and in small letters; empty where there is none.
    pub content_type: String,
    /// The headers `ce-…`: their names without that, and what they say.
    pub attributes: Vec<(String, String)>,
    /// The signature that was found to hold, where there was one.
    pub signature: Option<Vec<u8>>,
    /// Its body.
    pub body: Vec<u8>,
}

/// What became of a delivery that was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Events that are recorded now.
    pub recorded: usize,
    /// Events that were recorded already.
    pub known: usize,
    /// What of it is no event.
    pub put_aside: usize,
    /// Why the first of that is none.
    pub reason: Option<String>,
}
