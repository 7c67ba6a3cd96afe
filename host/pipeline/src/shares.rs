//! What of the work is this host's: all of it, or what the hosts that share a deployment agreed on.
//!
//! Whatever this says, it is the bus that decides: a host that still holds on to what another one has taken over cannot
//! commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use orion_bus::{Bus as _, BusError, Held, Partition, Place, PlainStreams, RedisBus, Role, SqliteBus, Whose};
use orion_model::Clock;
use tokio::sync::watch;

use crate::brain::BRAIN_OWNER;
use crate::guardian::{GUARDIAN_OWNERS, Share};
use crate::logs::STREAM_OWNERS;
use crate::observer::Observer;
use crate::outside::agent::OWNERS as AGENT_OWNERS;
use crate::outside::{IN_OWNER, OUT_OWNER};
use crate::rule_sets::OWNER as RULE_SETS_OWNER;
use crate::watcher::{GROUP_OWNERS, SAID_OWNER, SOURCES_OWNER};
use crate::watermark::{Reached, Watermark, told};
use crate::workers::{BusyMeter, Workers};

/// How often a host tells how far it has come. Ticks go out four times a second; this keeps what they carry fresh.
const TELL_MILLIS: u64 = 100;

/// How long the end waits for the last records to come back from Redis. They are there within moments, or Redis is away.
const LAST_RECORDS_MILLIS: u64 = 5_000;

const LOOK_MILLIS: u64 = 10;

/// Whose work an owner of the pipeline is. What is not listed is about the process: its own rules and faults, and
/// what is delivered to it.
pub fn place(owner: &str) -> Place {
    if let Some(group) = owner.strip_prefix(GROUP_OWNERS) {
        return Place { whose: Whose::Holder(partition_of_group(group)), reads_log: false };
    }
    if let Some(entry) = owner.strip_prefix(STREAM_OWNERS) {
        return Place { whose: Whose::Holder(partition_of_group(entry)), reads_log: false };
    }
    if let Some(partition) = Share::partition_of(owner) {
        return Place { whose: Whose::Holder(partition), reads_log: true };
    }
    if owner.starts_with(AGENT_OWNERS) {
        // An agent posts to whichever host it reaches.
        return Place { whose: Whose::All, reads_log: false };
    }
    match owner {
        BRAIN_OWNER | OUT_OWNER | SAID_OWNER => Place { whose: Whose::Holder(partition_of_brain()), reads_log: true },
        IN_OWNER => Place { whose: Whose::Holder(partition_of_brain()), reads_log: false },
        SOURCES_OWNER | RULE_SETS_OWNER => Place { whose: Whose::All, reads_log: false },
        _ => Place { whose: Whose::Own, reads_log: false },
    }
}

pub(crate) fn partition_of_group(group: &str) -> Partition {
    Partition::of(Role::Watcher, group)
}

pub(crate) fn partition_of_brain() -> Partition {
    Partition::of(Role::Brain, BRAIN_OWNER)
}

/// What this host does.
pub enum Shares {
    /// Everything.
    All {
        /// Whether correlations are cut into partitions, as in a folder that comes from hosts that shared them.
        in_parts: bool,
    },
    /// What it holds among hosts.
    Among(Among),
}

/// This host among others.
pub struct Among {
    bus: Arc<RedisBus>,
    held: watch::Receiver<Held>,
    /// The version of what is held that runs: what is told of progress is about that.
    applied: Arc<AtomicU64>,
    teller: Option<tokio::task::JoinHandle<()>>,
}

/// What was held at a moment.
#[derive(Debug, Default)]
pub(crate) struct Look {
    version: u64,
    surplus: Vec<Partition>,
}

impl Shares {
    /// A host that is alone with its own file.
    pub async fn alone(own: &SqliteBus) -> Result<Self, BusError> {
        let owners = own.owners(GUARDIAN_OWNERS).await?;
        Ok(Self::All { in_parts: owners.iter().any(|owner| Share::partition_of(owner).is_some()) })
    }

    /// Among the hosts of a bus.
    pub fn among(bus: Arc<RedisBus>) -> Self {
        let held = bus.leases().held();
        Self::Among(Among { bus, held, applied: Arc::default(), teller: None })
    }

    /// Whether a partition is this host's work, and no other host waits for it.
    pub(crate) fn has(&self, partition: Partition) -> bool {
        match self {
            Self::All { .. } => true,
            Self::Among(among) => {
                let held = among.held.borrow();
                held.partitions.contains_key(&partition) && !held.surplus.contains(&partition)
            }
        }
    }

    /// The Guardians that are this host's.
    pub(crate) fn guardians(&self) -> Vec<Share> {
        match self {
            Self::All { in_parts: false } => vec![Share::All],
            Self::All { in_parts: true } | Self::Among(_) => {
                Partition::all(Role::Guardian).filter(|one| self.has(*one)).map(Share::Of).collect()
            }
        }
    }

    /// The plain streams, where there are other programs to meet.
    pub(crate) fn plain_streams(&self) -> Option<PlainStreams> {
        match self {
            Self::All { .. } => None,
            Self::Among(among) => Some(among.bus.plain_streams()),
        }
    }

    /// How far observation has come.
    pub(crate) fn reached(&self, own: &Arc<Watermark>) -> Reached {
        match self {
            Self::All { .. } => Reached::Own(own.clone()),
            Self::Among(among) => {
                let (held, settled) = (among.held.clone(), among.bus.settled());
                Reached::Shared { held, settled, appended: orion_bus::Bus::appended(&*among.bus) }
            }
        }
    }

