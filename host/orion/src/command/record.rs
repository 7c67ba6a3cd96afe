//! `orion record`: writes down what sources remember of the rules' queries, so that a replay needs no Prometheus.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use orion_model::{Frame, SeriesTable, Timestamp};
use orion_pipeline::library::Generation;
use orion_source::{Instants, QuerySession, RecordingWriter, Source};
use serde_json::json;

use crate::arguments::{Output, RuleArgs};
use crate::cli::Failure;
use crate::left_out::LeftOut;
use crate::output::{form, print_value};
use crate::past::{MemoryArgs, Progress, SpanArgs};
use crate::{rule_set, setup};

/// Instants asked for at once.
const INSTANTS_AT_ONCE: usize = 500;

/// Arguments of `orion record`.
#[derive(Args)]
pub struct RecordArgs {
    #[command(flatten)]
    pub span: SpanArgs,
    /// File to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub rules: RuleArgs,
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// How the result looks [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
}

/// Records the answers to every query of the rules, at the instants at which they are evaluated.
pub fn record(args: &RecordArgs) -> Result<ExitCode, Failure> {
    let (from, to) = args.span.resolve()?;
    let generation = rule_set::load(&args.rules.rules, &args.rules.plugins, args.memory.poll_interval)?;
    let sources = args.memory.live()?;
    let questions = questions(&generation, from, to);
    let longest = questions.iter().map(|question| question.instants.step_millis).max().unwrap_or(1);
    let mut writer = RecordingWriter::new(&args.out, "record", longest);
    let progress = Progress::new("record", Timestamp::from_millis(0), Timestamp::from_millis(millis(questions.len())));
    let mut answers = 0;
    let runtime = setup::runtime()?;
    for (index, question) in questions.iter().enumerate() {
        let unknown = || Failure::Configuration(format!("the source `{}` is not configured", question.source));
        let source = sources.get(&question.source).ok_or_else(unknown)?;
        answers += runtime.block_on(question.ask(&**source, &mut writer))?;
        progress.reached(Timestamp::from_millis(millis(index + 1)));
    }
    progress.finish();
    let bytes = writer.finish().map_err(Failure::configuration)?;
    let out = args.out.display().to_string();
    let left_out = LeftOut::of(&generation);
    let value = json!({
        "file": out, "queries": questions.len(), "answers": answers, "bytes": bytes, "left_out": left_out.value(),
    });
    print_value(form(args.output), &value, || {
        format!("{out}: {answers} answers to {} queries, {bytes} bytes\n{}", questions.len(), left_out.line())
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Progress is counted in queries here, a second for each.
fn millis(queries: usize) -> i64 {
    i64::try_from(queries).unwrap_or(i64::MAX).saturating_mul(1_000)
}

/// One query at the instants of one group.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Question {
    source: String,
    expr: String,
    instants: InstantsKey,
}

/// Instants that can be compared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct InstantsKey {
    first: Timestamp,
    step_millis: i64,
    count: usize,
}

fn questions(generation: &Generation, from: Timestamp, to: Timestamp) -> Vec<Question> {
    let mut questions = BTreeSet::new();
    for plan in generation.groups.values() {
        let first = plan.slots.after(from.plus_millis(-1));
        let step_millis = plan.slots.interval_millis();
        let count = usize::try_from(to.millis_since(first).div_euclid(step_millis) + 1).unwrap_or(0);
        let instants = InstantsKey { first: first.plus_millis(-plan.group.query_offset_millis), step_millis, count };
        for rule in &plan.group.rules {
            questions.insert(Question { source: plan.group.source.clone(), expr: rule.expr.clone(), instants });
        }
    }
    questions.into_iter().collect()
}

impl Question {
    async fn ask(&self, source: &dyn Source, writer: &mut RecordingWriter) -> Result<usize, Failure> {
        let InstantsKey { first, step_millis, count } = self.instants;
        let mut session = QuerySession::new(self.expr.as_str());
        let mut done = 0;
        while done < count {
            let at_once = INSTANTS_AT_ONCE.min(count - done);
            let first = first.plus_millis(millis(done) / 1_000 * step_millis);
            let instants = Instants { first, step_millis, count: at_once };
            let frames = source
                .query_range(&mut session, instants)
                .await
                .map_err(|why| Failure::Configuration(format!("`{}`: {why}", self.expr.trim())))?;
            for frame in &frames {
                let body = body(frame, &session.table).to_string();
                writer.push(&self.expr, frame.instant, body.as_bytes()).map_err(Failure::configuration)?;
            }
            done += at_once;
        }
        Ok(done)
    }
}

/// The answer of the query API that a frame came from, or would have come from.
fn body(frame: &Frame, table: &SeriesTable) -> serde_json::Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of any calendar are far below 2^53")]
    let seconds = |millis: i64| serde_json::Number::from_f64(millis as f64 / 1_000.0);
    let result = frame.samples().map(|(id, at, value)| {
        let value = match value {
            f64::INFINITY => "+Inf".to_owned(),
            f64::NEG_INFINITY => "-Inf".to_owned(),
            value => value.to_string(),
        };
        json!({ "metric": table.labels(id), "value": [seconds(at), value] })
    });
    let data = json!({ "resultType": "vector", "result": result.collect::<Vec<_>>() });
    match frame.warnings.is_empty() {
        true => json!({ "status": "success", "data": data }),
        false => json!({ "status": "success", "data": data, "warnings": frame.warnings }),
    }
}
