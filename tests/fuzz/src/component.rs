//! A plugin file: it is refused, or it can emit and nothing else; and what it does then ends within small limits.

use std::sync::LazyLock;

use orion_model::{Frame, Kind, Timestamp};
use orion_sandbox::{EventBatch, Limits, Plugin, Sandbox, Settings};

const KIB: usize = 1024;

/// A thousandth of what plugins may use, so that one that spins or fills its memory costs milliseconds.
static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| {
    let limits = Limits {
        component_bytes: 256 * KIB,
        functions: 1_000,
        memory_bytes: 4 * 1024 * KIB,
        correlator_memory_bytes: 4 * 1024 * KIB,
        call_fuel: 500_000,
        setup_fuel: 500_000,
        ..Limits::default()
    };
    Sandbox::new(Settings { cache_dir: None, limits }).unwrap()
});

pub(crate) fn run(bytes: &[u8]) {
    let Ok(certificate) = SANDBOX.inspect(bytes) else { return };
    assert_eq!(certificate.imports.len(), 1, "{:?}", certificate.imports);
    assert!(certificate.imports.iter().all(|import| import.ends_with("#emit")), "{:?}", certificate.imports);
    let Ok(plugin) = SANDBOX.load(bytes) else { return };
    let instant = Timestamp::from_millis(1_000);
    match plugin.manifest().kind {
        Kind::Detector => observe(&plugin, instant),
        Kind::Correlator => correlate(&plugin, instant),
    }
}

fn observe(plugin: &Plugin, instant: Timestamp) {
    let Ok(mut detector) = plugin.detector() else { return };
    let frame = Frame { instant, ids: vec![0], timestamps: vec![1_000], values: vec![1.0], warnings: Vec::new() };
    if detector.configure(&plugin.manifest().complete(&[])).is_ok() {
        let mut findings = Vec::new();
        let said = detector.observe(&frame, &mut findings);
        assert!(said.is_ok() || findings.is_empty());
    }
}

fn correlate(plugin: &Plugin, instant: Timestamp) {
    let Ok(mut correlator) = plugin.correlator() else { return };
    if correlator.configure(&plugin.manifest().complete(&[])).is_ok() {
        let mut changes = Vec::new();
        let said = correlator.correlate(instant, &EventBatch::new(), &mut changes);
        assert!(said.is_ok() || changes.is_empty());
    }
}
