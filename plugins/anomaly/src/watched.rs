//! What is known of a series, and whether there is an anomaly in it.

use orion_plugin::{Learned, Step};

use crate::memory::{Memory, Novelty};
use crate::recent::{Recent, SAMPLES};
use crate::rules::{Rules, in_ranges};
use crate::season::{Hours, hour_of};

/// How much the other parts count beside the one that is most surprised: they look at the same samples.
const OTHERS_COUNT: f64 = 0.3;

/// An anomaly that is so much more surprising than the last one does not wait for the end of the cooldown, or of the last one.
const MORE_BITS: f64 = 4.0;

/// Means and swings of five times their samples must be known, before one is new: neighbours look at nearly the same samples, so
/// there are few of them at first, however many samples there are.
const LEAST_SAMPLES: u32 = 5 * SAMPLES as u32;

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The samples themselves.
    Value,
    /// The mean of the last samples.
    Shift,
    /// How far the last samples swing.
    Swing,
    /// How far an hour is from the same hour of other days.
    Season,
}

impl Part {
    /// For machines.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Shift => "shift",
            Self::Swing => "swing",
            Self::Season => "season",
        }
    }
}

/// What is known of a series.
#[derive(Default)]
pub struct Watched {
    first: i64,
    samples: u32,
    /// For so many samples there is no other anomaly, unless it is much more surprising than the last one.
    quiet: u32,
    last_score: f64,
    values: Memory,
    /// In the mode that looks at more than values.
    deep: Option<Box<Deep>>,
    /// Most series have none.
    episode: Option<Box<Episode>>,
    /// Between which values the newest sample would not have been new, where the rule wants to be told. It says nothing of the next.
    near: Option<Box<(f64, f64)>>,
}

/// What the standard mode knows besides values.
#[derive(Default)]
struct Deep {
    recent: Recent,
    hours: Hours,
    shifts: Memory,
    swings: Memory,
    seasons: Memory,
}

/// An anomaly, from its first sample on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Episode {
    /// Since when.
    pub since: i64,
    /// Since when the series is known.
    pub known_since: i64,
    /// The part that tells of it.
    pub part: Part,
    /// How surprised all of them were, in bits.
    pub score: f64,
    /// Whether others were surprised too.
    pub is_seconded: bool,
    /// What the part looked at, when it was last looked at.
    pub seen: f64,
    /// What that should have been: the same hour of another day, for a season; else the closest that was seen.
    pub expected: f64,
    /// The largest that was seen below it; it lasts as long as it stays between these.
    pub low: Option<f64>,
    /// The least that was seen above it.
    pub high: Option<f64>,
    /// So close to one of these it is over.
    pub radius: f64,
    /// One of so many was new of late.
    pub one_in: f64,
}

/// What a part sees.
#[derive(Clone, Copy)]
struct Sight {
    part: Part,
    value: f64,
    /// What it is a difference to.
    base: f64,
}

/// A part that sees what it never saw.
#[derive(Clone, Copy)]
struct Surprise {
    sight: Sight,
    novelty: Novelty,
}

impl Learned for Watched {
    type Rules = Rules;

    fn learn(&mut self, rules: &Rules, step: Step) {
        let Step { timestamp, value, before, .. } = step;
        if before.is_none() {
            self.first = timestamp;
        }
        self.samples = self.samples.saturating_add(1);
        if rules.tells_everything {
            self.near = self.values.around(&rules.manner(Part::Value), value).map(Box::new);
        }
        let of_value = Sight { part: Part::Value, value, base: 0.0 };
        if rules.is_standard {
            let [shift, swing, season] = self.look(timestamp, value);
            self.judge(rules, timestamp, [Some(of_value), shift, swing, season]);
        } else {
            // Of a rule whose mode was changed: what is not looked at any more would grow old.
            self.deep = None;
            self.judge(rules, timestamp, [Some(of_value)]);
        }
    }
}

impl Watched {
    /// The anomaly that the newest sample is in.
    pub fn episode(&self) -> Option<&Episode> {
        self.episode.as_deref()
    }

    /// Between which values the newest sample would not have been new.
    pub fn near(&self) -> Option<(f64, f64)> {
        self.near.as_deref().copied()
    }

    fn is_warm(&self, rules: &Rules, timestamp: i64) -> bool {
        self.samples > rules.warm_up_samples && timestamp.saturating_sub(self.first) >= rules.warm_up_millis
    }

    /// What the parts besides that of values see.
    fn look(&mut self, timestamp: i64, value: f64) -> [Option<Sight>; 3] {
        let sight = |part: Part, value: f64, base: f64| Some(Sight { part, value, base });
        let deep = self.deep.get_or_insert_default();
        let view = deep.recent.push(value);
        let hour = deep.hours.push(timestamp, value);
        [
            view.and_then(|view| sight(Part::Shift, view.mean, 0.0)),
            view.and_then(|view| sight(Part::Swing, view.swing, 0.0)),
            hour.and_then(|hour| sight(Part::Season, hour.mean - hour.expected, hour.expected)),
        ]
    }

