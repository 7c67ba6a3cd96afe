//! An entry at work: what it knows of its files, and one step further in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use orion_model::{IdBuilder, RecordId, Severity, Status, Timestamp};
use orion_rules::{LogEntry, LogSource};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;

use super::cutter::{Cutter, Flush, Record};
use super::event::{Origin, event_of};
use super::fields::matched;
use super::limiter::Limiter;
use super::look::{self, Found, Look};
use super::position::{FileId, Head, Position, read_at};
use super::{LogContext, LogPlan, MAX_OPEN_FILES, SOURCE};
use crate::condition::{self, Condition, Conditions, kind};
use crate::draft::{Draft, NotWritable, key};
use crate::meters::LogMeter;
use crate::stage::BATCH;

/// How often is looked which files there are.
const LOOK_MILLIS: i64 = 900;

/// Bytes that are read of a file at once. Above the longest record and the longest line together, so that each piece holds one.
const PIECE_BYTES: usize = 1024 * 1024;

/// Bytes that are read in one step: then what they gave is committed before more is read.
const STEP_BYTES: usize = 8 * PIECE_BYTES;

/// Bytes of lines in the events of one step, which are held until they are committed.
const STEP_EVENT_BYTES: usize = 8 * 1024 * 1024;

/// How long a file that was renamed or deleted is still read: who writes it is told to open the new one a moment later.
pub(super) const GONE_MILLIS: i64 = 10_000;

/// How long positions are not kept when nothing was found. They are read again after a crash, and give nothing again.
const KEEP_MILLIS: i64 = 30_000;

/// Bytes after which they are kept in any case.
const KEEP_BYTES: u64 = 64 * 1024 * 1024;

/// Troubles of one entry that are told at the same time. A folder nobody may read has thousands.
const MAX_TROUBLES: usize = 32;

/// Rooms of the state.
const BEGUN_ROOM: &[u8] = b"begun";
const LIMITER_ROOM: &[u8] = b"limiter";
const FILE_ROOM: &[u8] = b"file";

/// What an entry knows. What is not kept of it are the open files, and since when they stand still.
#[derive(Default)]
pub(super) struct Tail {
    begun: Option<Begun>,
    kept_begun: Option<Begun>,
    limiter: Limiter,
    kept_limiter: Limiter,
    conditions: Conditions,
    files: BTreeMap<FileId, Followed>,
    looked_at: Option<Timestamp>,
    kept_at: Timestamp,
    unkept_bytes: u64,
    /// Which file was read last: the next step begins behind it, so that no file waits for a busy one for ever.
    turn: Option<FileId>,
}

/// That files were looked for before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    /// What the host was called then. Part of every event's id: the files of two hosts may have the same numbers.
    node: String,
    /// The patterns: files that only other ones match are there at first.
    patterns: RecordId,
    next_number: u64,
}

/// A file that is followed.
struct Followed {
    position: Position,
    open: Option<Open>,
    /// Whether it lies at a path that the entry means.
    is_there: bool,
    size: u64,
    still_since: Timestamp,
    /// The size at which nothing could be taken of it: the rest of a record was waited for.
    waits_at: Option<u64>,
    is_unkept: bool,
}

struct Open {
    file: File,
    _permit: OwnedSemaphorePermit,
}

/// What a step came to.
pub(super) struct Step {
    /// What is to be committed.
    pub(super) draft: Draft,
    /// Whether there is more to be read at once.
    pub(super) more: bool,
}

/// The work of one step.
struct Work<'a> {
    context: &'a LogContext,
    plan: &'a LogPlan,
    meter: &'a LogMeter,
    now: Timestamp,
    draft: Draft,
    events: usize,
    event_bytes: usize,
    bytes: usize,
    troubles: BTreeMap<String, String>,
    /// Whether anything has to be kept now.
    is_due: bool,
}

impl Work<'_> {
    fn is_full(&self) -> bool {
        self.events >= BATCH || self.event_bytes >= STEP_EVENT_BYTES || self.bytes >= STEP_BYTES
    }

    fn entry(&self) -> &LogEntry {
        &self.plan.entry
    }
}

