//! Checks the whole audit trail: all files of all kinds against the store and against the checkpoints.
//!
//! The files are checked first and then the store, because a host that runs writes the store first: what it has behind their end
//! is about to be written. Each finding says what is wrong and what to do.

use std::collections::BTreeMap;
use std::path::Path;

use orion_bus::{DATABASE_FILE, Entry, HOLES_OWNER, Loaded, Reader, RecordKind};
use orion_trust::Keyring;
use serde::Serialize;

use super::begins::Begins;
use super::checkpoint::{self, CHECKPOINTS_FILE, Sealed};
use super::day::Day;
use super::head::{Chain, Head, Heads};
use super::still::look_until_still;
use super::verify::{Mark, MarkState, Verified, verify_trail};
use super::vouched::{REWRITTEN, SignedBy, audit_checkpoints};
use super::{MemoryError, TrailError, file_name};

/// Records read at once.
const BATCH: usize = 1_024;

/// What is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

/// What there is of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KindAudit {
    /// The file that is written on; closed ones have names that begin like it.
    pub name: &'static str,
    /// Whether there is any file.
    pub is_there: bool,
    /// Whether each line follows from the one before it.
    pub intact: bool,
    /// Files.
    pub files: u64,
    /// Lines in them.
    pub lines: u64,
    /// Position of the first record.
    pub first_seq: u64,
    /// Position of the last record.
    pub last_seq: u64,
    /// Hash of the last line.
    pub head: String,
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Whether nothing is wrong.
    pub holds: bool,
    /// The highest position in the store.
    pub position: u64,
    /// Up to where the store has forgotten, as retention wanted.
    pub forgotten: u64,
    /// The three files.
    pub kinds: Vec<KindAudit>,
    /// The checkpoints.
    pub checkpoints: SignedBy,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Checks everything. A host that runs (`may_lag`) may be about to write what the store has. With keys, checkpoints must be
/// signed by one of them.
pub fn audit(
    memory_dir: &Path,
    store: &mut Reader,
    may_lag: bool,
    trusted: Option<&Keyring>,
) -> Result<Audit, TrailError> {
    look_until_still(memory_dir, store, |store, begins| audit_once(memory_dir, store, begins, may_lag, trusted))
}

fn audit_once(
    memory_dir: &Path,
    store: &mut Reader,
    begins: &Begins,
    may_lag: bool,
    trusted: Option<&Keyring>,
) -> Result<Audit, TrailError> {
    let mut findings = Vec::new();
    let checkpoints = read_checkpoints(memory_dir, &mut findings)?;
    let walk = |kind| Trail::walk(memory_dir, kind, begins, &checkpoints);
    let mut trails = RecordKind::ALL.into_iter().map(walk).collect::<Result<Vec<_>, _>>()?;
    let records = Records::read(store, *begins, &mut trails)?;
    for trail in &trails {
        trail.told(begins, &checkpoints, &mut findings);
        findings.extend(records.differ_from(trail, may_lag));
    }
    findings.extend(records.missing());
    let mut signed = SignedBy { count: checkpoints.len(), ..SignedBy::default() };
    signed.last = checkpoints.last().map(|sealed| sealed.checkpoint.at);
    if let Some(trusted) = trusted {
        findings.extend(audit_checkpoints(&checkpoints, trusted, &mut signed));
        let written_up_to = trails.iter().map(|trail| trail.end().last_seq()).max().unwrap_or(0);
        findings.extend(records.uncovered(&checkpoints, written_up_to));
    }
    Ok(Audit {
        holds: findings.is_empty(),
        position: records.last_seq,
        forgotten: records.begins.store.position,
        kinds: trails.iter().map(Trail::row).collect(),
        checkpoints: signed,
        findings,
    })
}

