//! What is told of a running pipeline over HTTP: the same that the commands tell of one, by the same code.

mod health;
mod shared;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orion_api::{AgentNotTaken, Audit, Component, Health, Host, JobDesk, NotApplied, NotTaken, RulePage};
use orion_bus::{BusError, Reader, survey};
use orion_metrics::{FamilyType, Text};
use orion_model::{
    AgentName, Delivery, Event, Forwarded, Looker, Mark, Marked, Push, Pushed, RecordId, SeriesAround, SetVersion,
    Taken,
};
use orion_pipeline::around;
use orion_pipeline::memory;
use orion_pipeline::observer::Observer;
use orion_pipeline::outside::agent::Agents;
use orion_pipeline::outside::hook::{self, Hooks};
use orion_pipeline::rule_sets;
use orion_pipeline::shares;
use orion_pipeline::watcher::{GROUP_OWNERS, Outcome, RulePlan, Standing, standings};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::agent::Standing as AgentStanding;
use crate::agents;
use crate::command::get::{Busy, alone_value, folder_lock_value, lock_value, node_value, partition_value};
use crate::jobs::Desk;
use crate::kept_lines::KeptLines;
use crate::plugin_values;
use crate::rule_text::{rule_file_value, runs_last_good};

pub use shared::Shared;

/// Alerts that are told of one rule. How many there are is told in any case.
const MAX_ALERTS: usize = 100;

/// A pipeline that is told of.
pub struct Told {
    /// Looks at it.
    pub observer: Observer,
    /// Where its records lie.
    pub memory_dir: PathBuf,
    /// The last position of its own file.
    pub appended: watch::Receiver<u64>,
    /// What takes what is delivered to it.
    pub hooks: Hooks,
    /// The deployment that it shares, if it does.
    pub shared: Option<Shared>,
    /// What takes from agents, where this host does.
    pub agents: Option<Arc<Agents>>,
    /// How it goes with its control host, where it is an agent.
    pub agent: Option<Arc<AgentStanding>>,
    /// Where jobs are asked for; none where a recording is played.
    pub jobs: Option<Arc<Desk>>,
    /// Whether the confinement is whole, and in words.
    pub confinement: (bool, String),
}

#[async_trait]
impl Host for Told {
    async fn health(&self) -> Health {
        let (is_confined, confinement) = self.confinement.clone();
        let components = [
            ("sources", self.sources().await),
            ("store", self.store().await),
            ("rules", self.files()),
            ("logs", self.logs()),
            ("confinement", Component::helpful(is_confined, confinement)),
        ];
        let redis = self.shared.as_ref().map(|shared| ("redis", shared.health()));
        let control = self.observer.forwards().map(|meter| ("control", self.control(meter)));
        let agents = self.agents().await.map(|agents| ("agents", agents));
        Health { components: components.into_iter().chain(redis).chain(control).chain(agents).collect() }
    }

    async fn metrics(&self, text: &mut Text) {
        let help = "What runs: its version, and what it may do by itself.";
        let mut family = text.family("orion_build_info", FamilyType::Gauge, help);
        family.sample(&[("version", env!("CARGO_PKG_VERSION")), ("autonomy_level", "N0")], 1.0);
        let help = "Whether the process is confined in every respect.";
        text.gauge("orion_confinement_full", help, f64::from(u8::from(self.confinement.0)));
        self.observer.write_metrics(text).await;
        if let Some(meter) = self.observer.forwards() {
            meter.write(text);
        }
        if let Some(agent) = &self.agent {
            agent.write(text);
        }
        if let Some(agents) = &self.agents {
            agents::write_metrics(&agents.seen().await, text);
        }
        if let Some(jobs) = &self.jobs {
            jobs.write_metrics(text);
        }
        if let Some(shared) = &self.shared {
            shared.write_metrics(&self.observer, text);
        }
    }

    fn memory_dir(&self) -> &Path {
        &self.memory_dir
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.appended.clone()
    }

    fn running(&self) -> Map<String, Value> {
        let generation = self.observer.generation();
        let rules: usize = generation.groups.values().map(|plan| plan.group.rules.len()).sum();
        let files = self.observer.files();
        let refusal = |(file, why): (&String, &String)| {
            let runs = runs_last_good(&files, file);
            json!({ "file": file, "reason": why, "last_good_runs": runs })
        };
        let refused: Vec<Value> = files.refused.iter().map(refusal).collect();
        Map::from_iter([
            ("time".to_owned(), json!(self.observer.now())),
            ("generation".to_owned(), generation.number.into()),
            ("groups".to_owned(), generation.groups.len().into()),
            ("rules".to_owned(), rules.into()),
            ("correlations".to_owned(), generation.correlations.len().into()),
            ("logs".to_owned(), generation.logs.len().into()),
            ("refused".to_owned(), refused.into()),
        ])
    }