impl Tail {
    /// Takes what the store has; files that are open stay so.
    pub(super) fn restore(&mut self, state: Vec<(Vec<u8>, Vec<u8>)>) {
        let mut before = std::mem::take(self);
        for (state_key, value) in state {
            match key::split(&state_key, 2).as_slice() {
                [BEGUN_ROOM] => self.begun = serde_json::from_slice(&value).ok(),
                [LIMITER_ROOM] => self.limiter = serde_json::from_slice(&value).unwrap_or_default(),
                [condition::ROOM, ..] => self.conditions.restore(&value),
                [FILE_ROOM, id] => {
                    let (Some(id), Ok(position)) = (FileId::of_key(id), serde_json::from_slice(&value)) else {
                        continue;
                    };
                    let open = before.files.remove(&id).and_then(|file| file.open);
                    self.files.insert(id, Followed { open, ..Followed::at(position, Timestamp::default()) });
                }
                _ => {}
            }
        }
        (self.kept_limiter, self.kept_begun) = (self.limiter.clone(), self.begun.clone());
    }

    /// One step: looks, reads, and says what is to be committed. `ends` keeps what would be kept later.
    pub(super) fn step(
        &mut self,
        context: &LogContext,
        plan: &LogPlan,
        meter: &LogMeter,
        now: Timestamp,
        ends: bool,
    ) -> Result<Step, NotWritable> {
        let mut work = Work {
            context,
            plan,
            meter,
            now,
            draft: Draft::default(),
            events: 0,
            event_bytes: 0,
            bytes: 0,
            troubles: BTreeMap::new(),
            is_due: ends,
        };
        self.say_left_out(&mut work)?;
        let has_looked = self.is_look_due(now);
        if has_looked {
            self.looked_at = Some(now);
            self.look(&mut work);
        }
        let more = self.read(&mut work)?;
        if has_looked {
            self.tell_troubles(&mut work)?;
        }
        let unread = self.files.values().map(|file| file.size.saturating_sub(file.position.offset)).sum();
        meter.at(self.files.len(), unread, work.troubles.len());
        self.keep(&mut work)?;
        Ok(Step { draft: work.draft, more })
    }

    fn is_look_due(&self, now: Timestamp) -> bool {
        self.looked_at.is_none_or(|at| !(0..LOOK_MILLIS).contains(&now.millis_since(at)))
    }

    fn say_left_out(&mut self, work: &mut Work<'_>) -> Result<(), NotWritable> {
        let Some(left_out) = self.limiter.turn(work.now) else { return Ok(()) };
        let condition =
            Condition::new(kind::LOG_EVENTS_LEFT_OUT, Severity::Warning, SOURCE, [("log", work.entry().id.as_str())]);
        let message = format!(
            "{} more lines matched within the minute from {} than the limit of {}; they made no events",
            left_out.count,
            left_out.minute,
            work.entry().limit
        );
        let mut event = condition.event(Status::Occurred, work.now, work.plan.generation, &message);
        event.data.insert("count".to_owned(), left_out.count.into());
        work.draft.event(&event)
    }

    /// Which files there are now, and what became of those that were.
    fn look(&mut self, work: &mut Work<'_>) {
        let plan = work.plan;
        let LogSource::Files { patterns, from_start } = &plan.entry.from else { return };
        let Look { found, troubles, is_whole } = look::look(patterns, &work.context.dirs);
        work.troubles = troubles;
        let digest = patterns.iter().fold(IdBuilder::new("log-patterns"), |id, pattern| id.text(pattern)).finish();
        let is_first = self.begun.as_ref().is_none_or(|begun| begun.patterns != digest);
        let begun = self.begun.get_or_insert_with(|| Begun {
            node: work.context.node.clone(),
            patterns: digest,
            next_number: 0,
        });
        begun.patterns = digest;
        work.is_due |= is_first;
        for (id, Found { path, size }) in &found {
            match self.files.get_mut(id) {
                Some(file) => {
                    file.is_there = true;
                    if file.position.path != *path {
                        file.position.path.clone_from(path);
                        file.is_unkept = true;
                    }
                }
                None => {
                    // Whatever is in a file that came while files were looked for was written while it was watched.
                    let offset = if is_first && !from_start { *size } else { 0 };
                    let number = take_number(&mut self.begun);
                    let (path, head) = (path.clone(), Head::default());
                    let position = Position { path, offset, number, head, skips: false, said_cut: false };
                    let file = Followed { is_there: true, is_unkept: true, ..Followed::at(position, work.now) };
                    self.files.insert(*id, file);
                    work.is_due = true;
                }
            }
        }
        self.part(work, &found, is_first, is_whole);
    }

