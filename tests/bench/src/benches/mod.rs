//! The benchmarks, one file each, in the order of the way from an answer to the audit trail.

mod active_alerts;
mod anomaly;
mod answer_to_detector;
mod bus;
mod columns;
mod confinement;
mod console;
mod containment;
mod correlations_at_once;
mod correlators;
mod four_stages;
mod grouping;
mod hundred_rules;
mod idle;
mod interface;
mod languages;
mod live_keys;
mod many_hosts;
mod many_rules;
mod recovery;
mod redis_bus;
mod replay;
mod small_rule;
mod soak;
mod state_handover;
mod threshold_vs_native;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orion_sandbox::{Sandbox, Settings};

use crate::deployment;
use crate::error::BenchError;
use crate::report::Figure;

/// One benchmark.
pub struct Bench {
    /// What `--only` calls it.
    pub name: &'static str,
    /// What it measures.
    pub about: &'static str,
    /// Measures it.
    pub run: fn(&Context) -> Result<Vec<Figure>, BenchError>,
}

/// All of them.
pub static ALL: [Bench; 26] = [
    Bench { name: "columns", about: "samples from the host into a detector", run: columns::run },
    Bench {
        name: "threshold_vs_native",
        about: "the threshold detector in the sandbox and the same code without one",
        run: threshold_vs_native::run,
    },
    Bench {
        name: "answer_to_detector",
        about: "the bytes of an answer into a frame and through a detector",
        run: answer_to_detector::run,
    },
    Bench {
        name: "languages",
        about: "the same detector in each language that plugins are written in, beside the one in C",
        run: languages::run,
    },
    Bench { name: "grouping", about: "events through the grouping correlator", run: grouping::run },
    Bench {
        name: "correlators",
        about: "events through the correlators that look for a pattern",
        run: correlators::run,
    },
    Bench { name: live_keys::NAME, about: "the memory of a million keys of `count`", run: live_keys::run },
    Bench {
        name: "correlations_at_once",
        about: "events through fifty correlations of one rule file",
        run: correlations_at_once::run,
    },
    Bench { name: "replay", about: "thirty days of a hundred rules again", run: replay::run },
    Bench { name: "bus", about: "events onto the bus, synced, and off it again", run: bus::run },
    Bench {
        name: "four_stages",
        about: "a flood of events through all stages into the audit trail",
        run: four_stages::run,
    },
    Bench {
        name: "redis_bus",
        about: "events onto the bus in Redis and through all stages, beside redis-benchmark on the same server",
        run: redis_bus::run,
    },
    Bench {
        name: many_hosts::NAME,
        about: "how soon two hosts share, hand over and take over, with a real Redis",
        run: many_hosts::run,
    },
    Bench { name: recovery::NAME, about: "a start on a gigabyte after a kill", run: recovery::run },
    Bench { name: "small_rule", about: "rules with small answers, with a real Prometheus", run: small_rule::run },
    Bench {
        name: "hundred_rules_one_question",
        about: "a hundred rules that ask the same, with a real Prometheus",
        run: hundred_rules::run,
    },
    Bench {
        name: "anomaly",
        about: "the anomaly detector over a thousand series, with a real Prometheus",
        run: anomaly::run,
    },
    Bench { name: "active_alerts", about: "fifty thousand alerts from tick to tick", run: active_alerts::run },
    Bench {
        name: "many_rules",
        about: "ten thousand rules checked, and one file of them edited",
        run: many_rules::run,
    },
    Bench { name: confinement::NAME, about: "what confining the process costs at its start", run: confinement::run },
    Bench {
        name: "containment",
        about: "what holding plugins costs, and how soon those that attack are ended",
        run: containment::run,
    },
    Bench { name: "state_handover", about: "an edit of what remembers a mebibyte", run: state_handover::run },
    Bench { name: "interface", about: "deliveries, requests, listeners and scrapes over HTTP", run: interface::run },
    Bench { name: "console", about: "ten thousand incidents in a real browser", run: console::run },
    Bench {
        name: "soak",
        about: "a day of a large deployment in twelve minutes: memory, and its growth",
        run: soak::run,
    },
    Bench { name: "idle", about: "memory, start and edits with all shipped rules", run: idle::run },
];

/// What benchmarks share, made when first needed.
pub struct Context {
    alone: bool,
    orion: Binary,
    kit: Binary,
    sandbox: OnceCell<Arc<Sandbox>>,
}

/// A program that is measured.
struct Binary {
    package: &'static str,
    given: Option<PathBuf>,
    path: OnceCell<PathBuf>,
}

impl Binary {
    const fn new(package: &'static str, given: Option<PathBuf>) -> Self {
        Self { package, given, path: OnceCell::new() }
    }

    /// As it is released, unless another was given. Absolute, because it is started in other folders.
    fn path(&self) -> Result<&Path, BenchError> {
        if let Some(path) = self.path.get() {
            return Ok(path);
        }
        let path = match &self.given {
            Some(given) => given.clone(),
            None => deployment::build(self.package)?,
        };
        let path = path.canonicalize().map_err(BenchError::failed(format!("find {}", path.display())))?;
        Ok(self.path.get_or_init(|| path))
    }
}

impl Context {
    /// With the programs to measure; those that are not given are built.
    pub fn new(orion: Option<PathBuf>, kit: Option<PathBuf>, alone: bool) -> Self {
        let (orion, kit) = (Binary::new("orion", orion), Binary::new("orion-kit", kit));
        Self { alone, orion, kit, sandbox: OnceCell::new() }
    }

    /// Whether this process is there for one benchmark only.
    fn is_alone(&self) -> bool {
        self.alone
    }

    /// The deployed binary.
    fn orion(&self) -> Result<&Path, BenchError> {
        self.orion.path()
    }

    /// The author's binary.
    fn kit(&self) -> Result<&Path, BenchError> {
        self.kit.path()
    }

    /// The one sandbox of this process.
    fn sandbox(&self) -> Result<&Arc<Sandbox>, BenchError> {
        if let Some(sandbox) = self.sandbox.get() {
            return Ok(sandbox);
        }
        let sandbox = Sandbox::new(Settings::default()).map_err(BenchError::failed("start the sandbox"))?;
        Ok(self.sandbox.get_or_init(|| Arc::new(sandbox)))
    }
}
