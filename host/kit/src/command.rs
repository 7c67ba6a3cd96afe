//! `orion-kit test`: reads files, plays tests, and says what came of them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use orion_lab::LabError;
use orion_suite::run::{Answers, Mismatch, Observed, Play, PlayError, Server, ServerError, Stage};
use orion_suite::suite::{self, LoadedRules, Rules, Suite, Test};

use crate::cli::{EXIT_FAILED, Failure, Output, TestArgs};
use crate::coverage::Coverage;
use crate::mutants::{Mutant, mutants};
use crate::plugins;
use crate::report::{self, Findings, SuiteResult, TestResult};
use crate::server::Started;

/// Where tests are looked for when nothing is said.
const DEFAULT_PATH: &str = "rules";

/// How the names of test files end within a folder; the other files there are rules.
const TEST_FILES: [&str; 2] = [".test.yaml", ".test.yml"];

/// Plays all tests. Exits with 0 when everything holds.
pub fn test(args: &TestArgs) -> Result<ExitCode, Failure> {
    let suites = read_all(&args.paths)?;
    let rules = Rules::new(plugins::shelf(&args.plugins, plugin_cache()).map_err(Failure::BadFile)?);
    let suites = load_all(suites, &rules)?;
    let mut session = Session::new(args, rules, &suites)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| Failure::Configuration(format!("nothing can be waited for: {why}")))?;
    let mut results = Vec::new();
    for (suite, loaded) in &suites {
        let result = runtime.block_on(session.suite(suite, loaded))?;
        if args.output == Output::Text {
            print(&report::text_of_suite(&result))?;
        }
        results.push(result);
    }
    if let Some(file) = &args.record {
        session.answers.write(file).map_err(Failure::Configuration)?;
    }
    if let Some(file) = &args.junit {
        let written = std::fs::write(file, report::junit(&results));
        written.map_err(|why| Failure::Configuration(format!("{} cannot be written: {why}", file.display())))?;
    }
    let findings = session.findings();
    print(&match args.output {
        Output::Text => report::text_of_all(&results, &findings),
        Output::Json => format!("{:#}\n", report::value(&results, &findings)),
    })?;
    let all_good = results.iter().flat_map(|suite| &suite.tests).all(TestResult::is_good);
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) })
}

/// Compiling plugins takes seconds; what was compiled is kept where the user keeps such things.
pub fn plugin_cache() -> Option<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = given("XDG_CACHE_HOME").or_else(|| given("HOME").map(|home| home.join(".cache")))?;
    Some(folder.join("orion-kit"))
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<Suite>, Failure> {
    let default = [PathBuf::from(DEFAULT_PATH)];
    let paths = if paths.is_empty() { &default[..] } else { paths };
    let mut files = Vec::new();
    for path in paths {
        find(path, &mut files)?;
    }
    if files.is_empty() {
        let ends = TEST_FILES.join(" or *");
        return Err(Failure::Configuration(format!("no test file is there: name one, or a folder with *{ends} in it")));
    }
    let mut suites = Vec::new();
    let mut refused = String::new();
    for file in files {
        match std::fs::read_to_string(&file) {
            Ok(text) => match suite::read(&file, &text) {
                Ok(suite) => suites.push(suite),
                Err(report) => refused.push_str(&report),
            },
            Err(why) => refused.push_str(&format!("{} cannot be read: {why}\n", file.display())),
        }
    }
    if refused.is_empty() {
        Ok(suites)
    } else {
        Err(Failure::BadFile(format!("bad test files\n{}", refused.trim_end())))
    }
}

/// A file that is named is one of tests, whatever it is called.
fn find(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |why: std::io::Error| Failure::Configuration(format!("{} cannot be read: {why}", path.display()));
    if !path.is_dir() {
        std::fs::metadata(path).map_err(failed)?;
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(failed)?;
    let mut entries = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_test = TEST_FILES.iter().any(|end| name.ends_with(end));
        // What is hidden belongs to other tools, and may be large.
        if !name.starts_with('.') && (is_test || entry.is_dir()) {
            find(&entry, files)?;
        }
    }
    Ok(())
}

fn load_all(suites: Vec<Suite>, rules: &Rules) -> Result<Vec<(Suite, LoadedRules)>, Failure> {
    let mut loaded = Vec::new();
    let mut refused = String::new();
    for suite in suites {
        match rules.load(&suite) {
            Ok(rules) => loaded.push((suite, rules)),
            Err(report) => refused.push_str(&format!("the rules of {}:\n{report}", suite.path.display())),
        }
    }
    if refused.is_empty() {
        Ok(loaded)
    } else {
        Err(Failure::BadFile(format!("bad rule files\n{}", refused.trim_end())))
    }
}

/// The tests of a suite that are to be played.
fn wanted<'s>(args: &TestArgs, suite: &'s Suite) -> impl Iterator<Item = &'s Test> {
    suite.tests.iter().filter(|test| args.name.as_ref().is_none_or(|name| test.title().contains(name.as_str())))
}

/// What all tests share.
struct Session<'a> {
    args: &'a TestArgs,
    rules: Rules,
    /// What was recorded, before or by this run.
    answers: Answers,
    coverage: Coverage,
    herd: Option<Herd>,
}

