//! Files that are no plugin, or say that they are another.

use orion_model::{Kind, Manifest};

use crate::guest::{CorrelatorGuest, DetectorGuest, component, manifest};
use crate::{Attack, refused};

pub(crate) fn attacks() -> Vec<Attack> {
    [no_component(), torn(), lying(), reaching()].concat()
}

/// A hundred megabytes, most of them in one custom section.
fn hundred_megabytes() -> Vec<u8> {
    const BYTES: usize = 100 << 20;
    let mut bytes = vec![0; BYTES];
    // A component; a custom section; its length in LEB128, all that is left; a name of no length.
    bytes[..8].copy_from_slice(b"\0asm\x0d\0\x01\0");
    let mut length = (BYTES - 13) as u32;
    for byte in &mut bytes[9..13] {
        *byte = (length & 0x7f) as u8 | 0x80;
        length >>= 7;
    }
    bytes[12] &= 0x7f;
    bytes
}

/// The header of a file that wasmtime would take for native code of its own: ELF, with an ABI byte that only it uses.
pub fn native_code() -> Vec<u8> {
    const WASMTIME_ABI: u8 = 200;
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, WASMTIME_ABI];
    elf.resize(64, 0);
    let (machine, version, kind_flags, header_bytes) = (18, 20, 48, 52);
    elf[machine] = 62;
    elf[version] = 1;
    elf[kind_flags] = 2;
    elf[header_bytes] = 64;
    elf
}

/// The same bytes at every run, without any order.
fn random_bytes() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..10_000).map(|_| next()).collect()
}

fn no_component() -> Vec<Attack> {
    vec![
        refused("is-empty", Vec::new()),
        refused("is-a-script", b"#!/bin/sh\nrm -rf /".to_vec()),
        refused("is-random", random_bytes()),
        refused("is-random-behind-a-good-header", [b"\0asm\x0d\0\x01\0".to_vec(), random_bytes()].concat()),
        refused("is-a-core-module", wat::parse_str("(module)").unwrap()),
        refused("is-native-code", native_code()),
        refused("has-a-hundred-megabytes", hundred_megabytes()),
    ]
}

fn torn() -> Vec<Attack> {
    let whole = DetectorGuest::default().named("is-torn");
    let half = whole.len() / 2;
    let mut twisted = whole.clone();
    twisted[half] ^= 0xff;
    vec![
        refused("is-torn-in-the-middle", whole[..half].to_vec()),
        refused("lacks-its-last-byte", whole[..whole.len() - 1].to_vec()),
        refused("is-followed-by-something", [whole, b"more".to_vec()].concat()),
    ]
}

fn lying() -> Vec<Attack> {
    let detector = |name, manifest: &str| {
        let section = component("", manifest);
        refused(name, section)
    };
    let says = |name| manifest(name, "detector");
    vec![
        refused("has-no-manifest", wat::parse_str("(component)").unwrap()),
        detector("has-a-manifest-that-is-none", "name = 5"),
        detector("has-an-oversized-manifest", &format!("{}# {}", says("large"), "x".repeat(Manifest::MAX_BYTES))),
        detector("speaks-a-future-contract", &says("future").replace("v1", "v7")),
        detector("has-a-name-that-is-none", &says("../../etc/passwd")),
        refused("has-two-manifests", component("(@custom \"orion:manifest\" \"\")", &says("two"))),
        detector("exports-nothing", &says("exports-nothing")),
        refused(
            "exports-other-types",
            component(
                r#"(instance $i) (export "orion:plugin/detector@1.0.0" (instance $i))"#,
                &says("exports-other-types"),
            ),
        ),
        Attack {
            kind: Kind::Correlator,
            ..refused(
                "says-it-is-a-correlator",
                with_manifest(
                    &DetectorGuest::default().named("it-is-a-detector"),
                    &manifest("says-it-is-a-correlator", "correlator"),
                ),
            )
        },
        refused(
            "says-it-is-a-detector",
            with_manifest(&CorrelatorGuest::default().named("it-is-a-correlator"), &says("says-it-is-a-detector")),
        ),
    ]
}

/// A component under another manifest than its own, which is the last thing in it.
fn with_manifest(bytes: &[u8], manifest: &str) -> Vec<u8> {
    let at = bytes.windows(Manifest::SECTION.len()).rposition(|window| window == Manifest::SECTION.as_bytes()).unwrap();
    // Before the name stand its length, the length of the section in two bytes, and what a custom section is: 0.
    let mut other = bytes[..at - 4].to_vec();
    other.extend_from_slice(&component("", manifest)[8..]);
    other
}

fn reaching() -> Vec<Attack> {
    let imports = |name, import: &str| refused(name, component(import, &manifest(name, "detector")));
    let made_of =
        |name, module: &str| refused(name, component(&format!("(core module {module})"), &manifest(name, "detector")));
    let many: String = (0..2_000).map(|index| format!(r#"(import "{}{index}" (func))"#, "n".repeat(1_000))).collect();
    vec![
        imports(
            "imports-randomness",
            r#"(import "wasi:random/random@0.2.0" (instance (export "get-random-u64" (func (result u64)))))"#,
        ),
        imports(
            "imports-the-clock",
            r#"(import "wasi:clocks/wall-clock@0.2.0" (instance (export "now" (func (result u64)))))"#,
        ),
        imports("imports-sockets", r#"(import "wasi:sockets/tcp@0.2.0" (instance (export "f" (func))))"#),
        imports("imports-files", r#"(import "wasi:filesystem/types@0.2.0" (instance (export "f" (func))))"#),
        imports(
            "imports-more-than-emit",
            r#"(import "orion:plugin/findings@1.0.0" (instance (export "emit" (func)) (export "read" (func))))"#,
        ),
        imports(
            "imports-the-other-world",
            r#"(import "orion:plugin/incidents@1.0.0" (instance (export "emit" (func))))"#,
        ),
        imports("imports-two-megabytes-of-names", &many),
        made_of("shares-memory", "(memory 1 1 shared)"),
        made_of("has-memory-of-64-bits", "(memory i64 1)"),
    ]
}
