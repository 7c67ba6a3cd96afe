//! A core module and its manifest go in, a plugin component comes out.
//!
//! Every toolchain leaves its own notes on types in the module it makes, of the WIT it was given. Those are taken away,
//! and the contract's own world is put in their place, so that what a plugin is checked against is this repository's
//! text and not the author's copy. The same inputs give the same bytes.

use std::borrow::Cow;

use orion_model::{CONTRACT, Kind, Manifest, ManifestError};
use wasm_encoder::{ComponentSection, CustomSection};
use wasmparser::{BinaryReaderError, Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

const CONTRACT_WIT: &str = include_str!("../../../wit/v1/orion.wit");

/// What toolchains call the custom sections with their notes on component types.
const TYPE_NOTES: &str = "component-type";

/// Why no component came out.
#[derive(Debug, thiserror::Error)]
pub enum ComponentizeError {
    /// The manifest is refused.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The manifest names another contract.
    #[error("the manifest says contract `{found}`; plugins are made for `{CONTRACT}`")]
    Contract {
        /// What it says.
        found: String,
    },
    /// Not a core module.
    #[error("a core module is needed here, as rustc or clang make them for wasm32-unknown-unknown: {0}")]
    NotAModule(String),
    /// The module does not fit the contract.
    #[error("the module is no {}: {why}", kind.as_str())]
    Misfit {
        /// What the manifest says it is.
        kind: Kind,
        /// What does not fit.
        why: String,
    },
}

/// Makes a component of a core module, and puts the manifest into it.
pub fn componentize(core_module: &[u8], manifest_toml: &str) -> Result<Vec<u8>, ComponentizeError> {
    let manifest = Manifest::from_toml(manifest_toml.as_bytes())?;
    if manifest.contract != CONTRACT {
        return Err(ComponentizeError::Contract { found: manifest.contract });
    }
    let kind = manifest.kind;
    let misfit = |why: String| ComponentizeError::Misfit { kind, why };
    let mut module = without_type_notes(core_module)?;
    let mut resolve = Resolve::default();
    let embedded = resolve
        .push_str("orion.wit", CONTRACT_WIT)
        .and_then(|package| resolve.select_world(&[package], Some(world(kind))))
        .and_then(|world| wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8));
    embedded.map_err(|error| misfit(format!("{error:#}")))?;
    let encoder = ComponentEncoder::default().validate(true).module(&module);
    let encoded = encoder.and_then(|mut encoder| encoder.encode());
    let mut component = encoded.map_err(|error| misfit(format!("{error:#}")))?;
    annotate(&mut component, manifest_toml);
    Ok(component)
}

/// The name of a kind's world in the WIT.
const fn world(kind: Kind) -> &'static str {
    match kind {
        Kind::Detector => "detector-plugin",
        Kind::Correlator => "correlator-plugin",
    }
}

/// Puts the manifest at the end of a component, where a reader finds it without reading what is nested inside.
fn annotate(component: &mut Vec<u8>, manifest_toml: &str) {
    let section =
        CustomSection { name: Cow::Borrowed(Manifest::SECTION), data: Cow::Borrowed(manifest_toml.as_bytes()) };
    section.append_to_component(component);
}

