//! Compiling cannot be interrupted: what would take the compiler too long is refused before it is asked, and what honest plugins
//! need is not. Each limit once obeyed and once violated.

use crate::guests::*;
use orion_hostile_plugins::compiling;
use orion_sandbox::{Limits, LoadError};

fn inspected(items: &str, limits: Limits) -> Result<(), String> {
    let guest = DetectorGuest { items: items.to_owned().leak(), ..Default::default() };
    sandbox(limits).inspect(&guest.component()).map(drop).map_err(|refused| refused.to_string())
}

/// How much of it the guest has without any items.
fn least(limits: impl Fn(usize) -> Limits) -> usize {
    (0..10_000).find(|limit| inspected("", limits(*limit)).is_ok()).unwrap()
}

#[test]
fn one_function_has_its_size() {
    let sums = compiling::one_huge_function(70_000);
    let limits = |function_bytes| Limits { function_bytes, ..Limits::default() };
    // No locals, the sums, and the end.
    assert_eq!(inspected(&sums, limits(70_002)), Ok(()));
    insta::assert_snapshot!(inspected(&sums, limits(70_001)).unwrap_err(), @"the component has at least 70002 bytes in one function; at most 70001 are compiled; the setting is `function_bytes`");
}

#[test]
fn values_are_counted_times_blocks_and_calls() {
    let of_one = |function_joins| Limits { function_joins, ..Limits::default() };
    let of_all = |joins| Limits { joins, ..Limits::default() };
    // A thousand locals and the twelve values of `emit`, in a thousand loops, which weigh as three more.
    let locals = compiling::locals_by_blocks(1_000, 1_000);
    let needed = 1_015 * 1_000;
    assert_eq!(inspected(&locals, of_one(needed)), Ok(()));
    insta::assert_snapshot!(inspected(&locals, of_one(needed - 1)).unwrap_err(), @"the component has at least 1015000 values times blocks and calls; at most 1014999 are compiled; the setting is `function_joins`");
    let needed = 2 * needed + least(of_all);
    assert_eq!(inspected(&locals.repeat(2), of_all(needed)), Ok(()));
    insta::assert_snapshot!(inspected(&locals.repeat(2), of_all(needed - 1)).unwrap_err(), @"the component has at least 2030051 values times blocks and calls; at most 2030050 are compiled; the setting is `joins`");
    // Two hundred values in each of a thousand blocks.
    let values = compiling::values_per_block(100, 1_000);
    let needed = 1_000 * (200 + 3 + 200 * 1_000 / 80);
    assert_eq!(inspected(&values, of_one(needed)), Ok(()));
    assert!(inspected(&values, of_one(needed - 1)).is_err());
    // The twelve of `emit` in a thousand calls, which weigh as fifteen more.
    let calls = compiling::answers_kept_over_calls(1_000);
    assert_eq!(inspected(&calls, of_one(27_000)), Ok(()));
    assert!(inspected(&calls, of_one(26_999)).is_err());
}

#[test]
fn what_an_instance_takes_of_the_host_is_counted_over_all_instances() {
    let limits = |instance_items| Limits { instance_items, ..Limits::default() };
    let globals = "(global i32 (i32.const 0))".repeat(1_000);
    let needed = 1_000 + least(limits);
    assert_eq!(inspected(&globals, limits(needed)), Ok(()));
    insta::assert_snapshot!(inspected(&globals, limits(needed - 1)).unwrap_err(), @"the component has at least 1013 functions, globals, imports and elements in all its instances; at most 1012 are compiled; the setting is `instance_items`");
    let elements = format!("(elem func {})", "$reserve ".repeat(1_000));
    assert_eq!(inspected(&elements, limits(needed)), Ok(()));
    assert!(inspected(&elements, limits(needed - 1)).is_err());
    // The same module made three times counts three times.
    let thrice = format!("(core module $m {globals}) {}", "(core instance (instantiate $m)) ".repeat(3));
    let thrice = component(&thrice, DETECTOR);
    let refused = |items| sandbox(limits(items)).inspect(&thrice).unwrap_err();
    assert!(matches!(refused(3_000), LoadError::Exports { .. }));
    assert!(matches!(refused(2_999), LoadError::Workload { setting: "instance_items", .. }));
}

#[test]
fn functions_between_the_plugin_and_the_host_count_as_functions() {
    let emit = r#"(import "orion:plugin/findings@1.0.0" (instance $f (export "emit" (func))))"#;
    let lowered = component(&format!("{emit} {}", r#"(core func (canon lower (func $f "emit")))"#.repeat(3)), DETECTOR);
    let refused = |functions| sandbox(Limits { functions, ..Limits::default() }).inspect(&lowered).unwrap_err();
    assert!(matches!(refused(3), LoadError::Exports { .. }));
    assert!(matches!(refused(2), LoadError::Workload { setting: "functions", .. }));
}

#[test]
fn a_component_inside_may_hold_names_and_nothing_that_is_made_or_called() {
    let refused = |body: &str| sandbox(Limits::default()).inspect(&component(body, DETECTOR)).unwrap_err();
    // As toolchains put it there.
    let names = r#"(component $c (import "a" (func $a)) (export "b" (func $a)))"#;
    assert!(matches!(refused(names), LoadError::Exports { .. }));
    for body in [
        "(component (core module))".to_owned(),
        "(component (component) (instance (instantiate 0)))".to_owned(),
        compiling::doubling(60),
        compiling::adapters(12, 2),
    ] {
        assert!(matches!(refused(&body), LoadError::Composed), "{body}: {}", refused(&body));
    }
    insta::assert_snapshot!(LoadError::Composed, @"the component is composed of others; a plugin is one component, as toolchains make it of a core module");
}

#[test]
fn types_nest_to_a_depth() {
    let refused =
        |depth| sandbox(Limits::default()).inspect(&component(&compiling::nested_types(depth), DETECTOR)).unwrap_err();
    assert!(matches!(refused(90), LoadError::Exports { .. }), "{}", refused(90));
    assert!(matches!(refused(110), LoadError::Malformed(_)), "{}", refused(110));
}

#[test]
fn what_is_said_of_a_plugin_is_short_however_long_its_names_are() {
    let imports: String = (0..30).map(|index| format!(r#"(import "n{index}{}" (func))"#, "n".repeat(1_000))).collect();
    let refused = sandbox(Limits::default()).inspect(&component(&imports, DETECTOR)).unwrap_err().to_string();
    assert!(refused.len() < 4_000 && refused.ends_with(" and 10 more"), "{refused}");
}
