//! Agents that are not heard of: said once when it begins and once when it ends, and forgotten in the end.

use std::sync::Arc;
use std::time::Duration;

use orion_bus::BusError;
use orion_model::{AgentName, Timestamp, format_duration};
use tokio::sync::watch;

use super::known::{Known, lag, silence};
use super::{Agents, TakeError};
use crate::draft::Draft;

/// How often is looked: a silence is counted in minutes.
const LOOK_MILLIS: i64 = 1_000;

/// An agent that was not heard of for so long is not waited for any more: it is taken from the list, and what it was silent about is
/// over. A week, so that nobody is forgotten over holidays.
const FORGOTTEN_MILLIS: i64 = 7 * 86_400_000;

impl Agents {
    /// Looks for silent ones until `shutdown` turns true.
    pub(crate) async fn watch(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        loop {
            let wait = self.clock.real_millis(LOOK_MILLIS).max(1);
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                _ = shutdown.wait_for(|down| *down) => return,
            }
            let names: Vec<AgentName> = self.known.lock().await.keys().cloned().collect();
            for name in names {
                if let Err(error) = self.look_at(&name).await {
                    tracing::debug!(agent = %name, "its silence is not recorded yet: {error}");
                }
            }
        }
    }

    pub(super) async fn look_at(&self, agent: &AgentName) -> Result<(), TakeError> {
        let mut place = self.of(agent).await?;
        let Some(heard_at) = place.as_ref().map(|known| known.heard_at) else {
            *place = Some(Known::load(&*self.bus, agent).await?);
            return Ok(());
        };
        // Who was not heard of while nobody listened is given the same time again.
        let silent_from = heard_at.max(self.began).plus_millis(self.silent_millis);
        let now = self.clock.now();
        let is_said = place.as_ref().is_some_and(|known| known.conditions.holds(&silence(agent)));
        let is_gone = now.millis_since(heard_at.max(self.began)) >= FORGOTTEN_MILLIS;
        if now < silent_from || (is_said && !is_gone) {
            return Ok(());
        }
        let Some(known) = place.take() else { return Ok(()) };
        *place = match is_gone {
            true => self.forget(agent, known, now).await?,
            false => Some(self.say_silent(agent, known, silent_from).await?),
        };
        Ok(())
    }

    async fn say_silent(&self, agent: &AgentName, mut known: Known, at: Timestamp) -> Result<Known, TakeError> {
        // Another host may have heard of it: what the bus has counts.
        let there = Known::load(&*self.bus, agent).await?;
        if there.heard_at > known.heard_at || there.offset != known.offset {
            return Ok(Known { heard_at: there.heard_at.max(known.heard_at), ..there });
        }
        let silent = format_duration(self.silent_millis);
        let message = format!(
            "the agent {agent} is not heard of for {silent}: what its source shows is not known here, and correlations go on without it"
        );
        let mut draft = Draft::default();
        let generation = self.generation.borrow().number;
        known.conditions.raise(&mut draft, silence(agent), at, generation, &message)?;
        known.commit(&*self.bus, agent, draft).await?;
        Ok(known)
    }

    async fn forget(&self, agent: &AgentName, mut known: Known, now: Timestamp) -> Result<Option<Known>, TakeError> {
        let mut draft = Draft::default();
        let generation = self.generation.borrow().number;
        let message = format!("it is forgotten: it was not heard of for {}", format_duration(FORGOTTEN_MILLIS));
        for condition in [silence(agent), lag(agent)] {
            known.conditions.clear(&mut draft, &condition, now, generation, &message)?;
        }
        draft.clear();
        match known.commit(&*self.bus, agent, draft).await {
            Ok(_) => {}
            Err(BusError::Conflict { .. }) => return Ok(Some(Known::load(&*self.bus, agent).await?)),
            Err(error) => return Err(error.into()),
        }
        self.watermark.forget_agent(agent.as_str());
        self.known.lock().await.remove(agent);
        Ok(None)
    }
}
