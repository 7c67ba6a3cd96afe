//! What is known of a series, as bytes.

use orion_plugin::Stored;

use super::{Deep, Episode, Part, Watched};
use crate::memory::Memory;
use crate::recent::Recent;
use crate::season::Hours;

impl Stored for Watched {
    fn write(&self, out: &mut Vec<u8>) {
        self.first.write(out);
        (self.samples, self.quiet).write(out);
        self.last_score.write(out);
        self.values.write(out);
        self.deep.is_some().write(out);
        if let Some(deep) = &self.deep {
            deep.write(out);
        }
        self.episode.is_some().write(out);
        if let Some(episode) = &self.episode {
            episode.write(out);
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let first = i64::read(from)?;
        let (samples, quiet) = Stored::read(from)?;
        let last_score = f64::read(from)?;
        let values = Memory::read(from)?;
        let deep = if bool::read(from)? { Some(Box::new(Deep::read(from)?)) } else { None };
        let episode = if bool::read(from)? { Some(Box::new(Episode::read(from)?)) } else { None };
        Some(Self { first, samples, quiet, last_score, values, deep, episode, near: None })
    }
}

impl Stored for Deep {
    fn write(&self, out: &mut Vec<u8>) {
        self.recent.write(out);
        self.hours.write(out);
        [&self.shifts, &self.swings, &self.seasons].into_iter().for_each(|memory| memory.write(out));
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (recent, hours) = (Recent::read(from)?, Hours::read(from)?);
        let mut memory = || Memory::read(from);
        Some(Self { recent, hours, shifts: memory()?, swings: memory()?, seasons: memory()? })
    }
}

impl Stored for Episode {
    fn write(&self, out: &mut Vec<u8>) {
        (self.since, self.known_since).write(out);
        self.part.write(out);
        (self.score, self.is_seconded).write(out);
        (self.seen, self.expected).write(out);
        (self.low, self.high).write(out);
        (self.radius, self.one_in).write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (since, known_since) = Stored::read(from)?;
        let part = Part::read(from)?;
        let (score, is_seconded) = Stored::read(from)?;
        let (seen, expected) = Stored::read(from)?;
        let (low, high) = Stored::read(from)?;
        let (radius, one_in) = Stored::read(from)?;
        Some(Self { since, known_since, part, score, is_seconded, seen, expected, low, high, radius, one_in })
    }
}

impl Stored for Part {
    fn write(&self, out: &mut Vec<u8>) {
        let byte = match self {
            Self::Value => 0_u8,
            Self::Shift => 1,
            Self::Swing => 2,
            Self::Season => 3,
        };
        byte.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        match u8::read(from)? {
            0 => Some(Self::Value),
            1 => Some(Self::Shift),
            2 => Some(Self::Swing),
            3 => Some(Self::Season),
            _ => None,
        }
    }
}
