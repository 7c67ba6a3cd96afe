//! How good the standard plugins are on data that others have labelled. The anomaly detector: every labelled series of a folder, sample by sample through the component that ships, in the
//! sandbox it runs in. Scores by the published rules of the Numenta benchmark, false alarms where there is nothing to find,
//! what a sample costs and what a series takes; and that a restart in the middle of each series changes nothing. The way from
//! findings to the root of a fault: [`root_cause`].
//!
//! The data is no part of the repository, and so nothing of it is measured when the folder is not there.
#![expect(clippy::disallowed_types, reason = "it asks the scorer that comes with the data; it is never deployed")]

mod cost;
mod detector;
mod oracle;
mod peers;
mod report;
mod root_cause;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use orion_nab::{Corpus, CorpusError, score};
use orion_sandbox::{Sandbox, Settings};
use serde_json::{Value, json};

use detector::{Alarms, Told, Watch};
use report::{Mode, Report};

/// Measures the anomaly detector on labelled series, and how well roots of injected faults are found.
#[derive(Parser)]
#[command(name = "cargo xtask quality")]
struct Arguments {
    /// The folder with `windows.json` and `data`, that with a `graph.csv` in each of its folders, or one with such folders in it
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Measure this alone
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Find roots with these rules, in which ` MAP }` stands where `depends_on` does, and not with those that ship with this program
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// How the result looks
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The anomaly detector
    Anomaly,
    /// Finding the root of a fault
    RootCause,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// One JSON document
    Json,
}

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
enum QualityError {
    /// There are no labelled series.
    #[error(
        "there is no `windows.json` in {0} nor in a folder within, and no folder of folders with a `graph.csv`: give the folder of \
         labelled data with --data"
    )]
    NoData(PathBuf),
    /// They cannot be read.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// What was measured is not what it should be.
    #[error("{0}")]
    Wrong(String),
    /// Something that is needed did not work.
    #[error("cannot {0}: {1}")]
    Failed(&'static str, String),
}

impl QualityError {
    /// Turns an error of `what` into one of this program.
    fn failed<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |why| Self::Failed(what, why.to_string())
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments) {
        Ok(measured) => {
            match arguments.output {
                Output::Table => print!("{}", measured.to_table()),
                Output::Json => println!("{:#}", measured.to_json()),
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What there were data for.
struct Measured {
    anomaly: Option<Report>,
    root_cause: Option<root_cause::Report>,
}

impl Measured {
    fn to_table(&self) -> String {
        let anomaly = self.anomaly.as_ref().map(Report::to_table);
        let root_cause = self.root_cause.as_ref().map(root_cause::Report::to_table);
        anomaly.into_iter().chain(root_cause).collect::<Vec<_>>().join("\n")
    }

    /// One document: that of the detector, with what was measured besides by its name.
    fn to_json(&self) -> Value {
        let mut document = self.anomaly.as_ref().map_or(json!({}), Report::to_json);
        if let (Some(root_cause), Some(fields)) = (&self.root_cause, document.as_object_mut()) {
            fields.insert("root_cause".to_owned(), root_cause.to_json());
        }
        document
    }
}

fn measure(arguments: &Arguments) -> Result<Measured, QualityError> {
    let is_wanted = |part: Part| arguments.only.is_none_or(|only| only == part);
    let folder = labelled(&arguments.data).filter(|_| is_wanted(Part::Anomaly));
    let anomaly = folder.map(|folder| of_anomaly(&folder)).transpose()?;
    let rules = arguments.rules.as_ref().map(std::fs::read_to_string).transpose();
    let rules = rules.map_err(QualityError::failed("read the rules"))?;
    let root_cause = match is_wanted(Part::RootCause) {
        true => root_cause::measure(&arguments.data, rules.as_deref())?,
        false => None,
    };
    if anomaly.is_none() && root_cause.is_none() {
        return Err(QualityError::NoData(arguments.data.clone()));
    }
    Ok(Measured { anomaly, root_cause })
}

fn of_anomaly(folder: &Path) -> Result<Report, QualityError> {
    let corpus = Corpus::read(folder)?;
    let sandbox = Sandbox::new(Settings::default()).map_err(QualityError::failed("start the sandbox"))?;
    let watch = Watch::new(&sandbox)?;
    let mode = |name: &'static str| {
        let causal = watch.corpus(&corpus, name, Told::Nothing)?;
        let ranged = watch.corpus(&corpus, name, Told::Range)?;
        Ok::<_, QualityError>(Mode {
            name,
            causal: score(&corpus, &causal.scores),
            nab_rules: score(&corpus, &ranged.scores),
            judged: oracle::judge(folder, &corpus, &causal.scores)?,
            quiet: quiet(&corpus, &causal.scores),
            state_bytes: causal.state_bytes,
            micros: cost::of_a_sample(&watch, name, &corpus)?,
        })
    };
    let modes = vec![mode("standard")?, mode("light")?];
    for mode in &modes {
        mode.agree()?;
    }
    Ok(Report { peers: peers::of(&corpus), series: corpus.series.len(), modes })
}

/// The folder itself, or the first within that has labels.
fn labelled(data: &Path) -> Option<PathBuf> {
    let has_labels = |folder: &PathBuf| folder.join("windows.json").is_file();
    let within = std::fs::read_dir(data).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut folders: Vec<_> = within.collect();
    folders.sort();
    folders.insert(0, data.to_owned());
    folders.into_iter().find(has_labels)
}

/// Alarms in the scored part of series in which there is nothing to find.
fn quiet(corpus: &Corpus, scores: &[Vec<f64>]) -> Alarms {
    const WEEK_MILLIS: f64 = 604_800_000.0;
    let mut quiet = Alarms::default();
    for (series, scores) in corpus.series.iter().zip(scores).filter(|(series, _)| series.windows.is_empty()) {
        let rows = series.rows.get(series.probation..).unwrap_or_default();
        let Some((first, last)) = rows.first().zip(rows.last()) else { continue };
        #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
        let weeks = (last.timestamp - first.timestamp) as f64 / WEEK_MILLIS;
        quiet.weeks += weeks;
        quiet.count += scores.iter().skip(series.probation).filter(|score| **score > 0.0).count();
    }
    quiet
}
