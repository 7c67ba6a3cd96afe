//! An hour against the same hour of the seven days before: the day that is closest counts. What happens every night is close to
//! the night before, and what happens on Mondays to the Monday before. Where there is no season an hour is far from all of
//! them now and then, which is not new, and so nothing is said.

use orion_plugin::Stored;

const HOUR_MILLIS: i64 = 3_600_000;

const HOURS_OF_DAY: i64 = 24;
const DAYS: i64 = 7;
const HOURS: usize = 168;

/// So many of these days must be known, before an hour is compared with them.
const LEAST_DAYS: usize = 3;

/// The means of the last hours, each in the place it has in a week. Seven digits are enough.
#[derive(Clone, Debug)]
pub struct Hours {
    /// No number where nothing is known.
    means: [f32; HOURS],
    hour: i64,
    samples: u32,
    mean: f64,
}

/// An hour that is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hour {
    /// Its mean.
    pub mean: f64,
    /// That of the closest day's.
    pub expected: f64,
}

/// The hour of an instant, counted since 1970.
pub fn hour_of(timestamp: i64) -> u32 {
    u32::try_from(timestamp.div_euclid(HOUR_MILLIS)).unwrap_or(0)
}

impl Default for Hours {
    fn default() -> Self {
        Self { means: [f32::NAN; HOURS], hour: i64::MIN, samples: 0, mean: 0.0 }
    }
}

impl Hours {
    /// Takes in a value. With the first one of another hour, the one before is compared with its like.
    pub fn push(&mut self, timestamp: i64, value: f64) -> Option<Hour> {
        let value = value.clamp(f64::from(f32::MIN), f64::from(f32::MAX));
        let hour = timestamp.div_euclid(HOUR_MILLIS);
        let over = if hour == self.hour { None } else { self.turn(hour) };
        self.samples = self.samples.saturating_add(1);
        self.mean += (value - self.mean) / f64::from(self.samples);
        over
    }

    fn turn(&mut self, hour: i64) -> Option<Hour> {
        let (over, mean, samples) = (self.hour, self.mean, self.samples);
        (self.hour, self.mean, self.samples) = (hour, 0.0, 0);
        if samples == 0 {
            return None;
        }
        let compared = self.compared(over, mean);
        self.set(over, mean);
        // Hours without a sample are not known; a week of them is all there are.
        let missing = hour.saturating_sub(over).saturating_sub(1).clamp(0, HOURS_OF_DAY * DAYS);
        (1..=missing).for_each(|ahead| self.set(over.saturating_add(ahead), f64::NAN));
        compared
    }

    fn compared(&self, hour: i64, mean: f64) -> Option<Hour> {
        let day = |back: i64| self.means.get(place(hour.saturating_sub(back * HOURS_OF_DAY))).copied();
        let known = (1..=DAYS).filter_map(day).map(f64::from).filter(|known| !known.is_nan());
        let closer = |one: f64, other: f64| if (mean - other).abs() < (mean - one).abs() { other } else { one };
        if known.clone().count() < LEAST_DAYS {
            return None;
        }
        Some(Hour { mean, expected: known.reduce(closer)? })
    }

    #[expect(clippy::cast_possible_truncation, reason = "seven digits are enough, and larger numbers were cut")]
    fn set(&mut self, hour: i64, mean: f64) {
        if let Some(known) = self.means.get_mut(place(hour)) {
            *known = mean as f32;
        }
    }
}

/// The place of an hour in a week.
fn place(hour: i64) -> usize {
    usize::try_from(hour.rem_euclid(HOURS_OF_DAY * DAYS)).unwrap_or(0)
}

impl Stored for Hours {
    fn write(&self, out: &mut Vec<u8>) {
        self.means.iter().for_each(|mean| mean.to_bits().write(out));
        (self.hour, self.samples).write(out);
        self.mean.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let mut hours = Self::default();
        for mean in &mut hours.means {
            *mean = f32::from_bits(u32::read(from)?);
        }
        (hours.hour, hours.samples) = Stored::read(from)?;
        hours.mean = f64::read(from)?;
        Some(hours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(hours: impl IntoIterator<Item = (i64, f64)>) -> Vec<Option<Hour>> {
        let mut seen = Hours::default();
        hours.into_iter().map(|(hour, value)| seen.push(hour * HOUR_MILLIS, value)).collect()
    }

    #[test]
    fn an_hour_is_compared_when_it_is_over_and_three_days_are_known() {
        let daily = compared((0..24 * 5).map(|hour| (hour, (hour % 24) as f64)));
        assert_eq!(daily[24 * 3], None);
        assert_eq!(daily[24 * 3 + 6], Some(Hour { mean: 5.0, expected: 5.0 }));
    }

    #[test]
    fn the_closest_day_counts_and_a_day_of_last_week_is_one() {
        // Mondays are different.
        let weekly = compared((0..24 * 15).map(|hour| (hour, if hour / 24 % 7 == 0 { 90.0 } else { 10.0 })));
        assert_eq!(weekly[24 * 7 + 1], Some(Hour { mean: 90.0, expected: 90.0 }));
        assert_eq!(weekly[24 * 8 + 1], Some(Hour { mean: 10.0, expected: 10.0 }));
    }

    #[test]
    fn hours_without_samples_are_not_known() {
        let days = (0..24 * 4).chain(24 * 10..24 * 11).map(|hour| (hour, 1.0));
        assert_eq!(compared(days).last().copied().flatten(), None);
    }
}
