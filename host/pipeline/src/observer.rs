//! A running pipeline as somebody sees it who only looks: how its parts are, what runs, and the numbers of its work.

use std::collections::BTreeMap;
use std::sync::Arc;

use orion_metrics::{FamilyType, Text};
use orion_model::{Event, Looker, Mark, Marked, Push, Pushed, RecordId, SeriesAround, SetReport, Timestamp};
use orion_sandbox::Plugin;
use tokio::sync::{Mutex, watch};

pub use crate::access::AccessError;
use crate::access::record_lock_out;
use crate::around::{Arounds, Busy};
use crate::forward::ForwardMeter;
use crate::history::History;
use crate::library::{Before, Defaults, Generation, Shelf};
use crate::marks::{MarkError, record_mark};
use crate::meters::Meters;
use crate::rule_sets::{ApplyContext, NotApplied, RuleSets};
use crate::store_watch::StoreWatch;
use crate::watcher::WatcherContext;

/// Looks at a pipeline. It holds on to the bus, so it has to be gone before that is closed.
#[derive(Clone)]
pub struct Observer {
    pub(crate) context: Arc<WatcherContext>,
    pub(crate) store: Arc<StoreWatch>,
    pub(crate) generation: watch::Receiver<Arc<Generation>>,
    pub(crate) files: watch::Receiver<Arc<Files>>,
    pub(crate) lock_outs: Arc<Mutex<()>>,
    pub(crate) marks: Arc<Mutex<()>>,
    pub(crate) forwards: Option<Arc<ForwardMeter>>,
    pub(crate) sets: Arc<RuleSets>,
    pub(crate) of_sets: Defaults,
    pub(crate) arounds: Arc<Arounds>,
}

/// The rule and plugin files as they were last looked at.
#[derive(Clone, Default)]
pub struct Files {
    /// Those that are refused, each with the reason; their last good versions run.
    pub refused: BTreeMap<String, String>,
    /// The rule files that run, as they run: of one that is refused its last good version.
    pub rules: BTreeMap<String, RuleText>,
    /// The plugins that rules may name, those that were never compiled aside.
    pub plugins: Vec<ShelvedPlugin>,
    /// All that rules may name.
    pub shelf: Shelf,
}

/// The text of a rule file.
#[derive(Clone, Debug)]
pub struct RuleText {
    /// As it runs.
    pub text: Arc<str>,
    /// The version before.
    pub before: Option<Arc<Before>>,
}

/// A plugin that rules may name.
#[derive(Clone, Debug)]
pub struct ShelvedPlugin {
    /// The plugin.
    pub plugin: Plugin,
    /// Its file in the folder; none for one inside the binary.
    pub file: Option<String>,
}

impl Observer {
    /// The time by which is observed: that of a recording, while one is played.
    pub fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    /// What runs.
    pub fn generation(&self) -> Arc<Generation> {
        self.generation.borrow().clone()
    }

    /// The files as they were last looked at.
    pub fn files(&self) -> Arc<Files> {
        self.files.borrow().clone()
    }

    /// Sources that do not answer, each with what it said last.
    pub async fn failing_sources(&self) -> BTreeMap<String, String> {
        self.context.health.failing().await
    }

    /// The names of all sources.
    pub fn sources(&self) -> Vec<String> {
        self.context.sources.keys().cloned().collect()
    }

