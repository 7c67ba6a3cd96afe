//! All incidents by their ids, each with where its records lie: what a list is made of, and where a story begins.
//!
//! Kept in memory, since the log has an incident's revisions wherever they happened. What is kept of each is small, and there is a
//! limit to how many are kept: of a deployment that has more, the oldest that are over are forgotten first. Their records are in
//! the log and the files all the same.

use std::collections::{BTreeMap, BTreeSet};

use orion_bus::{BusError, Entry, Reader, RecordKind};
use orion_model::{About, Decision, Incident, IncidentStatus, Marked, RecordId, Severity, Timestamp};

/// Records read at once.
const BATCH: usize = 1_024;

/// Marks whose places are known of one incident, the latest: nobody thinks otherwise more often, and a program that does must not
/// fill the memory.
const MOST_MARKS: usize = 64;

/// What is known of one incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: RecordId,
    /// What kind of thing.
    pub incident_type: String,
    /// How bad it is as of its last revision.
    pub severity: Severity,
    /// What its last revision did.
    pub status: IncidentStatus,
    /// When it opened.
    pub opened_at: Timestamp,
    /// Its type, one line for a person, and the group it is about: what is searched.
    text: String,
    /// Positions of its revisions, in order.
    pub revisions: Vec<u64>,
    /// Positions of the decisions about it.
    pub decisions: Vec<u64>,
    /// What was said of it last, or that this is withdrawn.
    said_last: Option<Marked>,
    /// Positions of what was thought of it, in order.
    pub marks: Vec<u64>,
}

impl Known {
    /// Whether it is not resolved.
    pub fn is_open(&self) -> bool {
        self.status != IncidentStatus::Resolved
    }

    /// Where its last revision lies.
    pub fn last_position(&self) -> Option<u64> {
        self.revisions.last().copied()
    }

    /// What was thought of it last, and is not withdrawn.
    pub fn mark(&self) -> Option<&Marked> {
        self.said_last.as_ref().filter(|marked| counts(marked))
    }

    /// Whether its type, its summary or its group has this in it, in upper or lower case.
    pub(crate) fn mentions(&self, lower_case: &str) -> bool {
        self.text.contains(lower_case)
    }
}

fn counts(marked: &Marked) -> bool {
    !marked.mark.withdrawn
}

/// Where an incident stands in the order of all: by when it opened.
pub type Age = (Timestamp, RecordId);

/// Incidents, from what was read so far.
#[derive(Debug)]
pub struct Register {
    known: BTreeMap<RecordId, Known>,
    by_age: BTreeSet<Age>,
    /// Windows in which no incident opened although something happened, each with what was said of it last.
    missed: BTreeMap<(Timestamp, Timestamp), Marked>,
    most: usize,
}

/// What an id, or how it begins, stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'r> {
    /// One incident.
    One(&'r Known),
    /// None that is known.
    None,
    /// So many: more of the id is needed.
    Several(usize),
}

impl Register {
    /// An empty one, which keeps so many.
    pub fn keeping(most: usize) -> Self {
        Self { known: BTreeMap::new(), by_age: BTreeSet::new(), missed: BTreeMap::new(), most: most.max(1) }
    }

    /// All incidents of a store.
    pub fn read(reader: &mut Reader) -> Result<Self, BusError> {
        let (mut register, mut after) = (Self::keeping(usize::MAX), 0);
        loop {
            let entries = reader.read(after, BATCH)?;
            let Some(last) = entries.last() else { return Ok(register) };
            after = last.seq;
            entries.iter().for_each(|entry| register.note(entry));
        }
    }

    /// Takes in a record. One that cannot be read is left out: what wrote it has said so.
    pub fn note(&mut self, entry: &Entry) {
        match entry.kind {
            RecordKind::Incident => {
                if let Ok(revision) = serde_json::from_str::<Incident>(&entry.body) {
                    self.note_revision(entry.seq, revision);
                }
            }
            RecordKind::Decision => {
                let decision = serde_json::from_str::<Decision>(&entry.body);
                if let Some(known) = decision.ok().and_then(|it| self.known.get_mut(&it.incident_id)) {
                    known.decisions.push(entry.seq);
                }
            }
            RecordKind::Event => {
                if let Some(marked) = Marked::read(&entry.body) {
                    self.note_mark(entry.seq, marked);
                }
            }
        }
    }

    fn note_mark(&mut self, position: u64, marked: Marked) {
        match marked.mark.said.about() {
            About::Incident(id) => {
                let Some(known) = self.known.get_mut(&id) else { return };
                known.marks.push(position);
                if known.marks.len() > MOST_MARKS {
                    known.marks.remove(0);
                }
                known.said_last = Some(marked);
            }
            About::Time { from, to } => {
                self.missed.insert((from, to), marked);
                if self.missed.len() > self.most {
                    self.missed.pop_first();
                }
            }
        }
    }

