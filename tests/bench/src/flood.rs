//! A flood of events through all stages of a pipeline in this process: committed as rule groups commit what they found, with
//! the state of their alerts, then correlated, decided about and archived by the stages that are deployed.
//!
//! Every alert fires once and resolves once. Alerts of a service come one after the other, as they do in the answer of a
//! source, and are one incident.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orion_bus::{Body, Bus, Commit, NewRecord, RecordKind, RedisBus, Role, SqliteBus, StateChange};
use orion_model::{
    Clock, Digest, Event, Evidence, Fingerprint, IdBuilder, Incident, IncidentStatus, Labels, RecordId, Severity,
    Status, Timestamp,
};
use orion_pipeline::archive::ArchiveSettings;
use orion_pipeline::clock::SystemClock;
use orion_pipeline::engine::{Engine, EngineParts};
use orion_pipeline::library::{Defaults, LibrarySettings, StandardPlugin};
use orion_pipeline::memory;
use orion_pipeline::shares::Shares;
use orion_pipeline::watcher::WatcherSettings;
use orion_sandbox::{Sandbox, Settings};
use orion_standard_plugins::STANDARD;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::error::{BenchError, require, require_equal};
use crate::rule_set::SOURCE;

/// Groups that commit at the same time, each one commit after the other.
const GROUPS: u64 = 4;

/// Events of one commit.
pub const EVENTS_OF_A_COMMIT: usize = 256;

/// Alerts of a service; when they fire it is an incident.
const ALERTS_OF_A_SERVICE: u64 = 20;

/// Between the instants of two commits of a group.
const STEP_MILLIS: i64 = 10;

