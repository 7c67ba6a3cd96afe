//! `orion-kit evaluate`: how good a rule is on samples of which somebody said when something was wrong, and how good the incidents of a
//! deployment are of which people said what they think.
//!
//! A rule is played by the code that runs live, from frames to alerts, and its alarms are compared with the windows. What is measured is
//! what people would have had.

mod args;
mod draw;
mod labels;
mod marks;
mod measure;
mod page;
mod past;
mod play;
mod report;
mod table;
mod when;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use orion_model::{Timestamp, format_duration};
use orion_source::{Prometheus, PrometheusSettings};

pub use args::EvaluateArgs;

use self::args::Moment;
use self::labels::{Labels, is_called};
use self::measure::{Judging, lines, totals};
use self::past::{MOST_INSTANTS, Past, Table};
use self::play::{OneRule, of_file, of_plugin, played, usual};
use self::report::Evaluation;
use crate::cli::{EXIT_FAILED, Failure};
use crate::command::{plugin_cache, print};
use orion_suite::suite::{Rules, SOURCE};

/// What a plugin asks where a table answers: any query would do.
const ANY_QUERY: &str = "samples";

/// Time between two evaluations of what a Prometheus remembers.
const DEFAULT_STEP_MILLIS: i64 = 60_000;

/// How the names of files end that labels speak of.
const FILES_END: &str = ".csv";

/// Series that are named where one is not there.
const MOST_NAMED: usize = 20;

/// Answers about the past are long.
const TIMEOUT_MILLIS: u64 = 120_000;

/// Evaluates. Exits with 1 when a number is not as good as it has to be.
pub fn evaluate(args: &EvaluateArgs) -> Result<ExitCode, Failure> {
    let evaluation = match (&args.marks, &args.prometheus) {
        (Some(data), None) if args.csv.is_empty() => marks::evaluation(data).map_err(Failure::Configuration)?,
        _ => of_rule(args)?,
    };
    if let Some(file) = &args.html {
        std::fs::write(file, page::page(&evaluation))
            .map_err(|why| Failure::Configuration(format!("{} cannot be written: {why}", file.display())))?;
    }
    print(&evaluation.printed(args.output))?;
    let short = shortcomings(args, &evaluation);
    short.iter().for_each(|what| eprintln!("orion-kit: {what}"));
    Ok(if short.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) })
}

/// What a rule is evaluated on.
struct Scene {
    past: Past,
    span: (Timestamp, Timestamp),
    step_millis: i64,
    phase_millis: i64,
}

/// All of it, in words.
struct Shown {
    scenes: Vec<Scene>,
    what: String,
    notes: Vec<String>,
}

fn of_rule(args: &EvaluateArgs) -> Result<Evaluation, Failure> {
    let labels = labels(args)?;
    let rules = Rules::new(crate::plugins::shelf(&args.plugins, plugin_cache()).map_err(Failure::BadFile)?);
    let rule = match (&args.rule_file, &args.rule) {
        (Some(file), Some(name)) => of_file(&rules, file, name)?,
        _ => of_plugin(&rules, &args.plugin, &args.set, args.query.as_deref().unwrap_or(ANY_QUERY))?,
    };
    let Shown { scenes, what, mut notes } = shown(args)?;
    let (mut all, mut spans, mut steps) = (Vec::new(), Vec::new(), BTreeSet::new());
    for Scene { past, span, step_millis, phase_millis } in scenes {
        let played = played(&rule, past, span, step_millis)?;
        let usual = usual(&rule, &played.frames)?;
        let judging = Judging { windows: &labels.windows, learn: args.learn, phase_millis };
        all.extend(lines(&played, &usual, &judging));
        spans.push((span.0.plus_millis(phase_millis), span.1.plus_millis(phase_millis)));
        steps.insert(step_millis);
    }
    let from = spans.iter().map(|(from, _)| *from).min().unwrap_or_default();
    let to = spans.iter().map(|(_, to)| *to).max().unwrap_or_default();
    if all.is_empty() {
        return Err(Failure::Configuration(format!(
            "there is not one sample from {from} to {to}: see whether the query and the span are what you mean"
        )));
    }
    all.sort_by(|one, other| one.samples.name.cmp(&other.samples.name));
    notes.extend(known(&labels, &all)?);
    let totals = totals(&all);
    let steps: Vec<String> = steps.into_iter().map(format_duration).collect();
    let facts = facts(&rule, what, from, to, steps.join(", "));
    Ok(Evaluation { facts, lines: all, totals, notes })
}

fn facts(rule: &OneRule, shown: String, from: Timestamp, to: Timestamp, steps: String) -> Vec<(&'static str, String)> {
    vec![
        ("evaluated", rule.id.clone()),
        ("detector", rule.plugin_name.clone()),
        ("query", rule.expr.clone()),
        ("shown", shown),
        ("from", from.to_string()),
        ("to", to.to_string()),
        ("step", steps),
    ]
}

/// When something was wrong, by who says it.
fn labels(args: &EvaluateArgs) -> Result<Labels, Failure> {
    let mut labels = match &args.labels {
        Some(file) => labels::read(file).map_err(Failure::BadFile)?,
        None => Labels::default(),
    };
    if let Some(data) = &args.marks {
        labels.windows.extend(marks::windows(data).map_err(Failure::Configuration)?);
    }
    match args.labels.is_none() && args.marks.is_none() {
        true => Err(Failure::Configuration(
            "nobody says when something was wrong: give --labels FILE, or --marks DATA with incidents that were marked (an empty list is \
             an answer, too)"
                .to_owned(),
        )),
        false => Ok(labels),
    }
}