    fn note_revision(&mut self, position: u64, revision: Incident) {
        let text = format!("{} {} {}", revision.incident_type, revision.summary, revision.key).to_lowercase();
        let known = self.known.entry(revision.incident_id).or_insert_with(|| Known {
            id: revision.incident_id,
            incident_type: revision.incident_type,
            severity: revision.severity,
            status: revision.status,
            opened_at: revision.opened_at,
            text: String::new(),
            revisions: Vec::new(),
            decisions: Vec::new(),
            said_last: None,
            marks: Vec::new(),
        });
        (known.severity, known.status, known.text) = (revision.severity, revision.status, text);
        known.revisions.push(position);
        self.by_age.insert((known.opened_at, known.id));
        if self.known.len() > self.most {
            self.forget_one();
        }
    }

    /// The oldest that is over, or the oldest of all.
    fn forget_one(&mut self) {
        let is_over = |(_, id): &&Age| self.known.get(id).is_some_and(|known| !known.is_open());
        let oldest = self.by_age.iter().find(is_over).or_else(|| self.by_age.first()).copied();
        if let Some(age) = oldest {
            self.by_age.remove(&age);
            self.known.remove(&age.1);
        }
    }

    /// Those that opened before this, or all, the newest first.
    pub fn newest(&self, before: Option<Age>) -> impl Iterator<Item = &Known> {
        let older = match before {
            Some(age) => self.by_age.range(..age),
            None => self.by_age.range::<Age, _>(..),
        };
        older.rev().filter_map(|(_, id)| self.known.get(id))
    }

    /// The incident with this id.
    pub fn get(&self, id: RecordId) -> Option<&Known> {
        self.known.get(&id)
    }

    /// The incident whose id begins so.
    pub fn find(&self, id: &str) -> Found<'_> {
        let mut found = self.known.values().filter(|known| known.id.to_string().starts_with(id));
        match (found.next(), found.count()) {
            (None, _) => Found::None,
            (Some(known), 0) => Found::One(known),
            (Some(_), others) => Found::Several(others + 1),
        }
    }

    /// What was said last of this, or that it is withdrawn.
    pub(crate) fn said_last(&self, about: About) -> Option<&Marked> {
        match about {
            About::Incident(id) => self.known.get(&id)?.said_last.as_ref(),
            About::Time { from, to } => self.missed.get(&(from, to)),
        }
    }

    /// What was missed, in the order of time.
    pub fn missed(&self) -> impl Iterator<Item = &Marked> {
        self.missed.values().filter(|marked| counts(marked))
    }

    /// How many are open, by how bad they are.
    pub fn open(&self) -> BTreeMap<Severity, u64> {
        let mut open: BTreeMap<Severity, u64> = Severity::ALL.into_iter().map(|severity| (severity, 0)).collect();
        for known in self.known.values().filter(|known| known.is_open()) {
            *open.entry(known.severity).or_default() += 1;
        }
        open
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orion_model::{Digest, IdBuilder};
    use serde_json::json;

    fn id(number: i64) -> RecordId {
        IdBuilder::new("test").number(number).finish()
    }

    fn revision(seq: u64, number: i64, status: &str) -> Entry {
        let at = Timestamp::from_millis(number * 1_000);
        let body = json!({
            "incident_id": id(number), "incident_type": "service_outage", "severity": "critical", "status": status,
            "revision": 1, "ts": at, "opened_at": at, "correlation": "f.yaml/c", "key": { "service": "Jellyfin" },
            "summary": format!("Number {number}"), "reason": "", "event_ids": [], "event_count": 1, "generation": 1,
            "plugin": "grouping", "plugin_digest": Digest::from_bytes([0; 32]),
        });
        Entry { seq, kind: RecordKind::Incident, id: id(number), ts: at, body: body.to_string().into() }
    }

    #[test]
    fn over_the_limit_the_oldest_that_are_over_go_and_then_the_oldest() {
        let mut register = Register::keeping(2);
        register.note(&revision(1, 1, "opened"));
        register.note(&revision(2, 2, "opened"));
        register.note(&revision(3, 2, "resolved"));
        assert_eq!(register.len(), 2);
        register.note(&revision(4, 3, "opened"));
        let kept = |register: &Register| register.newest(None).map(|known| known.id).collect::<Vec<_>>();
        assert_eq!(kept(&register), [id(3), id(1)]);
        register.note(&revision(5, 4, "opened"));
        assert_eq!(kept(&register), [id(4), id(3)]);
        assert_eq!(register.open()[&Severity::Critical], 2);
    }

    #[test]
    fn incidents_are_found_by_how_their_ids_begin_and_paged_by_their_age() {
        let mut register = Register::keeping(99);
        (1..=5).for_each(|number| register.note(&revision(number, i64::try_from(number).unwrap(), "opened")));
        let full = id(3).to_string();
        assert!(
            matches!(register.find(&full), Found::One(known) if known.revisions == [3] && known.mentions("jellyfin"))
        );
        assert_eq!(register.find(""), Found::Several(5));
        assert_eq!(register.find("zz"), Found::None);
        let page: Vec<_> =
            register.newest(Some((Timestamp::from_millis(3_000), id(3)))).map(|known| known.id).collect();
        assert_eq!(page, [id(2), id(1)]);
    }
}
