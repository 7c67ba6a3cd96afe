//! The plugin contract as Rust, generated from its WIT, and the model's values in its form. Nothing outside of this room
//! sees a generated type.

/// World of detectors.
pub(crate) mod detector {
    wasmtime::component::bindgen!({
        path: "../../wit/v1",
        world: "orion:plugin/detector-plugin",
        imports: { default: trappable },
    });
}

/// World of correlators.
pub(crate) mod correlator {
    wasmtime::component::bindgen!({
        path: "../../wit/v1",
        world: "orion:plugin/correlator-plugin",
        imports: { default: trappable },
    });
}

/// Both interfaces repeat these types, because a shared one would be a second import.
macro_rules! values {
    ($interface:ident, $exports:path) => {
        pub(crate) mod $interface {
            use orion_model as model;
            use $exports as wit;

            /// Parameters as the contract has them.
            pub(crate) fn parameters(parameters: &[model::Parameter]) -> Vec<wit::Parameter> {
                parameters
                    .iter()
                    .map(|given| wit::Parameter { name: given.name.clone(), value: value(given) })
                    .collect()
            }

            fn value(given: &model::Parameter) -> wit::ParameterValue {
                match &given.value {
                    model::ParameterValue::Flag(flag) => wit::ParameterValue::Flag(*flag),
                    model::ParameterValue::Integer(integer) => wit::ParameterValue::Integer(*integer),
                    model::ParameterValue::Number(number) => wit::ParameterValue::Number(*number),
                    model::ParameterValue::Text(text) => wit::ParameterValue::Text(text.clone()),
                    model::ParameterValue::Texts(texts) => wit::ParameterValue::Texts(texts.clone()),
                }
            }

            /// Saved state as the contract has it.
            pub(crate) fn entries(entries: &[model::StateEntry]) -> Vec<wit::Entry> {
                entries.iter().map(|entry| wit::Entry { key: entry.key.clone(), value: entry.value.clone() }).collect()
            }

            /// Saved state as the model has it.
            pub(crate) fn saved(entries: Vec<wit::Entry>) -> Vec<model::StateEntry> {
                entries.into_iter().map(|entry| model::StateEntry { key: entry.key, value: entry.value }).collect()
            }
        }
    };
}

/// The model's values in the form of the contract, and back.
pub(crate) mod values {
    values!(detector, crate::wit::detector::exports::orion::plugin::detector);
    values!(correlator, crate::wit::correlator::exports::orion::plugin::correlator);
}
