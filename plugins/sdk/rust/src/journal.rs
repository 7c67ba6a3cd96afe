//! What a detector learns of each series when it learns something of every sample.
//!
//! Saving all of it at each evaluation would write a thousand times what changed. So each frame's samples are saved as
//! they came, eight bytes a series, in a ring of the last [`FRAMES`] frames, and what was learned of a block of series
//! only in turn, once in that many frames. A restart reads the blocks and learns the frames since again. Learning depends
//! on the sample and what was learned before, and on nothing else, so that comes out the same to the last bit.

use crate::frame::{Frame, Sample, SeriesId};
use crate::parameters::Refused;
use crate::state::{Entry, Stateful, check_version};
use crate::stored::{Stored, read_whole, written};

/// What is learned of one series, sample by sample.
pub trait Learned: Stored + Default {
    /// What the rule says about learning.
    type Rules;

    /// Takes in a sample. It is newer than all before it, and its value is a finite number.
    fn learn(&mut self, rules: &Self::Rules, step: Step);
}

/// A sample as it is learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Which series it is of. Every series has its own [`Learned`]; this is for taking turns.
    pub series: SeriesId,
    /// When it was taken, in milliseconds.
    pub timestamp: i64,
    /// What it is.
    pub value: f64,
    /// When the sample before it was taken; `None` for the first.
    pub before: Option<i64>,
}

impl Step {
    /// A part of an interval, another one from series to series: where work is due now and then, all series together
    /// would be due in one frame, and that call would be ended for want of fuel.
    #[must_use]
    pub fn turn(&self, interval_millis: i64) -> i64 {
        // Multiples of the golden ratio are spread evenly, however many there are.
        let part = u64::from(self.series.wrapping_mul(0x9E37_79B9));
        let turn = (u128::from(interval_millis.max(0).unsigned_abs()) * u128::from(part)) >> u32::BITS;
        i64::try_from(turn).unwrap_or(0)
    }
}

/// Frames in the ring. Twice as many would halve what blocks cost, and make a restart read and learn twice as much.
const FRAMES: u64 = 32;

/// Series in a block: one bit of a word each.
const BLOCK: u32 = u64::BITS;

/// First byte of a key: a frame of the ring, or a block of series.
const FRAME_ROOM: u8 = b'f';
const BLOCK_ROOM: u8 = b'b';

/// What was learned of every series, saved.
pub struct Journaled<V: Learned> {
    version: u32,
    rules: V::Rules,
    blocks: Vec<Block<V>>,
    /// Number of the last frame that taught something; the first is 1.
    last: u64,
    /// Number of the last frame that the host has.
    saved: u64,
    /// Frames the host does not have yet, oldest first; no more than the ring holds.
    unsaved: Vec<Taught>,
}

struct Block<V> {
    rows: [Option<Row<V>>; BLOCK as usize],
    /// Whether it is what the host has, but for frames of the ring.
    changed: bool,
    /// Whether it must be saved at once: the ring cannot tell that a series was dropped.
    due: bool,
    /// After which frame it was saved: those up to it are not learned again.
    after: u64,
}

struct Row<V> {
    timestamp: i64,
    learned: V,
}

/// A frame as it is learned again.
struct Taught {
    number: u64,
    samples: Vec<(SeriesId, i64, f64)>,
}

impl<V> Default for Block<V> {
    fn default() -> Self {
        Self { rows: [const { None }; BLOCK as usize], changed: false, due: false, after: 0 }
    }
}

impl<V: Learned> Journaled<V> {
    /// Nothing learned yet, of the version that the manifest says.
    pub const fn of_version(version: u32, rules: V::Rules) -> Self {
        Self { version, rules, blocks: Vec::new(), last: 0, saved: 0, unsaved: Vec::new() }
    }

