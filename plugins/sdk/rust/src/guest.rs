//! The plugin as its host sees it: exports that call the runner, and the one import. Compiled for WebAssembly only.

use crate::event::Columns;
use crate::runner::{CorrelatorRunner, DetectorRunner};
use crate::state::Entry;
use crate::{
    ChangeKind, Changes, Correlator, Detector, Findings, Parameter, ParameterValue, Parameters, Scalar, Severity,
};

pub mod detector {
    wit_bindgen::generate!({
        path: "../../../wit/v1",
        world: "orion:plugin/detector-plugin",
        pub_export_macro: true,
        export_macro_name: "export_detector",
    });
}

pub mod correlator {
    wit_bindgen::generate!({
        path: "../../../wit/v1",
        world: "orion:plugin/correlator-plugin",
        pub_export_macro: true,
        export_macro_name: "export_correlator",
    });
}

use correlator::exports::orion::plugin::correlator as correlator_exports;
use correlator::orion::plugin::incidents;
use detector::exports::orion::plugin::detector as detector_exports;
use detector::orion::plugin::findings;

/// Where a detector crate keeps its one instance.
pub trait DetectorSlot: 'static {
    type Detector: Detector;

    fn with<R>(run: impl FnOnce(&mut DetectorRunner<Self::Detector>) -> R) -> R;
}

/// Where a correlator crate keeps its one instance.
pub trait CorrelatorSlot: 'static {
    type Correlator: Correlator;

    fn with<R>(run: impl FnOnce(&mut CorrelatorRunner<Self::Correlator>) -> R) -> R;
}

impl<S: DetectorSlot> detector_exports::Guest for S {
    fn configure(parameters: Vec<detector_exports::Parameter>) -> Result<(), String> {
        let parameters = Parameters::new(parameters.into_iter().map(Into::into).collect());
        S::with(|runner| runner.configure(&parameters)).map_err(|refused| refused.0)
    }

    fn define_series(ids: Vec<u32>, label_counts: Vec<u32>, text: Vec<u8>, ends: Vec<u32>) {
        S::with(|runner| runner.define(&ids, &label_counts, text, ends));
    }

    fn drop_series(ids: Vec<u32>) {
        S::with(|runner| runner.drop_series(&ids));
    }

    fn restore(version: u32, entries: Vec<detector_exports::Entry>) -> Result<(), String> {
        let entries = entries.into_iter().map(Into::into).collect();
        S::with(|runner| runner.restore(version, entries)).map_err(|refused| refused.0)
    }

    fn observe(now: i64, ids: Vec<u32>, timestamps: Vec<i64>, values: Vec<f64>) {
        S::with(|runner| runner.observe(now, &ids, &timestamps, &values, &mut Findings::default()));
    }

    fn checkpoint() -> Vec<detector_exports::Entry> {
        S::with(DetectorRunner::checkpoint).into_iter().map(Into::into).collect()
    }
}

impl<S: CorrelatorSlot> correlator_exports::Guest for S {
    fn configure(parameters: Vec<correlator_exports::Parameter>) -> Result<(), String> {
        let parameters = Parameters::new(parameters.into_iter().map(Into::into).collect());
        S::with(|runner| runner.configure(&parameters)).map_err(|refused| refused.0)
    }

    fn restore(version: u32, entries: Vec<correlator_exports::Entry>) -> Result<(), String> {
        let entries = entries.into_iter().map(Into::into).collect();
        S::with(|runner| runner.restore(version, entries)).map_err(|refused| refused.0)
    }

    fn correlate(now: i64, events: correlator_exports::Batch) {
        let columns = Columns {
            positions: events.positions,
            timestamps: events.timestamps,
            severities: events.severities,
            statuses: events.statuses,
            fingerprints: events.fingerprints,
            values: events.values,
            label_counts: events.label_counts,
            text: events.text,
            ends: events.ends,
        };
        S::with(|runner| runner.correlate(now, &columns, &mut Changes::default()));
    }

    fn checkpoint() -> Vec<correlator_exports::Entry> {
        S::with(CorrelatorRunner::checkpoint).into_iter().map(Into::into).collect()
    }
}

/// Both interfaces repeat these types, because a shared one would be a second import.
macro_rules! converted {
    ($exports:ident, $imports:ident) => {
        impl From<$exports::Parameter> for Parameter {
            fn from(given: $exports::Parameter) -> Self {
                let value = match given.value {
                    $exports::ParameterValue::Text(text) => ParameterValue::Text(text),
                    $exports::ParameterValue::Number(number) => ParameterValue::Number(number),
                    $exports::ParameterValue::Integer(integer) => ParameterValue::Integer(integer),
                    $exports::ParameterValue::Flag(flag) => ParameterValue::Flag(flag),
                    $exports::ParameterValue::Texts(texts) => ParameterValue::Texts(texts),
                };
                Self { name: given.name, value }
            }
        }

        impl From<$exports::Entry> for Entry {
            fn from(entry: $exports::Entry) -> Self {
                Self { key: entry.key, value: entry.value }
            }
        }

        impl From<Entry> for $exports::Entry {
            fn from(entry: Entry) -> Self {
                Self { key: entry.key, value: entry.value }
            }
        }

        impl From<Severity> for $imports::Severity {
            fn from(severity: Severity) -> Self {
                match severity {
                    Severity::Info => Self::Info,
                    Severity::Warning => Self::Warning,
                    Severity::Error => Self::Error,
                    Severity::Critical => Self::Critical,
                }
            }
        }

        impl From<crate::Field> for $imports::Field {
            fn from(field: crate::Field) -> Self {
                let value = match field.value {
                    Scalar::Text(text) => $imports::Scalar::Text(text),
                    Scalar::Number(number) => $imports::Scalar::Number(number),
                    Scalar::Integer(integer) => $imports::Scalar::Integer(integer),
                    Scalar::Flag(flag) => $imports::Scalar::Flag(flag),
                };
                Self { name: field.name, value }
            }
        }
    };
}

converted!(detector_exports, findings);
converted!(correlator_exports, incidents);

pub(crate) fn emit_finding(finding: crate::Finding) {
    findings::emit(&findings::Finding {
        series: finding.series,
        severity: finding.severity.map(Into::into),
        timestamp: finding.timestamp,
        value: finding.value,
        score: finding.score,
        message: finding.message,
        fields: finding.fields.into_iter().map(Into::into).collect(),
    });
}

pub(crate) fn emit_change(change: crate::Change) {
    incidents::emit(&incidents::Change {
        key: change.key,
        kind: match change.kind {
            ChangeKind::Opened => incidents::ChangeKind::Opened,
            ChangeKind::Updated => incidents::ChangeKind::Updated,
            ChangeKind::Resolved => incidents::ChangeKind::Resolved,
        },
        severity: change.severity.into(),
        timestamp: change.timestamp,
        reason: change.reason,
        positions: change.positions,
        fields: change.fields.into_iter().map(Into::into).collect(),
    });
}
