//! Incidents that the log has and no correlator knows.
//!
//! A Redis that lost its last writes is given back the incidents with the events, and the Guardian goes on from before both: it correlates
//! the events again, and finds what it said known by its ids. But they may stand in another order now, or others between them, and then it
//! opens other incidents, or says something else of the same. What was said before stands in the log all the same, people have read it, and
//! nobody would ever say that it is over. So the Guardian reads what the log says of its incidents, too: of one that lasts there and not with
//! its correlator it says the end, and of one that has come further there it goes on behind that.
//!
//! What is given back is not at odds yet with a Guardian that has still to come as far. So it is left alone until everything up to its
//! time was observed and read, and for a while.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use orion_bus::{Entry, RecordKind};
use orion_model::{Incident, IncidentStatus, RecordId, Timestamp};
use serde::Deserialize;
use serde_json::Map;

use super::share::Share;
use crate::draft::{Draft, NotWritable, key};

/// First part of the state keys of incidents that last in the log and not here.
pub const STRAY_ROOM: &[u8] = b"stray";

/// For how long one is left alone: what a host gives back comes in steps, and revisions that are still to come are not to be forestalled.
const LEFT_ALONE: Duration = Duration::from_secs(5);

/// Why it is over.
const REASON: &str = "what kept it open was lost, and what was observed since keeps it open no more";

/// What the log says last of an incident, as far as it is looked at where nothing is wrong.
#[derive(Debug, Deserialize)]
pub struct Told {
    incident_id: RecordId,
    status: IncidentStatus,
    revision: u32,
    correlation: String,
    #[serde(skip)]
    body: std::sync::Arc<str>,
}

impl Told {
    /// What entries of the log say of each incident of these correlations, in the last revision that they have.
    pub fn of(entries: &[Entry], share: Share) -> BTreeMap<RecordId, Self> {
        let incidents = entries.iter().filter(|entry| entry.kind == RecordKind::Incident);
        let told = incidents.filter_map(|entry| {
            let told: Self = serde_json::from_str(&entry.body).ok()?;
            Some(Self { body: entry.body.clone(), ..told })
        });
        let mut last: BTreeMap<RecordId, Self> = BTreeMap::new();
        for told in told.filter(|told| share.has(&told.correlation)) {
            if last.get(&told.incident_id).is_none_or(|known| known.revision <= told.revision) {
                last.insert(told.incident_id, told);
            }
        }
        last
    }

    /// Whether a correlator that has the incident open as of this revision is as far.
    fn is_known(&self, open: Option<u32>) -> bool {
        self.status == IncidentStatus::Resolved || open.is_some_and(|revision| revision >= self.revision)
    }
}

/// Those that last in the log and not here.
#[derive(Debug, Default)]
pub struct Strays(BTreeMap<RecordId, Stray>);

#[derive(Debug)]
struct Stray {
    incident: Incident,
    since: Instant,
}

impl Strays {
    /// Puts one back as the store kept it.
    pub fn restore(&mut self, value: &[u8], now: Instant) {
        if let Ok(incident) = serde_json::from_slice::<Incident>(value) {
            self.0.insert(incident.incident_id, Stray { incident, since: now });
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The log says this of an incident which a correlator has open as of this revision.
    pub fn hear(&mut self, draft: &mut Draft, told: &Told, open: Option<u32>, now: Instant) -> Result<(), NotWritable> {
        if self.0.get(&told.incident_id).is_some_and(|stray| stray.incident.revision > told.revision) {
            // What the Guardian said itself stands behind what had come further.
            return Ok(());
        }
        if told.is_known(open) {
            self.forget(draft, told.incident_id, &told.correlation);
            return Ok(());
        }
        let Ok(mut incident) = serde_json::from_str::<Incident>(&told.body) else { return Ok(()) };
        incident.event_ids.clear();
        draft.put(key_of(incident.incident_id, &told.correlation), &incident)?;
        self.0.insert(incident.incident_id, Stray { incident, since: now });
        Ok(())
    }

    /// Those that were left alone for long enough, when everything was observed and read up to `reached`. They are none any more.
    pub fn take_due(&mut self, draft: &mut Draft, reached: Timestamp, now: Instant) -> Vec<Incident> {
        let is_due =
            |stray: &Stray| stray.incident.ts < reached && now.saturating_duration_since(stray.since) >= LEFT_ALONE;
        let due: Vec<Incident> = self.0.extract_if(.., |_, stray| is_due(stray)).map(|(_, it)| it.incident).collect();
        due.iter().for_each(|incident| draft.delete(key_of(incident.incident_id, &incident.correlation)));
        due
    }

    fn forget(&mut self, draft: &mut Draft, id: RecordId, correlation: &str) {
        if self.0.remove(&id).is_some() {
            draft.delete(key_of(id, correlation));
        }
    }
}

/// The end of an incident that nobody knows. Its time is that of what was said of it last: when it was over is not known.
pub fn ended(last: Incident, generation: u64) -> Incident {
    Incident {
        status: IncidentStatus::Resolved,
        revision: last.revision.saturating_add(1),
        reason: REASON.to_owned(),
        event_ids: Vec::new(),
        data: Map::new(),
        generation,
        ..last
    }
}

fn key_of(id: RecordId, correlation: &str) -> Vec<u8> {
    key::of(&[STRAY_ROOM, correlation.as_bytes(), id.as_bytes()])
}