    /// Learns a frame, and has each of its series judged by what is known of it then. Values that are no finite number
    /// teach nothing and are not judged. A sample that is no newer than the last one of its series teaches nothing:
    /// the series is judged as it stood, so that an instant that is evaluated again is answered as before.
    pub fn learn<'a>(&mut self, frame: &Frame<'a>, mut judge: impl FnMut(&V::Rules, &V, Sample<'a>)) {
        let mut samples = Vec::new();
        for sample in frame.samples().filter(|sample| sample.value.is_finite()) {
            let (series, timestamp, value) = (sample.series().id(), sample.timestamp, sample.value);
            let block = block_of(&mut self.blocks, series);
            let Some(slot) = block.rows.get_mut((series % BLOCK) as usize) else { continue };
            let taught = take(slot, &self.rules, series, timestamp, value);
            block.changed |= taught;
            if taught {
                samples.push((series, timestamp, value));
            }
            if let Some(row) = slot {
                judge(&self.rules, &row.learned, sample);
            }
        }
        self.note(samples);
    }

    fn note(&mut self, mut samples: Vec<(SeriesId, i64, f64)>) {
        if samples.is_empty() {
            return;
        }
        samples.sort_by_key(|(series, ..)| *series);
        self.last += 1;
        if self.unsaved.len() as u64 == FRAMES {
            self.unsaved.remove(0);
        }
        self.unsaved.push(Taught { number: self.last, samples });
    }

    /// Whether it is the turn of the block: each has its own within every run of [`FRAMES`] frames.
    fn has_its_turn(&self, index: usize) -> bool {
        let new = self.last - self.saved;
        let first = (self.saved + 1) % FRAMES;
        let turn = index as u64 % FRAMES;
        new >= FRAMES || (turn + FRAMES - first) % FRAMES < new
    }
}

fn block_of<V>(blocks: &mut Vec<Block<V>>, series: SeriesId) -> &mut Block<V> {
    let index = (series / BLOCK) as usize;
    if blocks.len() <= index {
        blocks.resize_with(index + 1, Block::default);
    }
    #[expect(clippy::indexing_slicing, reason = "it was made just now if it was not there")]
    &mut blocks[index]
}

/// Whether the sample was new.
fn take<V: Learned>(slot: &mut Option<Row<V>>, rules: &V::Rules, series: SeriesId, timestamp: i64, value: f64) -> bool {
    let before = slot.as_ref().map(|row| row.timestamp);
    if before.is_some_and(|before| timestamp <= before) {
        return false;
    }
    let row = slot.get_or_insert_with(|| Row { timestamp, learned: V::default() });
    row.timestamp = timestamp;
    row.learned.learn(rules, Step { series, timestamp, value, before });
    true
}

impl<V: Learned> Stateful for Journaled<V> {
    fn restore(&mut self, version: u32, entries: Vec<Entry>) -> Result<(), Refused> {
        check_version(version, self.version)?;
        let mut frames: Vec<Taught> = Vec::new();
        for entry in &entries {
            let read = match entry.key.split_first() {
                Some((&FRAME_ROOM, _)) => read_value(entry).map(|frame| frames.push(frame)),
                Some((&BLOCK_ROOM, index)) => read_whole(index)
                    .and_then(|series: SeriesId| Some((series, read_value(entry)?)))
                    .map(|(series, block)| *block_of(&mut self.blocks, series) = block),
                _ => None,
            };
            read.ok_or("the saved state is not what this plugin wrote; reset it")?;
        }
        frames.sort_by_key(|frame| frame.number);
        let newest = self.blocks.iter().map(|block| block.after).chain(frames.iter().map(|frame| frame.number));
        self.last = newest.max().unwrap_or(0);
        self.saved = self.last;
        frames.iter().for_each(|frame| self.learn_again(frame));
        Ok(())
    }

    fn checkpoint(&mut self) -> Vec<Entry> {
        let taught = std::mem::take(&mut self.unsaved);
        let mut entries: Vec<_> = taught.iter().map(Taught::entry).collect();
        let turns: Vec<_> = (0..self.blocks.len()).map(|index| self.has_its_turn(index)).collect();
        for ((series, block), turn) in (0..).step_by(BLOCK as usize).zip(&mut self.blocks).zip(turns) {
            if block.due || (block.changed && turn) {
                block.after = self.last;
                entries.push(block.entry(series));
            }
        }
        self.saved = self.last;
        entries
    }

