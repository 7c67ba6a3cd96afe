//! A series that was in an earlier answer and is not in this one is a finding, frame after frame, until it comes back or
//! is forgotten. An answer with nothing in it, where there never was anything, is one finding without a series.
//!
//! What is remembered are transitions: a series came, a series went missing at an instant. A frame in which nothing
//! comes or goes changes nothing, so a quiet rule saves nothing, and an instance that starts from what was saved goes on
//! exactly like the one before it.

use orion_plugin::{
    Detector, Entry, Finding, Findings, Frame, Parameters, Refused, SeriesId, SeriesState, Stateful, Stored,
};

const STATE_VERSION: u32 = 1;
const HOUR_MILLIS: i64 = 3_600_000;
const SECOND_MILLIS: f64 = 1_000.0;

/// Key of the note that there was a series once. Keys of series have four bytes, so it is none of theirs.
const EVER_KEY: &[u8] = b"any series ever";

/// What is known of a series.
#[derive(Clone, Copy)]
enum Seen {
    Present,
    /// Since the first instant whose answer was without it.
    MissingSince(i64),
}

impl Stored for Seen {
    fn write(&self, out: &mut Vec<u8>) {
        let missing = match self {
            Self::Present => None,
            Self::MissingSince(instant) => Some(*instant),
        };
        missing.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Option::read(from)?.map_or(Self::Present, Self::MissingSince))
    }
}

/// The detector.
pub struct Absence {
    forget_after_millis: i64,
    empty_is_a_finding: bool,
    known: Known,
}

/// Its memory.
struct Known {
    series: SeriesState<Seen>,
    /// Whether there was any series once, also one that is forgotten by now.
    ever: bool,
    ever_is_saved: bool,
}

impl Detector for Absence {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        Ok(Self {
            forget_after_millis: parameters.millis("forget_after")?.unwrap_or(HOUR_MILLIS),
            empty_is_a_finding: parameters.flag("empty")?.unwrap_or(true),
            known: Known { series: SeriesState::of_version(STATE_VERSION), ever: false, ever_is_saved: false },
        })
    }

    fn observe(&mut self, frame: &Frame<'_>, findings: &mut Findings) {
        let here = Here::of(frame);
        for sample in frame.samples() {
            self.known.came(sample.series().id());
        }
        if !self.known.ever {
            if self.empty_is_a_finding {
                findings.emit(Finding::about_the_answer(frame.now(), 0.0).message("the answer is empty"));
            }
            return;
        }
        for (series, since) in self.known.missing(&here, frame.now()) {
            let missing_millis = frame.now().saturating_sub(since);
            if missing_millis >= self.forget_after_millis {
                self.known.series.remove(series);
                continue;
            }
            #[expect(clippy::cast_precision_loss, reason = "a day of milliseconds is far below 2^53")]
            let seconds = missing_millis as f64 / SECOND_MILLIS;
            findings.emit(Finding::new(series, frame.now(), seconds).message("no longer in the answer"));
        }
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        Some(&mut self.known)
    }
}

impl Known {
    fn came(&mut self, series: SeriesId) {
        if !matches!(self.series.get(series), Some(Seen::Present)) {
            self.series.insert(series, Seen::Present);
            self.ever = true;
        }
    }

    /// The series that are known and not here, each with the instant since which it is missing.
    fn missing(&mut self, here: &Here, now: i64) -> Vec<(SeriesId, i64)> {
        let absent = self.series.iter().filter(|(series, _)| !here.contains(*series));
        let since = |seen: &Seen| match seen {
            Seen::Present => (now, true),
            Seen::MissingSince(instant) => (*instant, false),
        };
        let absent: Vec<_> = absent.map(|(series, seen)| (series, since(seen))).collect();
        for (series, (instant, is_news)) in &absent {
            if *is_news {
                self.series.insert(*series, Seen::MissingSince(*instant));
            }
        }
        absent.into_iter().map(|(series, (instant, _))| (series, instant)).collect()
    }
}

impl Stateful for Known {
    fn restore(&mut self, version: u32, mut entries: Vec<Entry>) -> Result<(), Refused> {
        let before = entries.len();
        entries.retain(|entry| entry.key != EVER_KEY);
        self.ever = entries.len() < before;
        self.ever_is_saved = self.ever;
        self.series.restore(version, entries)
    }

    fn checkpoint(&mut self) -> Vec<Entry> {
        let mut entries = self.series.checkpoint();
        if self.ever && !self.ever_is_saved {
            self.ever_is_saved = true;
            entries.push(Entry { key: EVER_KEY.to_vec(), value: Some(Vec::new()) });
        }
        entries
    }

    fn series_dropped(&mut self, ids: &[SeriesId]) {
        self.series.series_dropped(ids);
    }
}

/// Which series are in a frame: a bit each.
struct Here(Vec<u64>);

impl Here {
    const fn place(series: SeriesId) -> (usize, u64) {
        ((series / u64::BITS) as usize, 1 << (series % u64::BITS))
    }

    fn of(frame: &Frame<'_>) -> Self {
        let mut bits = Vec::new();
        for sample in frame.samples() {
            let (word, bit) = Self::place(sample.series().id());
            if bits.len() <= word {
                bits.resize(word + 1, 0);
            }
            if let Some(bits) = bits.get_mut(word) {
                *bits |= bit;
            }
        }
        Self(bits)
    }

    fn contains(&self, series: SeriesId) -> bool {
        let (word, bit) = Self::place(series);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }
}

orion_plugin::detector!(Absence);

#[cfg(test)]
mod tests;