const RULES: &str = "
correlations:
  - name: service-outage
    match: { event_type: service_down, severity: \">= error\" }
    group_by: [service]
    incident: { type: service_outage, severity: critical, summary: \"{{ $labels.service }} is out\" }
";

/// What the rule file of the flood is called.
pub const RULE_FILE: &str = "flood.yaml";

/// A runtime as `orion` has it.
pub fn runtime() -> Result<Runtime, BenchError> {
    const BLOCKING_THREADS: usize = 16;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads((cores / 2).clamp(1, 4))
        .max_blocking_threads(BLOCKING_THREADS + cores)
        .enable_all()
        .build()
        .map_err(BenchError::failed("start threads"))
}

/// Puts the rules of the flood where a deployment has its rules.
pub fn write_rules(data_dir: &Path) -> Result<(), BenchError> {
    const WHAT: &str = "write the rules of the flood";
    std::fs::create_dir_all(data_dir.join("rules")).map_err(BenchError::failed(WHAT))?;
    std::fs::write(data_dir.join("rules").join(RULE_FILE), RULES).map_err(BenchError::failed(WHAT))
}

/// The stages behind a bus, at work on a folder.
pub struct Stages {
    engine: Engine,
    /// What they read and commit to.
    pub bus: Arc<dyn Bus>,
    own: Arc<SqliteBus>,
}

/// What stages work on.
pub struct Engines {
    /// What they read and commit to.
    pub log: Arc<dyn Bus>,
    /// The file of this host, from which Memory is written.
    pub own: Arc<SqliteBus>,
    /// What of the work is this host's.
    pub shares: Shares,
}

impl Engines {
    /// One file for everything.
    pub fn embedded(data_dir: &Path) -> Result<Self, BenchError> {
        let own = own_file(data_dir)?;
        Ok(Self { log: own.clone(), own, shares: Shares::All { in_parts: false } })
    }
}

/// The file of a host.
pub fn own_file(data_dir: &Path) -> Result<Arc<SqliteBus>, BenchError> {
    Ok(Arc::new(SqliteBus::open(&data_dir.join("memory")).map_err(BenchError::failed("open the bus"))?))
}

impl Stages {
    /// Starts them as `orion run` does, with rules that ask no source.
    pub async fn start(data_dir: &Path, engines: Engines) -> Result<Self, BenchError> {
        let memory_dir = data_dir.join("memory");
        let Engines { log: bus, own, shares } = engines;
        let cache = Settings { cache_dir: Some(memory_dir.join("compiled")), ..Settings::default() };
        let standard = STANDARD.iter().map(|plugin| StandardPlugin { name: plugin.name, component: plugin.component });
        let parts = EngineParts {
            bus: bus.clone(),
            own: own.clone(),
            shares,
            remembers: true,
            // One file of each kind: what is in it is counted afterwards.
            archive: ArchiveSettings { rotate_bytes: u64::MAX, ..ArchiveSettings::default() },
            sandbox: Arc::new(Sandbox::new(cache).map_err(BenchError::failed("start the sandbox"))?),
            sources: BTreeMap::new(),
            clock: Arc::new(SystemClock),
            library: LibrarySettings {
                rules_dir: data_dir.join("rules"),
                plugins_dir: None,
                trusted_keys: None,
                memory_dir,
                builtin_rules: &[],
                standard_plugins: standard.collect(),
                defaults: Defaults {
                    interval_millis: 60_000,
                    sources: BTreeSet::from([SOURCE.to_owned()]),
                    log_dirs: None,
                },
                of_sets: Defaults { interval_millis: 60_000, sources: BTreeSet::new(), log_dirs: None },
            },
            watcher: WatcherSettings::default(),
            workers: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
            attestation: None,
            place: orion_pipeline::engine::Place::Control { silent_millis: i64::MAX },
        };
        let engine = Engine::start(parts).await.map_err(BenchError::failed("start the stages"))?;
        Ok(Self { engine, bus, own })
    }

    /// Waits until all work is this host's, and does it.
    pub async fn take_shares(&mut self, bus: &RedisBus) -> Result<(), BenchError> {
        take_all(bus).await?;
        self.engine.share_out().await;
        Ok(())
    }

    /// Waits until every stage has read and written everything, and ends them. The bus is still open.
    pub async fn finish(self) -> Arc<SqliteBus> {
        self.engine.shut_down().await;
        self.own
    }
}

/// Waits until all work is this host's.
pub async fn take_all(bus: &RedisBus) -> Result<(), BenchError> {
    let all: usize = Role::ALL.iter().map(|role| usize::from(role.partitions())).sum();
    let mut held = bus.leases().held();
    held.wait_for(|held| held.partitions.len() == all).await.map_err(BenchError::failed("take the work"))?;
    Ok(())
}

/// What is committed with the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// Nothing but how far the group has come.
    OffsetAlone,
    /// What the store keeps of each alert, as the Watcher commits it.
    AlertState,
}

/// The commits of each group, ready to be sent: a Watcher costs nothing here. Of further alerts for each part.
pub fn commits(part: u64, alerts: u64, with: With) -> Vec<Vec<Commit>> {
    let first = SystemClock.now();
    (0..GROUPS).map(|group| of_group(part * GROUPS + group, alerts / GROUPS, with, first)).collect()
}

/// First all fire, then all resolve.
fn of_group(group: u64, alerts: u64, with: With, first: Timestamp) -> Vec<Commit> {
    let firsts = (0..alerts).step_by(EVENTS_OF_A_COMMIT);
    let steps =
        firsts.clone().map(|first| (first, Status::Firing)).chain(firsts.map(|first| (first, Status::Resolved)));
    let commit = |(offset, (begin, status)): (i64, (u64, Status))| {
        let at = first.plus_millis(offset * STEP_MILLIS);
        let numbers = begin..alerts.min(begin + EVENTS_OF_A_COMMIT as u64);
        let alerts: Vec<Alert> = numbers.map(|number| Alert::new(group, group * alerts + number)).collect();
        Commit {
            owner: format!("flood/group-{group}"),
            expected: (offset > 0).then(|| offset - 1),
            offset,
            records: alerts.iter().filter_map(|alert| alert.event(status, at)).collect(),
            state: match with {
                With::OffsetAlone => Vec::new(),
                With::AlertState => alerts.iter().map(|alert| alert.state(status, at)).collect(),
            },
        }
    };
    (0..).zip(steps).map(commit).collect()
}

struct Alert {
    group: u64,
    id: RecordId,
    labels: Labels,
}

impl Alert {
    fn new(group: u64, number: u64) -> Self {
        let service = format!("service-{:05}", number / ALERTS_OF_A_SERVICE);
        let instance = format!("10.{}.{}.7:9100", number / 250, number % 250);
        let labels = [
            ("alertname", "ContainerDown"),
            ("instance", &instance),
            ("job", "cadvisor"),
            ("service", &service),
            ("severity", "error"),
        ];
        let id = IdBuilder::new("alert").number(number.cast_signed()).finish();
        Self { group, id, labels: labels.into_iter().collect() }
    }

    /// As the Watcher writes one. All have a JSON form; an event that is missing would be seen in what is recorded.
    fn event(&self, status: Status, at: Timestamp) -> Option<NewRecord> {
        let id = IdBuilder::new("flood").bytes(self.id.as_bytes()).number(i64::from(status.rank())).finish();
        let mut data = serde_json::Map::new();
        data.insert("value".to_owned(), 61.5.into());
        data.insert("active_since".to_owned(), at.to_string().into());
        let event = Event {
            event_id: id,
            event_type: "service_down".to_owned(),
            severity: Severity::Error,
            status,
            ts: at,
            rule: format!("media-stack.yaml/group-{}/ContainerDown", self.group),
            source: SOURCE.to_owned(),
            generation: 1,
            fingerprint: Fingerprint::from(self.id),
            labels: self.labels.clone(),
            annotations: [("summary", "a container does not answer")].into_iter().collect(),
            data,
            evidence: Some(Evidence {
                expr: "time() - container_last_seen{name=~\"jellyfin|radarr|sonarr|qbittorrent\"} > 60".to_owned(),
                instant: at,
                input_id: id,
                plugin: "threshold".to_owned(),
                plugin_digest: Digest::from_bytes([7; 32]),
                contract: "v1".to_owned(),
                fuel: 12_345,
            }),
        };
        Some(NewRecord { kind: RecordKind::Event, id, ts: at, body: Body::of(&event).ok()? })
    }

    /// As the Watcher keeps an alert, and forgets one that is over.
    fn state(&self, status: Status, at: Timestamp) -> StateChange {
        let key = format!("alert\0media-stack.yaml/group-{}/ContainerDown\0{}", self.group, self.id).into_bytes();
        if status == Status::Resolved {
            return StateChange::Delete { key };
        }
        let kept = json!({ "labels": self.labels, "since": at, "fired_at": at, "fired_value": 61.5_f64.to_bits() });
        StateChange::Put { key, value: kept.to_string().into_bytes() }
    }
}

/// When commits are sent.
#[derive(Clone, Copy)]
pub enum Pace {
    /// Each group sends its next one when the one before stands.
    AsFastAsTheyStand,
    /// So many events a second come, whether or not those before stand.
    EventsPerSecond(f64),
}

impl Pace {
    /// When the commit is due, of so many groups that take turns; `None` for at once.
    fn due(self, began: Instant, group: usize, groups: usize, number: usize) -> Option<Instant> {
        let Self::EventsPerSecond(rate) = self else { return None };
        let events = (number * groups + group) as f64 * EVENTS_OF_A_COMMIT as f64;
        Some(began + Duration::from_secs_f64(events / rate))
    }
}

/// Sends the commits, each group its own in order; how long each took until it survived power loss, counted from when it was due: what
/// waits for the one before it has come, and waits.
pub async fn send(bus: &Arc<dyn Bus>, commits: Vec<Vec<Commit>>, pace: Pace) -> Result<Vec<Duration>, BenchError> {
    let (all_began, count) = (Instant::now(), commits.len());
    let mut groups = JoinSet::new();
    for (group, commits) in commits.into_iter().enumerate() {
        let bus = bus.clone();
        groups.spawn(async move {
            let mut took = Vec::with_capacity(commits.len());
            for (number, commit) in commits.into_iter().enumerate() {
                let due = pace.due(all_began, group, count, number);
                if let Some(due) = due {
                    tokio::time::sleep_until(due.into()).await;
                }
                let began = due.unwrap_or_else(Instant::now);
                bus.commit(commit).await.map_err(BenchError::failed("commit"))?;
                took.push(began.elapsed());
            }
            Ok::<_, BenchError>(took)
        });
    }
    let mut all = Vec::new();
    while let Some(took) = groups.join_next().await {
        all.extend(took.map_err(BenchError::failed("commit"))??);
    }
    Ok(all)
}

/// What the audit trail of a flood holds besides its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Revisions of incidents.
    pub revisions: usize,
    /// Decisions.
    pub decisions: usize,
}

