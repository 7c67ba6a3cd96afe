//! The past through the rules that run, or what differs with others.

use std::collections::BTreeMap;

use orion_model::{JobText, ProgressUnit, Timestamp};
use orion_pipeline::jobs::{Course, Done, NotDone};
use orion_pipeline::library::Generation;
use orion_pipeline::replay::{Pace, Replay, ReplayError, ReplaySettings};
use tokio::runtime::Runtime;

use super::{Bench, not_done};
use crate::cli::Failure;
use crate::replayed::{Collected, Difference, Outcome};
use crate::rule_set;

/// Records that one replay may hold while it goes on, in mebibytes. What differs between two is small, and each of them need not be.
const MAX_HELD_MIB: usize = 64;
const MAX_HELD_BYTES: usize = MAX_HELD_MIB * 1024 * 1024;

/// Samples of answers held at one time: some ten megabytes. What observes beside it was given its memory without it.
const SAMPLES_HELD: usize = 400_000;

/// Which part of a job one replay is: with whose rules, and so many seconds came before it, of so many in all.
#[derive(Clone, Copy)]
struct Part {
    of: &'static str,
    before: u64,
    total: u64,
}

impl Bench {
    pub(super) fn replay(
        &self,
        (from, to): (Timestamp, Timestamp),
        step_millis: Option<i64>,
        rules: &[JobText],
        course: &Course,
        runtime: &Runtime,
    ) -> Result<Done, NotDone> {
        let settings = ReplaySettings { from, to, pace: step_millis.map_or(Pace::AsLive, Pace::Every) };
        let seconds = seconds_between(from, to);
        let total = if rules.is_empty() { seconds } else { seconds.saturating_mul(2) };
        // Others first: what is wrong with them is known before an hour is spent.
        let others = if rules.is_empty() { None } else { Some(self.others(rules)?) };
        let running = self.observer.generation().apart();
        let go = |generation: &Generation, part| self.go(generation, settings, part, course, runtime);
        let of_rules = go(&running, Part { of: "the rules that run", before: 0, total })?;
        let result = match others {
            None => of_rules.value(settings),
            Some(others) => {
                let part = Part { of: "the rules of the job", before: seconds, total };
                Difference::between(&of_rules, &go(&others, part)?).value()
            }
        };
        Ok(Done { result: result.to_string(), holds: true })
    }

    fn others(&self, rules: &[JobText]) -> Result<Generation, NotDone> {
        let texts: BTreeMap<String, String> =
            rules.iter().map(|rule| (rule.name.clone(), rule.text.clone().unwrap_or_default())).collect();
        let shelf = rule_set::shelf_in(&self.sandbox, &self.plugins).map_err(not_done)?;
        rule_set::of_texts(&texts, &shelf, self.interval_millis).map_err(not_done)
    }

    fn go(
        &self,
        generation: &Generation,
        settings: ReplaySettings,
        part: Part,
        course: &Course,
        runtime: &Runtime,
    ) -> Result<Outcome, NotDone> {
        let mut too_much_at = None;
        let mut collected = Collected::new(generation, |instant, bytes| {
            let done = part.before.saturating_add(seconds_between(settings.from, instant));
            course.reached(done, part.total, ProgressUnit::Seconds);
            too_much_at = (bytes > MAX_HELD_BYTES).then_some(instant);
            too_much_at.is_none() && course.stopped().is_none()
        });
        let replay =
            Replay::new(generation, &self.sources, settings).map_err(|why| not_done(Failure::configuration(why)))?;
        let ended = runtime.block_on(async {
            tokio::select! {
                biased;
                // A source may take its time to answer.
                _ = course.until_stopped() => Err(ReplayError::Stopped),
                ended = replay.holding(SAMPLES_HELD).run(&mut collected) => ended,
            }
        });
        match ended {
            Ok(counts) => Ok(collected.end(counts)),
            Err(ReplayError::Stopped) => {
                Err(too_much_at.map_or(NotDone::Stopped, |at| too_much(part.of, settings.from, at)))
            }
            Err(why) => Err(not_done(Failure::configuration(why))),
        }
    }
}

fn too_much(of: &str, from: Timestamp, to: Timestamp) -> NotDone {
    NotDone::Failed(format!(
        "with {of} the records from {from} to {to} take more than {MAX_HELD_MIB} MiB, and a replay of a job holds no more: ask for a shorter \
         span or with fewer rules, or run `orion replay` on the host"
    ))
}

fn seconds_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.millis_since(from) / 1_000).unwrap_or(0)
}
