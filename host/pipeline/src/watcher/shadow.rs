//! A new version of a detector beside the old one: both look at the same frames, the old one is heard, and when so many were
//! seen the new one takes its place and what they said differently is told.
//!
//! Nothing of the run is kept over a restart: after one the new version runs alone, as after an edit without a shadow.

use orion_model::{Digest, Finding, Frame, SeriesTable, Timestamp};

use super::plan::RulePlan;
use super::seat::{Effort, Seat, SeatError};
use crate::draft::Draft;

/// Bytes of what one side said, as it is told.
const MOST_SAID_BYTES: usize = 300;

/// The run of one rule.
pub struct Shadow {
    seat: Seat,
    frames: u32,
    seen: u32,
    differing: u32,
    first: Option<String>,
}

/// How a run ended.
pub enum Ended {
    /// The new version takes the place of the old one.
    Takes {
        /// The new version, with what it remembers.
        seat: Box<Seat>,
        /// Whether it said something else than the old one.
        differs: bool,
        /// What is to be told.
        message: String,
    },
    /// It failed, and the old one goes on.
    Failed {
        /// The new version.
        version: Digest,
        /// What is to be told.
        message: String,
    },
}

impl Shadow {
    /// The version that a plan names, beside the one that sits there. It gets what that remembers, where it means the same to it.
    pub fn new(plan: RulePlan<'_>, old: &Seat) -> Self {
        let seat = Seat::with_state_of(plan, old);
        Self { seat, frames: plan.rule.shadow, seen: 0, differing: 0, first: None }
    }

    /// Shows it a frame of which the old version said `said`. When it was the last, the run has ended.
    pub fn see(mut self, table: &SeriesTable, frame: &Frame, said: &[Finding]) -> Result<Self, Ended> {
        let mut findings = Vec::new();
        if let Err(error) = self.seat.observe(table, frame, Effort::Full, &mut findings) {
            return Err(self.failed(frame.instant, &error));
        }
        self.seen += 1;
        if let Some(difference) = difference(table, said, &findings) {
            self.differing += 1;
            self.first.get_or_insert_with(|| format!("{}, {difference}", frame.instant));
        }
        if self.seen < self.frames { Ok(self) } else { Err(self.end(frame.instant)) }
    }

    fn end(mut self, instant: Timestamp) -> Ended {
        if let Err(error) = self.seat.checkpoint(&mut Draft::of_records()) {
            return self.failed(instant, &error);
        }
        let version = version(&self.seat);
        let message = match &self.first {
            None => format!("{version} said the same of all {} frames and takes over", self.frames),
            Some(first) => {
                format!(
                    "{version} said something else of {} of {} frames and takes over; first of {first}",
                    self.differing, self.frames
                )
            }
        };
        Ended::Takes { differs: self.first.is_some(), seat: Box::new(self.seat), message }
    }

    fn failed(&self, instant: Timestamp, error: &SeatError) -> Ended {
        let (name, seen) = (version(&self.seat), self.seen + 1);
        let message = format!("{name} fails with frame {seen}, of {instant}, and does not take over: {error}");
        Ended::Failed { version: self.seat.plugin().digest(), message }
    }
}

fn version(seat: &Seat) -> String {
    let manifest = seat.plugin().manifest();
    format!("{} {} ({})", manifest.name, manifest.version, seat.plugin().digest())
}

/// The first thing of which the two say something else.
fn difference(table: &SeriesTable, old: &[Finding], new: &[Finding]) -> Option<String> {
    let (old, new) = (in_order(old), in_order(new));
    let place = (0..old.len().max(new.len())).find(|place| !is_alike(old.get(*place), new.get(*place)))?;
    let series = |findings: &[&Finding]| findings.get(place).and_then(|finding| finding.series);
    // Whoever has the earlier series there has one that the other has not.
    let about = [series(&old), series(&new)].into_iter().flatten().min();
    let labels = about.and_then(|id| table.labels(id)).map_or_else(|| "the answer".to_owned(), ToString::to_string);
    let said = |findings: &[&Finding]| match findings.get(place).filter(|finding| finding.series == about) {
        Some(finding) => shortened(&words(finding)),
        None => "nothing".to_owned(),
    };
    Some(format!("of {labels} the old version said {}, the new one {}", said(&old), said(&new)))
}

fn in_order(findings: &[Finding]) -> Vec<&Finding> {
    let mut findings: Vec<&Finding> = findings.iter().collect();
    findings.sort_by_key(|finding| (finding.series, finding.timestamp));
    findings
}

fn is_alike(old: Option<&&Finding>, new: Option<&&Finding>) -> bool {
    // Words are compared where numbers may be NaN, which is not equal to itself.
    old == new || old.zip(new).is_some_and(|(old, new)| words(old) == words(new))
}

fn words(finding: &Finding) -> String {
    let Finding { severity, timestamp, value, score, message, fields, .. } = finding;
    let mut words = vec![format!("{value} at {timestamp}")];
    words.extend(severity.map(|severity| severity.as_str().to_owned()));
    words.extend(score.map(|score| format!("score {score}")));
    words.extend((!message.is_empty()).then(|| message.to_string()));
    words.extend(fields.iter().map(|field| format!("{}={}", field.name, field.value.to_json())));
    format!("`{}`", words.join(", "))
}

fn shortened(text: &str) -> String {
    match text.get(..text.floor_char_boundary(MOST_SAID_BYTES)) {
        Some(beginning) if beginning.len() < text.len() => format!("{beginning}…"),
        _ => text.to_owned(),
    }
}
