//! What a language costs: the detector `surge`, which says the same in each of them, beside the one in C; how long it takes from
//! nothing to findings; and how soon a plugin that was compiled before is ready.
#![expect(clippy::disallowed_types, reason = "the bench starts the author's binary; none of this is deployed")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use orion_model::{Finding, Frame, Labels, Timestamp};
use orion_sandbox::{Detector, Plugin, Sandbox, Settings};
use tempfile::TempDir;

use super::Context;
use crate::deployment::folder_on_disk;
use crate::error::{BenchError, require, require_equal};
use crate::median;
use crate::report::{Figure, Target};

const SERIES: u32 = 1_000;
const STEP_MILLIS: i64 = 15_000;

/// Frames whose findings are compared before anything is measured: each has one, once the mean is known.
const COMPARED_FRAMES: usize = 20;

const MOST_MILLIS_READY: f64 = 5.0;

struct Language {
    name: &'static str,
    /// Times the detector in C.
    most: Target,
    /// From nothing to findings.
    most_seconds: Target,
}

const fn language(name: &'static str, most: f64, most_seconds: f64) -> Language {
    Language { name, most: Target::AtMost(most), most_seconds: Target::AtMost(most_seconds) }
}

const C: Language = Language { name: "c", most: Target::None, most_seconds: Target::AtMost(10.0) };

/// The others. Zig builds its C++ library once, and Go its whole library, when they are first asked: nothing is promised of that.
const OTHERS: [Language; 8] = [
    language("rust", 1.6, 10.0),
    Language { name: "cpp", most: Target::AtMost(1.3), most_seconds: Target::None },
    language("zig", 2.5, 10.0),
    language("assemblyscript", 2.5, 10.0),
    Language { name: "go", most: Target::AtMost(10.0), most_seconds: Target::None },
    language("javascript", 200.0, 60.0),
    language("typescript", 200.0, 60.0),
    language("python", 300.0, 60.0),
];

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let desk = Desk::new(context.kit()?)?;
    let (c, mut figures) = Tried::new(&desk, &C)?;
    for language in &OTHERS {
        let (tried, more) = Tried::new(&desk, language)?;
        figures.extend(more);
        figures.push(beside(&c, &tried, language)?);
    }
    Ok(figures)
}

/// An author's desk with all toolchains.
struct Desk {
    kit: PathBuf,
    path: OsString,
    folder: TempDir,
}

impl Desk {
    fn new(kit: &Path) -> Result<Self, BenchError> {
        let own = ["python/bin", "node/node_modules/.bin"].map(|folder| toolchains().join(folder));
        let given = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(own.into_iter().chain(std::env::split_paths(&given)));
        let path = path.map_err(BenchError::failed("name the folders of toolchains"))?;
        Ok(Self { kit: kit.to_owned(), path, folder: folder_on_disk()? })
    }

    /// Runs the kit, and says how long it took and what it said.
    fn kit(&self, folder: &str, arguments: &[&str]) -> Result<(Duration, String), BenchError> {
        let what = || format!("orion-kit {}", arguments.join(" "));
        let mut command = Command::new(&self.kit);
        command.args(arguments).current_dir(self.folder.path().join(folder)).env("PATH", &self.path);
        command.env("ZIG_GLOBAL_CACHE_DIR", toolchains().join("zig-cache")).env("XDG_CACHE_HOME", self.cache());
        let began = Instant::now();
        let output = command.output().map_err(BenchError::failed(what()))?;
        let took = began.elapsed();
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(BenchError::Failed { what: what(), why });
        }
        Ok((took, String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }
}

/// Where `cargo xtask setup` puts them.
fn toolchains() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/toolchains")
}

/// The detector in one language, tried.
struct Tried {
    plugin: Plugin,
    findings: Vec<String>,
}

impl Tried {
    /// Begins a project, builds it, runs it, and measures what came of it.
    fn new(desk: &Desk, language: &Language) -> Result<(Self, Vec<Figure>), BenchError> {
        let name = language.name;
        let project = format!("surge-{name}");
        let (new, _) = desk.kit("", &["new", &project, "--lang", name])?;
        let (build, _) = desk.kit(&project, &["build"])?;
        let (run, said) = desk.kit(&project, &["run"])?;
        require(said.contains("2 findings"), || format!("in {name}: {said}"))?;
        let file = desk.folder.path().join(&project).join(format!("{project}.wasm"));
        let component = std::fs::read(&file).map_err(BenchError::failed(format!("read {}", file.display())))?;
        let (plugin, compile) = compiled(&component)?;
        let first = Figure::new(
            format!("{name}: new, build and run"),
            language.most_seconds,
            (new + build + run).as_secs_f64(),
            "s",
        );
        let first = first.note(format!(
            "build {:.1} s, run {:.1} s; {} kB, which take {:.0} ms to compile",
            build.as_secs_f64(),
            run.as_secs_f64(),
            component.len() / 1_000,
            compile.as_secs_f64() * 1_000.0,
        ));
        let ready = ready(desk, &component)?;
        let (findings, figure) = Self::cost(&plugin, name)?;
        let ready = Figure::new(
            format!("{name}: ready from the compile cache"),
            Target::AtMost(MOST_MILLIS_READY),
            ready / 1e6,
            "ms",
        );
        Ok((Self { plugin, findings }, vec![first, ready, figure]))
    }

