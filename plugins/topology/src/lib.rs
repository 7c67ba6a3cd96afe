//! What fails because of what it depends on is folded into the incident of that.
//!
//! The map says what each node needs. Nodes that fail and of which one needs the other, directly or through others, are one
//! region and one incident, whatever the order in which they fail; with `joined_by: time` all that fail are, and the map
//! only ranks. A node that connects two regions joins them: the older incident goes on and the younger is closed with that
//! reason. A region is over when all its alerts are resolved, or when nothing came for `idle` where it holds things of one
//! moment, and it keeps its nodes until then: a cause may recover before its symptoms.
//!
//! A region of fewer than `at_least` nodes that began to fail within `window` is no incident yet, and forgotten when no more
//! come: one of many things does something unusual all the time, and two at once seldom.
//!
//! How suspects are ranked stands in `suspects.rs`. A cause that comes late changes the root of an open incident, which is said. After the
//! end it opens an incident of its own; nothing is opened again.

mod map;
mod region;
mod suspects;

use std::collections::BTreeMap;

use orion_plugin::pattern::{Growth, Life, Outbox, Rest, Shelf, Step};
use orion_plugin::{
    Batch, Changes, Correlator, Entry, Event, Field, Parameters, Refused, Scalar, Stateful, Status, format_duration,
    hash_text,
};

use map::Map;
use region::{Blow, End, Next, Region};
use suspects::Court;

const STATE_VERSION: u32 = 2;

/// The label that names a node when the rule says nothing.
const SERVICE: &str = "service";

/// Open incidents. Whoever has more has no map of what fails.
const MOST_REGIONS: usize = 10_000;

/// Bytes of a node's name; a longer one goes by its beginning and a hash.
const MOST_NAME: usize = 200;

/// The most that one event weighs: sums of as many as there are nodes are numbers still.
const MOST_WEIGHT: f64 = 1e9;

/// The correlator.
pub struct Topology {
    court: Court,
    label: String,
    life: Life,
    /// Whether all that fails is one region, and not only what needs each other.
    joins_all: bool,
    /// So many nodes are an incident.
    least_nodes: usize,
    regions: Shelf<Region>,
    /// In which region a node is. Follows from the regions.
    homes: BTreeMap<(Box<str>, Box<str>), Box<str>>,
    outbox: Outbox,
    /// Nothing comes any more from before this instant.
    passed: i64,
}

impl Correlator for Topology {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        let joins_all = match parameters.text("joined_by")?.unwrap_or("need") {
            "need" => false,
            "time" => true,
            other => return Err(Refused(format!("`joined_by` must be need or time, not `{other}`"))),
        };
        if !joins_all && parameters.pairs("depends_on")?.is_empty() {
            return Err("`depends_on` says what each node needs: `{ radarr: [qbittorrent, prowlarr] }`; without it, \
                        `joined_by: time` makes one incident of what fails at one time"
                .into());
        }
        let is_weighed = parameters.flag("weighed")?.unwrap_or(false);
        Ok(Self {
            court: Court { map: Map::read(parameters)?, is_weighed },
            label: parameters.text("node")?.unwrap_or(SERVICE).to_owned(),
            life: Life::read(parameters)?,
            joins_all,
            least_nodes: usize::try_from(parameters.integer("at_least")?.unwrap_or(1)).unwrap_or(1),
            regions: Shelf::of_version(STATE_VERSION),
            homes: BTreeMap::new(),
            outbox: Outbox::default(),
            passed: i64::MIN,
        })
    }

    fn correlate(&mut self, now: i64, events: &Batch<'_>, changes: &mut Changes) {
        if events.is_empty() {
            self.passed = self.passed.max(now);
        }
        for event in events.events() {
            self.passed = self.passed.max(event.timestamp.saturating_sub(self.life.lateness_millis));
            let node = name(event.label(&self.label).unwrap_or_default());
            match event.status {
                Status::Firing | Status::Occurred => self.strike(&node, &event),
                Status::Resolved => self.resolve(&node, &event),
            }
        }
        self.pass();
        self.outbox.send(changes);
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        Some(self)
    }
}