    /// Files that no pattern means any more. `known` is whether all that patterns mean was looked at.
    fn part(&mut self, work: &mut Work<'_>, found: &BTreeMap<FileId, Found>, is_first: bool, known: bool) {
        let mut forgotten = Vec::new();
        for (id, file) in self.files.iter_mut().filter(|(id, _)| !found.contains_key(id)) {
            let is_at_its_path = match file.position.path.symlink_metadata() {
                Ok(metadata) => FileId::of(&metadata) == *id,
                Err(why) if why.kind() == io::ErrorKind::NotFound => false,
                // A folder that may not be looked into says nothing of what is in it.
                Err(_) => continue,
            };
            if is_at_its_path && !known {
                continue;
            }
            if is_at_its_path && is_first {
                forgotten.push(*id);
                continue;
            }
            if file.is_there {
                (file.is_there, file.still_since) = (false, work.now);
            }
            if !is_at_its_path && file.open.is_none() {
                match look::renamed(&file.position.path, *id) {
                    Some(path) => (file.position.path, file.is_unkept) = (path, true),
                    None => forgotten.push(*id),
                }
            }
        }
        forgotten.into_iter().for_each(|id| self.forget(work, id));
    }

    fn forget(&mut self, work: &mut Work<'_>, id: FileId) {
        self.files.remove(&id);
        work.draft.delete(key::of(&[FILE_ROOM, &id.key()]));
        work.is_due = true;
    }

    /// Reads on in the files. Whether there is more.
    fn read(&mut self, work: &mut Work<'_>) -> Result<bool, NotWritable> {
        let gone: Vec<FileId> = self.files.iter().filter(|(_, file)| !file.is_there).map(|(id, _)| *id).collect();
        let mut more = false;
        for id in gone {
            more |= self.read_one(work, id)?;
            let is_over = self.files.get(&id).is_some_and(|file| file.is_over(work.now));
            if is_over {
                self.forget(work, id);
            }
        }
        // What follows on a file is read when all of that is read.
        if more {
            return Ok(true);
        }
        let there = || self.files.iter().filter(|(_, file)| file.is_there).map(|(id, _)| *id);
        let (before, behind): (Vec<_>, Vec<_>) = there().partition(|id| self.turn.is_some_and(|turn| *id <= turn));
        for id in behind.into_iter().chain(before) {
            if work.is_full() {
                return Ok(true);
            }
            more |= self.read_one(work, id)?;
            self.turn = Some(id);
        }
        Ok(more)
    }

    /// Reads a piece of a file. Whether there is more at once.
    fn read_one(&mut self, work: &mut Work<'_>, id: FileId) -> Result<bool, NotWritable> {
        let Some(file) = self.files.get_mut(&id) else { return Ok(false) };
        let read = file.prepare(work, id, &mut self.begun).and_then(|ready| match ready {
            true => file.piece(work),
            false => Ok(None),
        });
        let (piece, flush) = match read {
            Ok(Some(piece)) => piece,
            Ok(None) => return Ok(false),
            Err(why) => {
                work.troubles.insert(file.position.path.display().to_string(), why.to_string());
                // Known until it is looked for anew; told then, if it is still so.
                return Ok(false);
            }
        };
        work.bytes += piece.len();
        let plan = work.plan;
        let multiline = plan.entry.multiline.as_ref();
        let node = self.begun.as_ref().map_or("", |begun| begun.node.as_str());
        let mut cutter = Cutter::new(&piece, file.position.skips, flush, multiline);
        let begins_at = file.position.offset;
        let mut is_whole = true;
        loop {
            let Some(record) = cutter.next_record() else { break };
            file.take(work, &record, begins_at, id, node, &mut self.limiter)?;
            if work.is_full() {
                is_whole = false;
                break;
            }
        }
        if cutter.position().0 == 0 && piece.len() == PIECE_BYTES {
            // A record that goes on for so long is one by itself.
            cutter = Cutter::new(&piece, file.position.skips, Flush { records: true, ..flush }, multiline);
            if let Some(record) = cutter.next_record() {
                file.take(work, &record, begins_at, id, node, &mut self.limiter)?;
            }
        }
        let (used, skips) = cutter.position();
        file.waits_at =
            (is_whole && used < piece.len() && begins_at + piece.len() as u64 >= file.size).then_some(file.size);
        if used > 0 {
            file.position.offset += used as u64;
            file.position.skips = skips;
            file.is_unkept = true;
            self.unkept_bytes += used as u64;
        }
        Ok(!is_whole || (used > 0 && file.waits_at.is_none() && file.position.offset < file.size))
    }