fn read_checkpoints(memory_dir: &Path, findings: &mut Vec<Finding>) -> Result<Vec<Sealed>, MemoryError> {
    match checkpoint::read_all(memory_dir) {
        Ok(all) => Ok(all),
        Err(why @ (MemoryError::Broken { .. } | MemoryError::Damaged { .. })) => {
            let mend = format!(
                "keep a copy of {CHECKPOINTS_FILE} as evidence and find out who changed it; a copy that was kept elsewhere can \
                 be put back"
            );
            findings.push(Finding { what: why.to_string(), mend });
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// The files of one kind, as they were found.
struct Trail {
    kind: RecordKind,
    is_there: bool,
    /// None when a line is wrong.
    verified: Option<Verified>,
    fault: Option<String>,
    begin: Head,
    /// Where the store and the files begin, then the checkpoints.
    marks: Vec<Mark>,
}

impl Trail {
    fn walk(memory_dir: &Path, kind: RecordKind, begins: &Begins, checkpoints: &[Sealed]) -> Result<Self, MemoryError> {
        let of_checkpoints = checkpoints.iter().map(|sealed| sealed.checkpoint.chains.of(kind));
        let heads = [begins.store.heads.of(kind), begins.files.of(kind)].into_iter().chain(of_checkpoints);
        let mut marks: Vec<Mark> = heads.map(Mark::of).collect();
        let (verified, fault, begin) = match verify_trail(memory_dir, kind, &mut marks) {
            Ok((verified, begin)) => (Some(verified), None, begin),
            Err(why @ (MemoryError::Broken { .. } | MemoryError::Damaged { .. })) => {
                (None, Some(why.to_string()), Head::NONE)
            }
            Err(error) => return Err(error),
        };
        let is_there = fault.is_some() || verified.is_some_and(|verified| verified.files > 0);
        Ok(Self { kind, is_there, verified, fault, begin, marks })
    }

    fn name(&self) -> &'static str {
        file_name(self.kind)
    }

    /// Where the files end.
    fn end(&self) -> Head {
        self.verified.map_or(Head::NONE, |verified| verified.head)
    }

    /// What the store has behind the end of the files passes the marks in their place: it is about to be written there.
    fn goes_on(&mut self, head: Head) {
        self.marks.iter_mut().for_each(|mark| mark.passes(head));
    }

    /// What is wrong with the files alone.
    fn told(&self, begins: &Begins, checkpoints: &[Sealed], findings: &mut Vec<Finding>) {
        let name = self.name();
        if let Some(fault) = &self.fault {
            findings.push(Finding { what: fault.clone(), mend: mend(name) });
            return;
        }
        let Some(verified) = &self.verified else { return };
        let Some([_, files, checked @ ..]) = self.marks.get(..) else { return };
        let is_whole = verified.lines == 0 || files.state == MarkState::Held && self.begins_rightly(begins);
        if !is_whole {
            let what = format!("{name} begins at position {}, and what was before it is missing", verified.first_seq);
            findings.push(Finding { what, mend: mend(name) });
            return;
        }
        for (mark, sealed) in checked.iter().zip(checkpoints) {
            let (at, position) = (sealed.checkpoint.at, mark.head.last_seq());
            let what = match mark.state {
                MarkState::Held | MarkState::Before => continue,
                MarkState::Broken => {
                    format!("{name} up to position {position} is not what the checkpoint of {at} says")
                }
                MarkState::Ahead => {
                    format!("{name} ends before position {position}, and the checkpoint of {at} says it was there")
                }
            };
            findings.push(Finding { what, mend: REWRITTEN.to_owned() });
            // Those that follow say the same.
            break;
        }
    }

    /// With the first record there ever was, or where retention made it begin.
    fn begins_rightly(&self, begins: &Begins) -> bool {
        self.begin == Head::NONE || begins.files.of(self.kind) != Head::NONE
    }

    fn row(&self) -> KindAudit {
        let of = |read: fn(&Verified) -> u64| self.verified.as_ref().map_or(0, read);
        KindAudit {
            name: self.name(),
            is_there: self.is_there,
            intact: self.verified.is_some(),
            files: of(|verified| verified.files),
            lines: of(|verified| verified.lines),
            first_seq: of(|verified| verified.first_seq),
            last_seq: of(|verified| verified.last_seq),
            head: self.end().hash(),
        }
    }
}

/// What the store has, as far as the files go.
struct Records {
    begins: Begins,
    /// The chains that its records make, up to the ends of the files.
    chains: Heads,
    /// Records of each kind behind the end of its files.
    behind: [u64; 3],
    is_writable: bool,
    /// The first position that is not there.
    gap: Option<u64>,
    /// Positions at which nothing ever was, by their first: a store that follows a log which hosts share takes its positions
    /// over, and the log leaves some out when its server has lost something.
    holes: BTreeMap<u64, u64>,
    last_seq: u64,
    /// Position and day of the first record of each later day.
    days: Vec<(u64, Day)>,
}

/// First and last position of each hole.
fn holes_of(loaded: &Loaded) -> BTreeMap<u64, u64> {
    let position = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).ok();
    loaded.state.iter().filter_map(|(from, to)| Some((position(from)?, position(to)?))).collect()
}

impl Records {
    fn read(store: &mut Reader, begins: Begins, trails: &mut [Trail]) -> Result<Self, TrailError> {
        for trail in trails.iter_mut().filter(|trail| trail.end() == Head::NONE) {
            let head = begins.store.heads.of(trail.kind);
            trail.marks.iter_mut().for_each(|mark| mark.begins(head.last_seq() + 1, head));
        }
        let last_seq = begins.store.position;
        let mut chain = Chain::from(begins.store.heads);
        let mut records = Self {
            begins,
            chains: begins.store.heads,
            behind: [0; 3],
            is_writable: true,
            gap: None,
            holes: holes_of(&store.load(HOLES_OWNER)?),
            last_seq,
            days: Vec::new(),
        };
        loop {
            let entries = store.read(records.last_seq, BATCH)?;
            if entries.is_empty() {
                break;
            }
            entries.iter().for_each(|entry| records.push(entry, &mut chain, trails));
        }
        Ok(records)
    }

    fn push(&mut self, entry: &Entry, chain: &mut Chain, trails: &mut [Trail]) {
        let next = self.last_seq + 1;
        if entry.seq != next && self.holes.get(&next) != Some(&(entry.seq - 1)) {
            self.gap.get_or_insert(next);
        }
        self.last_seq = entry.seq;
        let day = Day::of(entry.ts);
        if self.days.last().is_none_or(|(_, last)| *last < day) {
            self.days.push((entry.seq, day));
        }
        self.is_writable &= chain.push(entry);
        let head = chain.heads().of(entry.kind);
        let at = place(entry.kind);
        match (trails.get_mut(at), self.behind.get_mut(at)) {
            (Some(trail), Some(behind)) if entry.seq > trail.end().last_seq() => {
                trail.goes_on(head);
                *behind += 1;
            }
            _ => self.chains.set(entry.kind, head),
        }
    }

    /// What differs between files that are whole in themselves and the records they are written from. Files that somebody
    /// wrote anew with all their hashes, or cut, show here.
    fn differ_from(&self, trail: &Trail, may_lag: bool) -> Option<Finding> {
        let (name, verified) = (trail.name(), trail.verified?);
        let begin = self.begins.store.heads.of(trail.kind);
        if verified.last_seq < begin.last_seq() {
            let (last_seq, forgotten) = (verified.last_seq, self.begins.store.position);
            let what = format!(
                "{name} ends at position {last_seq}, and {DATABASE_FILE} has forgotten everything up to {forgotten}: its end is gone"
            );
            return Some(Finding { what, mend: RESTORE.to_owned() });
        }
        let of_store = self.chains.of(trail.kind);
        if !self.is_writable || (trail.is_there && of_store != verified.head) {
            let what = format!(
                "{name} is whole in itself and is not what {DATABASE_FILE} has: one of the two was written anew"
            );
            return Some(Finding { what, mend: mend(name) });
        }
        let behind = self.behind.get(place(trail.kind)).copied().unwrap_or(0);
        if behind > 0 && !may_lag {
            let records = if behind == 1 { "1 record".to_owned() } else { format!("{behind} records") };
            let what = format!("{name} ends {records} before {DATABASE_FILE} does: its end was cut off");
            let mend = "start Orion: it writes what is missing from the store; find out who cut it".to_owned();
            return Some(Finding { what, mend });
        }
        None
    }

    fn missing(&self) -> Option<Finding> {
        let gap = self.gap?;
        let what = format!("{DATABASE_FILE} has no record at position {gap}, and nothing was to be forgotten there");
        Some(Finding { what, mend: RESTORE.to_owned() })
    }

    /// A day that came to its end without a checkpoint, although records followed that are written down.
    fn uncovered(&self, checkpoints: &[Sealed], written_up_to: u64) -> Option<Finding> {
        let (covered, since) = match checkpoints.last() {
            Some(last) => (last.checkpoint.position, Day::of(last.checkpoint.at)),
            None => (0, self.days.first()?.1),
        };
        let is_later = |(seq, day): &&(u64, Day)| *seq > covered && *seq <= written_up_to && *day > since;
        let (seq, day) = self.days.iter().find(is_later)?;
        let what = format!("there is no checkpoint from before position {seq}, where the records of {day} begin");
        let mend =
            "checkpoints were removed, or none were made then: look for a copy that was kept elsewhere".to_owned();
        Some(Finding { what, mend })
    }
}

const RESTORE: &str =
    "keep a copy of the memory folder as evidence, find out who changed it, and restore a snapshot from before";

fn place(kind: RecordKind) -> usize {
    RecordKind::ALL.iter().position(|it| *it == kind).unwrap_or(0)
}

fn mend(name: &str) -> String {
    format!(
        "keep a copy of {name} as evidence and find out who changed it; then stop Orion and have it written anew from \
         {DATABASE_FILE} with `orion audit rebuild`"
    )
}
