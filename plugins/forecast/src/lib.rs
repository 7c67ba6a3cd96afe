//! When a series will reach a limit. Its pace is the median of the slopes between all pairs of its past (Theil–Sen), which a
//! few wild samples do not bend, with the interval that the ranks of those slopes give (Sen), and where it is now is as sure
//! as samples are close to their line. A series is found when even the slow end of the interval reaches the limit in time,
//! so a disk that fills and is cleaned every night is not.

mod pace;

use orion_plugin::{
    Detector, Finding, Findings, Frame, History, Journaled, Learned, Parameters, Refused, Sample, Stateful, Step,
    Stored, format_about, format_duration, format_instant, format_number,
};
use pace::Pace;

const STATE_VERSION: u32 = 1;

/// Samples that a pace is taken from: five hundred slopes, looked through once in a thirtieth of the history.
const MOST_SAMPLES: usize = 32;

const SECOND_MILLIS: f64 = 1_000.0;
const HOUR_MILLIS: f64 = 3_600_000.0;

/// The detector.
pub struct Forecast(Journaled<Course>);

/// What the rule says.
pub struct Rules {
    limit: f64,
    up: bool,
    within_millis: i64,
    history_millis: i64,
    minimum_history_millis: i64,
    confidence: Confidence,
}

/// How sure an interval is.
struct Confidence {
    said: &'static str,
    /// The quantile of the normal distribution that leaves half of the rest on either side.
    quantile: f64,
}

const CONFIDENCES: [Confidence; 4] = [
    Confidence { said: "80%", quantile: 1.281_552 },
    Confidence { said: "90%", quantile: 1.644_854 },
    Confidence { said: "95%", quantile: 1.959_964 },
    Confidence { said: "99%", quantile: 2.575_829 },
];

/// What is known of a series.
#[derive(Default)]
pub struct Course {
    history: History,
    /// The newest sample, which the history may have left out.
    newest: (i64, f64),
    pace: Option<Pace>,
    /// When the pace is taken next.
    next_look: i64,
}

impl Detector for Forecast {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        let limit = parameters.number("limit")?.ok_or("`limit` is needed: the value that is not to be reached")?;
        if !limit.is_finite() {
            return Err("`limit` is not a number".into());
        }
        let said = parameters.text("confidence")?.unwrap_or("90%");
        let confidence = CONFIDENCES.into_iter().find(|confidence| confidence.said == said);
        let rules = Rules {
            limit,
            up: parameters.text("direction")? == Some("up"),
            within_millis: parameters.millis("within")?.unwrap_or(86_400_000),
            history_millis: parameters.millis("history")?.unwrap_or(21_600_000),
            minimum_history_millis: parameters.millis("minimum_history")?.unwrap_or(3_600_000),
            confidence: confidence.ok_or("`confidence` must be 80%, 90%, 95% or 99%")?,
        };
        if rules.minimum_history_millis >= rules.history_millis {
            return Err("`minimum_history` must be less than `history`, or nothing is ever projected".into());
        }
        Ok(Self(Journaled::of_version(STATE_VERSION, rules)))
    }

    fn observe(&mut self, frame: &Frame<'_>, findings: &mut Findings) {
        self.0.learn(frame, |rules, course, sample| {
            if course.left(rules) <= 0.0 {
                findings.emit(course.beyond(rules, sample));
            } else if let Some(crossing) = course.crossing(rules)
                && crossing.latest <= rules.within_millis
            {
                findings.emit(course.finding(rules, &crossing, sample));
            }
        });
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        Some(&mut self.0)
    }
}

impl Learned for Course {
    type Rules = Rules;

    fn learn(&mut self, rules: &Rules, step: Step) {
        let Step { timestamp, value, before, .. } = step;
        let interval_millis = rules.history_millis / MOST_SAMPLES as i64;
        if before.is_none_or(|before| timestamp.saturating_sub(before) >= rules.history_millis) {
            let seen = timestamp.saturating_add(rules.minimum_history_millis);
            (self.pace, self.next_look) = (None, seen.saturating_add(step.turn(interval_millis)));
        }
        self.newest = (timestamp, value);
        self.history.push(timestamp, value, rules.history_millis, MOST_SAMPLES);
        if timestamp >= self.next_look {
            self.pace = self.pace(rules);
            self.next_look = timestamp.saturating_add(interval_millis);
        }
    }
}

/// How long until the limit is reached, in milliseconds.
struct Crossing {
    earliest: i64,
    expected: i64,
    latest: i64,
}

impl Course {
    fn pace(&self, rules: &Rules) -> Option<Pace> {
        Pace::of(self.history.within(self.newest.0, rules.history_millis), rules.confidence.quantile)
    }

    /// How far the limit is; nothing or less when it is reached.
    fn left(&self, rules: &Rules) -> f64 {
        let above = self.newest.1 - rules.limit;
        if rules.up { -above } else { above }
    }

    /// `None` when the slow end of the pace never gets there.
    fn crossing(&self, rules: &Rules) -> Option<Crossing> {
        let pace = self.pace?;
        let pace = if rules.up { pace } else { pace.reversed() };
        let left = self.left(rules);
        let stray = pace.spread * rules.confidence.quantile;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a time that is too long for the type is the longest there is"
        )]
        let millis = |left: f64, slope: f64| (left / slope).ceil().max(0.0) as i64;
        let crossing = Crossing {
            earliest: millis(left - stray, pace.high),
            expected: millis(left, pace.slope),
            latest: millis(left + stray, pace.low),
        };
        (pace.low > 0.0).then_some(crossing)
    }

    #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
    fn finding(&self, rules: &Rules, crossing: &Crossing, sample: Sample<'_>) -> Finding {
        let Crossing { earliest, expected, latest } = *crossing;
        let at = format_instant(self.newest.0.saturating_add(expected));
        let per_hour = self.pace.map_or(0.0, |pace| pace.slope) * HOUR_MILLIS;
        let message = format!(
            "reaches {} in about {} ({at}), between {} and {} with {} confidence: it is at {} and {} by {} an hour, as of the last {}",
            format_number(rules.limit),
            format_about(expected),
            format_about(earliest),
            format_about(latest),
            rules.confidence.said,
            format_number(self.newest.1),
            if rules.up { "rises" } else { "falls" },
            format_number(per_hour.abs()),
            format_duration(rules.history_millis),
        );
        Finding::new(sample.series().id(), sample.timestamp, expected as f64 / SECOND_MILLIS)
            .message(message)
            .field("limit", rules.limit)
            .field("current", self.newest.1)
            .field("per_hour", per_hour)
            .field("reached_at", at)
            .field("earliest_seconds", earliest as f64 / SECOND_MILLIS)
            .field("latest_seconds", latest as f64 / SECOND_MILLIS)
            .field("confidence", rules.confidence.said)
    }

    fn beyond(&self, rules: &Rules, sample: Sample<'_>) -> Finding {
        let current = self.newest.1;
        let message = format!("is at {} and has reached {}", format_number(current), format_number(rules.limit));
        Finding::new(sample.series().id(), sample.timestamp, 0.0)
            .message(message)
            .field("limit", rules.limit)
            .field("current", current)
    }
}

impl Stored for Course {
    fn write(&self, out: &mut Vec<u8>) {
        self.history.write(out);
        self.newest.write(out);
        self.pace.write(out);
        self.next_look.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (history, newest) = (History::read(from)?, Stored::read(from)?);
        Some(Self { history, newest, pace: Stored::read(from)?, next_look: i64::read(from)? })
    }
}

orion_plugin::detector!(Forecast);

#[cfg(test)]
mod tests;
