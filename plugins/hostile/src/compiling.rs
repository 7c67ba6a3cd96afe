//! Attacks on the compiler: small files that would take it minutes or gigabytes.

use wasm_encoder::{
    CodeSection, ComponentSection, ComponentSectionId, ConstExpr, Function, FunctionSection, GlobalSection, GlobalType,
    Module, RawSection, TypeSection, ValType,
};

use crate::guest::{component, manifest};
use crate::{Attack, refused};

const MILLION: u32 = 999_000;

pub(crate) fn attacks() -> Vec<Attack> {
    let text = |name, body: &str| refused(name, component(body, &manifest(name, "detector")));
    // What a module is made of is counted before anything else is looked at, so it need not be a detector.
    let items = |name, items: &str| text(name, &format!("(core module {items})"));
    let module = |name, module: &Module| refused(name, around(module, name));
    vec![
        module("has-a-million-functions", &functions()),
        module("has-a-million-globals", &globals()),
        items("has-one-huge-function", &one_huge_function(1_200_000)),
        items("moves-a-thousand-values-per-block", &values_per_block(1_000, 10_000)),
        items("joins-every-local-in-every-block", &locals_by_blocks(5_000, 5_000)),
        items("keeps-every-answer-over-every-call", &answers_kept_over_calls(60_000)),
        text("instantiates-itself-without-end", &doubling(60)),
        text("lifts-and-lowers-large-types", &adapters(12, 2)),
        text("nests-types-deeply", &nested_types(200)),
        text("doubles-a-type-forty-times", &doubled_type(40)),
    ]
}

/// A component that holds this module, and makes an instance of it.
fn around(module: &Module, name: &str) -> Vec<u8> {
    let mut bytes = component("", &manifest(name, "detector"));
    RawSection { id: ComponentSectionId::CoreModule as u8, data: module.as_slice() }.append_to_component(&mut bytes);
    let mut made = wasm_encoder::InstanceSection::new();
    made.instantiate(0, Vec::<(&str, wasm_encoder::ModuleArg)>::new());
    made.append_to_component(&mut bytes);
    bytes
}

fn functions() -> Module {
    let (mut types, mut functions, mut code) = (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([], []);
    let mut body = Function::new([]);
    body.instructions().end();
    for _ in 0..MILLION {
        functions.function(0);
        code.function(&body);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module
}

fn globals() -> Module {
    let mut globals = GlobalSection::new();
    let kind = GlobalType { val_type: ValType::I32, mutable: false, shared: false };
    for _ in 0..MILLION {
        globals.global(kind, &ConstExpr::i32_const(0));
    }
    let mut module = Module::new();
    module.section(&globals);
    module
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

/// Calls whose answers are all kept until the last.
pub fn answers_kept_over_calls(calls: usize) -> String {
    format!(
        "(func $answer (result i32) i32.const 1) (func (result i32) {} {})",
        "call $answer ".repeat(calls),
        "i32.add ".repeat(calls - 1)
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
            (canon lift (core func $i "f") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
    );
    let lower =
        r#"(core func (canon lower (func $f) (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))"#
            .repeat(times);
    let calls = format!(
        r#"(component $two {types} (import "f" (func $f (param "a" {large})))
          {module} (core instance $i (instantiate $m)) {lower})"#
    );
    format!(
        r#"{lift} {calls} (instance $one (instantiate $one)) (instance (instantiate $two (with "f" (func $one "f"))))"#
    )
}

/// Lists of lists of lists.
pub fn nested_types(depth: usize) -> String {
    let outer = |level: usize| format!("(type $t{level} (list $t{}))", level - 1);
    format!("(type $t1 (list u8)){}", (2..=depth).map(outer).collect::<String>())
}

fn doubled_type(doublings: usize) -> String {
    let mut types = "(type $t0 (tuple u8 u8))".to_owned();
    for level in 1..=doublings {
        types.push_str(&format!("(type $t{level} (tuple $t{0} $t{0}))", level - 1));
    }
    types
}
