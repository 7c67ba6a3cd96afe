//! The door for plugins: untrusted bytes become a [`Certificate`], or a refusal in words. Nothing is compiled or run here.
//!
//! The one rule that the sandbox stands on is checked here: every import is the world's one interface, and that holds
//! exactly one function, `emit`.

use orion_model::{CONTRACT, Digest, Kind, Manifest};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::Digest as _;
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType, ComponentInstanceTypeId};
use wasmparser::types::Types;
use wasmparser::{Encoding, Parser, Payload, Validator};

use crate::engine;
use crate::fault::LoadError;
use crate::limits::Limits;
use crate::workload::Workload;

/// One of the contracts that there are. Not written out in the field: what is read would have to live as long as it.
type ContractName = &'static str;

/// What was proven about a plugin's bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// sha256 of the bytes.
    pub digest: Digest,
    /// Size of the file.
    pub size_bytes: usize,
    /// What the plugin says of itself.
    pub manifest: Manifest,
    /// The contract it was checked against.
    #[serde(deserialize_with = "contract")]
    pub contract: ContractName,
    /// Every function it can call: its world's `emit`, or nothing.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
}

/// There is one contract, and what was checked against another one counts for nothing.
fn contract<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    match String::deserialize(deserializer)? {
        contract if contract == CONTRACT => Ok(CONTRACT),
        other => Err(serde::de::Error::custom(format!("contract {other}"))),
    }
}

/// The names that a kind's world knows.
struct World {
    import: &'static str,
    function: &'static str,
    export: &'static str,
}

const fn world(kind: Kind) -> World {
    let function = "emit";
    match kind {
        Kind::Detector => {
            World { import: "orion:plugin/findings@1.0.0", function, export: "orion:plugin/detector@1.0.0" }
        }
        Kind::Correlator => {
            World { import: "orion:plugin/incidents@1.0.0", function, export: "orion:plugin/correlator@1.0.0" }
        }
    }
}

/// Checks everything that can be checked without compiling.
pub(crate) fn admit(bytes: &[u8], limits: &Limits) -> Result<Certificate, LoadError> {
    if bytes.len() > limits.component_bytes {
        return Err(LoadError::TooLarge { size: bytes.len(), limit: limits.component_bytes });
    }
    if wasmtime::Engine::detect_precompiled(bytes).is_some() {
        return Err(LoadError::Precompiled);
    }
    if Parser::is_core_wasm(bytes) {
        return Err(LoadError::CoreModule);
    }
    if !Parser::is_component(bytes) {
        return Err(LoadError::NotWasm);
    }
    let outline = Outline::read(bytes, limits)?;
    let manifest = Manifest::from_toml(outline.manifest)?;
    if manifest.contract != CONTRACT {
        return Err(LoadError::Contract { found: manifest.contract });
    }
    let types = Validator::new_with_features(engine::features()).validate_all(bytes).map_err(LoadError::malformed)?;
    let imports = imports(&outline, &types, manifest.kind)?;
    let wanted = world(manifest.kind).export;
    if !outline.exports.contains(&wanted) {
        return Err(LoadError::Exports { kind: manifest.kind, wanted, found: owned(&outline.exports) });
    }
    Ok(Certificate {
        digest: Digest::from_bytes(sha2::Sha256::digest(bytes).into()),
        size_bytes: bytes.len(),
        manifest,
        contract: CONTRACT,
        imports,
        exports: owned(&outline.exports),
    })
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// What stands at the top level of a component.
struct Outline<'a> {
    manifest: &'a [u8],
    imports: Vec<&'a str>,
    exports: Vec<&'a str>,
}

impl<'a> Outline<'a> {
    fn read(bytes: &'a [u8], limits: &Limits) -> Result<Self, LoadError> {
        let (mut manifests, mut imports, mut exports) = (Vec::new(), Vec::new(), Vec::new());
        let mut workload = Workload::new(limits);
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(LoadError::malformed)?;
            workload.read(&payload)?;
            match payload {
                Payload::Version { encoding, .. } if workload.depth() == 1 && encoding != Encoding::Component => {
                    return Err(LoadError::CoreModule);
                }
                // Sections of what is nested inside speak of the nested thing.
                _ if workload.depth() > 1 => {}
                Payload::CustomSection(section) if section.name() == Manifest::SECTION => {
                    manifests.push(section.data());
                }
                Payload::ComponentImportSection(section) => {
                    for import in section {
                        imports.push(import.map_err(LoadError::malformed)?.name.name);
                    }
                }
                Payload::ComponentExportSection(section) => {
                    for export in section {
                        exports.push(export.map_err(LoadError::malformed)?.name.name);
                    }
                }
                _ => {}
            }
        }
        match *manifests {
            [] => Err(LoadError::NoManifest),
            [manifest] => Ok(Self { manifest, imports, exports }),
            _ => Err(LoadError::TwoManifests),
        }
    }
}

/// The functions that the component can call, when they are no more than it may.
fn imports(outline: &Outline<'_>, types: &Types, kind: Kind) -> Result<Vec<String>, LoadError> {
    let world = world(kind);
    let mut allowed = true;
    let mut found = Vec::new();
    for &name in &outline.imports {
        let item = types.component_item_for_import(name).map(|item| &item.ty);
        let Some(ComponentEntityType::Instance(id)) = item else {
            allowed = false;
            found.push(name.to_owned());
            continue;
        };
        let (functions, only_plain) = functions(types, *id);
        allowed &= only_plain && name == world.import && functions == [world.function];
        found.extend(functions.iter().map(|function| format!("{name}#{function}")));
        if functions.is_empty() {
            found.push(name.to_owned());
        }
    }
    if allowed { Ok(found) } else { Err(LoadError::Imports { kind, wanted: world.import, found }) }
}

/// The functions of an imported interface, and whether there is nothing else in it but plain types.
fn functions(types: &Types, id: ComponentInstanceTypeId) -> (Vec<&str>, bool) {
    let types = types.as_ref();
    let Some(instance) = types.get(id) else { return (Vec::new(), false) };
    let mut functions = Vec::new();
    let mut only_plain = true;
    for (name, item) in &instance.exports {
        match item.ty {
            ComponentEntityType::Func(_) => functions.push(name.as_str()),
            ComponentEntityType::Type { referenced: ComponentAnyTypeId::Defined(_), .. } => {}
            _ => only_plain = false,
        }
    }
    (functions, only_plain)
}
