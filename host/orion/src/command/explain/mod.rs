//! `orion explain`: why something fired, and why something does not.
//!
//! Of an event or incident the records tell it: what was asked, what looked at the answer, what followed. Of a rule the store
//! tells how it stands; and with `--again` the very code that runs live evaluates it once more, over what the source
//! remembers, and shows each instant.

mod shown;
mod subject;

use std::process::ExitCode;

use clap::Args;
use orion_bus::NewRecord;
use orion_model::{Event, Timestamp};
use orion_pipeline::library::Generation;
use orion_pipeline::replay::{Observer, Pace, Replay, ReplaySettings};
use orion_pipeline::watcher::{ActiveAlert, Group, GroupPlan};
use orion_rules::AlertRule;

use self::shown::Explanation;
use self::subject::{Records, Subject};
use super::rule::read_standings;
use crate::arguments::{DataArgs, Output, RuleArgs};
use crate::cli::Failure;
use crate::output::{form, print_value};
use crate::past::MemoryArgs;
use crate::{rule_set, setup};

/// Instants that are shown before the one in question, beside those that `for` and `keep_firing_for` need.
const INSTANTS_BEFORE: i64 = 10;

/// Arguments of `orion explain`.
#[derive(Args)]
pub struct ExplainArgs {
    /// Id of an event or incident or how it begins, the id of a rule, or the name of an alert
    pub id: String,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub rules: RuleArgs,
    /// Evaluate the rule again over what Prometheus remembers, and show each instant
    #[arg(long)]
    pub again: bool,
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// How it looks [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
}

/// Explains an event, an incident or a rule.
pub fn explain(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let records = Records::about(args)?;
    let standings = read_standings(&args.data)?;
    let subject = records.subject(&args.id, &standings)?;
    let rule = definition(args, subject.rule());
    let again = match &rule {
        Ok(rule) if args.again => Some(evaluate_again(args, rule, &subject)?),
        Err(why) if args.again => return Err(Failure::Configuration(why.clone())),
        _ => None,
    };
    let explanation = Explanation { subject, rule: rule.ok(), again };
    print_value(form(args.output), &explanation.value(), || explanation.text())?;
    Ok(ExitCode::SUCCESS)
}

/// The rule as the rules folder has it now, with the plan of its group alone.
struct Defined {
    generation: Generation,
    plan: GroupPlan,
    rule: AlertRule,
}

fn definition(args: &ExplainArgs, id: &str) -> Result<Defined, String> {
    let loaded = rule_set::load(&args.rules.rules, &args.rules.plugins, args.memory.poll_interval);
    let mut generation = loaded.map_err(|why| why.to_string())?;
    let plans = generation.groups.values();
    let found =
        plans.flat_map(|plan| plan.group.rules.iter().map(move |rule| (plan, rule))).find(|(_, rule)| rule.id == id);
    let Some((plan, rule)) = found.map(|(plan, rule)| (plan.clone(), rule.clone())) else {
        return Err(format!("there is no rule `{id}` in {}", args.rules.rules.display()));
    };
    generation.groups.retain(|group, _| *group == plan.group.id);
    generation.correlations.clear();
    Ok(Defined { generation, plan, rule })
}

/// What an evaluation over the past showed.
struct Again {
    steps: Vec<(Timestamp, Vec<ActiveAlert>)>,
    said: Vec<Event>,
}

struct Trace<'a> {
    rule: &'a str,
    again: Again,
}

impl Observer for Trace<'_> {
    fn record(&mut self, record: &NewRecord) {
        let event = serde_json::from_str::<Event>(&record.body).ok();
        self.again
            .said
            .extend(event.filter(|event| event.rule == self.rule || event.labels.get("rule") == Some(self.rule)));
    }

    fn evaluated(&mut self, group: &Group, instant: Timestamp) {
        let alerts = group.alerts().into_iter().filter(|alert| alert.rule_id == self.rule).collect();
        self.again.steps.push((instant, alerts));
    }
}

fn evaluate_again(args: &ExplainArgs, defined: &Defined, subject: &Subject) -> Result<Again, Failure> {
    let Defined { generation, plan, rule } = defined;
    let to = subject.instant();
    let before = rule.for_millis + rule.keep_firing_for_millis + INSTANTS_BEFORE * plan.slots.interval_millis();
    let settings = ReplaySettings { from: to.plus_millis(-before), to, pace: Pace::AsLive };
    let sources = args.memory.live()?;
    let mut trace = Trace { rule: &rule.id, again: Again { steps: Vec::new(), said: Vec::new() } };
    let replay = Replay::new(generation, &sources, settings).map_err(Failure::configuration)?;
    setup::runtime()?.block_on(replay.run(&mut trace)).map_err(Failure::configuration)?;
    Ok(trace.again)
}
