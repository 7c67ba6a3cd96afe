//! The level of each hour of the day or week: the median of the means of its last three visits, so that an outage does not
//! change what is expected the day after. What is expected is anything between the level of an hour and that of the one
//! next to it: a slow wave is between them, and work that starts ten minutes late is at one of them.

use orion_plugin::{Stored, median};

const HOUR_MILLIS: i64 = 3_600_000;

/// 1970 began on a Thursday, and weeks begin on Monday.
const HOURS_SINCE_MONDAY: i64 = 72;

/// Visits after which the level of an hour counts, and that are remembered.
const TRUSTED_VISITS: usize = 2;
const VISITS: usize = 3;

/// What repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cycle {
    /// The hours of the day.
    Day,
    /// The hours of the week.
    Week,
}

impl Cycle {
    /// In the word of a rule.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "day" => Some(Self::Day),
            "week" => Some(Self::Week),
            _ => None,
        }
    }

    const fn hours(self) -> usize {
        match self {
            Self::Day => 24,
            Self::Week => 168,
        }
    }

    /// The place of an hour that is counted since 1970.
    fn place(self, hour: i64) -> usize {
        let hours = i64::try_from(self.hours()).unwrap_or(1);
        usize::try_from((hour + HOURS_SINCE_MONDAY).rem_euclid(hours)).unwrap_or(0)
    }
}

/// The levels that were learned.
#[derive(Debug, Default, PartialEq)]
pub struct Season {
    levels: Vec<Level>,
    visit: Visit,
}

/// Seven digits are enough for levels, and a week has 168 of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Level {
    visits: u8,
    /// The last ones, in a ring.
    means: [f32; VISITS],
}

/// What is expected at an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// The level of the hour.
    pub own: f64,
    /// That of the hour next to it.
    pub next: f64,
}

impl Band {
    /// Without a season.
    pub const NONE: Self = Self { own: 0.0, next: 0.0 };

    /// What is expected that is closest to a value.
    pub fn closest(self, value: f64) -> f64 {
        value.clamp(self.own.min(self.next), self.own.max(self.next))
    }
}

/// The hour that is being seen.
#[derive(Debug, Default, PartialEq)]
struct Visit {
    hour: i64,
    samples: u32,
    mean: f64,
}

impl Season {
    /// Learns a value. An hour counts when it is over.
    pub fn learn(&mut self, cycle: Cycle, timestamp: i64, value: f64) {
        self.levels.resize(cycle.hours(), Level::default());
        let hour = timestamp.div_euclid(HOUR_MILLIS);
        if hour != self.visit.hour {
            let over = std::mem::replace(&mut self.visit, Visit { hour, samples: 0, mean: 0.0 });
            self.settle(cycle, &over);
        }
        self.visit.samples = self.visit.samples.saturating_add(1);
        self.visit.mean += (value - self.visit.mean) / f64::from(self.visit.samples);
    }

    fn settle(&mut self, cycle: Cycle, visit: &Visit) {
        if visit.samples > 0
            && let Some(level) = self.levels.get_mut(cycle.place(visit.hour))
        {
            level.visited(visit.mean);
        }
    }

    /// The level of an hour; `None` as long as it was not seen twice.
    fn level(&self, cycle: Cycle, hour: i64) -> Option<f64> {
        self.levels.get(cycle.place(hour))?.trusted()
    }

    /// What is expected at an instant; `None` as long as its hour has no level.
    pub fn band(&self, cycle: Cycle, timestamp: i64) -> Option<Band> {
        let hour = timestamp.div_euclid(HOUR_MILLIS);
        let own = self.level(cycle, hour)?;
        let neighbour = if timestamp.rem_euclid(HOUR_MILLIS) < HOUR_MILLIS / 2 { hour - 1 } else { hour + 1 };
        Some(Band { own, next: self.level(cycle, neighbour).unwrap_or(own) })
    }
}

impl Level {
    #[expect(clippy::cast_possible_truncation, reason = "seven digits are enough for a level")]
    fn visited(&mut self, mean: f64) {
        if let Some(place) = self.means.get_mut(usize::from(self.visits) % VISITS) {
            *place = mean as f32;
        }
        // Counted on from the ring's length, so that the place and "all of them" are known for ever.
        self.visits = if usize::from(self.visits) + 1 < 2 * VISITS { self.visits + 1 } else { VISITS as u8 };
    }

    fn trusted(self) -> Option<f64> {
        let visits = usize::from(self.visits).min(VISITS);
        let mut means: Vec<_> = self.means.iter().take(visits).map(|mean| f64::from(*mean)).collect();
        if visits < TRUSTED_VISITS { None } else { median(&mut means) }
    }
}

impl Stored for Season {
    fn write(&self, out: &mut Vec<u8>) {
        self.levels.write(out);
        self.visit.hour.write(out);
        self.visit.samples.write(out);
        self.visit.mean.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let levels = Vec::read(from)?;
        let visit = Visit { hour: i64::read(from)?, samples: u32::read(from)?, mean: f64::read(from)? };
        Some(Self { levels, visit })
    }
}

impl Stored for Level {
    fn write(&self, out: &mut Vec<u8>) {
        self.visits.write(out);
        self.means.iter().for_each(|mean| mean.to_bits().write(out));
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let mut level = Self { visits: u8::read(from)?, ..Self::default() };
        for mean in &mut level.means {
            *mean = f32::from_bits(u32::read(from)?);
        }
        Some(level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn weeks_begin_on_monday_and_days_at_midnight() {
        // 2026-11-16 was a Monday.
        let monday = 1_794_787_200_000 / HOUR_MILLIS;
        assert_eq!((Cycle::Week.place(monday), Cycle::Week.place(monday - 1)), (0, 167));
        assert_eq!((Cycle::Day.place(monday + 5), Cycle::Day.place(-1)), (5, 23));
    }

    #[test]
    fn an_hour_counts_after_two_visits_and_is_joined_with_the_one_next_to_it() {
        let mut season = Season::default();
        let learn_day = |season: &mut Season, day: i64| {
            (0..1440).for_each(|minute| season.learn(Cycle::Day, (day * 1440 + minute) * MINUTE, (minute / 60) as f64));
        };
        learn_day(&mut season, 0);
        assert_eq!(season.band(Cycle::Day, 1440 * MINUTE), None);
        learn_day(&mut season, 1);
        learn_day(&mut season, 2);
        let at = |minute: i64| season.band(Cycle::Day, (3 * 1440 + minute) * MINUTE).unwrap();
        assert_eq!((at(5 * 60 + 29), at(5 * 60 + 30)), (Band { own: 5.0, next: 4.0 }, Band { own: 5.0, next: 6.0 }));
        assert_eq!((at(330).closest(5.3), at(330).closest(9.0), at(330).closest(1.0)), (5.3, 6.0, 5.0));
    }

    #[test]
    fn a_wild_visit_changes_nothing_and_a_new_level_is_there_after_two() {
        let mut season = Season::default();
        let mut levels = vec![];
        for (day, value) in [0.0, 0.0, 0.0, 0.0, 100.0, 0.0, 0.0, 50.0, 50.0, 50.0, 50.0].into_iter().enumerate() {
            let timestamp = day as i64 * 24 * HOUR_MILLIS;
            season.learn(Cycle::Day, timestamp, value);
            levels.push(season.band(Cycle::Day, timestamp).map(|band| band.own));
        }
        let zero = Some(0.0);
        let fifty = Some(50.0);
        assert_eq!(levels, [None, None, zero, zero, zero, zero, zero, zero, zero, fifty, fifty]);
    }
}
