//! A plugin file of the folder: what is known of it, and how it is judged together with what vouches for it.

use orion_model::{Clock, Digest};
use orion_sandbox::{Plugin, Sandbox};
use orion_trust::{Gate, Proof};

use super::folder::{Content, digest_of};
use super::store::{KeptPlugin, LibraryStore};
use super::trial::{Trial, Verdict, has_failed};

/// What is known of one plugin file.
#[derive(Default)]
pub struct PluginEntry {
    seen: Option<Seen>,
    /// The last good version.
    pub accepted: Option<Admitted>,
    /// Why the version in the folder does not run, when it does not.
    pub refused: Option<String>,
    /// While the accepted version is new.
    trial: Option<Trial>,
}

/// A plugin's bytes are judged together with what the lock and the keys say of them.
#[derive(Clone, PartialEq)]
struct Seen {
    digest: Digest,
    vetted: Result<Proof, String>,
}

/// Why a plugin file is not taken.
enum NotAdmitted {
    /// Because of what it is, or of what vouches for it.
    Refused(String),
    /// Because it could not be kept, which is no fault of the file.
    NotKept(String),
}

impl From<String> for NotAdmitted {
    fn from(why: String) -> Self {
        Self::Refused(why)
    }
}

/// A plugin of the folder that may run, and what vouched for it.
#[derive(Clone)]
pub struct Admitted {
    /// The plugin.
    pub plugin: Plugin,
    /// What vouched for it.
    pub proof: Proof,
}

impl Admitted {
    /// What the store keeps of it.
    pub fn kept(&self) -> KeptPlugin {
        KeptPlugin { digest: self.plugin.digest(), proof: self.proof.clone(), on_trial: None }
    }
}

impl PluginEntry {
    /// One that the store has as last good.
    pub fn recalled(admitted: Admitted) -> Self {
        Self { accepted: Some(admitted), ..Self::default() }
    }

    /// Takes what is in the folder now: it is accepted, or the reason is kept and the last good version stays.
    pub fn look(
        &mut self,
        name: &str,
        content: Content,
        gate: &Gate,
        sandbox: &Sandbox,
        store: &LibraryStore,
        clock: &dyn Clock,
    ) {
        let content = content.map(|bytes| {
            let digest = digest_of(&bytes);
            let before = self.accepted_as(digest).map(|admitted| &admitted.proof);
            (bytes, Seen { digest, vetted: gate.vet(name, digest, before) })
        });
        let seen = content.as_ref().ok().map(|(_, seen)| seen.clone());
        if seen.is_some() && seen == self.seen {
            return;
        }
        self.seen = seen;
        let admitted = content.map_err(NotAdmitted::Refused);
        match admitted.and_then(|(bytes, seen)| self.admit(&bytes, seen, sandbox, store)) {
            Ok(admitted) => {
                let new = admitted.plugin.digest();
                let before = self.accepted.replace(admitted).filter(|before| before.plugin.digest() != new);
                self.trial = match (self.trial.take(), before) {
                    (trial, None) => trial,
                    (None, Some(before)) => Some(Trial::of(before, clock.now())),
                    (Some(trial), Some(_)) => trial.of_another(new, clock.now()),
                };
                self.refused = None;
            }
            Err(NotAdmitted::Refused(why)) => self.refuse(name, why),
            Err(NotAdmitted::NotKept(why)) => {
                // The next look tries again: the disk may have room then.
                self.seen = None;
                self.refuse(name, why);
            }
        }
    }

    fn refuse(&mut self, name: &str, why: String) {
        if self.refused.as_ref() != Some(&why) {
            tracing::error!(file = name, last_good = self.accepted.is_some(), "plugin refused: {why}");
        }
        self.refused = Some(why);
    }

    /// What the store keeps of it: of a version on trial the one before it as well, which may have to run again.
    pub fn kept(&self) -> Option<KeptPlugin> {
        let accepted = self.accepted.as_ref()?.kept();
        Some(match &self.trial {
            Some(trial) => KeptPlugin { on_trial: Some(Box::new(accepted)), ..trial.before().kept() },
            None => accepted,
        })
    }

    /// Whether the accepted version is new and failed too often.
    pub fn fails_on_trial(&self) -> bool {
        self.trial.is_some() && self.accepted.as_ref().is_some_and(has_failed)
    }

    /// Whether the accepted version is new.
    pub fn is_on_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// The version before comes back when the new one failed too often.
    pub fn judge(&mut self, name: &str, clock: &dyn Clock) {
        let Some((trial, new)) = self.trial.take().zip(self.accepted.as_ref()) else { return };
        match trial.judge(new, clock.now()) {
            Verdict::Open(trial) => self.trial = Some(trial),
            Verdict::Passed => {}
            Verdict::Failed(before, why) => {
                tracing::error!(file = name, "plugin refused: {why}");
                self.accepted = Some(before);
                self.refused = Some(why);
            }
        }
    }

    fn admit(
        &self,
        bytes: &[u8],
        seen: Seen,
        sandbox: &Sandbox,
        store: &LibraryStore,
    ) -> Result<Admitted, NotAdmitted> {
        let proof = seen.vetted?;
        let plugin = match self.accepted_as(seen.digest) {
            Some(admitted) => admitted.plugin.clone(),
            None => sandbox.load(bytes).map_err(|error| error.to_string())?,
        };
        store.keep_plugin(seen.digest, bytes).map_err(NotAdmitted::NotKept)?;
        Ok(Admitted { plugin, proof })
    }

    /// The accepted version, when it has these bytes.
    fn accepted_as(&self, digest: Digest) -> Option<&Admitted> {
        self.accepted.as_ref().filter(|admitted| admitted.plugin.digest() == digest)
    }
}