    /// What cannot be written, each with the reason.
    pub async fn store_troubles(&self) -> BTreeMap<&'static str, String> {
        self.store.troubles().await
    }

    /// Records that a client was locked out of the interface.
    pub async fn record_lock_out(&self, client: &str, why: &str) -> Result<(), AccessError> {
        // One at a time: each counts from the one before.
        let _turn = self.lock_outs.lock().await;
        let generation = self.generation().number;
        record_lock_out(&*self.store, client, why, self.context.clock.now(), generation).await
    }

    /// Records what a person thought of an incident, behind what was thought before.
    pub async fn record_mark(&self, mark: Mark, before: Option<RecordId>) -> Result<Marked, MarkError> {
        // One at a time: each counts from the one before.
        let _turn = self.marks.lock().await;
        record_mark(&*self.store, mark, before, self.now(), self.generation().number).await
    }

    /// How it goes with forwarding, on a host that does.
    pub fn forwards(&self) -> Option<&ForwardMeter> {
        self.forwards.as_deref()
    }

    /// Rule and plugin files as they are looked at, for whoever waits for another look.
    pub fn files_looked_at(&self) -> watch::Receiver<Arc<Files>> {
        self.files.clone()
    }

    /// The last position of the log.
    pub fn last_position(&self) -> u64 {
        *orion_bus::Bus::appended(&*self.store).borrow()
    }

    /// Up to when everything is observed; none where that is not known yet.
    pub fn reached(&self) -> Option<Timestamp> {
        self.context.watermark.reached(self.now(), History::of(&*self.context.bus).name())
    }

    /// The rule sets that were pushed here.
    pub fn sets(&self) -> &RuleSets {
        &self.sets
    }

    /// Judges a rule set that somebody pushes, and makes a version of it. It is brought to its end also when nobody waits for it any
    /// more: half of it would be kept and not known here.
    pub async fn apply(&self, push: Push) -> Result<Pushed, NotApplied> {
        let (sets, now, generation) = (self.sets.clone(), self.now(), self.generation().number);
        let context =
            ApplyContext { shelf: self.files().shelf.clone(), defaults: self.of_sets.clone(), now, generation };
        tokio::spawn(async move { sets.apply(push, context).await }).await?
    }

    /// Takes what a node says of a rule set that it fetches: a rollout goes by it.
    pub async fn rule_set_reported(&self, node: &str, report: SetReport) -> Result<(), NotApplied> {
        let (sets, now, generation) = (self.sets.clone(), self.now(), self.generation().number);
        let node = node.to_owned();
        tokio::spawn(async move { sets.reported(&node, report, now, generation).await }).await?
    }

    /// The series of an event around its moment, as its source remembers it now.
    pub async fn series_around(&self, event: &Event, looker: Looker) -> Result<Arc<SeriesAround>, Busy> {
        self.arounds.of(event, &self.generation(), looker).await
    }

    /// The numbers.
    pub fn meters(&self) -> &Meters {
        &self.context.meters
    }

    /// Writes the numbers down.
    pub async fn write_metrics(&self, text: &mut Text) {
        let failing = self.failing_sources().await;
        let mut family =
            text.family("orion_source_up", FamilyType::Gauge, "Whether a source answers all that it is asked.");
        for source in self.context.sources.keys() {
            family.sample(&[("source", source)], f64::from(u8::from(!failing.contains_key(source))));
        }
        let troubles = self.store_troubles().await;
        let help =
            "Whether a part of the store can be written: the database, the files of the audit trail, the shared log.";
        let mut family = text.family("orion_store_writable", FamilyType::Gauge, help);
        for part in StoreWatch::parts() {
            family.sample(&[("part", part)], f64::from(u8::from(!troubles.contains_key(part))));
        }
        let last_seq = *orion_bus::Bus::appended(&*self.store).borrow();
        text.family("orion_bus_position", FamilyType::Gauge, "The last position of the log.").count(&[], last_seq);
        self.meters().write(last_seq, text);
        self.write_plugins(text);
        // Sets are applied where agents forward to, and not at an agent.
        if self.forwards.is_none() {
            self.sets.write_metrics(text);
        }
    }

    fn write_plugins(&self, text: &mut Text) {
        let files = self.files();
        // The same plugin may lie there under several names, and has one meter.
        let named: BTreeMap<(String, String), &ShelvedPlugin> = files
            .plugins
            .iter()
            .map(|shelved| ((shelved.plugin.manifest().name.clone(), shelved.plugin.digest().to_string()), shelved))
            .collect();
        let help = "A plugin that is loaded: sha256 of its bytes, what it is, and whether it is of the folder or of the binary.";
        let mut family = text.family("orion_plugin_info", FamilyType::Gauge, help);
        for ((name, digest), shelved) in &named {
            let kind = shelved.plugin.manifest().kind.as_str();
            let origin = if shelved.file.is_some() { "folder" } else { "binary" };
            family.sample(&[("plugin", name), ("digest", digest), ("kind", kind), ("origin", origin)], 1.0);
        }
        let help = "How long calls of a plugin about frames and events took.";
        let mut family = text.family("orion_plugin_call_duration_seconds", FamilyType::Histogram, help);
        for ((name, digest), shelved) in &named {
            family.histogram(&[("plugin", name), ("digest", digest)], &shelved.plugin.meter().calls);
        }
        let help = "Calls of a plugin that ended with a fault, by what it was.";
        let mut family = text.family("orion_plugin_failures_total", FamilyType::Counter, help);
        for ((name, digest), shelved) in &named {
            for (reason, count) in shelved.plugin.meter().failures() {
                family.count(&[("plugin", name), ("digest", digest), ("reason", reason)], count);
            }
        }
        type Number = fn(&Plugin) -> f64;
        let numbers: [(&str, FamilyType, &str, Number); 5] = [
            (
                "orion_plugin_fuel_total",
                FamilyType::Counter,
                "Work of a plugin, in fuel: the same for the same call on every machine.",
                |it| it.meter().fuel.get() as f64,
            ),
            ("orion_plugin_emitted_total", FamilyType::Counter, "Findings and changes that a plugin said.", |it| {
                it.meter().emitted.get() as f64
            }),
            (
                "orion_plugin_dropped_total",
                FamilyType::Counter,
                "Findings and changes that were thrown away, because the call that said them ended with a fault.",
                |it| it.meter().dropped.get() as f64,
            ),
            (
                "orion_plugin_most_memory_bytes",
                FamilyType::Gauge,
                "The most memory that an instance of a plugin held.",
                |it| it.meter().most_memory_bytes.get(),
            ),
            (
                "orion_plugin_load_seconds",
                FamilyType::Gauge,
                "How long it took to check and compile a plugin and to start it once.",
                |it| it.meter().load_seconds.get(),
            ),
        ];
        for (name, kind, help, number) in numbers {
            let mut family = text.family(name, kind, help);
            for ((plugin, digest), shelved) in &named {
                family.sample(&[("plugin", plugin), ("digest", digest)], number(&shelved.plugin));
            }
        }
        let help = "A rule or plugin file that is refused; its last good version runs, where it has one.";
        let mut family = text.family("orion_config_file_refused", FamilyType::Gauge, help);
        files.refused.keys().for_each(|file| family.sample(&[("file", file)], 1.0));
    }
}
