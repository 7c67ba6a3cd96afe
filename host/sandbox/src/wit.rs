//! The plugin contract as Rust, generated from its WIT, and the model's values in its form. Nothing outside of this room
//! sees a generated type.

/// World of detectors.
pub(crate) mod detector {
    wasmtime::component::bindgen!({
        path: "../../wit/v1",
        world: "orion:plugin/detector-plugin",
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// World of correlators.
pub(crate) mod correlator {
    wasmtime::component::bindgen!({
        path: "../../wit/v1",
        world: "orion:plugin/correlator-plugin",
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// Both interfaces repeat these types, because a shared one would be a second import.
macro_rules! values {
    ($interface:ident, $exports:path) => {
        pub(crate) mod $interface {
            use orion_model as model;
            use $exports as wit;

            /// Parameters as the contract has them, for as long as a call takes.
            pub(crate) fn with_parameters<R>(
                given: &[model::Parameter],
                call: impl FnOnce(&[wit::Parameter<'_>]) -> R,
            ) -> R {
                let texts: Vec<Vec<&str>> = given.iter().map(texts).collect();
                let parameters: Vec<_> =
                    given.iter().zip(&texts).map(|(given, texts)| parameter(given, texts)).collect();
                call(&parameters)
            }

            fn texts(given: &model::Parameter) -> Vec<&str> {
                match &given.value {
                    model::ParameterValue::Texts(texts) => texts.iter().map(String::as_str).collect(),
                    _ => Vec::new(),
                }
            }

            fn parameter<'a>(given: &'a model::Parameter, texts: &'a [&'a str]) -> wit::Parameter<'a> {
                wit::Parameter { name: &given.name, value: value(given, texts) }
            }

            fn value<'a>(given: &'a model::Parameter, texts: &'a [&'a str]) -> wit::ParameterValue<'a> {
                match &given.value {
                    model::ParameterValue::Flag(flag) => wit::ParameterValue::Flag(*flag),
                    model::ParameterValue::Integer(integer) => wit::ParameterValue::Integer(*integer),
                    model::ParameterValue::Number(number) => wit::ParameterValue::Number(*number),
                    model::ParameterValue::Text(text) => wit::ParameterValue::Text(text),
                    model::ParameterValue::Texts(_) => wit::ParameterValue::Texts(texts),
                }
            }

            /// Saved state as the contract has it. Nothing is copied: a plugin may keep a hundred thousand of these.
            pub(crate) fn entries<B: AsRef<[u8]>>(entries: &[model::StateEntry<B>]) -> Vec<wit::EntryParam<'_>> {
                entries.iter().map(entry).collect()
            }

            fn entry<B: AsRef<[u8]>>(entry: &model::StateEntry<B>) -> wit::EntryParam<'_> {
                wit::EntryParam { key: entry.key.as_ref(), value: entry.value.as_ref().map(AsRef::as_ref) }
            }

            /// How many bytes it is.
            pub(crate) fn bytes_of(entries: &[wit::EntryParam<'_>]) -> usize {
                entries.iter().map(|entry| entry.key.len() + entry.value.map_or(0, <[u8]>::len)).sum()
            }

            /// Saved state as the model has it.
            pub(crate) fn saved(entries: Vec<wit::EntryResult>) -> Vec<model::StateEntry> {
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