    fn rules(&self, reader: &mut Reader, page: &RulePage) -> Result<Vec<Value>, BusError> {
        let generation = self.observer.generation();
        let rules = generation.groups.values().flat_map(|plan| plan.rules().map(move |rule| (plan, rule)));
        let is_asked_for = |(_, rule): &(_, RulePlan<'_>)| {
            let id = &rule.rule.id;
            page.after.as_ref().is_none_or(|after| id > after)
                && page.mentions.as_ref().is_none_or(|text| id.to_lowercase().contains(text))
        };
        let mut asked: Vec<_> = rules.filter(is_asked_for).collect();
        asked.sort_by(|(_, a), (_, b)| a.rule.id.cmp(&b.rule.id));
        let evaluated = self.observer.meters().rules();
        let mut of_group: BTreeMap<&str, BTreeMap<String, Standing>> = BTreeMap::new();
        let mut told = Vec::new();
        for (plan, rule) in asked {
            if told.len() >= page.limit {
                break;
            }
            let group = plan.group.id.as_str();
            if !of_group.contains_key(group) {
                of_group.insert(group, standings(&reader.load(&format!("{GROUP_OWNERS}{group}"))?));
            }
            let standing = of_group.get_mut(group).and_then(|standings| standings.remove(&rule.rule.id));
            let standing = standing.unwrap_or_else(|| Standing { rule: rule.rule.id.clone(), ..Standing::default() });
            if page.unwell && !is_unwell(&standing) {
                continue;
            }
            let mut value = rule_value(rule, standing);
            value.insert("group".to_owned(), group.into());
            let last = evaluated.get(&rule.rule.id).map(|it| {
                json!({
                    "instant": it.last, "group_seconds": it.took.as_secs_f64(),
                    "evaluations": it.evaluations, "failures": it.failures,
                })
            });
            value.insert("last_evaluation".to_owned(), last.unwrap_or_default());
            told.push(Value::Object(value));
        }
        Ok(told)
    }

    fn rule_file(&self, name: &str) -> Option<Value> {
        rule_file_value(&self.observer.files(), name)
    }

    fn plugins(&self) -> Vec<Value> {
        plugin_values::plugins(&self.observer.files())
    }

    fn quarantine(&self, reader: &mut Reader) -> Result<Vec<Value>, BusError> {
        plugin_values::quarantine(reader, &self.observer.generation(), self.observer.now())
    }

    async fn nodes(&self) -> Result<Vec<Value>, BusError> {
        let mut nodes: Vec<Value> = match &self.shared {
            Some(shared) => {
                let survey = survey(&shared.server, &shared.prefix, shares::place).await?;
                survey.nodes.iter().map(node_value).collect()
            }
            None => vec![alone_value("runs", Some(std::process::id()), &self.memory_dir)],
        };
        if let Some(agents) = &self.agents {
            let now = self.observer.now();
            nodes.extend(agents.seen().await.iter().map(|agent| agents::agent_value(agent, now)));
        }
        Ok(nodes)
    }

    async fn partitions(&self) -> Result<Vec<Value>, BusError> {
        let Some(shared) = &self.shared else { return Ok(Vec::new()) };
        let survey = survey(&shared.server, &shared.prefix, shares::place).await?;
        let busy = Busy::of(&survey.nodes);
        Ok(survey.partitions.iter().map(|partition| partition_value(partition, &busy)).collect())
    }

    async fn locks(&self) -> Result<Vec<Value>, BusError> {
        match &self.shared {
            Some(shared) => {
                let survey = survey(&shared.server, &shared.prefix, shares::place).await?;
                Ok(survey.locks.iter().map(lock_value).collect())
            }
            None => Ok(vec![folder_lock_value(&format!("process {}", std::process::id()))]),
        }
    }

    async fn persistence(&self) -> Map<String, Value> {
        let troubles = self.observer.store_troubles().await;
        let troubles: Map<String, Value> =
            troubles.into_iter().map(|(part, why)| (part.to_owned(), why.into())).collect();
        let stages: Vec<Value> = self.observer.meters().stages().iter().map(|stage| json!(stage)).collect();
        let redis = self.shared.as_ref().map(Shared::persistence);
        Map::from_iter([
            ("troubles".to_owned(), troubles.into()),
            ("stages".to_owned(), stages.into()),
            ("redis".to_owned(), redis.unwrap_or_default()),
        ])
    }

    async fn record_lock_out(&self, client: IpAddr, why: String) {
        if let Err(error) = self.observer.record_lock_out(&client.to_string(), &why).await {
            tracing::error!(%client, "that a client was locked out is not recorded: {error}");
        }
    }

    async fn record_mark(&self, mark: Mark, before: Option<RecordId>) -> Result<Marked, String> {
        self.observer.record_mark(mark, before).await.map_err(|error| error.to_string())
    }

    async fn take(&self, delivery: Delivery) -> Result<Taken, NotTaken> {
        self.hooks.take(delivery).await.map_err(|why| not_taken(&why))
    }

