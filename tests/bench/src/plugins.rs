//! Standard plugins in the sandbox, ready to be called.

use orion_model::{Parameter, ParameterValue};
use orion_sandbox::{Correlator, Detector, Plugin, Sandbox};
use orion_standard_plugins::STANDARD;

use crate::error::BenchError;

/// A bound that the values of the benchmarks never break.
pub const NEVER_BROKEN: f64 = 1e12;

/// The standard plugin of that name, compiled.
pub fn load(sandbox: &Sandbox, name: &str) -> Result<Plugin, BenchError> {
    let missing = || BenchError::Failed { what: format!("load the plugin {name}"), why: "it does not ship".to_owned() };
    let standard = STANDARD.iter().find(|plugin| plugin.name == name).ok_or_else(missing)?;
    sandbox.load(standard.component).map_err(BenchError::failed(format!("load the plugin {name}")))
}

/// A threshold detector with the bound `above`.
pub fn threshold(sandbox: &Sandbox, above: f64) -> Result<Detector, BenchError> {
    let failed = "set up the threshold detector";
    let mut detector = load(sandbox, "threshold")?.detector().map_err(BenchError::failed(failed))?;
    let parameter = Parameter { name: "above".to_owned(), value: ParameterValue::Number(above) };
    detector.configure(&[parameter]).map_err(BenchError::failed(failed))?;
    Ok(detector)
}

/// A grouping correlator as it is without `with:`.
pub fn grouping(sandbox: &Sandbox) -> Result<Correlator, BenchError> {
    let failed = "set up the grouping correlator";
    let mut correlator = load(sandbox, "grouping")?.correlator().map_err(BenchError::failed(failed))?;
    correlator.configure(&[]).map_err(BenchError::failed(failed))?;
    Ok(correlator)
}
