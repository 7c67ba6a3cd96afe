//! A core module and its manifest go in, a plugin component comes out.
//!
//! Every toolchain leaves its own notes on types in the module it makes, of the WIT it was given. Those are taken away,
//! and the contract's own world is put in their place, so that what a plugin is checked against is this repository's
//! text and not the author's copy. The same inputs give the same bytes. What a module wants of WASI preview 1 is answered
//! inside the component, by functions that know nothing.

mod fit;
mod wasi;

use std::borrow::Cow;

pub use fit::{Mismatch, core_type};

use orion_model::{CONTRACT, Kind, Manifest, ManifestError};
use wasm_encoder::{ComponentSection, CustomSection};
use wasmparser::{BinaryReaderError, Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

/// The contract, as it is published.
pub const CONTRACT_WIT: &str = include_str!("../../../wit/v1/orion.wit");

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
        /// The same, piece by piece, where the names and types alone say it.
        mismatches: Vec<Mismatch>,
    },
    /// Not a component.
    #[error("a component is needed here; `orion-kit build` makes one of a core module")]
    NotAComponent,
    /// A component that says what it is already.
    #[error("the component carries a manifest already; take the file that it was made from")]
    Annotated,
}

/// Makes a component of a core module, and puts the manifest into it.
pub fn componentize(core_module: &[u8], manifest_toml: &str) -> Result<Vec<u8>, ComponentizeError> {
    let manifest = Manifest::from_toml(manifest_toml.as_bytes())?;
    if manifest.contract != CONTRACT {
        return Err(ComponentizeError::Contract { found: manifest.contract });
    }
    let kind = manifest.kind;
    let misfit = |why: String| ComponentizeError::Misfit { kind, why, mismatches: Vec::new() };
    let mut module = without_type_notes(core_module)?;
    let mut resolve = Resolve::default();
    let world = resolve
        .push_str("orion.wit", CONTRACT_WIT)
        .and_then(|package| resolve.select_world(&[package], Some(world(kind))))
        .map_err(|error| misfit(format!("{error:#}")))?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| misfit(format!("{error:#}")))?;
    let encoder = ComponentEncoder::default().validate(true).module(&module);
    let encoder = encoder.and_then(|encoder| encoder.adapter(wasi::PREVIEW_1, &wasi::stand_in()));
    let encoded = encoder.and_then(|mut encoder| encoder.encode());
    let mut component = encoded.map_err(|error| {
        let mismatches = fit::mismatches(&module, &resolve, world, kind);
        match &*mismatches {
            [] => misfit(format!("{error:#}")),
            all => {
                let why = all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                ComponentizeError::Misfit { kind, why, mismatches }
            }
        }
    })?;
    put_manifest(&mut component, manifest_toml);
    Ok(component)
}

/// Puts a manifest into a component that another toolchain made.
pub fn annotate(component: &[u8], manifest_toml: &str) -> Result<Vec<u8>, ComponentizeError> {
    Manifest::from_toml(manifest_toml.as_bytes())?;
    if !Parser::is_component(component) {
        return Err(ComponentizeError::NotAComponent);
    }
    if carries_manifest(component) {
        return Err(ComponentizeError::Annotated);
    }
    let mut annotated = component.to_vec();
    put_manifest(&mut annotated, manifest_toml);
    Ok(annotated)
}

/// Whether there is a manifest at the top level. What cannot be read carries none; admission says what is wrong with it.
fn carries_manifest(component: &[u8]) -> bool {
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload {
            Ok(Payload::Version { .. }) => depth += 1,
            Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
            Ok(Payload::CustomSection(section)) if depth == 1 && section.name() == Manifest::SECTION => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    false
}

/// The name of a kind's world in the WIT.
const fn world(kind: Kind) -> &'static str {
    match kind {
        Kind::Detector => "detector-plugin",
        Kind::Correlator => "correlator-plugin",
    }
}

/// Puts the manifest at the end of a component, where a reader finds it without reading what is nested inside.
fn put_manifest(component: &mut Vec<u8>, manifest_toml: &str) {
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
        let greedy = core(&format!(r#"(import "env" "system" (func (param i32) (result i32))) {EXPORTS}"#));
        assert_eq!(
            misfit(&greedy, MANIFEST),
            "the module is no detector: imports `system` of `env`: it is declared and not defined: name the file or library it \
             is in, or write it"
        );
    }

    #[test]
    fn what_is_missing_or_has_another_type_is_named_with_the_type_that_the_contract_wants() {
        let other = EXPORTS
            .replace("(func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) unreachable)", "")
            .replace("(param i64 i32 i32 i32 i32 i32 i32)", "(param i32) (result i64) i64.const 0");
        let Err(ComponentizeError::Misfit { mismatches, .. }) = componentize(&core(&other), MANIFEST) else {
            panic!("a module that lacks an export made a component");
        };
        let said: Vec<_> = mismatches.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "export `cabi_realloc` is missing: the host makes room for lists and texts in the plugin's memory with it",
                "export `orion:plugin/detector@1.0.0#observe` has the type (i32) -> i64, the contract wants \
                 (i64, i32, i32, i32, i32, i32, i32)",
            ]
        );
    }

    #[test]
    fn what_a_module_wants_of_wasi_is_answered_inside_the_component() {
        let libc = core(&format!(
            r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
               (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
               (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) {EXPORTS}"#
        ));
        let component = componentize(&libc, MANIFEST).unwrap();
        let mut depth = 0;
        let mut imports = Vec::new();
        for payload in Parser::new(0).parse_all(&component) {
            match payload.unwrap() {
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ComponentImportSection(section) if depth == 1 => {
                    imports.extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
                }
                _ => {}
            }
        }
        assert!(imports.iter().all(|name| !name.contains("wasi")), "{imports:?}");
    }

    #[test]
    fn a_component_made_elsewhere_is_annotated_once() {
        let component = componentize(&core(EXPORTS), MANIFEST).unwrap();
        assert!(matches!(annotate(&component, MANIFEST), Err(ComponentizeError::Annotated)));
        assert!(matches!(annotate(&core(EXPORTS), MANIFEST), Err(ComponentizeError::NotAComponent)));
        // The manifest is the last section: without it the bytes are what another toolchain would have made.
        let mut section = Vec::new();
        put_manifest(&mut section, MANIFEST);
        let bare = component.strip_suffix(&section[..]).unwrap();
        assert_eq!(annotate(bare, MANIFEST).unwrap(), component);
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
