use crate::guests::sandbox;
use orion_hostile_plugins::compiling as c;
use orion_hostile_plugins::guest;
use orion_sandbox::Limits;
fn peak() -> String {
    std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .filter(|l| l.starts_with("VmHWM") || l.starts_with("VmRSS"))
        .collect::<Vec<_>>()
        .join(" ")
}
fn timed(what: &str, bytes: Vec<u8>) {
    let t = std::time::Instant::now();
    let s = sandbox(Limits {
        function_bytes: usize::MAX,
        joins: usize::MAX,
        instance_items: usize::MAX,
        functions: usize::MAX,
        ..Limits::default()
    });
    let i = s.inspect(&bytes).err().map(|e| e.to_string().chars().take(80).collect::<String>());
    let ti = t.elapsed();
    let r = s.load(&bytes).err().map(|e| e.to_string().chars().take(120).collect::<String>());
    eprintln!("{what}: {} bytes, inspect {:?} {i:?}, load {:?} {r:?} {}", bytes.len(), ti, t.elapsed(), peak());
}
fn items(s: String) -> Vec<u8> {
    guest::DetectorGuest { items: s.leak(), ..Default::default() }.named("m")
}
fn text(s: String) -> Vec<u8> {
    guest::component(&s, &guest::manifest("m", "detector"))
}
#[test]
fn m_huge() {
    for n in [100_000, 400_000, 1_000_000, 4_000_000] {
        timed(&format!("huge {n}"), items(c::one_huge_function(n)));
    }
}
#[test]
fn m_values() {
    for (v, b) in [(10, 10_000), (100, 1_000), (100, 10_000), (1000, 1_000), (1000, 4_000)] {
        timed(&format!("values {v} {b}"), items(c::values_per_block(v, b)));
    }
}
#[test]
fn m_locals() {
    for (v, b) in [(100, 1_000), (1000, 1000), (3000, 3000), (5000, 5_000)] {
        timed(&format!("locals {v} {b}"), items(c::locals_by_blocks(v, b)));
    }
}
#[test]
fn m_doubling() {
    for n in [10, 16, 20, 22] {
        timed(
            &format!("doubling {n}"),
            text(c::doubling(n) + r#"(instance $i) (export "orion:plugin/detector@1.0.0" (instance $i))"#),
        );
    }
}
#[test]
fn m_adapters() {
    for (d, n) in [(5, 1), (8, 1), (10, 1), (12, 1), (5, 100)] {
        timed(
            &format!("adapters {d} {n}"),
            text(c::adapters(d, n) + r#"(instance $i) (export "orion:plugin/detector@1.0.0" (instance $i))"#),
        );
    }
}
#[test]
fn m_lift() {
    for n in [100usize, 1000] {
        timed(
            &format!("lower {n}"),
            text(format!(
                r#"(import "orion:plugin/findings@1.0.0" (instance $f (export "emit" (func)))) {} (instance $i) (export "orion:plugin/detector@1.0.0" (instance $i))"#,
                r#"(core func (canon lower (func $f "emit")))"#.repeat(n)
            )),
        );
    }
}
#[test]
fn m_globals() {
    for n in [10_000usize, 990_000] {
        timed(&format!("globals {n}"), items("(global i32 (i32.const 0))".repeat(n)));
    }
}
