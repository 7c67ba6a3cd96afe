//! Tests of rules, played over what a Prometheus answered before: a deployed host starts none.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use orion_model::{JobText, ProgressUnit};
use orion_pipeline::jobs::{Course, Done, NotDone};
use orion_suite::report::{SuiteResult, TestResult};
use orion_suite::run::{Answers, Mismatch, Play, PlayError};
use orion_suite::suite::{LoadedRules, Rules, Suite, Test, TestLimits, read_within};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{Bench, not_done};
use crate::rule_set;

/// Samples of one test: a hundred series, a sample a minute, for two weeks.
const MAX_SAMPLES: usize = 2_000_000;

/// Samples of all tests of a job, which are held together: some two hundred megabytes.
const MAX_SAMPLES_OF_JOB: usize = 8_000_000;

/// Instants of one test: two months of minutes. A job ends between two tests, and these take some seconds.
const MAX_INSTANTS: i64 = 100_000;

/// A file of tests with the rules that it is about.
type Loaded = (Suite, LoadedRules);

impl Bench {
    pub(super) fn test(
        &self,
        tests: &[JobText],
        rules: &[JobText],
        answers: Option<&JobText>,
        course: &Course,
        runtime: &Runtime,
    ) -> Result<Done, NotDone> {
        let answers = match answers.and_then(|answers| Some((&answers.name, answers.text.as_ref()?))) {
            Some((name, text)) => Answers::of_text(text).map_err(|why| NotDone::BadRule(format!("{name}: {why}")))?,
            None => Answers::default(),
        };
        let judge = Rules::new(rule_set::shelf_in(&self.sandbox, &self.plugins).map_err(not_done)?);
        let suites = self.load(&judge, tests, rules)?;
        let total = suites.iter().map(|(suite, _)| suite.tests.len() as u64).sum();
        let (mut done, mut results) = (0, Vec::new());
        for (suite, loaded) in &suites {
            let unmatched = loaded.unmatched.iter().map(|pattern| format!("no rule file fits `{pattern}`"));
            let file = suite.path.display().to_string();
            let mut result = SuiteResult { file, warnings: unmatched.collect(), tests: Vec::new() };
            for test in &suite.tests {
                course.reached(done, total, ProgressUnit::Tests);
                if course.stopped().is_some() {
                    return Err(NotDone::Stopped);
                }
                let began = Instant::now();
                let played = runtime.block_on(play(suite, test, loaded, &judge, &answers));
                result.tests.push(result_of(test, played, began));
                done += 1;
            }
            results.push(result);
        }
        course.reached(done, total, ProgressUnit::Tests);
        let files: Vec<Value> = results.iter().map(SuiteResult::value).collect();
        let result = json!({ "files": files, "coverage": null, "mutants": null });
        Ok(Done { result: result.to_string(), holds: results.iter().all(SuiteResult::is_good) })
    }

    /// Everything that is wrong with any of them, or all of them.
    fn load(&self, judge: &Rules, tests: &[JobText], rules: &[JobText]) -> Result<Vec<Loaded>, NotDone> {
        let given = self.rule_texts(rules)?;
        let (mut loaded, mut bad_tests, mut bad_rules) = (Vec::new(), String::new(), String::new());
        let mut room = MAX_SAMPLES_OF_JOB;
        for JobText { name, text } in tests {
            let limits = TestLimits { samples: MAX_SAMPLES, samples_of_file: room, instants: MAX_INSTANTS };
            match read_within(Path::new(name), text.as_deref().unwrap_or_default(), limits) {
                Ok(suite) => {
                    let series = suite.tests.iter().flat_map(|test| &test.series);
                    room = room.saturating_sub(series.map(|series| series.samples.len()).sum());
                    match judge.load_given(&suite, &given) {
                        Ok(rules) => loaded.push((suite, rules)),
                        Err(report) => bad_rules.push_str(&format!("the rules of {name}:\n{report}")),
                    }
                }
                Err(report) => bad_tests.push_str(&report),
            }
        }
        match (bad_tests.is_empty(), bad_rules.is_empty()) {
            (true, true) => Ok(loaded),
            (false, _) => Err(NotDone::BadRule(format!("bad test files\n{}", bad_tests.trim_end()))),
            (true, false) => Err(NotDone::BadRule(format!("bad rule files\n{}", bad_rules.trim_end()))),
        }
    }

    /// Those that came with the job, or the files of the rules folder.
    fn rule_texts(&self, given: &[JobText]) -> Result<BTreeMap<String, String>, NotDone> {
        if given.is_empty() {
            return rule_set::texts(&self.rules_dir).map_err(not_done);
        }
        Ok(given.iter().filter_map(|rule| Some((rule.name.clone(), rule.text.clone()?))).collect())
    }
}

async fn play(
    suite: &Suite,
    test: &Test,
    loaded: &LoadedRules,
    judge: &Rules,
    answers: &Answers,
) -> Result<Vec<Mismatch>, PlayError> {
    let play = Play::new(suite, test, loaded, judge)?;
    let stage = play.recorded_stage(answers.clone());
    play.play(&stage).await.map(|(_, mismatches)| mismatches)
}

fn result_of(test: &Test, played: Result<Vec<Mismatch>, PlayError>, began: Instant) -> TestResult {
    let (mismatches, error) = match played {
        Ok(mismatches) => (mismatches, None),
        Err(why) => (Vec::new(), Some(why.to_string())),
    };
    TestResult {
        title: test.title(),
        line: test.line,
        seconds: began.elapsed().as_secs_f64(),
        expectations: test.expectations(),
        mismatches,
        error,
    }
}