impl Stateful for Topology {
    fn restore(&mut self, version: u32, entries: Vec<Entry>) -> Result<(), Refused> {
        self.regions.restore(version, entries)?;
        let home = |region: &Region, node: &str| (region.scope.clone(), Box::from(node));
        let homes = self
            .regions
            .iter()
            .flat_map(|(key, region)| region.nodes.keys().map(move |node| (home(region, node), Box::from(key))));
        self.homes = homes.collect();
        Ok(())
    }

    fn checkpoint(&mut self) -> Vec<Entry> {
        self.regions.checkpoint()
    }
}

impl Topology {
    /// An event that fires or occurred.
    fn strike(&mut self, node: &str, event: &Event<'_>) {
        let Event { timestamp: time, position, fingerprint, severity, .. } = *event;
        let weight = weight_of(event.value);
        let blow = Blow { time, position, fingerprint, severity, fires: event.status == Status::Firing, weight };
        let scope = event.key();
        self.end_around(scope, node, time);
        let around = self.around(scope, node);
        let oldest = around
            .iter()
            .min_by_key(|key| self.regions.get(key).map(|region| (!region.is_said, region.opened, (*key).clone())));
        let Some(key) = oldest.cloned() else { return self.begin(scope, node, blow) };
        let mut at_once = false;
        for other in around.iter().filter(|other| **other != key) {
            at_once |= self.join(&key, other, time);
        }
        at_once |= self.grow(&key, node, blow);
        if self.is_unsaid(&key) {
            return self.count(&key, node, blow);
        }
        at_once |= self.relabel(&key, time);
        let due = self.regions.get(&key).and_then(|region| region.gains.due());
        // What comes later than anybody waits for finds its time over.
        if at_once || due.is_some_and(|due| due <= self.passed) {
            self.say(&key);
        }
    }

    fn is_unsaid(&self, key: &str) -> bool {
        self.regions.get(key).is_some_and(|region| !region.is_said)
    }

    /// The regions that a node belongs to or connects.
    fn around(&self, scope: &str, node: &str) -> Vec<Box<str>> {
        if let Some(home) = self.homes.get(&(Box::from(scope), Box::from(node))) {
            return vec![home.clone()];
        }
        let map = &self.court.map;
        let relates = |region: &Region| {
            *region.scope == *scope && (self.joins_all || region.nodes.keys().any(|other| map.relates(node, other)))
        };
        self.regions.iter().filter(|(_, region)| relates(region)).map(|(key, _)| key.into()).collect()
    }

    /// A node fails that has nothing to do with any other that does.
    fn begin(&mut self, scope: &str, node: &str, blow: Blow) {
        self.make_room(blow.time);
        let mut key = if scope.is_empty() { node.to_owned() } else { format!("{scope} {node}") };
        // A region is called after its first node also when that has recovered and fails again elsewhere; but one whose time is over is in
        // nobody's way, whether a tick has ended it already or not.
        loop {
            self.end_until(&key, blow.time);
            if self.regions.get(&key).is_none() {
                break;
            }
            key.push('\'');
        }
        self.homes.insert((scope.into(), node.into()), key.as_str().into());
        self.regions.insert(&key, Region::new(scope, node, blow));
        self.count(&key, node, blow);
    }

    /// A region that is no incident becomes one when enough of its nodes began to fail of late.
    fn count(&mut self, key: &str, node: &str, blow: Blow) {
        let least_nodes = self.least_nodes;
        let Some(region) = self.regions.get_mut(key).filter(|region| region.nodes.len() >= least_nodes) else { return };
        let positions = region.positions();
        region.announce(blow.time);
        region.root = self.court.ranking(region).first().map(|root| Box::from(*root)).unwrap_or_default();
        let others = region.nodes.len() - 1;
        let reason = match others {
            0 => format!("{} fails", shown(node)),
            others => {
                format!("{} fails, and {others} more within {}", shown(node), format_duration(self.life.window_millis))
            }
        };
        let step = Step { time: blow.time, severity: region.severity, reason };
        self.outbox.open(key, step, positions, facts(&self.court, region));
    }