    fn tell_troubles(&mut self, work: &mut Work<'_>) -> Result<(), NotWritable> {
        let (id, generation, now) = (work.plan.entry.id.as_str(), work.plan.generation, work.now);
        let mut standing = BTreeSet::new();
        for (path, why) in work.troubles.iter().take(MAX_TROUBLES) {
            let condition = trouble(id, path);
            standing.insert(condition.key());
            self.conditions.raise(&mut work.draft, condition, now, generation, why)?;
        }
        let over: Vec<Condition> = self.conditions.iter().filter(|it| !standing.contains(&it.key())).cloned().collect();
        for condition in over {
            self.conditions.clear(
                &mut work.draft,
                &condition,
                now,
                generation,
                "it can be read, or is not there any more",
            )?;
        }
        Ok(())
    }

    /// Puts what has changed into the draft, when there is something to commit or it is time.
    fn keep(&mut self, work: &mut Work<'_>) -> Result<(), NotWritable> {
        let since = work.now.millis_since(self.kept_at);
        let is_unkept = self.files.values().any(|file| file.is_unkept);
        let is_time = is_unkept && (!(0..KEEP_MILLIS).contains(&since) || self.unkept_bytes >= KEEP_BYTES);
        work.is_due |= !work.draft.is_empty() || is_time;
        if !work.is_due {
            return Ok(());
        }
        (self.kept_at, self.unkept_bytes) = (work.now, 0);
        for (id, file) in self.files.iter_mut().filter(|(_, file)| file.is_unkept) {
            work.draft.put(key::of(&[FILE_ROOM, &id.key()]), &file.position)?;
            file.is_unkept = false;
        }
        if let Some(begun) = self.begun.as_ref().filter(|begun| self.kept_begun.as_ref() != Some(*begun)) {
            work.draft.put(BEGUN_ROOM.to_vec(), begun)?;
            self.kept_begun = Some(begun.clone());
        }
        if self.limiter != self.kept_limiter {
            work.draft.put(LIMITER_ROOM.to_vec(), &self.limiter)?;
            self.kept_limiter = self.limiter.clone();
        }
        Ok(())
    }

    /// The entry is in no rule file any more: its troubles are over, and nothing is known of its files.
    pub(super) fn end(mut self, now: Timestamp, generation: u64) -> Result<Draft, NotWritable> {
        let mut draft = Draft::default();
        let all: Vec<Condition> = self.conditions.iter().cloned().collect();
        for condition in all {
            self.conditions.clear(&mut draft, &condition, now, generation, "the entry was removed")?;
        }
        draft.clear();
        Ok(draft)
    }
}

fn trouble(log: &str, path: &str) -> Condition {
    Condition::new(kind::LOG_UNREADABLE, Severity::Warning, SOURCE, [("log", log), ("file", path)])
}

fn take_number(begun: &mut Option<Begun>) -> u64 {
    let Some(begun) = begun else { return 0 };
    begun.next_number += 1;
    begun.next_number
}

impl Followed {
    fn at(position: Position, now: Timestamp) -> Self {
        Self { position, open: None, is_there: true, size: 0, still_since: now, waits_at: None, is_unkept: false }
    }

    /// Whether a file that is gone has been read to its end, and nobody writes it any more.
    fn is_over(&self, now: Timestamp) -> bool {
        let is_read = self.position.offset >= self.size || self.open.is_none();
        !self.is_there && is_read && now.millis_since(self.still_since) >= GONE_MILLIS
    }

