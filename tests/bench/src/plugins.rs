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

/// What a correlation says under `with:`, as plugins are told it without a sandbox.
pub type Given<'a> = &'a [(&'a str, orion_plugin::ParameterValue)];

/// A correlator with these parameters.
pub fn correlator(plugin: &Plugin, given: Given<'_>) -> Result<Correlator, BenchError> {
    let what = format!("set up the correlator {}", plugin.manifest().name);
    let mut correlator = plugin.correlator().map_err(BenchError::failed(what.as_str()))?;
    let parameters: Vec<Parameter> = given.iter().map(|(name, value)| parameter(name, value)).collect();
    correlator.configure(&parameters).map_err(BenchError::failed(what))?;
    Ok(correlator)
}

fn parameter(name: &str, value: &orion_plugin::ParameterValue) -> Parameter {
    use orion_plugin::ParameterValue as Given;
    let value = match value {
        Given::Text(text) => ParameterValue::Text(text.clone()),
        Given::Number(number) => ParameterValue::Number(*number),
        Given::Integer(integer) => ParameterValue::Integer(*integer),
        Given::Flag(flag) => ParameterValue::Flag(*flag),
        Given::Texts(texts) => ParameterValue::Texts(texts.clone()),
    };
    Parameter { name: name.to_owned(), value }
}