/// Every event is in the audit trail once, those that fire are in one incident once, every service had one incident with one decision, and the
/// chains hold.
pub fn require_recorded(memory_dir: &Path, alerts: u64) -> Result<Recorded, BenchError> {
    for kind in RecordKind::ALL {
        let path = memory_dir.join(memory::file_name(kind));
        memory::verify(&path).map_err(BenchError::failed("verify the audit trail"))?;
    }
    let mut events = HashSet::new();
    each_line(memory_dir, RecordKind::Event, |line| {
        let id = line.get("event_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        require(events.insert(id), || "an event is recorded twice".to_owned())
    })?;
    require_equal("events and those that were committed", &events.len(), &(2 * alerts as usize))?;
    let (mut recorded, mut opened, mut resolved) = (Recorded::default(), 0, 0);
    each_line(memory_dir, RecordKind::Incident, |line| {
        let incident: Incident = serde_json::from_value(line).map_err(BenchError::failed("read an incident"))?;
        recorded.revisions += 1;
        opened += u64::from(incident.status == IncidentStatus::Opened);
        resolved += u64::from(incident.status == IncidentStatus::Resolved);
        let mut ids = incident.event_ids.iter();
        require(ids.all(|id| events.remove(&id.to_string())), || "an event is in two incidents".to_owned())
    })?;
    // The end of an alert is no event of its incident.
    require_equal("events in no incident and ends of alerts", &events.len(), &(alerts as usize))?;
    let services = alerts.div_ceil(ALERTS_OF_A_SERVICE);
    require_equal("incidents and services", &(opened, resolved), &(services, services))?;
    each_line(memory_dir, RecordKind::Decision, |_| {
        recorded.decisions += 1;
        Ok(())
    })?;
    require_equal("decisions and incidents", &(recorded.decisions as u64), &services)?;
    Ok(recorded)
}

fn each_line(
    memory_dir: &Path,
    kind: RecordKind,
    mut look: impl FnMut(Value) -> Result<(), BenchError>,
) -> Result<(), BenchError> {
    const WHAT: &str = "read the audit trail";
    let file = File::open(memory_dir.join(memory::file_name(kind))).map_err(BenchError::failed(WHAT))?;
    for line in BufReader::new(file).lines() {
        let line = line.map_err(BenchError::failed(WHAT))?;
        look(serde_json::from_str(&line).map_err(BenchError::failed(WHAT))?)?;
    }
    Ok(())
}