    /// A region takes an event. Whether that is to be said at once.
    fn grow(&mut self, key: &str, node: &str, blow: Blow) -> bool {
        let Some(region) = self.regions.get_mut(key) else { return false };
        let before = region.severity;
        let is_new = region.strike(node, blow);
        let (severity, rose) = (region.severity, region.severity > before);
        let growth = Growth { time: blow.time, severity, rose, position: blow.position, is_new };
        let at_once = (is_new || rose) && region.gains.add(&growth, region.opened);
        let home = (region.scope.clone(), Box::from(node));
        self.homes.insert(home, key.into());
        at_once
    }

    /// The root may be another one now. Whether it is.
    fn relabel(&mut self, key: &str, time: i64) -> bool {
        let Some(region) = self.regions.get_mut(key) else { return false };
        let Some(root) = self.court.ranking(region).first().map(|root| Box::<str>::from(*root)) else { return false };
        if root == region.root {
            return false;
        }
        let reason = format!(
            "the root is now {} and not {}: {}",
            shown(&root),
            shown(&region.root),
            self.court.reasons(region, &root)
        );
        region.root = root;
        region.gains.remark(time, &reason, region.opened);
        true
    }

    /// Says what a region gained.
    fn say(&mut self, key: &str) {
        let Some(region) = self.regions.get_mut(key).filter(|region| region.is_said) else { return };
        if let Some(gained) = region.gains.take() {
            self.outbox.update(key, region.severity, gained, facts(&self.court, region));
        }
    }

    /// A region becomes part of another. Whether that is to be said at once.
    fn join(&mut self, key: &str, other: &str, time: i64) -> bool {
        let Some(joined) = self.close(other, time, format!("joined with {key}")) else { return false };
        let nodes: Vec<_> = joined.nodes.keys().map(|node| (joined.scope.clone(), node.clone())).collect();
        self.homes.extend(nodes.into_iter().map(|home| (home, Box::from(key))));
        let Some(region) = self.regions.get_mut(key) else { return false };
        let before = region.severity;
        let positions = region.absorb(joined);
        let (severity, rose) = (region.severity, region.severity > before);
        let growth = |position| Growth { time, severity, rose, position, is_new: true };
        let add = |at_once, position| region.gains.add(&growth(position), region.opened) || at_once;
        positions.into_iter().fold(false, add)
    }

    fn resolve(&mut self, node: &str, event: &Event<'_>) {
        let Some(key) = self.homes.get(&(Box::from(event.key()), Box::from(node))).cloned() else { return };
        self.end_until(&key, event.timestamp);
        // Looked at first: an end that changes nothing here is not saved.
        if !self.regions.get(&key).is_some_and(|region| region.fires(node, event.fingerprint)) {
            return;
        }
        if let Some(region) = self.regions.get_mut(&key) {
            region.resolve(node, event.fingerprint, event.timestamp);
        }
        self.end_until(&key, event.timestamp);
    }

    /// What an event has to do with ends before it, if that was due.
    fn end_around(&mut self, scope: &str, node: &str, time: i64) {
        for key in self.around(scope, node) {
            self.end_until(&key, time);
            self.prune(&key, time);
        }
    }

    /// What is no incident lets go of nodes that do not count any more.
    fn prune(&mut self, key: &str, time: i64) {
        if !self.is_unsaid(key) {
            return;
        }
        let window_millis = self.life.window_millis;
        let Some(region) = self.regions.get_mut(key) else { return };
        for gone in region.prune(time, window_millis) {
            self.homes.remove(&(region.scope.clone(), gone));
        }
    }

