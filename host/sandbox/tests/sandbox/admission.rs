//! What passes the door, what does not, and what is said about it.

use std::path::{Path, PathBuf};

use crate::guests::*;
use orion_model::Manifest;
use orion_sandbox::{Correlator, Detector, Fault, Limits, Plugin, Sandbox, SandboxError, Settings};

fn refusal(bytes: &[u8]) -> String {
    sandbox(Limits::default()).load(bytes).err().unwrap().to_string()
}

#[test]
fn a_certificate_says_what_was_proven_and_nothing_is_compiled_for_it() {
    let bytes = DetectorGuest { observe: emit_plain(), ..Default::default() }.component();
    let certificate = sandbox(Limits::default()).inspect(&bytes).unwrap();
    assert_eq!(certificate.imports, ["orion:plugin/findings@1.0.0#emit"]);
    assert_eq!(certificate.exports, ["orion:plugin/detector@1.0.0"]);
    assert_eq!((certificate.size_bytes, certificate.contract), (bytes.len(), "v1"));
    assert_eq!(certificate.manifest.name, "guest");
    let json = serde_json::to_value(&certificate).unwrap();
    assert_eq!(json["digest"], certificate.digest.to_string());
    assert_eq!(json["manifest"]["kind"], "detector");
}

#[test]
fn what_is_no_component_is_refused_by_what_it_is() {
    insta::assert_snapshot!(refusal(b""), @"the file is not WebAssembly");
    insta::assert_snapshot!(refusal(b"#!/bin/sh\nrm -rf /"), @"the file is not WebAssembly");
    let module = wat::parse_str("(module)").unwrap();
    insta::assert_snapshot!(refusal(&module), @"the file is a core module, not a component; `orion-kit build` makes a component of it");
    insta::assert_snapshot!(refusal(&orion_hostile_plugins::native_code()), @"the file is precompiled native code (.cwasm), which no sandbox can check; give the .wasm it was made from");
}

#[test]
fn a_large_file_is_refused_before_it_is_read() {
    let bytes = DetectorGuest::default().component();
    let limits = |component_bytes| Limits { component_bytes, ..Limits::default() };
    assert!(sandbox(limits(bytes.len())).inspect(&bytes).is_ok());
    let refused = sandbox(limits(100)).inspect(&bytes[..101]).unwrap_err();
    insta::assert_snapshot!(refused, @"the file has 101 bytes; at most 100 are loaded; the setting is `component_bytes`");
}

#[test]
fn functions_are_counted_over_all_modules_before_anything_is_compiled() {
    let three = component("(core module (func) (func)) (core module (func))", DETECTOR);
    let limits = |functions| Limits { functions, ..Limits::default() };
    let refused = |functions| sandbox(limits(functions)).inspect(&three).err().unwrap().to_string();
    // What it lacks is looked at next: it passed this.
    assert!(refused(3).starts_with("a detector exports"), "{}", refused(3));
    insta::assert_snapshot!(refused(2), @"the component has at least 3 functions; at most 2 are compiled; the setting is `functions`");
    // The default: this file has half a megabyte and would keep the compiler busy for ten seconds.
    let bomb = DetectorGuest { items: "(func)".repeat(100_000).leak(), ..Default::default() }.component();
    assert!(refusal(&bomb).ends_with("at most 100000 are compiled; the setting is `functions`"), "{}", refusal(&bomb));
}

#[test]
fn a_manifest_must_be_there_once_and_make_sense() {
    let bare = wat::parse_str("(component)").unwrap();
    insta::assert_snapshot!(refusal(&bare), @"the component carries no manifest; `orion-kit annotate` adds its plugin.toml");
    let twice = component("(@custom \"orion:manifest\" \"\")", DETECTOR);
    insta::assert_snapshot!(refusal(&twice), @"the component carries more than one manifest; build it anew");
    let future = component("", &DETECTOR.replace("v1", "v7"));
    insta::assert_snapshot!(refusal(&future), @"the plugin speaks contract `v7`; this Orion speaks `v1`");
    assert!(refusal(&component("", "name = 5")).starts_with("the manifest cannot be read: "));
    let oversized = component("", &format!("{DETECTOR}# {}", "x".repeat(Manifest::MAX_BYTES)));
    assert!(refusal(&oversized).ends_with("at most 65536 are read"), "{}", refusal(&oversized));
}

#[test]
fn a_manifest_of_a_nested_component_is_not_that_of_the_plugin() {
    let nested = wat::parse_str("(component (component (@custom \"orion:manifest\" \"\")))").unwrap();
    insta::assert_snapshot!(refusal(&nested), @"the component carries no manifest; `orion-kit annotate` adds its plugin.toml");
}