impl<'a> Session<'a> {
    fn new(args: &'a TestArgs, rules: Rules, suites: &[(Suite, LoadedRules)]) -> Result<Self, Failure> {
        let answers = match &args.recorded {
            Some(file) => Answers::read(file).map_err(Failure::Configuration)?,
            None => Answers::default(),
        };
        let herd = args.mutate.then(|| Herd::new(args, suites));
        Ok(Self { args, rules, answers, coverage: Coverage::default(), herd })
    }

    fn findings(self) -> Findings {
        let coverage = self.args.coverage.then_some(self.coverage);
        Findings { coverage, mutants: self.herd.map(|herd| (herd.alive, herd.all)) }
    }

    async fn suite(&mut self, suite: &Suite, loaded: &LoadedRules) -> Result<SuiteResult, Failure> {
        let unmatched = loaded.unmatched.iter().map(|pattern| format!("no rule file fits `{pattern}`"));
        let mut result =
            SuiteResult { file: suite.path.display().to_string(), warnings: unmatched.collect(), tests: Vec::new() };
        for test in wanted(self.args, suite) {
            result.tests.push(self.test(suite, test, loaded).await?);
        }
        Ok(result)
    }

    async fn test(&mut self, suite: &Suite, test: &Test, loaded: &LoadedRules) -> Result<TestResult, Failure> {
        let began = Instant::now();
        let mut result = TestResult {
            title: test.title(),
            line: test.line,
            seconds: 0.0,
            expectations: test.expectations(),
            mismatches: Vec::new(),
            error: None,
        };
        match self.play(suite, test, loaded).await {
            Ok(mismatches) => result.mismatches = mismatches,
            Err(why) => result.error = Some(unless_away(why)?.to_string()),
        }
        result.seconds = began.elapsed().as_secs_f64();
        Ok(result)
    }

    async fn play(&mut self, suite: &Suite, test: &Test, loaded: &LoadedRules) -> Result<Vec<Mismatch>, PlayError> {
        let play = Play::new(suite, test, loaded, &self.rules)?;
        let stage = match self.args.recorded {
            Some(_) => play.recorded_stage(self.answers.clone()),
            None => play.set_stage(server(suite)?).await?,
        };
        let (observed, mismatches): (Observed, Vec<Mismatch>) = play.play(&stage).await?;
        self.coverage.add(play.generation(), test, &observed);
        if let Some(herd) = self.herd.as_mut().filter(|_| mismatches.is_empty()) {
            herd.meet(suite, test, &play, &stage).await?;
        }
        if self.args.record.is_some() {
            self.answers.extend(stage.answers());
        }
        Ok(mismatches)
    }
}

/// Mutants of all rules that no test has noticed yet. A test that fails as it is notices nothing.
struct Herd {
    alive: Vec<Mutant>,
    all: usize,
}

impl Herd {
    /// Only of rules that a test speaks of: of the others it is known that no test notices anything.
    fn new(args: &TestArgs, suites: &[(Suite, LoadedRules)]) -> Self {
        let mut alive: Vec<Mutant> = Vec::new();
        for (suite, loaded) in suites {
            let mut mutants = mutants(&loaded.generation(), suite.interval_millis);
            mutants.retain(|mutant| wanted(args, suite).any(|test| test.speaks_of(&mutant.rule.name)));
            mutants.retain(|mutant| !alive.contains(mutant));
            alive.extend(mutants);
        }
        Self { all: alive.len(), alive }
    }

    /// Those that the test notices are gone.
    async fn meet(&mut self, suite: &Suite, test: &Test, play: &Play<'_>, stage: &Arc<Stage>) -> Result<(), PlayError> {
        let mut unnoticed = Vec::new();
        for mutant in std::mem::take(&mut self.alive) {
            if !test.speaks_of(&mutant.rule.name) || accepts(suite, play, &mutant, stage).await? {
                unnoticed.push(mutant);
            }
        }
        self.alive = unnoticed;
        Ok(())
    }
}

/// Whether a test finds nothing wrong with a change of its rules.
async fn accepts(suite: &Suite, play: &Play<'_>, mutant: &Mutant, stage: &Arc<Stage>) -> Result<bool, PlayError> {
    let Some(generation) = mutant.apply(play.generation()) else { return Ok(true) };
    let changed = play.with(generation);
    let own = match play.alerts_are_read() && stage.is_live() {
        true => Some(changed.set_stage(server(suite)?).await?),
        false => None,
    };
    let (_, mismatches) = changed.play(own.as_ref().unwrap_or(stage)).await?;
    Ok(mismatches.is_empty())
}

/// A Prometheus for one test.
fn server(suite: &Suite) -> Result<Box<dyn Server>, PlayError> {
    match Started::of(suite) {
        Ok(started) => Ok(Box::new(started)),
        Err(why @ LabError::MissingBinary { .. }) => {
            Err(ServerError::Away(format!("{why}; or name recorded answers with --recorded")).into())
        }
        Err(why) => Err(crate::server::error(&why).into()),
    }
}

/// Without Prometheus no other test can be played either. One that does not take the data of a test is another matter.
fn unless_away(why: PlayError) -> Result<PlayError, Failure> {
    match why {
        PlayError::Server(ServerError::Away(why)) => Err(Failure::Configuration(why)),
        other => Ok(other),
    }
}

/// Writes to stdout. A reader that went away ends the command: there is nobody to tell.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| Failure::Configuration(format!("stdout cannot be written: {error}")))
}
