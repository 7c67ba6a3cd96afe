//! A series that used to move and stands still: the exporter that repeats its last answer, the sensor that froze, the queue
//! that nobody works on. How long a series rests is learned from itself, so that what moves once a day may rest for days and
//! what never moved is not expected to.
//!
//! Standing still is measured from the value at which it began and not from sample to sample: what creeps out of the
//! tolerance has moved.

use orion_plugin::{
    Detector, Finding, Findings, Frame, Journaled, Learned, Parameters, Refused, Sample, Stateful, Step, Stored,
    format_about, format_instant, format_number,
};

const STATE_VERSION: u32 = 1;

/// How much a move counts in what is usual: the last eight or so make it.
const WEIGHT: f64 = 1.0 / 8.0;

/// A rest that was a finding teaches no more than this many times the usual one. Otherwise the first outage would hide the
/// second; without any of it a series that has become slower would be found for ever.
const MOST_LEARNED_OF_A_FINDING: f64 = 2.0;

const SECOND_MILLIS: f64 = 1_000.0;

/// The detector.
pub struct Flatline(Journaled<Motion>);

/// What the rule says.
pub struct Rules {
    after_millis: i64,
    forget_after_millis: i64,
    tolerance: f64,
    patience: f64,
    moves: u32,
}

/// What is known of a series.
#[derive(Default)]
pub struct Motion {
    /// Where it stands, and since when.
    at: f64,
    since: i64,
    /// For how long, as of its last sample.
    still_millis: i64,
    /// How often it moved.
    moves: u32,
    /// How long it rests at most, lately, in milliseconds.
    rest: f64,
    /// How far it usually moves.
    stride: f64,
}

impl Detector for Flatline {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        let number = |name: &str, default: f64| match parameters.number(name)?.unwrap_or(default) {
            number if number.is_finite() => Ok(number),
            _ => Err(Refused(format!("`{name}` is not a number"))),
        };
        let rules = Rules {
            after_millis: parameters.millis("after")?.unwrap_or(900_000),
            forget_after_millis: parameters.millis("forget_after")?.unwrap_or(86_400_000),
            tolerance: number("tolerance", 0.0)?,
            patience: number("patience", 4.0)?,
            moves: u32::try_from(parameters.integer("moves")?.unwrap_or(10)).unwrap_or(u32::MAX),
        };
        if rules.after_millis >= rules.forget_after_millis {
            return Err("`forget_after` must be longer than `after`, or nothing is ever found".into());
        }
        Ok(Self(Journaled::of_version(STATE_VERSION, rules)))
    }

    fn observe(&mut self, frame: &Frame<'_>, findings: &mut Findings) {
        self.0.learn(frame, |rules, motion, sample| {
            if motion.is_flat(rules) {
                findings.emit(motion.finding(sample));
            }
        });
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        Some(&mut self.0)
    }
}

impl Learned for Motion {
    type Rules = Rules;

    fn learn(&mut self, rules: &Rules, step: Step) {
        let Step { timestamp, value, before, .. } = step;
        let is_unseen = before.is_none_or(|before| timestamp.saturating_sub(before) > rules.after_millis);
        if is_unseen {
            self.stand(timestamp, value);
        } else if (value - self.at).abs() > rules.tolerance {
            let was_flat = self.is_flat(rules);
            self.moved((value - self.at).abs(), timestamp.saturating_sub(self.since), was_flat);
            self.stand(timestamp, value);
        } else {
            self.still_millis = timestamp.saturating_sub(self.since);
            if self.still_millis >= rules.forget_after_millis {
                (self.moves, self.rest, self.stride) = (0, 0.0, 0.0);
            }
        }
    }
}

impl Motion {
    fn stand(&mut self, timestamp: i64, value: f64) {
        (self.at, self.since, self.still_millis) = (value, timestamp, 0);
    }

    #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
    fn moved(&mut self, by: f64, rested_millis: i64, was_flat: bool) {
        let rested = rested_millis as f64;
        let rested = if was_flat { rested.min(self.rest * MOST_LEARNED_OF_A_FINDING) } else { rested };
        self.rest = rested.max(self.rest + (rested - self.rest) * WEIGHT);
        self.stride = if self.moves == 0 { by } else { self.stride + (by - self.stride) * WEIGHT };
        self.moves = self.moves.saturating_add(1);
    }

    #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
    fn is_flat(&self, rules: &Rules) -> bool {
        let is_long = self.still_millis >= rules.after_millis && self.still_millis as f64 >= self.rest * rules.patience;
        self.moves >= rules.moves && is_long
    }

    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "spans are far below 2^53")]
    fn finding(&self, sample: Sample<'_>) -> Finding {
        let message = format!(
            "has not moved since {} ({}): it stands at {}, and used to rest for no more than {} and then move by {}",
            format_instant(self.since),
            format_about(self.still_millis),
            format_number(self.at),
            format_about(self.rest as i64),
            format_number(self.stride),
        );
        Finding::new(sample.series().id(), sample.timestamp, self.still_millis as f64 / SECOND_MILLIS)
            .message(message)
            .score(self.still_millis as f64 / self.rest)
            .field("since", format_instant(self.since))
            .field("stands_at", self.at)
            .field("usual_rest_seconds", self.rest / SECOND_MILLIS)
            .field("usual_move", self.stride)
    }
}

impl Stored for Motion {
    fn write(&self, out: &mut Vec<u8>) {
        self.at.write(out);
        (self.since, self.still_millis).write(out);
        self.moves.write(out);
        (self.rest, self.stride).write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let at = f64::read(from)?;
        let (since, still_millis) = Stored::read(from)?;
        let moves = u32::read(from)?;
        let (rest, stride) = Stored::read(from)?;
        Some(Self { at, since, still_millis, moves, rest, stride })
    }
}

orion_plugin::detector!(Flatline);

#[cfg(test)]
mod tests;
