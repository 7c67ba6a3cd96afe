//! A correlator through a stream of events, cut anyhow.

use std::collections::BTreeMap;

use super::{CorrelatorProbe, MINUTE_MILLIS, Saved, ToldEvent};
use crate::{Change, ChangeKind, Correlator, Field, ParameterValue, Refused, Severity};

/// What happens after an event of a [`play`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing: the next event comes with it.
    None,
    /// The batch ends.
    Batch,
    /// The batch ends, and time passes to that of the earliest event still to come.
    Tick,
    /// The batch ends, and another instance goes on from what was saved.
    Restart,
}

/// Runs a correlator over events in batches as their cuts say, with ticks and restarts between them, and a last tick at
/// `end`. However it is cut, the same should be said of each key.
pub fn play<C: Correlator>(
    given: &[(&str, ParameterValue)],
    version: u32,
    events: &[(ToldEvent, Cut)],
    end: i64,
) -> Result<Vec<Change>, Refused> {
    let mut probe = CorrelatorProbe::<C>::new(given)?;
    let (mut saved, mut said, mut batch) = (Saved::default(), Vec::new(), Vec::new());
    for (index, (event, cut)) in events.iter().enumerate() {
        batch.push(event.clone());
        if *cut == Cut::None && index + 1 < events.len() {
            continue;
        }
        let now = batch.iter().map(|told| told.event.timestamp).max().unwrap_or_default();
        said.extend(probe.tell(now, &std::mem::take(&mut batch)));
        if *cut == Cut::Tick {
            let to_come = events.iter().skip(index + 1).map(|(told, _)| told.event.timestamp);
            said.extend(probe.tick(to_come.min().unwrap_or(end)));
        }
        saved.keep(probe.checkpoint());
        if *cut == Cut::Restart {
            probe = CorrelatorProbe::new(given)?;
            probe.restore(version, &saved)?;
        }
    }
    said.extend(probe.tick(end));
    Ok(said)
}

/// The same with each event in a batch of its own: the incidents of the key `k`.
pub fn one_by_one<C: Correlator>(
    given: &[(&str, ParameterValue)],
    version: u32,
    events: &[ToldEvent],
    end: i64,
) -> Result<Vec<Story>, Refused> {
    let events: Vec<_> = events.iter().map(|told| (told.clone(), Cut::Batch)).collect();
    let said = play::<C>(given, version, &events, end)?;
    Ok(stories(said).remove("k").unwrap_or_default())
}

/// Each incident in one line, with its times in minutes: `8 WHY [1, 2001]; 15 WHY NOT ANY MORE`.
pub fn lines(stories: &[Story]) -> Vec<String> {
    let line = |story: &Story| {
        let (at, why) = &story.opened;
        let closed = story.closed.as_ref().map(|(at, why)| format!("; {} {why}", at / MINUTE_MILLIS));
        format!("{} {why} {:?}{}", at / MINUTE_MILLIS, story.positions, closed.unwrap_or_default())
    };
    stories.iter().map(line).collect()
}

/// The changes of each key, in order. However events are cut into batches, these are the same; only the order of changes
/// of different keys is not.
pub fn of_each(changes: Vec<Change>) -> BTreeMap<String, Vec<Change>> {
    let mut of_each: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    for change in changes {
        of_each.entry(change.key.clone()).or_default().push(change);
    }
    of_each
}

/// One incident from its first change to its last.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// When and why it opened.
    pub opened: (i64, String),
    /// All its events, sorted.
    pub positions: Vec<u64>,
    /// The last severity.
    pub severity: Severity,
    /// What it said of itself last.
    pub facts: Vec<Field>,
    /// When and why it was resolved; `None` while it is open.
    pub closed: Option<(i64, String)>,
}

impl Story {
    /// When it opened and closed, and its events: what a plain model says of it too.
    pub fn outline(&self) -> (i64, Option<i64>, Vec<u64>, Severity) {
        (self.opened.0, self.closed.as_ref().map(|(at, _)| *at), self.positions.clone(), self.severity)
    }
}

/// The incidents of each key. A change of an incident that is not open stands out as a story of its own.
pub fn stories(changes: Vec<Change>) -> BTreeMap<String, Vec<Story>> {
    let mut stories: BTreeMap<String, Vec<Story>> = BTreeMap::new();
    for change in changes {
        let told = stories.entry(change.key.clone()).or_default();
        let open = told.last_mut().filter(|story| story.closed.is_none() && change.kind != ChangeKind::Opened);
        match open {
            Some(story) => story.go_on(change),
            None => told.push(Story::begin(change)),
        }
    }
    stories
}

impl Story {
    fn begin(change: Change) -> Self {
        let mut positions = change.positions;
        positions.sort_unstable();
        let opened = (change.timestamp, change.reason);
        Self { opened, positions, severity: change.severity, facts: change.fields, closed: None }
    }

    fn go_on(&mut self, change: Change) {
        self.positions.extend(change.positions);
        self.positions.sort_unstable();
        self.severity = change.severity;
        self.facts = change.fields;
        if change.kind == ChangeKind::Resolved {
            self.closed = Some((change.timestamp, change.reason));
        }
    }
}
