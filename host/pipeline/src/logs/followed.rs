//! A file that is followed: whether it is still the same, what is new in it, and the events of that.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use orion_model::{IdBuilder, RecordId, Severity, Status, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;

use super::cutter::{Flush, Record};
use super::event::{Origin, event_of};
use super::fields::matched;
use super::limiter::Limiter;
use super::look;
use super::position::{FileId, Mark, Position, read_at};
use super::work::Work;
use super::{MAX_OPEN_FILES, SOURCE};
use crate::condition::{Condition, kind};
use crate::draft::NotWritable;

/// Bytes that are read of a file at once. Above the longest record and the longest line together, so that each piece holds one.
pub(super) const PIECE_BYTES: usize = 1024 * 1024;

/// How long a file that was renamed or deleted is still read: who writes it is told to open the new one a moment later.
pub(super) const GONE_MILLIS: i64 = 10_000;

/// That files were looked for before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// What the host was called then. Part of every event's id: the files of two hosts may have the same numbers.
    pub(super) node: String,
    /// The patterns: files that only other ones match are there at first.
    pub(super) patterns: RecordId,
    pub(super) next_number: u64,
}

/// A file that is followed.
pub(super) struct Followed {
    pub(super) position: Position,
    pub(super) open: Option<Open>,
    /// Whether it lies at a path that the entry means.
    pub(super) is_there: bool,
    pub(super) size: u64,
    pub(super) still_since: Timestamp,
    /// The size at which nothing could be taken of it: the rest of a record was waited for.
    pub(super) waits_at: Option<u64>,
    pub(super) is_unkept: bool,
}

pub(super) struct Open {
    file: File,
    _permit: OwnedSemaphorePermit,
}

impl Followed {
    pub(super) fn at(position: Position, now: Timestamp) -> Self {
        Self { position, open: None, is_there: true, size: 0, still_since: now, waits_at: None, is_unkept: false }
    }

    /// Whether a file that is gone has been read to its end, and nobody writes it any more.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        let is_read = self.position.offset >= self.size || self.open.is_none();
        !self.is_there && is_read && now.millis_since(self.still_since) >= GONE_MILLIS
    }

    /// Opens the file and looks whether it is still the same. Whether there is something to read.
    pub(super) fn prepare(&mut self, work: &mut Work<'_>, id: FileId, begun: &mut Option<Begun>) -> io::Result<bool> {
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
        let is_new = self.position.head == Mark::default();
        if is_new && self.position.offset > 0 && size >= self.position.offset {
            // Its end may be in the middle of a line, which then is nobody's.
            let mut last = [0];
            file.read_at(&mut last, self.position.offset - 1)?;
            self.position.skips = last != *b"\n";
        } else if size < self.position.offset || !self.position.is_of(file)? {
            tracing::info!(file = %self.position.path.display(), "emptied or written anew: read from its beginning");
            self.position = Position::begun(self.position.path.clone(), 0, take_number(begun));
            (self.is_unkept, self.waits_at, work.is_due) = (true, None, true);
        }
        if self.position.head.may_grow() && size > 0 {
            let head = Mark::of_head(file)?;
            self.is_unkept |= head != self.position.head;
            self.position.head = head;
        }
        if self.position.before == Mark::default() {
            self.position.mark(file)?;
            self.is_unkept = true;
        }
        Ok(size > self.position.offset)
    }

    /// The next piece of it, and what is waited for; nothing while what there is waits.
    pub(super) fn piece(&self, work: &Work<'_>) -> io::Result<Option<(Vec<u8>, Flush)>> {
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

    /// This was read and taken; `skips` says that it ends within a line that was cut.
    pub(super) fn advance(&mut self, read: &[u8], skips: bool) {
        let Some(Open { file, .. }) = &self.open else { return };
        self.position.advance(file, read);
        (self.position.skips, self.is_unkept) = (skips, true);
    }

    /// A record was read.
    pub(super) fn take(
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

/// The number of a file that is begun.
pub(super) fn take_number(begun: &mut Option<Begun>) -> u64 {
    let Some(begun) = begun else { return 0 };
    begun.next_number += 1;
    begun.next_number
}