    /// Waits until the work may be another.
    pub(crate) async fn changed(&mut self) {
        match self {
            Self::All { .. } => std::future::pending().await,
            Self::Among(Among { held, applied, .. }) => {
                let known = applied.load(Ordering::SeqCst);
                // The sender goes with the bus, which lives as long as this does.
                let _ = held.wait_for(|held| held.version != known).await;
            }
        }
    }

    /// What is to be done now.
    pub(crate) fn look(&self) -> Look {
        match self {
            Self::All { .. } => Look::default(),
            Self::Among(among) => {
                let held = among.held.borrow();
                Look { version: held.version, surplus: held.surplus.clone() }
            }
        }
    }

    /// What runs is what was seen: hands over what is above this host's share, on which nothing runs any more.
    pub(crate) async fn done(&self, look: Look) {
        let Self::Among(among) = self else { return };
        among.applied.store(look.version, Ordering::SeqCst);
        if !look.surplus.is_empty() {
            tracing::info!(partitions = look.surplus.len(), "handed over to other hosts");
            among.bus.leases().give_up(look.surplus).await;
        }
    }

    /// What this host is called among others; empty when it is alone.
    pub(crate) fn node(&self) -> String {
        match self {
            Self::All { .. } => String::new(),
            Self::Among(among) => among.bus.node().to_owned(),
        }
    }

    /// Begins to tell other hosts how far this one has come, and whoever looks how busy it is.
    pub(crate) fn tell(&mut self, watermark: &Arc<Watermark>, workers: &Arc<Workers>, clock: &Arc<dyn Clock>) {
        let Self::Among(among) = self else { return };
        let (bus, held, applied) = (among.bus.clone(), among.held.clone(), among.applied.clone());
        let (watermark, clock, mut meter) = (watermark.clone(), clock.clone(), BusyMeter::new(workers.clone()));
        among.teller = Some(tokio::spawn(async move {
            loop {
                let version = applied.load(Ordering::SeqCst);
                // What it reported is asked for before the position, which is then that of all of it; the process before both.
                let process = bus.settled().borrow().clone();
                let reached = watermark.reached(clock.now(), &process);
                let is_whole = bus.waiting() == 0 && !held.borrow().in_doubt;
                let progress = reached.filter(|_| is_whole).map(|reached| told(reached, bus.seen(), &process));
                bus.leases().describe(version, progress.unwrap_or_default(), about(&meter.busy(Instant::now())));
                tokio::time::sleep(Duration::from_millis(TELL_MILLIS)).await;
            }
        }));
    }

    /// Waits until this host's own file holds everything that it committed, so that an orderly end leaves all of it in the audit
    /// trail. What does not come in time comes after the next start.
    pub(crate) async fn take_over_the_rest(&self) {
        let Self::Among(among) = self else { return };
        let began = tokio::time::Instant::now();
        while among.bus.mirrored() < among.bus.seen() && began.elapsed() < Duration::from_millis(LAST_RECORDS_MILLIS) {
            tokio::time::sleep(Duration::from_millis(LOOK_MILLIS)).await;
        }
    }

    /// Tells no more: from here on what this host reports last may come late.
    pub(crate) async fn tell_no_more(&mut self) {
        let Self::Among(among) = self else { return };
        if let Some(teller) = among.teller.take() {
            teller.abort();
            // Ended by us; only then it lets go of the bus.
            let _ = teller.await;
        }
        among.bus.leases().describe(among.applied.load(Ordering::SeqCst), String::new(), about(&BTreeMap::new()));
    }
}

/// How busy partitions were lately, for somebody who looks now and then.
#[derive(Default)]
pub struct BusyPartitions(Option<BusyMeter>);

impl BusyPartitions {
    /// Of each partition that had work lately, which part of the time it took.
    pub fn look(&mut self, observer: &Observer, now: Instant) -> BTreeMap<Partition, f64> {
        self.0.get_or_insert_with(|| BusyMeter::new(observer.context.workers.clone())).busy(now)
    }
}

/// What else a host says of itself. A thousandth is enough to see who is busy.
fn about(busy: &BTreeMap<Partition, f64>) -> String {
    let rounded = busy.iter().map(|(partition, ratio)| (partition.to_string(), (ratio * 1_000.0).round() / 1_000.0));
    let busy: BTreeMap<String, f64> = rounded.filter(|(_, ratio)| *ratio > 0.0).collect();
    let (version, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
    serde_json::json!({ "version": version, "pid": pid, "busy": busy }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_owner_of_the_pipeline_has_its_place() {
        let place_of = |owner: &str| {
            let Place { whose, reads_log } = place(owner);
            let partition = match whose {
                Whose::Holder(partition) => Some(partition.to_string()),
                Whose::All => Some("all".to_owned()),
                Whose::Own => None,
            };
            (partition, reads_log)
        };
        assert_eq!(place_of("group/media").0, Some(partition_of_group("media").to_string()));
        assert!(!place_of("group/media").1, "observing goes on without Redis");
        assert_eq!(place_of("streams/app.yaml/errors").0, Some(partition_of_group("app.yaml/errors").to_string()));
        assert_eq!(place_of("logs/app.yaml/errors"), (None, false), "files are of the host that has them");
        assert_eq!(place_of("guardian/guardian:07"), (Some("guardian:07".to_owned()), true));
        assert_eq!(place_of("brain"), (Some("brain:00".to_owned()), true));
        assert_eq!(place_of("outside/out"), (Some("brain:00".to_owned()), true));
        assert_eq!(place_of("sources/said"), (Some("brain:00".to_owned()), true));
        assert_eq!(place_of("outside/in"), (Some("brain:00".to_owned()), false));
        assert_eq!(place_of("sources"), (Some("all".to_owned()), false), "hosts say of one outage that it is one");
        for own in ["library", "process", "store", "outside/hook/07"] {
            assert_eq!(place_of(own), (None, false));
        }
    }
}
