//! What is usual for a series, and whether its newest sample is.

use orion_plugin::{Bulk, History, Learned, Step};

use crate::rules::Rules;
use crate::season::{Band, Season};

/// Samples of the history. A median of so many strays by a fifth of the spread, and its spread by a tenth.
const MOST_SAMPLES: usize = 48;

/// The average of the sudden look reaches back for this part of the history: half an hour of six.
const SUDDEN_PART: i64 = 12;

/// What a mean distance is multiplied with to be a standard deviation, where values are normally distributed.
const MEAN_TO_DEVIATION: f64 = 1.253_3;

/// The average is moved by no more than this many spreads at once, so that one spike does not become what is expected.
const MOST_MOVED_SPREADS: f64 = 3.0;

/// After a calm hour the next ordinary movement is not sudden: the spread of the sudden look is at least this part of the
/// robust one.
const CALM_PART: f64 = 0.25;

/// How unusual a value must be to the robust look, in parts of the threshold, to be found by the sudden one.
const HALF_UNUSUAL: f64 = 0.5;

/// A value is usual after all when so many samples of the history, from before it became unusual, were nearly as far on the
/// same side: a job that runs for a while every hour is no anomaly each time, though never half of the history.
const RECURRENCES: usize = 3;
const NEARLY_AS_FAR: f64 = 0.8;

/// What is known of a series.
#[derive(Debug, Default, PartialEq)]
pub struct Baseline {
    first: i64,
    samples: u32,
    history: History,
    usual: Option<Usual>,
    recent: Recent,
    season: Season,
    episode: Option<Episode>,
    silent_until: Option<i64>,
    verdict: Option<Verdict>,
}

/// The robust look, as of the last change of the history.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Usual {
    bulk: Bulk,
    /// Whether it is that of what is left when the season is taken off.
    is_seasonal: bool,
}

/// The sudden look.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Recent {
    level: f64,
    distance: f64,
}

/// Unusual samples without a break.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Episode {
    since: i64,
    samples: u32,
    /// Mean distance from the usual median, with its sign.
    offset: f64,
    is_said: bool,
}

/// An anomaly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The value.
    pub value: f64,
    /// What it should have been.
    pub expected: f64,
    /// How far from that values usually are.
    pub spread: f64,
    /// How many spreads away it is.
    pub score: f64,
    /// Who says so.
    pub by: By,
    /// Since when.
    pub since: i64,
    /// Whether the season was taken off.
    pub is_seasonal: bool,
}

/// Which look found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The median and MAD of the history.
    Robust,
    /// The moving average.
    Sudden,
    /// Both.
    Both,
}

impl By {
    /// For machines.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Robust => "robust",
            Self::Sudden => "sudden",
            Self::Both => "both",
        }
    }

    /// For people.
    pub const fn described(self) -> &'static str {
        match self {
            Self::Robust => "far from the usual",
            Self::Sudden => "a sudden jump",
            Self::Both => "far from the usual and a sudden jump",
        }
    }
}

impl Learned for Baseline {
    type Rules = Rules;

    fn learn(&mut self, rules: &Rules, step: Step) {
        let Step { timestamp, value, before, .. } = step;
        if before.is_none_or(|before| timestamp.saturating_sub(before) >= rules.history_millis) {
            self.begin(timestamp);
        }
        let band = self.band(rules, timestamp);
        let usual = self.usual.filter(|_| self.is_warm(rules, timestamp));
        let found = usual.and_then(|usual| self.look(rules, usual, band, value));
        let found = found.filter(|found| !self.recurs(rules, timestamp, found));
        self.say(rules, timestamp, found);
        self.take(rules, step, band);
    }
}

/// What a look at a value found.
#[derive(Clone, Copy)]
struct Found {
    verdict: Verdict,
    /// From the usual median.
    offset: f64,
}

impl Baseline {
    /// The newest sample, if it is an anomaly that is to be said.
    pub const fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// Anew, but for the season: that a series was away for a day does not change what is usual at night.
    fn begin(&mut self, timestamp: i64) {
        let season = std::mem::take(&mut self.season);
        *self = Self { first: timestamp, season, ..Self::default() };
    }

    fn is_warm(&self, rules: &Rules, timestamp: i64) -> bool {
        self.samples >= rules.warm_up_samples && timestamp.saturating_sub(self.first) >= rules.warm_up_millis
    }

    /// What the season expects, where there is one and it was seen often enough.
    fn band(&self, rules: &Rules, timestamp: i64) -> Option<Band> {
        self.season.band(rules.cycle?, timestamp)
    }

    /// `None` when the value is usual, or when its hour has no level yet and the history is that of a season.
    fn look(&self, rules: &Rules, usual: Usual, band: Option<Band>, value: f64) -> Option<Found> {
        let band = if usual.is_seasonal { band? } else { Band::NONE };
        let margin = &rules.margin;
        let expected = band.closest(value - usual.bulk.median) + usual.bulk.median;
        let robust = margin.score(expected, usual.bulk.spread, value);
        let average = band.closest(value - self.recent.level) + self.recent.level;
        let sudden_spread = self.recent.spread(usual);
        let sudden = margin.score(average, sudden_spread, value);
        let is_robust = robust >= margin.spreads && rules.wants(value - expected);
        let half = robust >= margin.spreads * HALF_UNUSUAL && rules.wants(value - expected);
        let is_sudden = sudden >= margin.spreads && half && rules.wants(value - average);
        let by = match (is_robust, is_sudden) {
            (true, true) => By::Both,
            (true, false) => By::Robust,
            (false, true) => By::Sudden,
            (false, false) => return None,
        };
        let (expected, spread, score) = match by {
            By::Sudden => (average, sudden_spread, sudden),
            By::Robust | By::Both => (expected, usual.bulk.spread, robust),
        };
        let is_seasonal = usual.is_seasonal;
        let verdict = Verdict { value, expected, spread, score, by, since: 0, is_seasonal };
        Some(Found { verdict, offset: value - band.own - usual.bulk.median })
    }

