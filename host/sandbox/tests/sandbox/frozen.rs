//! Plugins of an old contract keep loading. What `frozen/v1` holds is as it was when v1 was published: its WIT, a detector and a
//! correlator as text, their manifests. They are made into components here with that WIT and by nothing else of this
//! repository, so they stay what they are whatever becomes of `wit/` and of the tools that make plugins.

use std::borrow::Cow;

use orion_model::{ChangeKind, Labels, Severity, StateEntry};
use orion_sandbox::{Limits, LoadError, Plugin};
use wasm_encoder::{ComponentSection, CustomSection};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use crate::guests::{frame, one_event, sandbox};

const WIT: &str = include_str!("../frozen/v1/orion.wit");

fn component(world: &str, text: &str, manifest: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = Resolve::default();
    let package = resolve.push_str("orion.wit", WIT).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut component = ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap();
    let section = CustomSection { name: Cow::Borrowed("orion:manifest"), data: Cow::Borrowed(manifest.as_bytes()) };
    section.append_to_component(&mut component);
    component
}

fn detector() -> Vec<u8> {
    let (text, manifest) = (include_str!("../frozen/v1/detector.wat"), include_str!("../frozen/v1/detector.toml"));
    component("detector-plugin", text, manifest)
}

fn correlator() -> Vec<u8> {
    let (text, manifest) = (include_str!("../frozen/v1/correlator.wat"), include_str!("../frozen/v1/correlator.toml"));
    component("correlator-plugin", text, manifest)
}

fn load(bytes: &[u8]) -> Result<Plugin, LoadError> {
    sandbox(Limits::default()).load(bytes)
}

#[test]
fn a_detector_of_contract_v1_loads_and_says_what_it_said_then() {
    let plugin = load(&detector()).unwrap();
    assert_eq!(plugin.certificate().imports, ["orion:plugin/findings@1.0.0#emit"]);
    let mut detector = plugin.detector().unwrap();
    detector.configure(&[]).unwrap();
    let labels = Labels::empty();
    detector.define_series([(0, &labels), (1, &labels)]).unwrap();
    let kept = StateEntry { key: b"k".to_vec(), value: Some(b"v".to_vec()) };
    assert_eq!(detector.checkpoint().unwrap(), std::slice::from_ref(&kept));
    detector.restore(1, &[kept]).unwrap();
    let mut findings = Vec::new();
    detector.observe(&frame(2), &mut findings).unwrap();
    let said: Vec<_> = findings.iter().map(|it| (it.series, it.severity, it.value, it.score, &*it.message)).collect();
    let of = |series, value| (Some(series), Some(Severity::Error), value, Some(1.0), "seen");
    assert_eq!(said, [of(0, 0.0), of(1, 1.0)]);
}

#[test]
fn a_correlator_of_contract_v1_loads_and_says_what_it_said_then() {
    let plugin = load(&correlator()).unwrap();
    assert_eq!(plugin.certificate().imports, ["orion:plugin/incidents@1.0.0#emit"]);
    let mut correlator = plugin.correlator().unwrap();
    correlator.configure(&[]).unwrap();
    let mut changes = Vec::new();
    let batch = one_event();
    correlator.correlate(orion_model::Timestamp::from_millis(5_000), &batch, &mut changes).unwrap();
    let [change] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!((&*change.key, change.kind, change.severity), ("k", ChangeKind::Opened, Severity::Critical));
    assert_eq!((&*change.reason, change.positions.as_slice()), ("first event", &[1][..]));
}

#[test]
fn the_published_contract_is_as_it_was() {
    let now = include_str!("../../../../wit/v1/orion.wit");
    assert!(now == WIT, "wit/v1 is published and frozen: a change is a new folder beside it");
}
