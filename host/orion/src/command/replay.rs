//! `orion replay`: what these rules would have made of the past, by the code that runs live.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use orion_pipeline::library::Generation;
use orion_pipeline::replay::{Pace, Replay, ReplaySettings};

use crate::arguments::{Output, RuleArgs, duration};
use crate::cli::Failure;
use crate::output::{form, print_value};
use crate::past::{MemoryArgs, Progress, SpanArgs};
use crate::replayed::{Collected, Difference, Outcome};
use crate::{rule_set, setup};

/// Arguments of `orion replay`.
#[derive(Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    pub span: SpanArgs,
    /// Evaluate every group this often [default: each group's own interval]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub step: Option<i64>,
    #[command(flatten)]
    pub rules: RuleArgs,
    /// Replay these rules as well (a folder or a file), and show what differs
    #[arg(long, value_name = "RULES")]
    pub diff: Option<PathBuf>,
    /// Answers that `orion record` has written, in the place of Prometheus
    #[arg(long, value_name = "FILE")]
    pub recorded: Option<PathBuf>,
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// How the result looks [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
}

/// Replays, and tells what would have been recorded.
pub fn replay(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let (from, to) = args.span.resolve()?;
    let pace = args.step.map_or(Pace::AsLive, Pace::Every);
    let settings = ReplaySettings { from, to, pace };
    let load = |rules| rule_set::load(rules, &args.rules.plugins, args.memory.poll_interval);
    let of_rules = go(args, &load(&args.rules.rules)?, settings, "replay")?;
    let Some(other) = &args.diff else {
        print_value(form(args.output), &of_rules.value(settings), || of_rules.table(settings))?;
        return Ok(ExitCode::SUCCESS);
    };
    let of_others = go(args, &load(other)?, settings, "replay of --diff")?;
    let difference = Difference::between(&of_rules, &of_others);
    print_value(form(args.output), &difference.value(), || difference.table())?;
    Ok(ExitCode::SUCCESS)
}

fn go(
    args: &ReplayArgs,
    generation: &Generation,
    settings: ReplaySettings,
    what: &'static str,
) -> Result<Outcome, Failure> {
    let sources = args.memory.sources(args.recorded.as_ref())?;
    let progress = Progress::new(what, settings.from, settings.to);
    let mut collected = Collected::new(generation, |instant, _| {
        progress.reached(instant);
        true
    });
    let replay = Replay::new(generation, &sources, settings).map_err(Failure::configuration)?;
    let counts = setup::runtime()?.block_on(replay.run(&mut collected)).map_err(Failure::configuration)?;
    let outcome = collected.end(counts);
    progress.finish();
    Ok(outcome)
}
