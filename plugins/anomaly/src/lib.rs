//! A series that is not where its own past says it should be. Two looks at it:
//!
//! - the *robust* one asks how far a value is from the median of the last hours, in units of how far values usually are
//!   from it (MAD). Spikes do not move it, however high, and it knows nothing of what was a minute ago;
//! - the *sudden* one asks how far it is from a moving average (EWMA) of the last minutes, which sees a jump that is still
//!   within the width of the day. It counts only for values that are half unusual to the robust one: coming back to what
//!   is usual is sudden and no anomaly.
//!
//! With a season both look at what is left when the level of the hour is taken off. What is unusual without a break for
//! `adapt_after` is the new level, and what has come and gone a few times within the history is usual too.

mod baseline;
mod rules;
mod season;

use baseline::{Baseline, Verdict};
use orion_plugin::{
    Detector, Finding, Findings, Frame, Journaled, Parameters, Refused, Sample, Stateful, format_about, format_instant,
    format_number,
};
use rules::Rules;

const STATE_VERSION: u32 = 1;

/// The detector.
pub struct Anomaly(Journaled<Baseline>);

impl Detector for Anomaly {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        Ok(Self(Journaled::of_version(STATE_VERSION, Rules::read(parameters)?)))
    }

    fn observe(&mut self, frame: &Frame<'_>, findings: &mut Findings) {
        self.0.learn(frame, |rules, baseline, sample| {
            if let Some(verdict) = baseline.verdict() {
                findings.emit(finding(rules, verdict, sample));
            }
        });
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        Some(&mut self.0)
    }
}

fn finding(rules: &Rules, verdict: &Verdict, sample: Sample<'_>) -> Finding {
    let Verdict { value, expected, spread, score, by, since, is_seasonal } = *verdict;
    let distance = rules.margin.usual_distance(expected, spread);
    let (low, high) = (expected - distance, expected + distance);
    let side = if value > expected { "above" } else { "below" };
    let season = if is_seasonal { rules.season_in_words() } else { "" };
    let message = format!(
        "{} is {} times the usual spread {side} what is expected{season}, {} ({} to {}): {}, since {}",
        format_number(value),
        format_number(score),
        format_number(expected),
        format_number(low),
        format_number(high),
        by.described(),
        if since == sample.timestamp { "now".to_owned() } else { format_about(sample.timestamp.saturating_sub(since)) },
    );
    let finding = Finding::new(sample.series().id(), sample.timestamp, value).message(message).score(score);
    finding
        .field("expected", expected)
        .field("expected_low", low)
        .field("expected_high", high)
        .field("deviation", value - expected)
        .field("spread", spread)
        .field("fired_by", by.word())
        .field("seasonal", is_seasonal)
        .field("since", format_instant(since))
}

orion_plugin::detector!(Anomaly);

#[cfg(test)]
mod tests;