    /// What it finds, and what a sample costs in work and memory.
    fn cost(plugin: &Plugin, name: &str) -> Result<(Vec<String>, Figure), BenchError> {
        let mut shown = Shown::new(plugin)?;
        let (mut found, mut fuel, mut memory) = (Vec::new(), 0, 0);
        for _ in 0..COMPARED_FRAMES {
            let report = shown.look()?;
            (fuel, memory) = (report.fuel, report.memory_bytes);
            found.extend(shown.findings.iter().map(|finding| format!("{finding:?}")));
        }
        require(!found.is_empty(), || format!("nothing was found in {name}"))?;
        let fuel = fuel as f64 / f64::from(SERIES);
        let figure = Figure::new(format!("{name}: fuel for a sample"), Target::None, fuel, "");
        Ok((found, figure.note(format!("{:.1} MiB of memory", memory as f64 / 1024.0 / 1024.0))))
    }
}

/// Compiled anew, and how long that took.
fn compiled(component: &[u8]) -> Result<(Plugin, Duration), BenchError> {
    let sandbox = Sandbox::new(Settings::default()).map_err(BenchError::failed("start a sandbox"))?;
    let began = Instant::now();
    let plugin = sandbox.load(component).map_err(BenchError::failed("compile a plugin"))?;
    Ok((plugin, began.elapsed()))
}

/// Nanoseconds until a plugin can be called that was compiled before: its bytes are there, and what was compiled is on the disk.
fn ready(desk: &Desk, component: &[u8]) -> Result<f64, BenchError> {
    let cache_dir = Some(desk.cache().join("orion-kit"));
    let sandbox = Sandbox::new(Settings { cache_dir, ..Settings::default() });
    let sandbox = sandbox.map_err(BenchError::failed("start a sandbox with a cache"))?;
    median::nanos(&mut || sandbox.load(component).map(drop).map_err(BenchError::failed("load a compiled plugin")))
}

/// How many times the one in C another takes.
fn beside(c: &Tried, other: &Tried, language: &Language) -> Result<Figure, BenchError> {
    require_equal(&format!("findings in {}", language.name), &other.findings, &c.findings)?;
    let (mut first, mut second) = (Shown::new(&other.plugin)?, Shown::new(&c.plugin)?);
    let both = median::side_by_side(&mut || first.look().map(drop), &mut || second.look().map(drop))?;
    let micros = |nanos: f64| nanos / 1_000.0;
    let figure = Figure::new(format!("{}: a frame of 1 000 samples", language.name), language.most, both.ratio, "× C");
    Ok(figure.note(format!("{:.1} µs beside {:.1} µs", micros(both.first), micros(both.second))))
}

/// Frames between two times at which a detector is asked for its state. A host asks at the latest every half a minute; what changed is
/// kept in the plugin until then. Seldom enough not to be in the median.
const SAVED_FRAMES: i64 = 100;

/// A detector that is shown one frame after the other.
struct Shown {
    detector: Detector,
    frame: Frame,
    findings: Vec<Finding>,
}

impl Shown {
    fn new(plugin: &Plugin) -> Result<Self, BenchError> {
        let failed = "set up a detector";
        let mut detector = plugin.detector().map_err(BenchError::failed(failed))?;
        detector.configure(&plugin.manifest().complete(&[])).map_err(BenchError::failed(failed))?;
        let labels: Vec<Labels> = (0..SERIES).map(labels).collect();
        let series = (0..).zip(&labels);
        detector.define_series(series).map_err(BenchError::failed(failed))?;
        let frame = Frame {
            instant: Timestamp::from_millis(0),
            ids: (0..SERIES).collect(),
            timestamps: (0..SERIES).map(|_| 0).collect(),
            values: (0..SERIES).map(|id| 100.0 + f64::from(id % 64) / 8.0).collect(),
            warnings: Vec::new(),
        };
        Ok(Self { detector, frame, findings: Vec::new() })
    }

    /// The next instant. One series, another each time, is far above its mean.
    fn look(&mut self) -> Result<orion_sandbox::Report, BenchError> {
        self.frame.instant = self.frame.instant.plus_millis(STEP_MILLIS);
        let millis = self.frame.instant.as_millis();
        self.frame.timestamps.fill(millis);
        let place = usize::try_from(millis / STEP_MILLIS).unwrap_or_default() % self.frame.values.len().max(1);
        let usual = self.frame.values.get(place).copied().unwrap_or_default();
        self.put(place, usual * 10.0);
        self.findings.clear();
        let report = self.detector.observe(&self.frame, &mut self.findings).map_err(BenchError::failed("observe"));
        if (millis / STEP_MILLIS) % SAVED_FRAMES == 0 {
            self.detector.checkpoint().map_err(BenchError::failed("save state"))?;
        }
        self.put(place, usual);
        report
    }

    fn put(&mut self, place: usize, value: f64) {
        if let Some(slot) = self.frame.values.get_mut(place) {
            *slot = value;
        }
    }
}

fn labels(one: u32) -> Labels {
    [("instance", format!("host-{one}:9100")), ("job", "node".to_owned())].into_iter().collect()
}