#[test]
fn torn_and_twisted_bytes_are_refused_and_never_a_panic() {
    let whole = DetectorGuest::default().component();
    let sandbox = sandbox(Limits::default());
    for length in (0..whole.len()).step_by(7) {
        assert!(sandbox.inspect(&whole[..length]).is_err(), "{length}");
    }
    for index in (8..whole.len()).step_by(3) {
        let mut twisted = whole.clone();
        twisted[index] ^= 0x55;
        // Whatever passes must still be a plugin that can do nothing but emit.
        if let Ok(certificate) = sandbox.inspect(&twisted) {
            assert!(certificate.imports.iter().all(|name| name == "orion:plugin/findings@1.0.0#emit"));
        }
    }
}

#[test]
fn anything_but_the_one_emit_is_a_refused_import() {
    let wasi = r#"(import "wasi:random/random@0.2.0" (instance (export "get-random-u64" (func (result u64)))))"#;
    insta::assert_snapshot!(refusal(&component(wasi, DETECTOR)), @"a detector may import `orion:plugin/findings@1.0.0` and nothing else; this one imports `wasi:random/random@0.2.0#get-random-u64`");
    let of_the_other_kind = r#"(import "orion:plugin/incidents@1.0.0" (instance (export "emit" (func))))"#;
    insta::assert_snapshot!(refusal(&component(of_the_other_kind, DETECTOR)), @"a detector may import `orion:plugin/findings@1.0.0` and nothing else; this one imports `orion:plugin/incidents@1.0.0#emit`");
    let more = r#"(import "orion:plugin/findings@1.0.0" (instance (export "emit" (func)) (export "read" (func))))"#;
    insta::assert_snapshot!(refusal(&component(more, DETECTOR)), @"a detector may import `orion:plugin/findings@1.0.0` and nothing else; this one imports `orion:plugin/findings@1.0.0#emit`, `orion:plugin/findings@1.0.0#read`");
    let function = r#"(import "emit" (func))"#;
    insta::assert_snapshot!(refusal(&component(function, CORRELATOR)), @"a correlator may import `orion:plugin/incidents@1.0.0` and nothing else; this one imports `emit`");
    let resource = r#"(import "orion:plugin/findings@1.0.0" (instance (export "emit" (func)) (export "file" (type (sub resource)))))"#;
    assert!(refusal(&component(resource, DETECTOR)).starts_with("a detector may import"));
}

/// Every interface of WASI 0.2 by which a component could reach the outside.
const WASI: [&str; 26] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/run",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
];