fn shown(args: &EvaluateArgs) -> Result<Shown, Failure> {
    match (&args.prometheus, args.from) {
        (Some(url), Some(from)) => history(args, url, from),
        _ if args.csv.is_empty() => Err(Failure::Configuration(
            "there are no samples: give --csv FILE, or --prometheus URL with --query and --from".to_owned(),
        )),
        _ => files(args),
    }
}

/// Each file is the answer to a query of its own, at its own pace.
fn files(args: &EvaluateArgs) -> Result<Shown, Failure> {
    let (mut scenes, mut notes) = (Vec::new(), Vec::new());
    let mut names = BTreeSet::new();
    for path in &args.csv {
        let series = table::read(path).map_err(Failure::BadFile)?;
        if let Some(twice) = series.iter().find(|one| !names.insert(one.labels.clone())) {
            return Err(Failure::BadFile(format!(
                "{}: the series {} is in another file, too: give it another name or labels of its own",
                path.display(),
                twice.name
            )));
        }
        let table =
            Table::of(&series, args.step).map_err(|why| Failure::BadFile(format!("{}: {why}", path.display())))?;
        if table.passed_over > 0 {
            notes.push(format!(
                "{}: {} samples were passed over, because another one of the series is at the same instant: give a smaller --step",
                path.display(),
                table.passed_over
            ));
        }
        let (span, step_millis, phase_millis) = (table.span(), table.step_millis, table.phase_millis);
        scenes.push(Scene { past: Past::of(table), span, step_millis, phase_millis });
    }
    let what = match &*args.csv {
        [one] => one.display().to_string(),
        several => format!("{} files", several.len()),
    };
    Ok(Shown { scenes, what, notes })
}

fn history(args: &EvaluateArgs, url: &str, from: Moment) -> Result<Shown, Failure> {
    if args.query.is_none() && args.rule_file.is_none() {
        return Err(Failure::Configuration(
            "say what Prometheus is asked: --query, or a rule file with --rule".to_owned(),
        ));
    }
    let now = now();
    let (from, to) = (from.as_of(now), args.to.map_or(now, |to| to.as_of(now)));
    let step_millis = args.step.unwrap_or(DEFAULT_STEP_MILLIS);
    if from >= to {
        return Err(Failure::Configuration(format!("--from {from} is not before --to {to}")));
    }
    if to.millis_since(from) / step_millis > MOST_INSTANTS {
        return Err(Failure::Configuration(format!(
            "from {from} to {to} there are more than {MOST_INSTANTS} instants: give a longer --step"
        )));
    }
    let settings = PrometheusSettings { timeout_millis: TIMEOUT_MILLIS, ..PrometheusSettings::default() };
    let prometheus = Prometheus::new(SOURCE, url, settings).map_err(|why| Failure::Configuration(why.to_string()))?;
    // Credentials in the address are shown to nobody.
    let at = prometheus.destination();
    let what = format!("Prometheus at {}:{}", at.host, at.port);
    let scene = Scene { past: Past::at(prometheus), span: (from, to), step_millis, phase_millis: 0 };
    Ok(Shown { scenes: vec![scene], what, notes: Vec::new() })
}

/// A label for a series that is not there is a slip: what it says would count nowhere. A list of labels for many files is none.
fn known(labels: &Labels, lines: &[measure::Line]) -> Result<Option<String>, Failure> {
    let is_there = |name: &str| lines.iter().any(|line| is_called(name, &line.samples.name));
    let of_other_files = labels.named.iter().filter(|(name, _)| !is_there(name)).collect::<Vec<_>>();
    let is_about_files = |name: &str| name.to_lowercase().ends_with(FILES_END);
    let has_others = labels.named.iter().any(|(name, _)| is_there(name));
    match of_other_files.iter().find(|(name, _)| !has_others || !is_about_files(name)) {
        Some((name, place)) => {
            let names: String =
                lines.iter().take(MOST_NAMED).map(|line| format!("\n  {}", line.samples.name)).collect();
            Err(Failure::BadFile(format!(
                "{place}: there is no series `{name}`; these are there (`*` is all of them):{names}"
            )))
        }
        None if of_other_files.is_empty() => Ok(None),
        None => Ok(Some(format!("labels of {} other files are left out", of_other_files.len()))),
    }
}

/// What is not as good as it has to be.
fn shortcomings(args: &EvaluateArgs, evaluation: &Evaluation) -> Vec<String> {
    let totals = &evaluation.totals;
    let mut short = Vec::new();
    // Without an alarm none is wrong.
    if let (Some(least), Some(precision)) = (args.min_precision, totals.precision())
        && precision < least
    {
        short.push(format!("the precision is {precision:.3}, and --min-precision is {least}"));
    }
    if let Some(least) = args.min_recall {
        match totals.recall() {
            Some(recall) if recall >= least => {}
            Some(recall) => short.push(format!("the recall is {recall:.3}, and --min-recall is {least}")),
            None => short.push(format!("there is no window that counts, and --min-recall is {least}")),
        }
    }
    if let (Some(most), Some(alarms)) = (args.max_alarms_per_day, totals.alarms_per_day())
        && alarms > most
    {
        short.push(format!("there are {alarms:.3} alarms a day, and --max-alarms-per-day is {most}"));
    }
    short
}

/// A person asks about the time up to now; nothing of this is recorded anywhere.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
