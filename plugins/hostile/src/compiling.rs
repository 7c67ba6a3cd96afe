//! Attacks on the compiler: small files that would take it minutes or gigabytes.

use crate::guest::{DetectorGuest, component, manifest};
use crate::{Attack, refused};

pub(crate) fn attacks() -> Vec<Attack> {
    let items =
        |name, items: String| refused(name, DetectorGuest { items: items.leak(), ..Default::default() }.named(name));
    let text = |name, body: &str| refused(name, component(body, &manifest(name, "detector")));
    vec![
        items("has-a-million-functions", "(func)".repeat(999_000)),
        items("has-one-huge-function", one_huge_function(2_000_000)),
        items("moves-a-thousand-values-per-block", values_per_block(1_000, 100_000)),
        items("joins-every-local-in-every-block", locals_by_blocks(20_000, 20_000)),
        text("instantiates-itself-without-end", &doubling(60)),
        text("lifts-and-lowers-large-types", &adapters(12, 2)),
        items("has-a-million-globals", "(global i32 (i32.const 0))".repeat(999_000)),
        text("nests-types-deeply", &format!("(type {}u8{})", "(list ".repeat(200), ")".repeat(200))),
        text("doubles-a-type-forty-times", &doubled_type(40)),
    ]
}

/// A function of so many bytes that does sums.
pub fn one_huge_function(bytes: usize) -> String {
    format!("(func (param i32) {})", "(local.set 0 (i32.add (local.get 0) (i32.const 1))) ".repeat(bytes / 7))
}

/// Four bytes each for blocks through which so many values go.
pub fn values_per_block(values: usize, blocks: usize) -> String {
    let many = "i32 ".repeat(values);
    format!(
        "(type $many (func (param {many}) (result {many}))) (func (type $many) {} {})",
        (0..values).map(|index| format!("(local.get {index}) ")).collect::<String>(),
        "block (type $many) end ".repeat(blocks)
    )
}

/// Loops in a row, and after them a look at every local.
pub fn locals_by_blocks(locals: usize, blocks: usize) -> String {
    format!(
        "(func (param i32) (local {}) {} {})",
        "i32 ".repeat(locals),
        "(loop (br_if 0 (local.get 0))) ".repeat(blocks),
        (0..locals)
            .map(|index| format!("(local.set {0} (i32.add (local.get {0}) (local.get 0))) ", index + 1))
            .collect::<String>()
    )
}

/// Components in components, each of which is made twice by the one around it.
pub fn doubling(levels: usize) -> String {
    let mut inner = "(component $c)".to_owned();
    for _ in 0..levels {
        inner = format!("(component $c {inner} (instance (instantiate $c)) (instance (instantiate $c)))");
    }
    format!("{inner} (instance (instantiate $c))")
}

/// A type of 2^doublings numbers that goes from one component into another, so many times.
pub fn adapters(doublings: usize, times: usize) -> String {
    let mut types = "(type $t0 (list u32))".to_owned();
    for level in 1..=doublings {
        types.push_str(&format!("(type $t{level} (tuple $t{0} $t{0}))", level - 1));
    }
    let large = format!("$t{doublings}");
    let module = r#"(core module $m (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "f") (param i32)))"#;
    let lift = format!(
        r#"(component $one {types} {module} (core instance $i (instantiate $m))
          (func (export "f") (param "a" {large})
            (canon lift (core func $i "f") (memory $i "memory") (realloc (func $i "realloc")))))"#
    );
    let lower =
        r#"(core func (canon lower (func $f) (memory $i "memory") (realloc (func $i "realloc"))))"#.repeat(times);
    let calls = format!(
        r#"(component $two {types} (import "f" (func $f (param "a" {large})))
          {module} (core instance $i (instantiate $m)) {lower})"#
    );
    format!(
        r#"{lift} {calls} (instance $one (instantiate $one)) (instance (instantiate $two (with "f" (func $one "f"))))"#
    )
}

fn doubled_type(doublings: usize) -> String {
    let mut types = "(type $t0 (tuple u8 u8))".to_owned();
    for level in 1..=doublings {
        types.push_str(&format!("(type $t{level} (tuple $t{0} $t{0}))", level - 1));
    }
    types
}