#[test]
fn every_interface_of_wasi_is_a_refused_import_even_when_nothing_of_it_is_used() {
    for interface in WASI {
        let import = format!(r#"(import "{interface}@0.2.0" (instance (export "f" (func))))"#);
        insta::allow_duplicates! {
            let refused = refusal(&component(&import, DETECTOR)).replace(interface, "INTERFACE");
            insta::assert_snapshot!(refused, @"a detector may import `orion:plugin/findings@1.0.0` and nothing else; this one imports `INTERFACE@0.2.0#f`");
        }
    }
}

#[test]
fn the_export_of_its_kind_must_be_there() {
    insta::assert_snapshot!(refusal(&component("", DETECTOR)), @"a detector exports `orion:plugin/detector@1.0.0`; this one exports nothing");
    let other = r#"(instance $i) (export "orion:plugin/detector@1.0.0" (instance $i))"#;
    insta::assert_snapshot!(refusal(&component(other, CORRELATOR)), @"a correlator exports `orion:plugin/correlator@1.0.0`; this one exports `orion:plugin/detector@1.0.0`");
}

#[test]
fn functions_of_other_types_do_not_fit_the_contract() {
    let body = r#"(instance $i) (export "orion:plugin/detector@1.0.0" (instance $i))"#;
    let refused = refusal(&component(body, DETECTOR));
    assert!(refused.starts_with("the component does not fit the contract: "), "{refused}");
    let emit = r#"(import "orion:plugin/findings@1.0.0" (instance (export "emit" (func (param "f" u32)))))
        (instance $i) (export "orion:plugin/detector@1.0.0" (instance $i))"#;
    let refused = refusal(&component(emit, DETECTOR));
    assert!(refused.starts_with("the component does not fit the contract: "), "{refused}");
}

#[test]
fn what_could_differ_between_machines_is_not_valid_here() {
    for module in [
        "(memory i64 1)",
        "(memory 1 1 shared)",
        "(func (param v128) (drop (i32x4.relaxed_trunc_f32x4_s (local.get 0))))",
        "(type (struct))",
        "(tag)",
    ] {
        let refused = refusal(&component(&format!("(core module {module})"), DETECTOR));
        assert!(refused.starts_with("the component is not valid: "), "{module}: {refused}");
    }
}

#[test]
fn plugins_are_shared_between_threads_and_instances_move_between_them() {
    const fn shared<T: Send + Sync>() {}
    const fn moved<T: Send>() {}
    shared::<Sandbox>();
    shared::<Plugin>();
    moved::<Detector>();
    moved::<Correlator>();
    let plugin = DetectorGuest::default().load(Limits::default()).unwrap();
    let mut detector = std::thread::spawn(move || plugin.detector().unwrap()).join().unwrap();
    assert!(detector.observe(&frame(1), &mut Vec::new()).is_ok());
}

#[test]
fn a_plugin_of_the_other_kind_says_so() {
    let plugin = DetectorGuest::default().load(Limits::default()).unwrap();
    let fault = plugin.correlator().err().unwrap();
    assert_eq!(fault.kind(), "contract");
    insta::assert_snapshot!(fault, @"`guest` is a detector, and a correlator is needed here");
    assert!(matches!(fault, Fault::WrongKind { .. }));
}

#[test]
fn what_was_compiled_is_kept_and_found_again_with_all_that_was_proven() {
    let dir = tempfile::tempdir().unwrap();
    let cache_dir = dir.path().join("deep").join("compiled");
    let open = || Sandbox::new(Settings { cache_dir: Some(cache_dir.clone()), ..Settings::default() }).unwrap();
    let plugins = orion_standard_plugins::STANDARD;
    let load = |sandbox: &Sandbox| plugins.iter().map(|it| sandbox.load(it.component).unwrap()).collect::<Vec<_>>();
    let certificates = |plugins: &[Plugin]| plugins.iter().map(|it| it.certificate().clone()).collect::<Vec<_>>();
    let compiled = certificates(&load(&open()));
    let before = files(&cache_dir);
    assert_eq!(before.len(), 2 * plugins.len());
    let sandbox = open();
    let found = load(&sandbox);
    assert_eq!(certificates(&found), compiled);
    assert_eq!(compiled[0], sandbox.inspect(plugins[0].component).unwrap());
    assert_eq!(files(&cache_dir), before);
}

#[test]
fn what_a_crash_left_half_done_is_compiled_again() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Sandbox::new(Settings { cache_dir: Some(dir.path().to_owned()), ..Settings::default() }).unwrap();
    let bytes = DetectorGuest::default().component();
    open().load(&bytes).unwrap();
    let whole = files(dir.path());
    let spoil = |spoil: &dyn Fn(&Path)| {
        whole.iter().for_each(|(path, _)| spoil(path));
        open().load(&bytes).unwrap().detector().unwrap();
        assert_eq!(files(dir.path()), whole);
    };
    spoil(&|path| std::fs::File::options().write(true).open(path).unwrap().set_len(100).unwrap());
    let is = |path: &Path, kind: &str| path.extension().is_some_and(|it| it == kind);
    spoil(&|path| {
        if is(path, "code") {
            std::fs::remove_file(path).unwrap();
        }
    });
    spoil(&|path| {
        if is(path, "json") {
            std::fs::write(path, "{}").unwrap();
        }
    });
    // Of the right length, and nothing that wasmtime wrote.
    spoil(&|path| std::fs::write(path, vec![0; std::fs::metadata(path).unwrap().len() as usize]).unwrap());
}

#[test]
fn a_folder_that_cannot_be_written_any_more_keeps_no_plugin_from_running() {
    let dir = tempfile::tempdir().unwrap();
    let cache_dir = dir.path().join("compiled");
    let sandbox = Sandbox::new(Settings { cache_dir: Some(cache_dir.clone()), ..Settings::default() }).unwrap();
    std::fs::remove_dir_all(&cache_dir).unwrap();
    sandbox.load(&DetectorGuest::default().component()).unwrap().detector().unwrap();
}

#[test]
fn what_the_door_refuses_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::new(Settings { cache_dir: Some(dir.path().to_owned()), ..Settings::default() }).unwrap();
    sandbox.load(b"none").unwrap_err();
    assert_eq!(files(dir.path()), []);
}

/// What lies in a folder, and how long it is.
fn files(dir: &Path) -> Vec<(PathBuf, u64)> {
    let file = |entry: std::fs::DirEntry| (entry.path(), entry.metadata().unwrap().len());
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| file(entry.unwrap())).collect();
    files.sort();
    files
}

#[cfg(unix)]
#[test]
fn a_cache_that_others_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let refused =
        Sandbox::new(Settings { cache_dir: Some(dir.path().to_owned()), ..Settings::default() }).err().unwrap();
    let SandboxError::Cache { why, .. } = refused else { panic!("{refused}") };
    insta::assert_snapshot!(why, @"others may write there (mode 777), and it holds native code; chmod 700");
}
