//! Hooks: programs that observe deliver what they saw, and are told when it is recorded.
//!
//! A delivery comes from a stranger like every other request. Who it is is known before its body is read, or, where it is signed,
//! before anything in it is looked at; how long it is stands in its head, so that all bodies that are held at once have a limit.

mod handshake;
mod meters;
mod secret;
mod taking;

use std::collections::BTreeMap;

use orion_metrics::{FamilyType, Text};
use orion_model::HookKind;
use serde_json::{Value, json};

pub(crate) use self::handshake::shake;
use self::meters::HookMeters;
pub use self::secret::{BadSecret, Secret};
pub(crate) use self::taking::{Peer, only_delivered, take};
use crate::access::Access;

/// A hook as the interface knows it.
pub struct Hook {
    /// The last part of its path.
    pub name: String,
    /// How what comes there is read.
    pub kind: HookKind,
    /// Who is told that its deliveries are welcome: names of brokers, or `*` for all of them.
    pub origins: Vec<String>,
    /// What who delivers has to know; none where whoever is on this machine may.
    pub secret: Option<Secret>,
}

/// Why a delivery was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It is not what the hook reads.
    Malformed(String),
    /// There is too much of it.
    TooLarge(String),
    /// It can be read, and is no event.
    NoEvent(String),
    /// It was taken before, and may be taken once.
    Replayed(String),
    /// It cannot be recorded now.
    NotNow(String),
}

/// All hooks of a host.
#[derive(Default)]
pub(crate) struct Hooks(BTreeMap<String, Open>);

/// A hook that is open.
pub(crate) struct Open {
    pub(crate) hook: Hook,
    pub(crate) meters: HookMeters,
}

/// Hooks that whoever reaches this address could deliver to.
#[derive(Debug, thiserror::Error)]
#[error(
    "these hooks have no secret, and {address} can be reached from other machines: {}. Give each a `secret_file`, or serve this \
     machine alone: --listen 127.0.0.1:9600",
    names.join(", ")
)]
pub struct OpenHooks {
    address: std::net::SocketAddr,
    names: Vec<String>,
}

impl Access {
    /// Whether each hook is guarded as this address needs.
    pub fn check_hooks(address: std::net::SocketAddr, hooks: &[Hook]) -> Result<(), OpenHooks> {
        let open = hooks.iter().filter(|hook| hook.secret.is_none());
        let names: Vec<String> = open.map(|hook| hook.name.clone()).collect();
        match names.is_empty() || address.ip().to_canonical().is_loopback() {
            true => Ok(()),
            false => Err(OpenHooks { address, names }),
        }
    }
}

impl Hooks {
    pub(crate) fn new(hooks: Vec<Hook>) -> Self {
        let open = |hook: Hook| (hook.name.clone(), Open { hook, meters: HookMeters::default() });
        Self(hooks.into_iter().map(open).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Open> {
        self.0.get(name)
    }

    /// What the summary tells of them.
    pub(crate) fn summary(&self) -> Value {
        let told = self.0.values().map(|Open { hook, meters }| {
            json!({
                "name": hook.name, "kind": hook.kind.as_str(), "has_secret": hook.secret.is_some(),
                "received": meters.received.get(), "recorded": meters.recorded.get(), "known": meters.known.get(),
                "put_aside": meters.put_aside.get(), "refused": meters.refused(),
            })
        });
        told.collect()
    }

    pub(crate) fn write(&self, text: &mut Text) {
        type Number = fn(&HookMeters) -> u64;
        let numbers: [(&'static str, &str, Number); 4] = [
            ("orion_webhook_received_total", "Deliveries that came to a hook.", |it| it.received.get()),
            ("orion_webhook_accepted_total", "Events that were delivered and are recorded.", |it| it.recorded.get()),
            ("orion_webhook_duplicate_total", "Events that were delivered and were recorded already.", |it| {
                it.known.get()
            }),
            ("orion_webhook_put_aside_total", "What was delivered beside events and is none.", |it| it.put_aside.get()),
        ];
        for (name, help, number) in numbers {
            let mut family = text.family(name, FamilyType::Counter, help);
            self.0.values().for_each(|open| family.count(&[("hook", &open.hook.name)], number(&open.meters)));
        }
        let help = "Deliveries that a hook did not take, by reason.";
        let mut family = text.family("orion_webhook_refused_total", FamilyType::Counter, help);
        for open in self.0.values() {
            for (reason, count) in open.meters.refused_by_reason() {
                family.count(&[("hook", &open.hook.name), ("reason", reason)], count);
            }
        }
        let help = "How long it took from the head of a delivery until it was recorded.";
        let mut family = text.family("orion_webhook_duration_seconds", FamilyType::Histogram, help);
        self.0.values().for_each(|open| family.histogram(&[("hook", &open.hook.name)], &open.meters.took));
    }
}
