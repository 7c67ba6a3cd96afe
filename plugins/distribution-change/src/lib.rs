//! A series whose recent values are distributed otherwise than those before: a cache that misses more often, latencies with
//! two humps instead of one, noise that doubled while the mean stayed. What a threshold on the value, or on its average,
//! does not see.
//!
//! A recent window is compared with the reference before it by the two-sample Kolmogorov–Smirnov distance, eight times
//! within a window. Looking often makes chance findings likely, so each look is held to its share of what the rule
//! allows for all of them; and neighbouring samples repeat each other, so samples count as many as are independent.

mod compare;

use compare::{Comparison, Kind, compare, repetition};
use orion_plugin::{
    Detector, Finding, Findings, Frame, History, Journaled, Learned, Parameters, Refused, Sample, Stateful, Step,
    Stored, format_about, format_instant, format_number,
};

const STATE_VERSION: u32 = 1;

/// Samples that are kept of the recent window and of the reference. With half as many a spread that has doubled cannot be
/// told from chance.
const MOST_RECENT: usize = 96;
const MOST_REFERENCE: usize = 192;

/// Fewer tell nothing about a distribution.
const LEAST_RECENT: usize = 12;
const LEAST_REFERENCE: usize = 24;

/// Comparisons within a recent window.
const LOOKS: i64 = 8;

/// How much a look counts in how much neighbours usually repeat each other: eight windows or so make it.
const REPETITION_WEIGHT: f64 = 1.0 / 64.0;

/// However seldom the rule wants to be wrong, a look is never less strict than one in twenty.
const LEAST_STRICT: f64 = 0.05;

/// The detector.
pub struct DistributionChange(Journaled<Watched>);

/// What the rule says.
pub struct Rules {
    recent_millis: i64,
    reference_millis: i64,
    warm_up_millis: i64,
    cooldown_millis: i64,
    minimum: f64,
    minimum_percent: f64,
    /// How far apart two distributions of one sample each would have to be: the distance grows with how few there are.
    strictness: f64,
}

/// What is known of a series.
#[derive(Default)]
pub struct Watched {
    recent: History,
    /// All of it, from before the recent window on.
    past: History,
    next_look: Option<i64>,
    /// How much recent samples repeat the one before them, as long as nothing changes.
    repeated: Option<f64>,
    change: Option<Change>,
    silent_until: Option<i64>,
}

/// A change that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Change {
    since: i64,
    is_said: bool,
    comparison: Comparison,
}

impl Detector for DistributionChange {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        Ok(Self(Journaled::of_version(STATE_VERSION, Rules::read(parameters)?)))
    }

    fn observe(&mut self, frame: &Frame<'_>, findings: &mut Findings) {
        self.0.learn(frame, |rules, watched, sample| {
            if let Some(change) = watched.change.filter(|change| change.is_said) {
                findings.emit(change.finding(rules, sample));
            }
        });
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        Some(&mut self.0)
    }
}

impl Rules {
    fn read(parameters: &Parameters) -> Result<Self, Refused> {
        let number = |name: &str, default: f64| match parameters.number(name)?.unwrap_or(default) {
            number if number.is_finite() => Ok(number),
            _ => Err(Refused(format!("`{name}` is not a number"))),
        };
        let recent_millis = parameters.millis("recent")?.unwrap_or(3_600_000);
        let every_millis = parameters.millis("false_alarm_every")?.unwrap_or(2_592_000_000);
        let rules = Self {
            recent_millis,
            reference_millis: parameters.millis("reference")?.unwrap_or(86_400_000),
            warm_up_millis: parameters.millis("warm_up")?.unwrap_or(21_600_000),
            cooldown_millis: parameters.millis("cooldown")?.unwrap_or(3_600_000),
            minimum: number("minimum_absolute", 0.0)?,
            minimum_percent: number("minimum_relative", 10.0)?,
            strictness: strictness(recent_millis / LOOKS, every_millis),
        };
        if rules.reference_millis < rules.recent_millis.saturating_mul(2) {
            return Err("`reference` must be at least twice as long as `recent`".into());
        }
        if rules.warm_up_millis > rules.reference_millis {
            return Err("`warm_up` must not be longer than `reference`: older samples are forgotten".into());
        }
        Ok(rules)
    }
}

/// Of the Kolmogorov–Smirnov test, for a look that is one of so many.
#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
fn strictness(look_millis: i64, every_millis: i64) -> f64 {
    let chance = (look_millis as f64 / every_millis as f64).clamp(f64::MIN_POSITIVE, LEAST_STRICT);
    ((2.0 / chance).ln() / 2.0).sqrt()
}

impl Learned for Watched {
    type Rules = Rules;

