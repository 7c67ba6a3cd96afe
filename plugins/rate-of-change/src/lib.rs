//! How much a series changed within a window: its newest value against what it was at the window's start. Between two samples
//! the start lies on the line that joins them; a series that is younger than the window, or that begins again after a gap
//! as long as the window, is compared with its first sample, and nothing is projected: time in which nothing was seen
//! brought no change.

use orion_plugin::{
    Detector, Finding, Findings, Frame, History, Journaled, Learned, Parameters, Refused, Sample, Stateful, Step,
    Stored, format_about, format_duration, format_instant, format_number,
};

const STATE_VERSION: u32 = 1;

/// Samples that are kept of a series: a window of ten minutes at steps of five seconds as it is, a longer one thinned.
const MOST_SAMPLES: usize = 128;

/// The detector.
pub struct RateOfChange(Journaled<Past>);

/// What the rule says.
pub struct Rules {
    at_least: f64,
    minimum: f64,
    relative: bool,
    window_millis: i64,
    per_millis: i64,
    up: bool,
    down: bool,
}

/// What is known of a series.
#[derive(Default)]
pub struct Past {
    history: History,
    /// The newest sample, which the history may have left out.
    newest: (i64, f64),
}

impl Detector for RateOfChange {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        let number = |name: &str| match parameters.number(name)? {
            Some(number) if !number.is_finite() => Err(Refused(format!("`{name}` is not a number"))),
            number => Ok(number),
        };
        let window_millis = parameters.millis("window")?.unwrap_or(600_000);
        let direction = parameters.text("direction")?.unwrap_or("both");
        let rules = Rules {
            at_least: number("at_least")?.ok_or("`at_least` is needed: how much is too much")?,
            minimum: number("minimum")?.unwrap_or(0.0),
            relative: parameters.flag("relative")?.unwrap_or(false),
            window_millis,
            per_millis: parameters.millis("per")?.unwrap_or(window_millis),
            up: direction != "down",
            down: direction != "up",
        };
        if rules.at_least == 0.0 && rules.minimum == 0.0 {
            return Err("a change of 0 is always there: say `at_least` or `minimum`".into());
        }
        Ok(Self(Journaled::of_version(STATE_VERSION, rules)))
    }

    fn observe(&mut self, frame: &Frame<'_>, findings: &mut Findings) {
        self.0.learn(frame, |rules, past, sample| {
            if let Some(change) = past.change(rules)
                && change.is_found(rules)
            {
                findings.emit(change.finding(rules, sample));
            }
        });
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        Some(&mut self.0)
    }
}

impl Learned for Past {
    type Rules = Rules;

    fn learn(&mut self, rules: &Rules, step: Step) {
        // Over a gap as long as the window nobody knows how the series came from there to here.
        if step.before.is_some_and(|before| step.timestamp.saturating_sub(before) >= rules.window_millis) {
            self.history.clear();
        }
        self.history.push(step.timestamp, step.value, rules.window_millis, MOST_SAMPLES);
        self.newest = (step.timestamp, step.value);
    }
}

impl Past {
    fn change(&self, rules: &Rules) -> Option<Change> {
        let (now, to) = self.newest;
        let (since, from) = self.at(now.saturating_sub(rules.window_millis))?;
        (since < now).then_some(Change { since, now, from, to })
    }

    /// The value at the window's start; of a younger series its first.
    fn at(&self, start: i64) -> Option<(i64, f64)> {
        let Some((before, from)) = self.history.at_or_before(start) else {
            return self.history.samples().first().copied();
        };
        let after = self.history.samples().iter().find(|(timestamp, _)| *timestamp > start).copied();
        let (after, to) = after.unwrap_or(self.newest);
        if before == start || after <= before {
            return Some((start, from));
        }
        #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
        let part = (start - before) as f64 / (after - before) as f64;
        Some((start, from + (to - from) * part))
    }
}

/// How far a series went.
struct Change {
    since: i64,
    now: i64,
    from: f64,
    to: f64,
}

impl Change {
    fn absolute(&self) -> f64 {
        self.to - self.from
    }

    /// In percent of where it came from; from zero everything is infinitely far, which says nothing.
    fn percent(&self) -> Option<f64> {
        let percent = self.absolute() / self.from.abs() * 100.0;
        percent.is_finite().then_some(percent)
    }

    /// In the rule's unit.
    fn rate(&self, rules: &Rules) -> Option<f64> {
        let change = if rules.relative { self.percent()? } else { self.absolute() };
        #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
        let per = rules.per_millis as f64 / rules.window_millis as f64;
        Some(change * per)
    }

    fn is_found(&self, rules: &Rules) -> bool {
        let wanted = if self.to > self.from { rules.up } else { rules.down };
        let is_large = self.rate(rules).is_some_and(|rate| rate.abs() >= rules.at_least);
        wanted && is_large && self.absolute().abs() >= rules.minimum && self.to != self.from
    }

    fn finding(&self, rules: &Rules, sample: Sample<'_>) -> Finding {
        let rate = self.rate(rules).unwrap_or_default();
        let unit = if rules.relative { "%" } else { "" };
        let way = if self.to > self.from { "rose" } else { "fell" };
        let percent =
            self.percent().map_or_else(String::new, |percent| format!(" ({}%)", format_number(percent.abs())));
        let message = format!(
            "{way} by {}{percent} within {}: {} → {}; the rule says {}{unit} within {}",
            format_number(self.absolute().abs()),
            format_about(self.now - self.since),
            format_number(self.from),
            format_number(self.to),
            format_number(rules.at_least),
            format_duration(rules.per_millis),
        );
        let mut finding = Finding::new(sample.series().id(), sample.timestamp, rate)
            .message(message)
            .field("change", self.absolute())
            .field("previous", self.from)
            .field("current", self.to)
            .field("since", format_instant(self.since));
        finding.score = (rules.at_least > 0.0).then(|| rate.abs() / rules.at_least);
        match self.percent() {
            Some(percent) => finding.field("change_percent", percent),
            None => finding,
        }
    }
}

impl Stored for Past {
    fn write(&self, out: &mut Vec<u8>) {
        self.history.write(out);
        self.newest.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self { history: History::read(from)?, newest: Stored::read(from)? })
    }
}

orion_plugin::detector!(RateOfChange);

#[cfg(test)]
mod tests;