    /// Opens the file and looks whether it is still the same. Whether there is something to read.
    fn prepare(&mut self, work: &mut Work<'_>, id: FileId, begun: &mut Option<Begun>) -> io::Result<bool> {
        if self.open.is_none() {
            let permit = Arc::clone(&work.context.open).try_acquire_owned().map_err(|_| {
                io::Error::other(format!(
                    "{MAX_OPEN_FILES} files are open already; it is read when one of them is gone"
                ))
            })?;
            let file = match look::open(&self.position.path, id) {
                Ok(Some(file)) => file,
                // Another one by now: the next look says where it is.
                Ok(None) => return Ok(false),
                Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(why) => return Err(why),
            };
            self.open = Some(Open { file, _permit: permit });
            self.still_since = work.now;
        }
        let Some(Open { file, .. }) = &self.open else { return Ok(false) };
        let size = file.metadata()?.len();
        if size != self.size || work.now < self.still_since {
            (self.size, self.still_since) = (size, work.now);
        }
        let is_new = self.position.head == Head::default();
        if is_new && self.position.offset > 0 && size >= self.position.offset {
            // Its end may be in the middle of a line, which then is nobody's.
            let mut last = [0];
            file.read_at(&mut last, self.position.offset - 1)?;
            self.position.skips = last != *b"\n";
        } else if size < self.position.offset || (size > self.position.offset && !self.position.head.is_of(file)?) {
            tracing::info!(file = %self.position.path.display(), "emptied or written anew: read from its beginning");
            let (path, number) = (self.position.path.clone(), take_number(begun));
            self.position = Position { path, offset: 0, number, head: Head::default(), skips: false, said_cut: false };
            (self.is_unkept, self.waits_at, work.is_due) = (true, None, true);
        }
        if self.position.head.may_grow() && size > 0 {
            let head = Head::read(file)?;
            self.is_unkept |= head != self.position.head;
            self.position.head = head;
        }
        Ok(size > self.position.offset)
    }

    /// The next piece of it, and what is waited for; nothing while what there is waits.
    fn piece(&self, work: &Work<'_>) -> io::Result<Option<(Vec<u8>, Flush)>> {
        let Some(Open { file, .. }) = &self.open else { return Ok(None) };
        let still = work.now.millis_since(self.still_since);
        let is_left = !self.is_there && still >= GONE_MILLIS;
        let waits = work.entry().multiline.as_ref().map_or(i64::MAX, |multiline| multiline.max_wait_millis);
        let at_end = Flush { records: is_left || still >= waits, lines: is_left };
        if self.waits_at == Some(self.size) && at_end == Flush::default() {
            return Ok(None);
        }
        let length = usize::try_from(self.size - self.position.offset).unwrap_or(usize::MAX).min(PIECE_BYTES);
        let mut piece = vec![0; length];
        let read = read_at(file, &mut piece, self.position.offset)?;
        piece.truncate(read);
        let is_end = self.position.offset + read as u64 >= self.size;
        Ok((read > 0).then(|| (piece, if is_end { at_end } else { Flush::default() })))
    }

    /// A record was read.
    fn take(
        &mut self,
        work: &mut Work<'_>,
        record: &Record<'_>,
        begins_at: u64,
        id: FileId,
        node: &str,
        limiter: &mut Limiter,
    ) -> Result<(), NotWritable> {
        let (plan, path) = (work.plan, self.position.path.display().to_string());
        work.meter.lines.increase();
        if record.is_cut && !self.position.said_cut {
            self.position.said_cut = true;
            let labels = [("log", plan.entry.id.as_str()), ("file", path.as_str())];
            let condition = Condition::new(kind::LOG_LINE_CUT, Severity::Info, SOURCE, labels);
            let message = "a line is longer than 64 KiB; its beginning is read, here and from now on";
            work.draft.event(&condition.event(Status::Occurred, work.now, plan.generation, message))?;
        }
        let Some(fields) = matched(&plan.entry, &record.text) else { return Ok(()) };
        if !limiter.admits(plan.entry.limit) {
            work.meter.left_out.increase();
            return Ok(());
        }
        let offset = begins_at + record.start as u64;
        let number = |number: u64| number.cast_signed();
        let event_id = IdBuilder::new("log-event").text(&plan.entry.id).text(node).number(number(id.device));
        let event_id = event_id.number(number(id.inode)).number(number(self.position.number)).number(number(offset));
        let mut place = Map::from_iter([("file".to_owned(), Value::from(path)), ("offset".to_owned(), offset.into())]);
        if !work.context.node.is_empty() {
            place.insert("node".to_owned(), work.context.node.as_str().into());
        }
        let (read_at, generation) = (work.now, plan.generation);
        let origin = Origin { id: event_id.finish(), source: SOURCE, place, read_at, written: None, generation };
        work.draft.event(&event_of(&plan.entry, &record.text, &fields, origin))?;
        work.meter.events.increase();
        work.events += 1;
        work.event_bytes += record.text.len();
        Ok(())
    }
}
