//! An error budget that is spent too fast. The series is a ratio of errors, 0 to 1; the budget is what the objective leaves,
//! and the burn rate how many times too fast it is being spent. A pair of windows is a finding when both burn at its rate: the
//! long one says that it matters, the short one that it still goes on.
//!
//! A sample speaks for the time since the one before it, at most for the shortest window. Time of which nothing is known
//! has spent nothing: a series that is five minutes old has burned five minutes of its hour and not the whole.

mod pairs;
mod ring;

use orion_plugin::{
    Detector, Finding, Findings, Frame, Journaled, Learned, Parameters, Refused, Sample, Stateful, Step, Stored,
    format_about, format_instant, format_number,
};
use pairs::Pair;
use ring::Ring;

const STATE_VERSION: u32 = 1;

/// Pairs that a rule may have: twice as many as the textbook's four.
const MOST_PAIRS: usize = 8;

const SECOND_MILLIS: f64 = 1_000.0;
const PERCENT: f64 = 100.0;

/// The detector.
pub struct ErrorBudget(Journaled<Spent>);

/// What the rule says.
pub struct Rules {
    /// The share of events that may fail.
    allowed: f64,
    pairs: Vec<Pair>,
    period_millis: i64,
    /// All windows, each once, and the period.
    spans: Vec<i64>,
    /// For how long a sample speaks at most.
    speaks_millis: i64,
}

/// What is known of a series.
#[derive(Default)]
pub struct Spent {
    /// One for each of the rule's spans.
    rings: Vec<Ring>,
    first: i64,
    newest: i64,
}

impl Detector for ErrorBudget {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        let allowed = 1.0 - parameters.number("objective")?.unwrap_or(0.999);
        let period_millis = parameters.millis("period")?.unwrap_or(2_592_000_000);
        let pairs = parameters.texts("windows")?.iter().map(|text| Pair::read(text)).collect::<Result<Vec<_>, _>>()?;
        if pairs.is_empty() || pairs.len() > MOST_PAIRS {
            return Err(Refused(format!("`windows` must be 1 to {MOST_PAIRS} pairs such as 5m/1h@14.4")));
        }
        for pair in &pairs {
            pair.check(allowed, period_millis)?;
        }
        let windows = pairs.iter().flat_map(|pair| [pair.short_millis, pair.long_millis]);
        let mut spans: Vec<_> = windows.chain([period_millis]).collect();
        spans.sort_unstable();
        spans.dedup();
        let speaks_millis = spans.first().copied().unwrap_or(period_millis);
        let rules = Rules { allowed, pairs, period_millis, spans, speaks_millis };
        Ok(Self(Journaled::of_version(STATE_VERSION, rules)))
    }

    fn observe(&mut self, frame: &Frame<'_>, findings: &mut Findings) {
        self.0.learn(frame, |rules, spent, sample| {
            if let Some((pair, burn)) = rules.pairs.iter().find_map(|pair| Some((pair, spent.burns(rules, pair)?))) {
                findings.emit(spent.finding(rules, pair, burn, sample));
            }
        });
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        Some(&mut self.0)
    }
}

impl Learned for Spent {
    type Rules = Rules;

    fn learn(&mut self, rules: &Rules, step: Step) {
        self.fit(&rules.spans);
        let before = step.before.unwrap_or(step.timestamp);
        if step.before.is_none() {
            self.first = step.timestamp;
        }
        let since = before.max(step.timestamp.saturating_sub(rules.speaks_millis));
        let ratio = step.value.clamp(0.0, 1.0);
        self.rings.iter_mut().for_each(|ring| ring.add(since, step.timestamp, ratio));
        self.newest = step.timestamp;
    }
}

/// How fast both windows of a pair burn.
#[derive(Clone, Copy)]
struct Burn {
    short: f64,
    long: f64,
}

impl Spent {
    /// Windows that the rule has now and had before go on; others start empty.
    fn fit(&mut self, spans: &[i64]) {
        if self.rings.iter().map(|ring| ring.span_millis).eq(spans.iter().copied()) {
            return;
        }
        let mut had = std::mem::take(&mut self.rings);
        let mut ring_of = |span: &i64| match had.iter().position(|ring| ring.span_millis == *span) {
            Some(place) => had.swap_remove(place),
            None => Ring::of(*span),
        };
        self.rings = spans.iter().map(&mut ring_of).collect();
    }

    #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
    fn burn(&self, rules: &Rules, span_millis: i64) -> f64 {
        let ring = self.rings.iter().find(|ring| ring.span_millis == span_millis);
        ring.map_or(0.0, |ring| ring.sum(self.newest) / (span_millis as f64 * rules.allowed))
    }

    /// How fast a pair burns, if that is a finding.
    fn burns(&self, rules: &Rules, pair: &Pair) -> Option<Burn> {
        let burn = Burn { short: self.burn(rules, pair.short_millis), long: self.burn(rules, pair.long_millis) };
        (burn.short >= pair.rate && burn.long >= pair.rate).then_some(burn)
    }

    fn finding(&self, rules: &Rules, pair: &Pair, burn: Burn, sample: Sample<'_>) -> Finding {
        let left = 1.0 - self.burn(rules, rules.period_millis);
        let message = format!(
            "spends its error budget {} times too fast over {} and {} times over {} (a finding from {} on); {}",
            format_number(burn.long),
            format_about(pair.long_millis),
            format_number(burn.short),
            format_about(pair.short_millis),
            format_number(pair.rate),
            self.outlook(rules, left, burn),
        );
        let finding = Finding::new(sample.series().id(), sample.timestamp, burn.long)
            .message(message)
            .score(burn.short.min(burn.long) / pair.rate)
            .field("windows", pair.said())
            .field("burn_long", burn.long)
            .field("burn_short", burn.short)
            .field("burn_limit", pair.rate)
            .field("objective", 1.0 - rules.allowed)
            .field("budget_left_percent", left * PERCENT)
            .field("watched_since", format_instant(self.first));
        match exhausted_in(rules, left, burn) {
            Some(millis) => finding.field("exhausted_in_seconds", millis / SECOND_MILLIS),
            None => finding,
        }
    }

    /// What is left, and for how long.
    fn outlook(&self, rules: &Rules, left: f64, burn: Burn) -> String {
        let watched_millis = self.newest.saturating_sub(self.first);
        let watched = if watched_millis < rules.period_millis {
            format!(" (watched for {})", format_about(watched_millis))
        } else {
            String::new()
        };
        let period = format_about(rules.period_millis);
        #[expect(clippy::cast_possible_truncation, reason = "a year of milliseconds fits")]
        match exhausted_in(rules, left, burn) {
            Some(millis) => format!(
                "{}% of the budget for {period} is left{watched}, at this pace for {}",
                format_number(left * PERCENT),
                format_about(millis as i64),
            ),
            None => format!("the budget for {period} is spent {} times{watched}", format_number(1.0 - left)),
        }
    }
}

/// When nothing is left at this pace, in milliseconds; `None` when nothing is left now.
#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
fn exhausted_in(rules: &Rules, left: f64, burn: Burn) -> Option<f64> {
    (left > 0.0).then(|| left * rules.period_millis as f64 / burn.long)
}

impl Stored for Spent {
    fn write(&self, out: &mut Vec<u8>) {
        self.rings.write(out);
        (self.first, self.newest).write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let rings = Vec::read(from)?;
        let (first, newest) = Stored::read(from)?;
        Some(Self { rings, first, newest })
    }
}

orion_plugin::detector!(ErrorBudget);

#[cfg(test)]
mod tests;