    /// Ends what is due, in the order in which it was.
    fn pass(&mut self) {
        let ends = self.regions.iter().map(|(key, region)| (region.next(&self.life).at(), Box::<str>::from(key)));
        let mut due: Vec<_> = ends.filter(|(at, _)| *at <= self.passed).collect();
        due.sort_unstable();
        for (_, key) in due {
            self.end_until(&key, self.passed);
        }
    }

    fn end_until(&mut self, key: &str, until: i64) {
        while let Some(next) =
            self.regions.get(key).map(|region| region.next(&self.life)).filter(|next| next.at() <= until)
        {
            let Next::End { at, end } = next else {
                self.say(key);
                continue;
            };
            let reason = match end {
                End::Forgotten => String::new(),
                End::Rests(rest) => rest.reason(&self.life),
            };
            let Some(closed) = self.close(key, at, reason) else { return };
            if let Some((next, positions)) = closed.continued(at).filter(|_| end == End::Rests(Rest::Aged)) {
                self.go_on(key, at, next, positions);
            }
        }
    }

    fn go_on(&mut self, key: &str, time: i64, mut next: Region, positions: Vec<u64>) {
        next.root = self.court.ranking(&next).first().map(|root| Box::from(*root)).unwrap_or_default();
        let step = Step { time, severity: next.severity, reason: "continues".to_owned() };
        self.outbox.open(key, step, positions, facts(&self.court, &next));
        for node in next.nodes.keys() {
            self.homes.insert((next.scope.clone(), node.clone()), key.into());
        }
        self.regions.insert(key, next);
    }

    /// Takes a region out, and says that its incident is over if there is one.
    fn close(&mut self, key: &str, time: i64, reason: String) -> Option<Region> {
        self.say(key);
        let closed = self.regions.remove(key)?;
        if closed.is_said {
            let step = Step { time, severity: closed.severity, reason };
            self.outbox.resolve(key, step, facts(&self.court, &closed));
        }
        for node in closed.nodes.keys() {
            self.homes.remove(&(closed.scope.clone(), node.clone()));
        }
        Some(closed)
    }

    fn make_room(&mut self, time: i64) {
        if self.regions.len() < MOST_REGIONS {
            return;
        }
        let oldest =
            self.regions.iter().min_by_key(|(key, region)| (region.opened, *key)).map(|(key, _)| key.to_owned());
        if let Some(oldest) = oldest {
            self.close(&oldest, time, format!("pushed out by other incidents: more than {MOST_REGIONS}"));
        }
    }
}

/// A node's name as it is kept.
fn name(label: &str) -> String {
    if label.len() <= MOST_NAME {
        return label.to_owned();
    }
    let beginning = label.get(..label.floor_char_boundary(MOST_NAME)).unwrap_or_default();
    format!("{beginning}#{:016x}", hash_text(label))
}

/// How badly an event says that its node fails. One that does not say it counts one.
fn weight_of(value: f64) -> f64 {
    if value.is_finite() { value.clamp(0.0, MOST_WEIGHT) } else { 1.0 }
}

fn shown(node: &str) -> &str {
    if node.is_empty() { "something without a name" } else { node }
}

/// What an incident says of itself.
fn facts(court: &Court, region: &Region) -> Vec<Field> {
    let field = |name: &str, value: Scalar| Field { name: name.to_owned(), value };
    let count = |number: usize| Scalar::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let (suspects, reasons) = court.suspects(region);
    vec![
        field("root", shown(&region.root).into()),
        field("suspects", suspects.into()),
        field("reasons", reasons.into()),
        field("nodes", count(region.nodes.len())),
        field("nodes_failing", count(region.failing())),
        field("events", count(usize::try_from(region.events).unwrap_or(usize::MAX))),
    ]
}

orion_plugin::correlator!(Topology);

#[cfg(test)]
mod tests;
