//! An entry at work: what it knows of its files, and one step further in them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use orion_model::{IdBuilder, Severity, Status, Timestamp};
use orion_rules::LogSource;

use super::cutter::{Cutter, Flush};
use super::followed::{Begun, Followed, PIECE_BYTES, take_number};
use super::limiter::Limiter;
use super::look::{self, Found, Look};
use super::position::{FileId, Position};
use super::work::Work;
use super::{LogContext, LogPlan, SOURCE};
use crate::condition::{self, Condition, Conditions, kind};
use crate::draft::{Draft, NotWritable, key};
use crate::meters::LogMeter;

/// How often is looked which files there are.
const LOOK_MILLIS: i64 = 900;

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

/// What a step came to.
pub(super) struct Step {
    /// What is to be committed.
    pub(super) draft: Draft,
    /// Whether there is more to be read at once.
    pub(super) more: bool,
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
                    let position = Position::begun(path.clone(), offset, number);
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
        while let Some(record) = cutter.next_record() {
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
            file.advance(piece.get(..used).unwrap_or_default(), skips);
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
