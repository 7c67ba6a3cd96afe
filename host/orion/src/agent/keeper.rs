//! Keeps an agent's rules those of its set, and tells the control host how it goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orion_model::{AgentStatus, RefusedFile, SetRefusal, SetReport, SetVersion};
use orion_pipeline::forward::ForwardMeter;
use orion_pipeline::observer::{Files, Observer};
use orion_pipeline::outside::agent::within_limits;
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use super::Agent;
use super::rules::Held;
use crate::remote::Newer;

/// How often is asked whether there is another version of the set: an edit is there before somebody wonders, and where there is none the
/// answer is empty.
const FETCH_MILLIS: u64 = 5_000;

/// How often the agent says how it goes, when nothing changed. It is what the control host knows of the agent's time by.
const STATUS_MILLIS: u64 = 10_000;

/// How long the library has to look at a version that was put there, before it is asked anew what became of it.
const LOOK_MILLIS: u64 = 30_000;

/// A look that was under way when the version was put there may have seen the one before; the one that was asked for follows at once.
const NEXT_LOOK_MILLIS: u64 = 1_000;

/// The task of an agent. It holds on to the pipeline, so it has to be gone before that ends.
pub struct Keeper {
    agent: Agent,
    observer: Observer,
    look: Arc<Notify>,
    files: watch::Receiver<Arc<Files>>,
    held: Option<Held>,
    /// The version that runs whole.
    runs: Option<u64>,
    said_at: Option<Instant>,
}

impl Keeper {
    /// Of an agent whose pipeline runs.
    pub fn new(agent: Agent, observer: Observer, look: Arc<Notify>) -> Self {
        let held = agent.folder.held().filter(|held| held.set == agent.set);
        let files = observer.files_looked_at();
        Self { agent, observer, look, files, held, runs: None, said_at: None }
    }

    /// Works until it is dropped.
    pub async fn run(mut self) {
        loop {
            let fetched = self.fetch().await;
            if fetched.is_ok() {
                self.agent.standing.was_told(self.observer.now());
            }
            let is_news = matches!(fetched, Ok(true)) || self.files.has_changed().unwrap_or(false);
            self.files.mark_unchanged();
            let rules = self.rules();
            self.agent.standing.runs(self.held.as_ref().map_or(0, |held| held.version), rules);
            let is_due = self.said_at.is_none_or(|at| at.elapsed() >= Duration::from_millis(STATUS_MILLIS));
            let said = if is_news || is_due { self.say().await } else { Ok(()) };
            if let Some(why) = fetched.as_ref().err().or(said.as_ref().err()) {
                tracing::debug!("the control host: {why}");
            }
            self.agent.standing.note(fetched.err().or(said.err()));
            let mut files = self.files.clone();
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(FETCH_MILLIS)) => {}
                _ = files.changed() => {}
            }
        }
    }

    /// Whether there is another version now.
    async fn fetch(&mut self) -> Result<bool, String> {
        let (set, agent) = (&self.agent.set, &self.agent.name);
        let etag = self.held.as_ref().and_then(|held| held.etag.clone());
        let path = format!("api/v1/sets/{set}?node={agent}");
        let (value, etag) = match self.agent.remote.newer(&path, etag.as_deref()).await? {
            Newer::Same => return Ok(false),
            // Nobody has applied any; what was fetched before, from another control host perhaps, runs on.
            Newer::None(why) => return Err(why),
            Newer::Other(value, etag) => (value, etag),
        };
        let version: SetVersion = serde_json::from_value(value)
            .map_err(|error| format!("{} answers {path} with no rule set: {error}", self.agent.remote.address()))?;
        let is_other =
            self.held.as_ref().is_none_or(|held| (held.version, held.digest) != (version.version, version.digest));
        self.files.mark_unchanged();
        let held = self.agent.folder.put(set, version, etag).map_err(|error| error.to_string())?;
        if is_other {
            tracing::info!(set = held.set, version = held.version, digest = %held.digest, "rules are fetched");
        }
        self.held = Some(held);
        if is_other {
            self.looked_at().await;
        }
        Ok(is_other)
    }

    /// Waits until the library has looked at what was put there.
    async fn looked_at(&mut self) {
        self.look.notify_one();
        let looked = timeout(Duration::from_millis(LOOK_MILLIS), self.files.changed()).await;
        if matches!(looked, Ok(Ok(()))) {
            let _ = timeout(Duration::from_millis(NEXT_LOOK_MILLIS), self.files.changed()).await;
        }
    }

    /// Tells how it goes.
    async fn say(&mut self) -> Result<(), String> {
        let status = self.status();
        let path = format!("api/v1/agents/{}/status", self.agent.name);
        self.agent.remote.post(&path, &json!(within_limits(status))).await?;
        self.said_at = Some(Instant::now());
        Ok(())
    }

    /// What runs of the version that was fetched last, and what cannot.
    fn rules(&mut self) -> Option<SetReport> {
        let files = self.observer.files();
        let rules = self.held.as_ref().map(|held| report(held, &files.refused, self.runs));
        self.runs = rules.as_ref().and_then(|rules| rules.version);
        rules
    }

    fn status(&mut self) -> AgentStatus {
        let rules = self.rules();
        // Asked before positions are: what is committed between the two has a later time than this.
        let reached = self.observer.reached();
        let last = self.observer.last_position();
        let forwards = self.observer.forwards();
        let is_all = forwards.is_some_and(|meter| meter.position() >= last);
        let files = self.observer.files();
        let refused = files.refused.iter().map(|(file, why)| RefusedFile { file: file.clone(), reason: why.clone() });
        AgentStatus {
            orion: env!("CARGO_PKG_VERSION").to_owned(),
            rules,
            digest: self.held.as_ref().map(|held| held.digest),
            generation: self.observer.generation().number,
            refused: refused.collect(),
            backlog_events: forwards.map_or(0, ForwardMeter::backlog_events),
            backlog_bytes: forwards.map_or(0, ForwardMeter::backlog_bytes),
            reached: reached.filter(|_| is_all),
        }
    }
}

/// What runs of a version, and what of it cannot.
fn report(held: &Held, refused: &BTreeMap<String, String>, before: Option<u64>) -> SetReport {
    let of_set: Vec<String> =
        held.files.iter().filter_map(|file| refused.get(file).map(|why| format!("{file}: {why}"))).collect();
    match of_set.is_empty() {
        true => SetReport { set: held.set.clone(), version: Some(held.version), refused: None },
        false => SetReport {
            set: held.set.clone(),
            version: before.filter(|before| *before != held.version),
            refused: Some(SetRefusal { version: held.version, why: of_set.join("\n") }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_runs_when_none_of_its_files_is_refused() {
        let digest = orion_pipeline::library::digest_of(b"x");
        let files = vec!["a.yaml".to_owned(), "b.yaml".to_owned()];
        let held = Held { set: "default".to_owned(), version: 7, digest, etag: None, files };
        let refused = |file: &str| BTreeMap::from([(file.to_owned(), "no".to_owned())]);
        let runs = report(&held, &refused("plugin.wasm"), Some(6));
        assert_eq!((runs.version, runs.refused), (Some(7), None));
        let not = report(&held, &refused("b.yaml"), Some(6));
        assert_eq!(not.version, Some(6));
        assert_eq!(not.refused, Some(SetRefusal { version: 7, why: "b.yaml: no".to_owned() }));
        // It ran when one of its files was still well.
        assert_eq!(report(&held, &refused("b.yaml"), Some(7)).version, None);
    }
}
