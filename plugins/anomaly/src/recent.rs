//! The last samples of a series: where they are on average, and how far they swing.

use orion_plugin::Stored;

/// Samples that are looked back on.
pub const SAMPLES: usize = 48;

/// The last ones, in a ring. Seven digits are enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Recent {
    values: [f32; SAMPLES],
    /// How many there are, counted on from the ring's length, so that the place and "all of them" are known for ever.
    seen: u8,
}

/// What a full ring shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// The mean.
    pub mean: f64,
    /// From the least to the largest.
    pub swing: f64,
}

impl Default for Recent {
    fn default() -> Self {
        Self { values: [0.0; SAMPLES], seen: 0 }
    }
}

impl Recent {
    /// Takes in a value; `None` as long as there are not enough.
    #[expect(clippy::cast_possible_truncation, reason = "seven digits are enough, and larger numbers are cut")]
    pub fn push(&mut self, value: f64) -> Option<View> {
        let value = value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32;
        if let Some(place) = self.values.get_mut(usize::from(self.seen) % SAMPLES) {
            *place = value;
        }
        self.seen = if usize::from(self.seen) + 1 < 2 * SAMPLES { self.seen + 1 } else { SAMPLES as u8 };
        (usize::from(self.seen) >= SAMPLES).then(|| self.view())
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of samples")]
    fn view(&self) -> View {
        let (mut sum, mut least, mut most) = (0.0, f32::INFINITY, f32::NEG_INFINITY);
        for value in &self.values {
            sum += f64::from(*value);
            (least, most) = (least.min(*value), most.max(*value));
        }
        View { mean: sum / SAMPLES as f64, swing: f64::from(most) - f64::from(least) }
    }
}

impl Stored for Recent {
    fn write(&self, out: &mut Vec<u8>) {
        self.seen.write(out);
        self.values.iter().for_each(|value| value.to_bits().write(out));
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let mut recent = Self { seen: u8::read(from)?, ..Self::default() };
        for value in &mut recent.values {
            *value = f32::from_bits(u32::read(from)?);
        }
        Some(recent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_the_last_samples_and_nothing_before_there_are_enough() {
        let mut recent = Recent::default();
        let views: Vec<_> = (0..200).map(|sample| recent.push(f64::from(sample))).collect();
        assert_eq!(views[SAMPLES - 2], None);
        assert_eq!(views[SAMPLES - 1], Some(View { mean: 23.5, swing: 47.0 }));
        assert_eq!(views[199], Some(View { mean: 175.5, swing: 47.0 }));
    }
}
