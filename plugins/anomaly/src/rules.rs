//! What the rule says.

use orion_plugin::{Parameters, Refused};

use crate::memory::Manner;
use crate::watched::Part;

/// Values and means are near each other within a twentieth of the range they have spanned.
const RADIUS: f64 = 0.05;

/// How far the last samples swing, and how far an hour is from its like, are differences: they vary more, and a season that is
/// not there must not be found.
const SWING_RADIUS: f64 = 0.15;
const SEASON_RADIUS: f64 = 0.25;

/// Of a series that never moved everything is infinitely far. Farther out than this says nothing more.
const MOST_RANGES: f64 = 100.0;

/// The parameters, as they are used.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Whether means, swings and hours are looked at, besides values.
    pub is_standard: bool,
    /// From how many bits on something is an anomaly.
    pub threshold_bits: f64,
    /// Whether more than was seen is a finding.
    pub up: bool,
    /// Whether less is.
    pub down: bool,
    /// For how long a new series is only learned.
    pub warm_up_millis: i64,
    /// And for how many samples.
    pub warm_up_samples: u32,
    /// When what is unusual is usual.
    pub adapt_after_millis: i64,
    /// For how many samples after an anomaly began there is no other.
    pub cooldown_samples: u32,
    /// After how many hours is forgotten what did not come again.
    pub forget_hours: u32,
    /// Whether the value of a finding is the distance, and not the sample.
    pub tells_distance: bool,
    /// Whether every sample is a finding, with what would not have been new.
    pub tells_everything: bool,
    minimum: f64,
    minimum_percent: f64,
    /// The width of the range, where it is known.
    width: Option<f64>,
}

impl Rules {
    /// Reads them, or says what cannot be meant.
    pub fn read(parameters: &Parameters) -> Result<Self, Refused> {
        let optional = |name: &str| match parameters.number(name)? {
            Some(number) if !number.is_finite() => Err(Refused(format!("`{name}` is not a number"))),
            number => Ok(number),
        };
        let number = |name: &str, default: f64| Ok::<_, Refused>(optional(name)?.unwrap_or(default));
        let count = |name: &str, default: i64| {
            Ok::<_, Refused>(u32::try_from(parameters.integer(name)?.unwrap_or(default)).unwrap_or(u32::MAX))
        };
        let by_word = match parameters.text("sensitivity")?.unwrap_or("medium") {
            "low" => 8.0,
            "medium" => 5.5,
            "high" => 4.0,
            other => return Err(Refused(format!("`sensitivity` must be low, medium or high, not `{other}`"))),
        };
        let mode = parameters.text("mode")?.unwrap_or("standard");
        let direction = parameters.text("direction")?.unwrap_or("both");
        let forget_millis = parameters.millis("forget_after")?.unwrap_or(5_184_000_000);
        Ok(Self {
            is_standard: mode != "light",
            threshold_bits: number("threshold", by_word)?,
            up: direction != "down",
            down: direction != "up",
            warm_up_millis: parameters.millis("warm_up")?.unwrap_or(86_400_000),
            warm_up_samples: count("warm_up_samples", 30)?,
            adapt_after_millis: parameters.millis("adapt_after")?.unwrap_or(7_200_000),
            cooldown_samples: count("cooldown_samples", 100)?,
            forget_hours: u32::try_from(forget_millis / 3_600_000).unwrap_or(u32::MAX).max(1),
            tells_distance: parameters.text("value")? == Some("distance"),
            tells_everything: parameters.text("tells")? == Some("everything"),
            minimum: number("minimum_absolute", 0.0)?,
            minimum_percent: number("minimum_relative", 5.0)?,
            width: width(optional("lowest")?, optional("highest")?)?,
        })
    }

    /// How a part remembers.
    pub const fn manner(&self, part: Part) -> Manner {
        let width = match part {
            Part::Value | Part::Shift => self.width,
            Part::Swing | Part::Season => None,
        };
        Manner { radius: radius_of(part), width, forget_hours: self.forget_hours }
    }

    /// Whether a distance from what was seen, with its sign, is on a wanted side and makes a difference to somebody. `size` is
    /// what the percentage is of.
    pub fn wants(&self, distance: f64, size: f64) -> bool {
        let is_wanted = if distance > 0.0 { self.up } else { self.down };
        is_wanted && distance.abs() >= self.minimum.max(size * self.minimum_percent / 100.0)
    }
}

/// Which part of its range is near to a part.
const fn radius_of(part: Part) -> f64 {
    match part {
        Part::Value | Part::Shift => RADIUS,
        Part::Swing => SWING_RADIUS,
        Part::Season => SEASON_RADIUS,
    }
}

/// A distance in widths of the range of which the radius is a part.
pub fn in_ranges(part: Part, distance: f64, radius: f64) -> f64 {
    // A series of zeros has no radius, and nothing of it is a number of ranges.
    if radius > 0.0 { (distance.abs() / radius * radius_of(part)).min(MOST_RANGES) } else { MOST_RANGES }
}

fn width(lowest: Option<f64>, highest: Option<f64>) -> Result<Option<f64>, Refused> {
    match (lowest, highest) {
        (None, None) => Ok(None),
        (Some(lowest), Some(highest)) if lowest < highest => Ok(Some(highest - lowest)),
        (Some(_), Some(_)) => Err("`lowest` must be less than `highest`".into()),
        _ => Err("`lowest` and `highest` are given both, or neither".into()),
    }
}