/// The module as it was, but for the custom sections with component types.
fn without_type_notes(module: &[u8]) -> Result<Vec<u8>, ComponentizeError> {
    let unreadable = |error: BinaryReaderError| ComponentizeError::NotAModule(error.to_string());
    if !Parser::is_core_wasm(module) {
        return Err(ComponentizeError::NotAModule("these bytes are something else".to_owned()));
    }
    let mut kept = Vec::with_capacity(module.len());
    let mut from = 0_usize;
    let mut end = 0_usize;
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(unreadable)?;
        let is_note = matches!(&payload, Payload::CustomSection(section) if section.name().starts_with(TYPE_NOTES));
        // Where this payload ends; the next one begins with its own header right there.
        let next = match &payload {
            Payload::Version { range, .. } => range.end,
            Payload::CodeSectionStart { range, .. } => range.end,
            payload => payload.as_section().map_or(end, |(_, range)| range.end),
        };
        if is_note {
            kept.extend_from_slice(module.get(from..end).unwrap_or_default());
            from = next;
        }
        end = end.max(next);
    }
    kept.extend_from_slice(module.get(from..).unwrap_or_default());
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
        name = "quiet"
        kind = "detector"
        version = "1.0.0"
        contract = "v1"
        summary = "Says nothing."
    "#;

    fn core(body: &str) -> Vec<u8> {
        wat::parse_str(format!("(module {body})")).unwrap()
    }

    const EXPORTS: &str = r#"
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "orion:plugin/detector@1.0.0#configure") (param i32 i32) (result i32) unreachable)
        (func (export "orion:plugin/detector@1.0.0#restore") (param i32 i32 i32) (result i32) unreachable)
        (func (export "orion:plugin/detector@1.0.0#define-series")
            (param i32 i32 i32 i32 i32 i32 i32 i32))
        (func (export "orion:plugin/detector@1.0.0#drop-series") (param i32 i32))
        (func (export "orion:plugin/detector@1.0.0#observe") (param i64 i32 i32 i32 i32 i32 i32))
        (func (export "orion:plugin/detector@1.0.0#checkpoint") (result i32) unreachable)
    "#;

    #[test]
    fn the_same_module_and_manifest_give_the_same_component_and_it_carries_the_manifest() {
        let component = componentize(&core(EXPORTS), MANIFEST).unwrap();
        assert!(Parser::is_component(&component));
        assert_eq!(component, componentize(&core(EXPORTS), MANIFEST).unwrap());
        let mut depth = 0;
        let manifest = Parser::new(0).parse_all(&component).find_map(|payload| match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                None
            }
            Payload::End(_) => {
                depth -= 1;
                None
            }
            Payload::CustomSection(section) if depth == 0 && section.name() == Manifest::SECTION => {
                Some(section.data().to_vec())
            }
            _ => None,
        });
        assert_eq!(manifest.as_deref(), Some(MANIFEST.as_bytes()));
    }

    #[test]
    fn the_notes_of_the_toolchain_do_not_count() {
        let noted = core(&format!(
            r#"(@custom "component-type:wit-bindgen:0.1" "nonsense") {EXPORTS} (@custom "other" "kept") (@custom "component-type" "more")"#
        ));
        let plain = core(&format!(r#"{EXPORTS} (@custom "other" "kept")"#));
        assert_eq!(without_type_notes(&noted).unwrap(), plain);
        assert_eq!(without_type_notes(&plain).unwrap(), plain);
        assert!(componentize(&noted, MANIFEST).is_ok());
    }

    #[test]
    fn a_module_of_the_other_kind_or_with_further_imports_is_no_detector() {
        let correlator = MANIFEST.replace("detector", "correlator");
        let misfit = |module: &[u8], manifest: &str| componentize(module, manifest).unwrap_err().to_string();
        assert!(misfit(&core(EXPORTS), &correlator).starts_with("the module is no correlator: "));
        let greedy = core(&format!(
            r#"(import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32))) {EXPORTS}"#
        ));
        assert!(misfit(&greedy, MANIFEST).contains("wasi_snapshot_preview1"), "{}", misfit(&greedy, MANIFEST));
    }

    #[test]
    fn what_is_no_core_module_or_speaks_another_contract_is_refused() {
        let component = componentize(&core(EXPORTS), MANIFEST).unwrap();
        for bytes in [&component[..], b"", b"\0asm", b"#!/bin/sh"] {
            assert!(matches!(componentize(bytes, MANIFEST), Err(ComponentizeError::NotAModule(_))));
        }
        let future = MANIFEST.replace("v1", "v2");
        let refusal = componentize(&core(EXPORTS), &future).unwrap_err().to_string();
        assert_eq!(refusal, "the manifest says contract `v2`; plugins are made for `v1`");
    }
}
