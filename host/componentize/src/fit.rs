//! What keeps a core module from being a plugin, in words: names and types as the contract wants them beside those that
//! the module has.

use std::collections::BTreeMap;
use std::fmt;

use orion_model::Kind;
use wasmparser::{BinaryReaderError, ExternalKind, FuncType, Parser, Payload, TypeRef, ValType};
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{Function, Resolve, WorldId, WorldItem};

use crate::wasi;

/// One thing that keeps a module from being a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// An export that the host needs is not there.
    Missing {
        /// Its name.
        export: String,
        /// What the host does with it.
        purpose: &'static str,
    },
    /// An export has another type.
    Type {
        /// Its name.
        export: String,
        /// The type it has.
        found: String,
        /// The type the contract wants.
        wanted: String,
    },
    /// An import that no plugin may have.
    Import {
        /// Where from.
        module: String,
        /// Which.
        name: String,
        /// How to do without it.
        advice: String,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { export, purpose } => write!(f, "export `{export}` is missing: {purpose}"),
            Self::Type { export, found, wanted } => {
                write!(f, "export `{export}` has the type {found}, the contract wants {wanted}")
            }
            Self::Import { module, name, advice } => write!(f, "imports `{name}` of `{module}`: {advice}"),
        }
    }
}

/// All that keeps the module from being a plugin of that world; nothing when names and types are as they should be.
pub(crate) fn mismatches(module: &[u8], resolve: &Resolve, world: WorldId, kind: Kind) -> Vec<Mismatch> {
    let Ok(module) = Outline::read(module) else { return Vec::new() };
    let mut mismatches = Vec::new();
    for (export, purpose) in [
        ("memory", "the linker names the plugin's memory so"),
        ("cabi_realloc", "the host makes room for lists and texts in the plugin's memory with it"),
    ] {
        if !module.exports.contains_key(export) {
            mismatches.push(Mismatch::Missing { export: export.to_owned(), purpose });
        }
    }
    for (export, function) in exported(resolve, world) {
        let wanted = core_type(resolve, AbiVariant::GuestExport, function);
        match module.exports.get(&export) {
            None => mismatches.push(Mismatch::Missing { export, purpose: "the host calls it" }),
            Some(found) if *found != wanted => mismatches.push(Mismatch::Type { export, found: found.clone(), wanted }),
            Some(_) => {}
        }
    }
    mismatches.extend(module.imports.into_iter().filter_map(|(module, name)| refused(kind, module, name)));
    mismatches
}

/// The exports of a world: by the name that a core module gives each.
fn exported(resolve: &Resolve, world: WorldId) -> Vec<(String, &Function)> {
    let mut functions = Vec::new();
    let Some(world) = resolve.worlds.get(world) else { return functions };
    for (key, item) in &world.exports {
        let WorldItem::Interface { id, .. } = item else { continue };
        let interface = resolve.name_world_key(key);
        for function in resolve.interfaces.get(*id).into_iter().flat_map(|interface| interface.functions.values()) {
            functions.push((format!("{interface}#{}", function.name), function));
        }
    }
    functions
}

/// The type that a function of the contract has in a core module, which exports or imports it.
pub fn core_type(resolve: &Resolve, side: AbiVariant, function: &Function) -> String {
    let signature = resolve.wasm_signature(side, function);
    let names = |types: &[WasmType]| types.iter().map(|kind| flat(*kind).to_owned()).collect::<Vec<_>>();
    written(&names(&signature.params), &names(&signature.results))
}

const fn flat(kind: WasmType) -> &'static str {
    match kind {
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
    }
}

fn written(parameters: &[String], results: &[String]) -> String {
    let parameters = parameters.join(", ");
    match results {
        [] => format!("({parameters})"),
        results => format!("({parameters}) -> {}", results.join(", ")),
    }
}

fn refused(kind: Kind, module: String, name: String) -> Option<Mismatch> {
    let capability = match kind {
        Kind::Detector => "orion:plugin/findings@1.0.0",
        Kind::Correlator => "orion:plugin/incidents@1.0.0",
    };
    if module == capability && name == "emit" || module == wasi::PREVIEW_1 && wasi::knows(&name) {
        return None;
    }
    let advice = match module.as_str() {
        "env" => "it is declared and not defined: name the file or library it is in, or write it".to_owned(),
        other if other.starts_with("wasi:") => {
            "a plugin has no system behind it: build for WASI preview 1 or without WASI, and the kit takes it out"
                .to_owned()
        }
        other if other.starts_with("orion:plugin/") => format!("a {} can call `emit` of `{capability}`", kind.as_str()),
        _ => format!("a plugin may import `emit` of `{capability}` and nothing else"),
    };
    Some(Mismatch::Import { module, name, advice })
}

/// What a core module imports and exports.
#[derive(Default)]
struct Outline {
    imports: Vec<(String, String)>,
    /// Name of each export, with the type of those that are functions.
    exports: BTreeMap<String, String>,
}

impl Outline {
    fn read(module: &[u8]) -> Result<Self, BinaryReaderError> {
        let mut outline = Self::default();
        let mut types: Vec<FuncType> = Vec::new();
        let mut functions: Vec<u32> = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => {
                    types = section.into_iter_err_on_gc_types().collect::<Result<_, _>>()?;
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        if let TypeRef::Func(kind) = import.ty {
                            functions.push(kind);
                        }
                        outline.imports.push((import.module.to_owned(), import.name.to_owned()));
                    }
                }
                Payload::FunctionSection(section) => {
                    for kind in section {
                        functions.push(kind?);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        let kind = functions.get(export.index as usize).and_then(|kind| types.get(*kind as usize));
                        let shown = match (export.kind, kind) {
                            (ExternalKind::Func, Some(kind)) => shown(kind),
                            _ => "no function".to_owned(),
                        };
                        outline.exports.insert(export.name.to_owned(), shown);
                    }
                }
                _ => {}
            }
        }
        Ok(outline)
    }
}

fn shown(kind: &FuncType) -> String {
    let names = |types: &[ValType]| types.iter().map(ToString::to_string).collect::<Vec<_>>();
    written(&names(kind.params()), &names(kind.results()))
}