    fn learn(&mut self, rules: &Rules, step: Step) {
        let Step { timestamp, value, .. } = step;
        self.recent.push(timestamp, value, rules.recent_millis, MOST_RECENT);
        self.past.push(timestamp, value, rules.recent_millis.saturating_add(rules.reference_millis), MOST_REFERENCE);
        let interval_millis = rules.recent_millis / LOOKS;
        let due = *self.next_look.get_or_insert(timestamp.saturating_add(step.turn(interval_millis)));
        if timestamp >= due {
            self.next_look = Some(timestamp.saturating_add(interval_millis));
            let found = self.look(rules, timestamp);
            if found.is_none() {
                self.learn_repetition(rules, timestamp);
            }
            self.say(rules, timestamp, found);
        }
    }
}

impl Watched {
    /// `None` when nothing has changed, or too little is known to say.
    fn look(&self, rules: &Rules, now: i64) -> Option<Comparison> {
        let recent = self.recent.within(now, rules.recent_millis);
        let reach = recent.last()?.0.saturating_sub(recent.first()?.0);
        let start = now.saturating_sub(rules.recent_millis);
        let reference = self.past.within(start, rules.reference_millis);
        let reference = reference.split_at_checked(reference.partition_point(|(at, _)| *at <= start))?.0;
        let seen = start.saturating_sub(reference.first()?.0);
        let is_enough = recent.len() >= LEAST_RECENT && reference.len() >= LEAST_REFERENCE;
        if !is_enough || reach < rules.recent_millis / 2 || seen < rules.warm_up_millis {
            return None;
        }
        let comparison = compare(reference, recent, self.repeated?, rules.strictness)?;
        comparison.is_far(rules.minimum, rules.minimum_percent).then_some(comparison)
    }

    fn learn_repetition(&mut self, rules: &Rules, now: i64) {
        let recent = self.recent.within(now, rules.recent_millis);
        if recent.len() >= LEAST_RECENT
            && let Some(repeated) = repetition(recent)
        {
            let before = self.repeated.unwrap_or(repeated);
            self.repeated = Some(before + (repeated - before) * REPETITION_WEIGHT);
        }
    }

    fn say(&mut self, rules: &Rules, timestamp: i64, found: Option<Comparison>) {
        let was = self.change.take();
        self.change = found.map(|comparison| {
            let since = was.map_or(timestamp, |change| change.since);
            let is_over = self.silent_until.is_none_or(|until| timestamp >= until);
            Change { since, is_said: is_over || was.is_some_and(|change| change.is_said), comparison }
        });
        if self.change.is_none() && was.is_some_and(|change| change.is_said) {
            self.silent_until = Some(timestamp.saturating_add(rules.cooldown_millis));
        }
    }
}

impl Change {
    fn finding(&self, rules: &Rules, sample: Sample<'_>) -> Finding {
        let Comparison { kind, before, now, distance, least } = self.comparison;
        let what = match kind {
            Kind::Level => "its level",
            Kind::Spread => "its spread",
            Kind::LevelAndSpread => "its level and its spread",
            Kind::Shape => "its shape",
        };
        let message = format!(
            "the last {} is unlike the {} before in {what}: median {} → {}, spread {} → {}; the distributions are {} apart, chance makes less than {}",
            format_about(rules.recent_millis),
            format_about(rules.reference_millis),
            format_number(before.median),
            format_number(now.median),
            format_number(before.spread),
            format_number(now.spread),
            format_number(distance),
            format_number(least),
        );
        Finding::new(sample.series().id(), sample.timestamp, now.median)
            .message(message)
            .score(distance / least)
            .field("kind", kind.word())
            .field("median_before", before.median)
            .field("median_now", now.median)
            .field("spread_before", before.spread)
            .field("spread_now", now.spread)
            .field("distance", distance)
            .field("distance_by_chance", least)
            .field("since", format_instant(self.since))
    }
}

impl Stored for Watched {
    fn write(&self, out: &mut Vec<u8>) {
        self.recent.write(out);
        self.past.write(out);
        (self.next_look, self.repeated).write(out);
        self.change.write(out);
        self.silent_until.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (recent, past) = (History::read(from)?, History::read(from)?);
        let (next_look, repeated) = Stored::read(from)?;
        let (change, silent_until) = (Stored::read(from)?, Stored::read(from)?);
        Some(Self { recent, past, next_look, repeated, change, silent_until })
    }
}

impl Stored for Change {
    fn write(&self, out: &mut Vec<u8>) {
        (self.since, self.is_said).write(out);
        self.comparison.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (since, is_said) = Stored::read(from)?;
        Some(Self { since, is_said, comparison: Stored::read(from)? })
    }
}

orion_plugin::detector!(DistributionChange);

#[cfg(test)]
mod tests;
