//! A counter only grows. Each time a series is below its sample before, whoever counts has started anew: a process
//! restarted, a number wrapped around, or two sources take turns under one name. So many such resets within a window are
//! a finding, for as long as they are within it.
//!
//! The rule asks for the counter itself. What is summed or rated first hides resets (`rate`) or makes up its own (`sum`, when
//! one of its series goes away).

use orion_plugin::{
    Detector, Finding, Findings, Frame, Journaled, Learned, Parameters, Refused, Sample, Stateful, Step, Stored,
    format_about, format_duration, format_instant, format_number,
};

const STATE_VERSION: u32 = 1;

/// Resets that are remembered of a series: as many as `at_least` may ask for.
const MOST_RESETS: usize = 1_000;

/// Numbers of 32 and of 64 bits begin at zero again after these.
const WRAPS: [(f64, &str); 2] = [(4_294_967_296.0, "32"), (18_446_744_073_709_551_616.0, "64")];

/// A counter that was in the last tenth of its numbers and now is in the first has wrapped around. A restart there would
/// be a coincidence, and a counter that moves by more than that between two samples tells nothing anyway.
const WRAP_MARGIN: f64 = 0.1;

/// A restarted counter has lost nearly everything. One that lost less than this part of itself is rather two sources that
/// take turns, or a value that somebody corrects.
const LOST_BY_STEP_BACK: f64 = 0.1;

/// The detector.
pub struct CounterReset(Journaled<Counter>);

/// What the rule says.
pub struct Rules {
    at_least: usize,
    window_millis: i64,
}

/// What is known of a series.
#[derive(Default)]
pub struct Counter {
    value: f64,
    /// When it was reset, within the window.
    resets: Vec<i64>,
    latest: Option<Reset>,
}

/// How a counter went down.
#[derive(Clone, Copy)]
struct Reset {
    before: i64,
    at: i64,
    from: f64,
    to: f64,
}

impl Detector for CounterReset {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        let at_least = parameters.integer("at_least")?.unwrap_or(1);
        let window_millis = parameters.millis("window")?.unwrap_or(600_000);
        let at_least = usize::try_from(at_least).map_err(|_| "`at_least` must be at least 1")?;
        Ok(Self(Journaled::of_version(STATE_VERSION, Rules { at_least, window_millis })))
    }

    fn observe(&mut self, frame: &Frame<'_>, findings: &mut Findings) {
        self.0.learn(frame, |rules, counter, sample| {
            if let Some(reset) = counter.latest.filter(|_| counter.resets.len() >= rules.at_least) {
                findings.emit(finding(rules, counter, reset, sample));
            }
        });
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        Some(&mut self.0)
    }
}

impl Learned for Counter {
    type Rules = Rules;

    fn learn(&mut self, rules: &Rules, step: Step) {
        if let Some(before) = step.before.filter(|_| step.value < self.value) {
            self.latest = Some(Reset { before, at: step.timestamp, from: self.value, to: step.value });
            self.resets.push(step.timestamp);
        }
        self.value = step.value;
        let start = step.timestamp.saturating_sub(rules.window_millis);
        let over = self.resets.len().saturating_sub(MOST_RESETS);
        let gone = self.resets.partition_point(|at| *at <= start).max(over);
        self.resets.drain(..gone);
    }
}

fn finding(rules: &Rules, counter: &Counter, reset: Reset, sample: Sample<'_>) -> Finding {
    let Reset { before, at, from, to } = reset;
    let count = counter.resets.len();
    let kind = Kind::of(reset);
    let apart = at.saturating_sub(before);
    let mut message = format!(
        "{}: {} → {} at {}, {} after the sample before",
        kind.described(),
        format_number(from),
        format_number(to),
        format_instant(at),
        format_about(apart),
    );
    if count > 1 {
        message.push_str(&format!("; {count} resets within {}", format_duration(rules.window_millis)));
    }
    #[expect(clippy::cast_precision_loss, reason = "no more than a thousand")]
    let resets = count as f64;
    let finding = Finding::new(sample.series().id(), sample.timestamp, resets).message(message);
    finding
        .field("kind", kind.word())
        .field("resets", count as i64)
        .field("previous", from)
        .field("current", to)
        .field("previous_at", format_instant(before))
        .field("reset_at", format_instant(at))
}

/// What probably happened.
enum Kind {
    Restarted,
    Wrapped(&'static str),
    SteppedBack,
}

impl Kind {
    fn of(reset: Reset) -> Self {
        let Reset { from, to, .. } = reset;
        let wrapped = |end: f64| from < end && from >= end * (1.0 - WRAP_MARGIN) && to >= 0.0 && to < end * WRAP_MARGIN;
        if let Some((_, bits)) = WRAPS.into_iter().find(|(end, _)| wrapped(*end)) {
            return Self::Wrapped(bits);
        }
        if from - to < from * LOST_BY_STEP_BACK { Self::SteppedBack } else { Self::Restarted }
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Restarted => "restarted",
            Self::Wrapped(_) => "wrapped",
            Self::SteppedBack => "stepped back",
        }
    }

    fn described(&self) -> String {
        match self {
            Self::Restarted => "the counter restarted".to_owned(),
            Self::Wrapped(bits) => format!("the counter wrapped around at {bits} bits"),
            Self::SteppedBack => "the counter stepped back a little, as if two sources took turns".to_owned(),
        }
    }
}

impl Stored for Counter {
    fn write(&self, out: &mut Vec<u8>) {
        self.value.write(out);
        self.resets.write(out);
        let latest = self.latest.map(|reset| ((reset.before, reset.at), (reset.from, reset.to)));
        latest.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (value, resets) = (f64::read(from)?, Vec::read(from)?);
        let latest = Option::<((i64, i64), (f64, f64))>::read(from)?;
        let latest = latest.map(|((before, at), (from, to))| Reset { before, at, from, to });
        Some(Self { value, resets, latest })
    }
}

orion_plugin::detector!(CounterReset);

#[cfg(test)]
mod tests;