    fn judge<const PARTS: usize>(&mut self, rules: &Rules, timestamp: i64, sights: [Option<Sight>; PARTS]) {
        self.go_on(rules, timestamp, &sights);
        let surprises = sights.map(|sight| self.surprise(rules, timestamp, sight?));
        if self.is_warm(rules, timestamp) {
            self.begin(rules, timestamp, &surprises);
        }
        self.quiet = self.quiet.saturating_sub(1);
    }

    /// Learns it, and tells how new it is, where that makes a difference.
    fn surprise(&mut self, rules: &Rules, timestamp: i64, sight: Sight) -> Option<Surprise> {
        let Sight { part, value, base } = sight;
        let memory = match (part, &mut self.deep) {
            (Part::Value, _) | (_, None) => &mut self.values,
            (Part::Shift, Some(deep)) => &mut deep.shifts,
            (Part::Swing, Some(deep)) => &mut deep.swings,
            (Part::Season, Some(deep)) => &mut deep.seasons,
        };
        let novelty = memory.learn(&rules.manner(part), hour_of(timestamp), value)?;
        if matches!(part, Part::Shift | Part::Swing) && self.samples < LEAST_SAMPLES {
            return None;
        }
        let closest = novelty.closest(value);
        let size = (base + value).abs().max((base + closest).abs());
        rules.wants(value - closest, size).then_some(Surprise { sight, novelty })
    }

    /// An anomaly is over when its part sees what it saw before, and when it has lasted so long that it is usual.
    fn go_on(&mut self, rules: &Rules, timestamp: i64, sights: &[Option<Sight>]) {
        let Some(episode) = &mut self.episode else { return };
        if let Some(sight) = sights.iter().flatten().find(|sight| sight.part == episode.part) {
            episode.seen = sight.value + sight.base;
            if sight.part == Part::Season {
                episode.expected = sight.base;
            }
            if !episode.is_apart(sight.value) {
                self.episode = None;
                return;
            }
        }
        if timestamp.saturating_sub(episode.since) >= rules.adapt_after_millis {
            self.episode = None;
        }
    }

    fn begin(&mut self, rules: &Rules, timestamp: i64, surprises: &[Option<Surprise>]) {
        let bits = surprises.iter().flatten().map(|surprise| surprise.novelty.bits);
        let Some(Surprise { sight, novelty }) = spokesman(surprises) else { return };
        let most = bits.clone().fold(0.0, f64::max);
        let score = most + (bits.sum::<f64>() - most) * OTHERS_COUNT;
        let is_hushed = self.quiet > 0 || self.episode.is_some();
        if score < rules.threshold_bits || (is_hushed && score < self.last_score + MORE_BITS) {
            return;
        }
        self.quiet = rules.cooldown_samples.saturating_add(1);
        self.last_score = score;
        let expected = if sight.part == Part::Season { sight.base } else { novelty.closest(sight.value) };
        self.episode = Some(Box::new(Episode {
            since: timestamp,
            known_since: self.first,
            part: sight.part,
            score,
            is_seconded: surprises.iter().flatten().count() > 1,
            seen: sight.value + sight.base,
            expected,
            low: novelty.below,
            high: novelty.above,
            radius: novelty.radius,
            one_in: novelty.one_in,
        }));
    }
}

/// The part whose words are used: that of values where it is surprised, because a new value makes for a new mean and a new swing,
/// and they stay so until it is out of sight; else the one that is most surprised.
fn spokesman(surprises: &[Option<Surprise>]) -> Option<Surprise> {
    let more = |one: Surprise, other: Surprise| {
        let is_outdone = one.sight.part != Part::Value && other.novelty.bits > one.novelty.bits;
        if is_outdone { other } else { one }
    };
    surprises.iter().flatten().copied().reduce(more)
}

impl Episode {
    /// Whether what the part looks at is still where it never was before.
    fn is_apart(&self, value: f64) -> bool {
        let is_above = self.low.is_none_or(|low| value > low + self.radius);
        let is_below = self.high.is_none_or(|high| value < high - self.radius);
        is_above && is_below
    }

    /// The least and the largest that it should have been.
    pub fn usual(&self) -> (f64, f64) {
        (self.expected - self.reach(), self.expected + self.reach())
    }

    /// How far it is from what was expected, in widths of the range that was seen.
    pub fn distance(&self) -> f64 {
        in_ranges(self.part, self.seen - self.expected, self.radius)
    }

    /// How far from what was expected it may be: for a season as far as an hour was from its like before, on that side.
    fn reach(&self) -> f64 {
        let farthest = match self.part {
            Part::Season if self.seen > self.expected => self.low.unwrap_or(0.0).max(0.0),
            Part::Season => self.high.unwrap_or(0.0).min(0.0).abs(),
            Part::Value | Part::Shift | Part::Swing => 0.0,
        };
        farthest + self.radius
    }
}

mod stored;
