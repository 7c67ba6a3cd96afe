//! A baseline as bytes.

use orion_plugin::{Bulk, History, Stored};

use super::{Baseline, By, Episode, Recent, Usual, Verdict};
use crate::season::Season;

impl Stored for Baseline {
    fn write(&self, out: &mut Vec<u8>) {
        self.first.write(out);
        self.samples.write(out);
        self.history.write(out);
        self.usual.write(out);
        (self.recent.level, self.recent.distance).write(out);
        self.season.write(out);
        self.episode.write(out);
        self.silent_until.write(out);
        self.verdict.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (first, samples) = (i64::read(from)?, u32::read(from)?);
        let (history, usual) = (History::read(from)?, Stored::read(from)?);
        let (level, distance) = Stored::read(from)?;
        let recent = Recent { level, distance };
        let (season, episode) = (Season::read(from)?, Stored::read(from)?);
        let (silent_until, verdict) = (Stored::read(from)?, Stored::read(from)?);
        Some(Self { first, samples, history, usual, recent, season, episode, silent_until, verdict })
    }
}

impl Stored for Usual {
    fn write(&self, out: &mut Vec<u8>) {
        (self.bulk.median, self.bulk.spread).write(out);
        self.is_seasonal.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (median, spread) = Stored::read(from)?;
        Some(Self { bulk: Bulk { median, spread }, is_seasonal: bool::read(from)? })
    }
}

impl Stored for Episode {
    fn write(&self, out: &mut Vec<u8>) {
        self.since.write(out);
        self.samples.write(out);
        self.offset.write(out);
        self.is_said.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (since, samples) = (i64::read(from)?, u32::read(from)?);
        Some(Self { since, samples, offset: f64::read(from)?, is_said: bool::read(from)? })
    }
}

impl Stored for Verdict {
    fn write(&self, out: &mut Vec<u8>) {
        (self.value, self.expected).write(out);
        (self.spread, self.score).write(out);
        self.by.write(out);
        (self.since, self.is_seasonal).write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (value, expected) = Stored::read(from)?;
        let (spread, score) = Stored::read(from)?;
        let by = By::read(from)?;
        let (since, is_seasonal) = Stored::read(from)?;
        Some(Self { value, expected, spread, score, by, since, is_seasonal })
    }
}

impl Stored for By {
    fn write(&self, out: &mut Vec<u8>) {
        let byte = match self {
            Self::Robust => 0_u8,
            Self::Sudden => 1,
            Self::Both => 2,
        };
        byte.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        match u8::read(from)? {
            0 => Some(Self::Robust),
            1 => Some(Self::Sudden),
            2 => Some(Self::Both),
            _ => None,
        }
    }
}