    fn series_dropped(&mut self, ids: &[SeriesId]) {
        for series in ids {
            let Some(block) = self.blocks.get_mut((series / BLOCK) as usize) else { continue };
            if block.rows.get_mut((series % BLOCK) as usize).and_then(Option::take).is_some() {
                block.due = true;
            }
        }
    }
}

impl<V: Learned> Journaled<V> {
    fn learn_again(&mut self, frame: &Taught) {
        for (series, timestamp, value) in &frame.samples {
            let block = block_of(&mut self.blocks, *series);
            if block.after >= frame.number {
                continue;
            }
            block.changed = true;
            if let Some(slot) = block.rows.get_mut((series % BLOCK) as usize) {
                take(slot, &self.rules, *series, *timestamp, *value);
            }
        }
    }
}

fn read_value<T: Stored>(entry: &Entry) -> Option<T> {
    read_whole(entry.value.as_deref()?)
}

impl<V: Stored> Block<V> {
    fn entry(&mut self, first: SeriesId) -> Entry {
        (self.changed, self.due) = (false, false);
        let mut key = vec![BLOCK_ROOM];
        first.write(&mut key);
        Entry { key, value: Some(written(self)) }
    }
}

impl<V: Stored> Stored for Block<V> {
    fn write(&self, out: &mut Vec<u8>) {
        let bits = self.rows.iter().rev().fold(0_u64, |bits, row| bits << 1 | u64::from(row.is_some()));
        self.after.write(out);
        bits.write(out);
        for row in self.rows.iter().flatten() {
            row.timestamp.write(out);
            row.learned.write(out);
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let mut block = Self { after: u64::read(from)?, ..Self::default() };
        let bits = u64::read(from)?;
        for (place, row) in block.rows.iter_mut().enumerate() {
            if bits >> place & 1 == 1 {
                *row = Some(Row { timestamp: i64::read(from)?, learned: V::read(from)? });
            }
        }
        Some(block)
    }
}

impl Taught {
    fn entry(&self) -> Entry {
        // The place in the ring: a frame takes the place of the one that no block needs any more.
        let place = (self.number % FRAMES).to_le_bytes();
        Entry { key: [FRAME_ROOM].into_iter().chain(place.into_iter().take(1)).collect(), value: Some(written(self)) }
    }

    /// The time that all samples have, as in nearly every answer.
    fn common_time(&self) -> Option<i64> {
        let (_, first, _) = *self.samples.first()?;
        self.samples.iter().all(|(_, timestamp, _)| *timestamp == first).then_some(first)
    }

    /// Series that follow each other: the first, and how many there are.
    fn runs(&self) -> Vec<(u32, u32)> {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for (series, ..) in &self.samples {
            match runs.last_mut() {
                Some((first, length)) if *first + *length == *series => *length += 1,
                _ => runs.push((*series, 1)),
            }
        }
        runs
    }
}

impl Stored for Taught {
    fn write(&self, out: &mut Vec<u8>) {
        let common = self.common_time();
        self.number.write(out);
        common.write(out);
        self.runs().write(out);
        if common.is_none() {
            self.samples.iter().for_each(|(_, timestamp, _)| timestamp.write(out));
        }
        self.samples.iter().for_each(|(.., value)| value.write(out));
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (number, common) = (u64::read(from)?, Option::<i64>::read(from)?);
        let mut ids: Vec<SeriesId> = Vec::new();
        for (first, length) in Vec::<(u32, u32)>::read(from)? {
            // Eight bytes of value follow for each: more series than bytes were not written here.
            (length as usize <= from.len() && ids.len() <= from.len()).then_some(())?;
            ids.extend(first..first.checked_add(length)?);
        }
        let mut times = Vec::with_capacity(ids.len());
        for _ in &ids {
            times.push(common.map_or_else(|| i64::read(from), Some)?);
        }
        let mut samples = Vec::with_capacity(ids.len());
        for (series, timestamp) in ids.into_iter().zip(times) {
            samples.push((series, timestamp, f64::read(from)?));
        }
        Some(Self { number, samples })
    }
}

#[cfg(test)]
mod tests;
