//! Parameters from the command line, as a rule would give them.

use orion_model::{Manifest, Parameter, ParameterSpec, ParameterType, ParameterValue};

use crate::cli::Failure;

/// All parameters of a plugin: those that are given, accepted by its manifest, and the defaults of the others.
pub fn parameters(manifest: &Manifest, given: &[String]) -> Result<Vec<Parameter>, Failure> {
    let mut accepted = Vec::new();
    for text in given {
        let (name, value) =
            text.split_once('=').ok_or_else(|| Failure::Configuration(format!("--with {text}: write NAME=VALUE")))?;
        let spec = manifest.parameter(name).ok_or_else(|| unknown(manifest, name))?;
        let value = read(spec, value).and_then(|value| spec.accept(value));
        let value = value.map_err(|why| Failure::Configuration(format!("--with {text}: {why}")))?;
        accepted.push(Parameter { name: name.to_owned(), value });
    }
    for spec in &manifest.parameters {
        if spec.required && !accepted.iter().any(|given| given.name == spec.name) {
            return Err(Failure::Configuration(format!(
                "`{}` is needed: --with {}=…  ({})",
                spec.name, spec.name, spec.doc
            )));
        }
    }
    Ok(manifest.complete(&accepted))
}

fn unknown(manifest: &Manifest, name: &str) -> Failure {
    let known: Vec<_> = manifest.parameters.iter().map(|spec| spec.name.as_str()).collect();
    let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
    Failure::Configuration(format!("{} has no parameter `{name}`; {known}", manifest.name))
}

fn read(spec: &ParameterSpec, text: &str) -> Result<ParameterValue, String> {
    let wrong = || format!("expected {}, found `{text}`", spec.type_.described());
    match spec.type_ {
        ParameterType::Text | ParameterType::Duration => Ok(ParameterValue::Text(text.to_owned())),
        ParameterType::Number => text.parse().map(ParameterValue::Number).map_err(|_| wrong()),
        ParameterType::Integer => text.parse().map(ParameterValue::Integer).map_err(|_| wrong()),
        ParameterType::Flag => text.parse().map(ParameterValue::Flag).map_err(|_| wrong()),
        ParameterType::Texts => Ok(ParameterValue::Texts(text.split(',').map(str::to_owned).collect())),
        ParameterType::Map => {
            let pairs =
                text.split(',').map(|pair| pair.split_once('=')).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
            let pieces = pairs.into_iter().flat_map(|(key, value)| [key.to_owned(), value.to_owned()]);
            Ok(ParameterValue::Texts(pieces.collect()))
        }
    }
}