    /// Whether it has come and gone before. Looked at only when something was found, which is seldom.
    fn recurs(&self, rules: &Rules, timestamp: i64, found: &Found) -> bool {
        let Some(usual) = self.usual else { return false };
        let before = self.episode.map_or(timestamp, |episode| episode.since);
        let past = self.history.within(timestamp, rules.history_millis).iter().take_while(|(at, _)| *at < before);
        let offset = |(at, value): &(i64, f64)| {
            let level = if usual.is_seasonal { self.band(rules, *at)?.own } else { 0.0 };
            Some(value - level - usual.bulk.median)
        };
        let far = found.offset * NEARLY_AS_FAR;
        let as_far = |offset: &f64| offset.signum() == far.signum() && offset.abs() >= far.abs();
        past.filter_map(offset).filter(as_far).take(RECURRENCES).count() == RECURRENCES
    }

    /// Says it, keeps it to itself, or takes it for the new level.
    fn say(&mut self, rules: &Rules, timestamp: i64, found: Option<Found>) {
        self.verdict = None;
        let Some(found) = found else {
            if self.episode.take().is_some_and(|episode| episode.is_said) {
                self.silent_until = Some(timestamp.saturating_add(rules.cooldown_millis));
            }
            return;
        };
        let new = Episode { since: timestamp, samples: 0, offset: 0.0, is_said: false };
        let mut episode = self.episode.unwrap_or(new);
        episode.samples = episode.samples.saturating_add(1);
        episode.offset += (found.offset - episode.offset) / f64::from(episode.samples);
        if timestamp.saturating_sub(episode.since) >= rules.adapt_after_millis {
            self.adapt(episode);
            return;
        }
        episode.is_said |= self.silent_until.is_none_or(|until| timestamp >= until);
        self.verdict = episode.is_said.then_some(Verdict { since: episode.since, ..found.verdict });
        self.episode = Some(episode);
    }

    /// What was before is taken as if it had been at the new level, with the spread it had.
    fn adapt(&mut self, episode: Episode) {
        self.episode = None;
        self.history.shift_before(episode.since, episode.offset);
        if let Some(usual) = &mut self.usual {
            usual.bulk.median += episode.offset;
            self.recent.level = usual.bulk.median;
        }
    }

    fn take(&mut self, rules: &Rules, step: Step, band: Option<Band>) {
        let Step { timestamp, value, before, .. } = step;
        self.samples = self.samples.saturating_add(1);
        let is_seasonal = self.usual.is_some_and(|usual| usual.is_seasonal);
        let level = band.filter(|_| is_seasonal).map_or(0.0, |band| band.own);
        self.take_recent(rules, value - level, timestamp.saturating_sub(before.unwrap_or(timestamp)));
        if let Some(cycle) = rules.cycle {
            self.season.learn(cycle, timestamp, value);
        }
        if self.history.push(timestamp, value, rules.history_millis, MOST_SAMPLES) {
            self.look_back(rules, timestamp);
        }
    }

    fn take_recent(&mut self, rules: &Rules, value: f64, millis: i64) {
        let Some(usual) = self.usual else {
            self.recent.level = value;
            return;
        };
        let reach = rules.history_millis / SUDDEN_PART;
        #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
        let weight = millis as f64 / (reach.saturating_add(millis)).max(1) as f64;
        let least = rules.margin.usual_distance(self.recent.level, 0.0) / rules.margin.spreads;
        let most = self.recent.spread(usual).max(least) * MOST_MOVED_SPREADS;
        let moved = (value - self.recent.level).clamp(-most, most);
        self.recent.level += moved * weight;
        self.recent.distance += (moved.abs() - self.recent.distance) * weight;
    }

    /// The history has changed: what is usual is looked up anew. The season counts once most of the history and the
    /// present hour have a level.
    fn look_back(&mut self, rules: &Rules, timestamp: i64) {
        let past = self.history.within(timestamp, rules.history_millis);
        let was_seasonal = self.usual.is_some_and(|usual| usual.is_seasonal);
        let left = |(at, value): &(i64, f64)| Some(value - self.band(rules, *at)?.own);
        let mut seasonal: Vec<_> = past.iter().filter_map(left).collect();
        let is_seasonal = seasonal.len() * 2 > past.len() && self.band(rules, timestamp).is_some();
        let mut plain: Vec<_> = past.iter().map(|(_, value)| *value).collect();
        let bulk = Bulk::of(if is_seasonal { &mut seasonal } else { &mut plain });
        self.usual = bulk.map(|bulk| Usual { bulk, is_seasonal });
        if let Some(usual) = self.usual.filter(|_| is_seasonal != was_seasonal) {
            self.recent = Recent { level: usual.bulk.median, distance: usual.bulk.spread / MEAN_TO_DEVIATION };
        }
    }
}

impl Recent {
    fn spread(&self, usual: Usual) -> f64 {
        (self.distance * MEAN_TO_DEVIATION).max(usual.bulk.spread * CALM_PART)
    }
}

impl Rules {
    fn wants(&self, distance: f64) -> bool {
        if distance > 0.0 { self.up } else { self.down }
    }
}

mod stored;
