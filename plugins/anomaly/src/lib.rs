//! A series that does what it never did. Four parts look at it, and each remembers what it has seen:
//!
//! - *value*: the samples themselves. A spike, a drop, and a value between two levels where there never was one;
//! - *shift*: the mean of the last 48 samples. A level that moved by less than single samples do;
//! - *swing*: how far the last 48 samples are from each other. What stands still, and what became restless;
//! - *season*: how far an hour is from the same hour of the days before. What happens every night is close to the night before,
//!   and what should have happened and did not is far from it.
//!
//! What is new to a part surprises it, by as many bits as it is unlikely that something is new at all: where every tenth sample
//! is new, another one says little. So noise is quiet, a series in which something happens every hour is found once,
//! and nothing has to be said about how wide a series is or which seasons it has. The mode `light` looks at values alone.

mod memory;
mod recent;
mod rules;
mod season;
mod watched;

use orion_plugin::{
    Detector, Finding, Findings, Frame, Journaled, Parameters, Refused, Sample, Stateful, format_about, format_instant,
    format_number,
};
use recent::SAMPLES;
use rules::Rules;
use watched::{Episode, Part, Watched};

const STATE_VERSION: u32 = 2;

/// The detector.
pub struct Anomaly(Journaled<Watched>);

impl Detector for Anomaly {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        Ok(Self(Journaled::of_version(STATE_VERSION, Rules::read(parameters)?)))
    }

    fn observe(&mut self, frame: &Frame<'_>, findings: &mut Findings) {
        self.0.learn(frame, |rules, watched, sample| {
            let found = watched.episode().map(|episode| {
                let value = if rules.tells_distance { episode.distance() } else { sample.value };
                finding(episode, sample, value)
            });
            if rules.tells_everything {
                findings.emit(told(found, watched.near(), sample));
            } else if let Some(found) = found {
                findings.emit(found);
            }
        });
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        Some(&mut self.0)
    }
}

/// A sample with what would not have been new, and whether it is in an anomaly.
fn told(found: Option<Finding>, near: Option<(f64, f64)>, sample: Sample<'_>) -> Finding {
    let told = Finding::new(sample.series().id(), sample.timestamp, sample.value).field("anomaly", found.is_some());
    match near {
        Some((low, high)) => told.field("near_low", low).field("near_high", high),
        None => told,
    }
}

fn finding(episode: &Episode, sample: Sample<'_>, value: f64) -> Finding {
    let (low, high) = episode.usual();
    let one_in = episode.one_in.round();
    let span = |from: i64, to: i64| if from == to { "now".to_owned() } else { format_about(to.saturating_sub(from)) };
    let message = format!(
        "{}: the closest in {} was {} ({} to {}), and one in {} is new at all; since {}",
        never(episode),
        span(episode.known_since, episode.since),
        format_number(episode.expected),
        format_number(low),
        format_number(high),
        format_number(one_in),
        span(episode.since, sample.timestamp),
    );
    let finding = Finding::new(sample.series().id(), sample.timestamp, value).message(message);
    finding
        .score(episode.score)
        .field("fired_by", episode.part.word())
        .field("seconded", episode.is_seconded)
        .field("seen", episode.seen)
        .field("expected", episode.expected)
        .field("expected_low", low)
        .field("expected_high", high)
        .field("deviation", episode.seen - episode.expected)
        .field("one_in", one_in)
        .field("since", format_instant(episode.since))
}

/// What never was, in words.
fn never(episode: &Episode) -> String {
    let seen = format_number(episode.seen);
    match episode.part {
        Part::Value => format!("{seen} was never seen"),
        Part::Shift => format!("a mean of {seen} over {SAMPLES} samples was never seen"),
        Part::Swing => format!("{SAMPLES} samples that differ by {seen} were never seen"),
        Part::Season => format!("an hour at {seen} was never that far from the same hour of other days"),
    }
}

orion_plugin::detector!(Anomaly);

#[cfg(test)]
mod tests;
