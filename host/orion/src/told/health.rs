//! How each part of a host is, in words.

use orion_api::Component;
use orion_pipeline::forward::ForwardMeter;

use super::Told;

impl Told {
    pub(super) async fn sources(&self) -> Component {
        let failing = self.observer.failing_sources().await;
        let said: Vec<String> = failing.iter().map(|(source, why)| format!("{source}: {why}")).collect();
        match said.is_empty() {
            true => Component::needed(true, format!("no query to {} failed", self.observer.sources().join(", "))),
            false => Component::needed(false, said.join("; ")),
        }
    }

    pub(super) async fn store(&self) -> Component {
        let troubles = self.observer.store_troubles().await;
        let said: Vec<String> = troubles.iter().map(|(part, why)| format!("{part}: {why}")).collect();
        match said.is_empty() {
            true => Component::needed(true, "records can be written"),
            false => Component::needed(false, said.join("; ")),
        }
    }

    /// Of an agent: whether its control host takes what it is given, and gives what it is asked for.
    pub(super) fn control(&self, meter: &ForwardMeter) -> Component {
        let waiting = format!("{} events wait to be forwarded", meter.backlog_events());
        let fetching = self.agent.as_ref().and_then(|standing| standing.trouble());
        match meter.trouble().or(fetching) {
            None => Component::helpful(true, format!("the control host answers; {waiting}")),
            Some(why) => Component::helpful(false, format!("{why}; {waiting}")),
        }
    }

    /// Of a control host that has agents: whether all of them are heard of.
    pub(super) async fn agents(&self) -> Option<Component> {
        let seen = self.agents.as_ref()?.seen().await;
        let silent: Vec<&str> = seen.iter().filter(|agent| !agent.is_live).map(|agent| agent.agent.as_str()).collect();
        let heard = format!("{} of {} agents are heard of", seen.len() - silent.len(), seen.len());
        match (seen.is_empty(), silent.is_empty()) {
            (true, _) => None,
            (_, true) => Some(Component::helpful(true, heard)),
            (_, false) => Some(Component::helpful(false, format!("{heard}; silent: {}", silent.join(", ")))),
        }
    }

    pub(super) fn logs(&self) -> Component {
        let troubled = self.observer.meters().troubled_logs();
        let entries = self.observer.generation().logs.len();
        let said: Vec<String> = troubled.iter().map(|(id, files)| format!("{id} ({files})")).collect();
        match troubled.is_empty() {
            true => Component::helpful(true, format!("{entries} followed")),
            false => Component::helpful(
                false,
                format!("{entries} followed; with files that cannot be read: {}", said.join(", ")),
            ),
        }
    }

    pub(super) fn files(&self) -> Component {
        let (files, generation) = (self.observer.files(), self.observer.generation());
        let refused: Vec<&str> = files.refused.keys().map(String::as_str).collect();
        let runs = format!("generation {} runs", generation.number);
        match refused.is_empty() {
            true => Component::helpful(true, runs),
            false => Component::helpful(false, format!("{runs}; refused: {}", refused.join(", "))),
        }
    }
}