    async fn take_from_agent(&self, agent: &AgentName, batch: Vec<u8>) -> Result<Forwarded, AgentNotTaken> {
        let agents = self.agents.as_ref().ok_or(AgentNotTaken::NoControl)?;
        agents.take(agent, batch).await.map_err(|why| agents::not_taken(&why))
    }

    async fn note_agent(&self, agent: &AgentName, status: Vec<u8>) -> Result<(), AgentNotTaken> {
        let agents = self.agents.as_ref().ok_or(AgentNotTaken::NoControl)?;
        let status = agents.note(agent, &status).await.map_err(|why| agents::not_taken(&why))?;
        match status.rules {
            Some(report) => {
                let reported = self.observer.rule_set_reported(agent.as_str(), report).await;
                reported.map_err(|why| AgentNotTaken::NotNow(why.to_string()))
            }
            None => Ok(()),
        }
    }

    fn sets(&self) -> Vec<Value> {
        self.observer.sets().list()
    }

    fn set(&self, set: &str, node: Option<&str>) -> Option<SetVersion> {
        self.observer.sets().version(set, node)
    }

    async fn set_version(&self, set: &str, version: u64) -> Result<Option<SetVersion>, BusError> {
        self.observer.sets().kept_version(set, version).await
    }

    async fn apply(&self, push: Push) -> Result<Pushed, NotApplied> {
        self.observer.apply(push).await.map_err(not_applied)
    }

    fn jobs(&self) -> Option<Arc<dyn JobDesk>> {
        self.jobs.clone().map(|jobs| jobs as Arc<dyn JobDesk>)
    }

    async fn series_around(&self, event: &Event, looker: Looker) -> Result<Arc<SeriesAround>, Duration> {
        self.observer.series_around(event, looker).await.map_err(|around::Busy(wait)| wait)
    }

    fn log_lines(&self, after: Option<u64>, limit: usize, level: &str) -> (Vec<Value>, u64) {
        KeptLines::of_process().read(after, limit, level)
    }

    fn audit(&self) -> Audit {
        let memory_dir = self.memory_dir.clone();
        Box::new(move |reader| {
            let found = memory::audit(&memory_dir, reader, true, None).map_err(|error| error.to_string())?;
            Ok(json!(found))
        })
    }
}

fn not_applied(why: rule_sets::NotApplied) -> NotApplied {
    let told = why.to_string();
    match why {
        rule_sets::NotApplied::Refused(said) => NotApplied::Refused(said),
        rule_sets::NotApplied::Malformed(_) => NotApplied::Malformed(told),
        rule_sets::NotApplied::Overtaken { .. } => NotApplied::Overtaken(told),
        rule_sets::NotApplied::Bus(_) | rule_sets::NotApplied::NotWritable(_) | rule_sets::NotApplied::Panicked(_) => {
            NotApplied::NotNow(told)
        }
    }
}

fn not_taken(why: &hook::NotTaken) -> NotTaken {
    let said = why.to_string();
    match why {
        hook::NotTaken::NoHook | hook::NotTaken::Malformed(_) => NotTaken::Malformed(said),
        hook::NotTaken::TooMany(_) => NotTaken::TooLarge(said),
        hook::NotTaken::NoEvent(_) => NotTaken::NoEvent(said),
        hook::NotTaken::Replayed => NotTaken::Replayed(said),
        hook::NotTaken::NotNow(_) => NotTaken::NotNow(said),
    }
}

/// A rule, and how it stands.
fn rule_value(rule: RulePlan<'_>, standing: Standing) -> Map<String, Value> {
    let firing = standing.alerts.iter().filter(|alert| alert.fired_at.is_some()).count();
    let pending = standing.alerts.len() - firing;
    let told: Vec<_> = standing.alerts.iter().take(MAX_ALERTS).collect();
    Map::from_iter([
        ("rule".to_owned(), rule.rule.id.clone().into()),
        ("name".to_owned(), rule.rule.name.clone().into()),
        ("line".to_owned(), rule.rule.line.into()),
        ("expr".to_owned(), rule.rule.expr.clone().into()),
        ("for_millis".to_owned(), rule.rule.for_millis.into()),
        ("plugin".to_owned(), rule.rule.plugin.clone().into()),
        ("plugin_digest".to_owned(), rule.plugin.digest().to_string().into()),
        ("evaluated_until".to_owned(), json!(standing.evaluated_until)),
        ("health".to_owned(), json!(standing.health)),
        ("firing".to_owned(), firing.into()),
        ("pending".to_owned(), pending.into()),
        ("alerts".to_owned(), json!(told)),
    ])
}

/// Whether its evaluations end in an error, or without whole data.
pub fn is_unwell(standing: &Standing) -> bool {
    let outcome = standing.health.as_ref().map(|health| health.outcome);
    matches!(outcome, None | Some(Outcome::Error | Outcome::Partial))
}
