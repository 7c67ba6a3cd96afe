//! The sandbox itself, and plugins that passed its door: compiled, linked to `emit` and nothing else, started once to
//! see that they can, and ready to make instances.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use orion_model::{Digest, Kind, Manifest};
use wasmtime::component::{Component, HasSelf, Linker};

use crate::admission::{self, Certificate};
use crate::compiled::CompiledPlugins;
use crate::correlator::Correlator;
use crate::detector::Detector;
use crate::emit::{ChangeBox, FindingBox};
use crate::engine::{Engine, Metering};
use crate::fault::{Fault, LoadError, SandboxError};
use crate::guest::Room;
use crate::limits::Limits;
use crate::meter::PluginMeter;
use crate::wit::correlator::CorrelatorPluginPre;
use crate::wit::correlator::orion::plugin::incidents;
use crate::wit::detector::DetectorPluginPre;
use crate::wit::detector::orion::plugin::findings;

/// What a sandbox is made with.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where compiled plugins are kept. Nobody but this host's user may write there: it holds native code. Without it
    /// every start compiles every plugin again.
    pub cache_dir: Option<PathBuf>,
    /// What each plugin may use.
    pub limits: Limits,
}

/// The engine that plugins run in. One per process.
pub struct Sandbox {
    engine: Arc<Engine>,
    compiled: Option<CompiledPlugins>,
    detectors: Linker<Room<FindingBox>>,
    correlators: Linker<Room<ChangeBox>>,
}

impl Sandbox {
    /// Starts the engine and its clock.
    pub fn new(settings: Settings) -> Result<Self, SandboxError> {
        Self::with(settings, Metering::On)
    }

    /// A sandbox in which nothing ends a plugin that spins, and nothing counts what it holds.
    #[cfg(feature = "unmetered")]
    pub fn unmetered(settings: Settings) -> Result<Self, SandboxError> {
        Self::with(settings, Metering::Off)
    }

    fn with(settings: Settings, metering: Metering) -> Result<Self, SandboxError> {
        let Settings { cache_dir, limits } = settings;
        let engine = Arc::new(Engine::new(limits, metering)?);
        let open = |dir: PathBuf| CompiledPlugins::open(&dir, &engine.wasm, &engine.limits);
        let compiled = cache_dir.map(open).transpose()?;
        let failed = |error: wasmtime::Error| SandboxError::Engine(format!("{error:#}"));
        // These two lines are all that a plugin can reach.
        let mut detectors = Linker::<Room<FindingBox>>::new(&engine.wasm);
        findings::add_to_linker::<_, HasSelf<FindingBox>>(&mut detectors, |room| &mut room.outbox).map_err(failed)?;
        let mut correlators = Linker::<Room<ChangeBox>>::new(&engine.wasm);
        incidents::add_to_linker::<_, HasSelf<ChangeBox>>(&mut correlators, |room| &mut room.outbox).map_err(failed)?;
        Ok(Self { engine, compiled, detectors, correlators })
    }

    /// Checks a plugin without compiling it: size, manifest, validity, and that it imports `emit` alone.
    pub fn inspect(&self, bytes: &[u8]) -> Result<Certificate, LoadError> {
        admission::admit(bytes, &self.engine.limits)
    }

    /// Checks and compiles a plugin, and starts it once. Compiling takes half a millisecond per kB, so this belongs on a
    /// thread of its own; one that was checked and compiled before is ready in a few milliseconds.
    pub fn load(&self, bytes: &[u8]) -> Result<Plugin, LoadError> {
        let began = Instant::now();
        let (certificate, component) = self.component(bytes)?;
        let world = |error: wasmtime::Error| LoadError::world(&error);
        let code = match certificate.manifest.kind {
            Kind::Detector => {
                let linked = self.detectors.instantiate_pre(&component).map_err(world)?;
                Code::Detector(DetectorPluginPre::new(linked).map_err(world)?)
            }
            Kind::Correlator => {
                let linked = self.correlators.instantiate_pre(&component).map_err(world)?;
                Code::Correlator(CorrelatorPluginPre::new(linked).map_err(world)?)
            }
        };
        let plugin = Plugin(Arc::new(Loaded {
            engine: Arc::clone(&self.engine),
            certificate,
            code,
            failures: AtomicU64::new(0),
            meter: Arc::default(),
        }));
        plugin.start_once()?;
        plugin.meter().load_seconds.set(began.elapsed().as_secs_f64());
        Ok(plugin)
    }

    /// From what is kept, or checked and compiled now.
    fn component(&self, bytes: &[u8]) -> Result<(Certificate, Component), LoadError> {
        let Some(compiled) = &self.compiled else { return self.compile(bytes) };
        let name = compiled.name(bytes);
        if let Some(found) = compiled.find(&self.engine.wasm, &name) {
            return Ok(found);
        }
        let certificate = self.inspect(bytes)?;
        let code = self.engine.compile_apart(bytes).map_err(|error| LoadError::compile(&error))?;
        compiled.keep(&name, &certificate, &code);
        // It is not there when it could not be kept.
        compiled.find(&self.engine.wasm, &name).map_or_else(|| self.compile(bytes), Ok)
    }

    fn compile(&self, bytes: &[u8]) -> Result<(Certificate, Component), LoadError> {
        let certificate = self.inspect(bytes)?;
        let component = Component::from_binary(&self.engine.wasm, bytes).map_err(|error| LoadError::compile(&error))?;
        Ok((certificate, component))
    }
}

/// A plugin that passed admission. Cheap to clone.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>);

struct Loaded {
    engine: Arc<Engine>,
    certificate: Certificate,
    code: Code,
    failures: AtomicU64,
    meter: Arc<PluginMeter>,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plugin({} {})", self.manifest().name, self.digest())
    }
}

#[derive(Clone)]
enum Code {
    Detector(DetectorPluginPre<Room<FindingBox>>),
    Correlator(CorrelatorPluginPre<Room<ChangeBox>>),
}

impl Plugin {
    /// What the plugin says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.0.certificate.manifest
    }

    /// sha256 of its bytes.
    pub fn digest(&self) -> Digest {
        self.0.certificate.digest
    }

    /// What was proven about it.
    pub fn certificate(&self) -> &Certificate {
        &self.0.certificate
    }

    /// What its calls may use.
    pub fn limits(&self) -> &Limits {
        &self.0.engine.limits
    }

    /// Linear memory that one instance of it may have.
    pub fn memory_limit_bytes(&self) -> usize {
        match self.manifest().kind {
            Kind::Detector => self.limits().memory_bytes,
            Kind::Correlator => self.limits().correlator_memory_bytes,
        }
    }

    /// Takes note that it failed with an input. It is shared by all that use it, so whoever has it can ask how it fares.
    pub fn note_failure(&self) {
        self.0.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it failed since it was loaded.
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    /// What all instances of it have done.
    pub fn meter(&self) -> &PluginMeter {
        &self.0.meter
    }

    /// The same plugin for somebody who only tries something: its failures and its numbers are none of those of what runs.
    pub fn apart(&self) -> Self {
        let Loaded { engine, certificate, code, .. } = &*self.0;
        let (engine, certificate, code) = (engine.clone(), certificate.clone(), code.clone());
        Self(Arc::new(Loaded { engine, certificate, code, failures: AtomicU64::new(0), meter: Arc::default() }))
    }

    /// A new instance of a detector.
    pub fn detector(&self) -> Result<Detector, Fault> {
        match &self.0.code {
            Code::Detector(code) => Detector::start(&self.0.engine, code, self.manifest().reads_labels, &self.0.meter),
            Code::Correlator(_) => Err(self.wrong_kind(Kind::Detector)),
        }
    }

    /// A new instance of a correlator.
    pub fn correlator(&self) -> Result<Correlator, Fault> {
        match &self.0.code {
            Code::Correlator(code) => Correlator::start(&self.0.engine, code, &self.0.meter),
            Code::Detector(_) => Err(self.wrong_kind(Kind::Correlator)),
        }
    }

    /// A function of the wrong type, or a start that traps, would otherwise show only when the first rule uses it.
    fn start_once(&self) -> Result<(), Fault> {
        match self.manifest().kind {
            Kind::Detector => self.detector().map(drop),
            Kind::Correlator => self.correlator().map(drop),
        }
    }

    fn wrong_kind(&self, wanted: Kind) -> Fault {
        let manifest = self.manifest();
        Fault::WrongKind { name: manifest.name.clone(), is: manifest.kind.as_str(), wanted: wanted.as_str() }
    }
}
