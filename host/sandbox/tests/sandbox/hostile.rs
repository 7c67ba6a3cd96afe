//! Guests that attack: each attack ends as what it is, the plugins beside it answer as before, and the host is no larger
//! for it afterwards.

use crate::guests::*;
use orion_model::{Labels, Severity, Status, Timestamp};
use orion_sandbox::{Detector, Limits, Plugin};

/// What the host may grow by over all attacks of [`ROUNDS`] rounds, in bytes.
const GROWTH_BYTES: usize = 1 << 20;

/// Rounds before the host's memory is looked at: its allocator and the engine's tables have their size by then.
const WARM_UP_ROUNDS: usize = 5;

/// Rounds over which the host must not grow. Six attacks each: two hundred bytes left behind by one would show.
const ROUNDS: usize = 1_000;

/// Small enough that a thousand rounds take seconds, large enough that an attack gets to what it is about.
fn limits() -> Limits {
    Limits { call_fuel: 100_000, item_fuel: 1_000, memory_bytes: 4 << 20, ..Limits::default() }
}

/// What each attack does, and the kind of fault that it has to end with.
fn attacks() -> Vec<(&'static str, DetectorGuest, &'static str)> {
    let observe = |observe: &'static str| DetectorGuest { observe, ..Default::default() };
    let a_gigabyte = "(i32.const 64) (i32.const 0x40000000)";
    let grow_and_spin = "(loop $forever (drop (memory.grow (i32.const 1))) (br $forever))";
    vec![
        ("spins", observe(SPIN), "fuel"),
        ("spins and grows", observe(grow_and_spin), "memory"),
        ("wants a gigabyte", observe("(drop (memory.grow (i32.const 16384)))"), "memory"),
        ("traps", observe("unreachable"), "trap"),
        ("says a million things", observe(repeat(1_000_000, emit_plain())), "emit"),
        ("says a gigabyte", observe(emit(NO_SERIES, a_gigabyte, NOTHING, EPOCH)), "contract"),
    ]
}

/// What the plugin beside an attack says of one frame.
fn neighbour_says(neighbour: &mut Detector) -> usize {
    let mut findings = Vec::new();
    neighbour.observe(&frame(3), &mut findings).unwrap();
    findings.len()
}

fn attack(name: &str, plugin: &Plugin, kind: &str) {
    let mut findings = Vec::new();
    let fault = plugin.detector().unwrap().observe(&frame(1), &mut findings).unwrap_err();
    assert_eq!((fault.kind(), findings.len()), (kind, 0), "{name}: {fault}");
}

/// Memory of this process that is resident, in bytes.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

#[test]
fn attacks_leave_their_neighbours_and_the_hosts_memory_alone() {
    let neighbour = DetectorGuest { observe: repeat(3, emit_plain()), ..Default::default() };
    let sandbox = sandbox(limits());
    let mut neighbour = sandbox.load(&neighbour.component()).unwrap().detector().unwrap();
    let attacks: Vec<(&str, Plugin, &str)> = attacks()
        .into_iter()
        .map(|(name, guest, kind)| (name, sandbox.load(&guest.component()).unwrap(), kind))
        .collect();
    let mut round = || {
        for (name, plugin, kind) in &attacks {
            attack(name, plugin, kind);
            assert_eq!(neighbour_says(&mut neighbour), 3, "beside what {name}");
        }
    };
    (0..WARM_UP_ROUNDS).for_each(|_| round());
    let before = resident_bytes();
    (0..ROUNDS).for_each(|_| round());
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH_BYTES, "the host grew by {grown} bytes");
}

#[test]
fn one_that_behaves_and_then_traps_is_replaced_and_behaves_as_long_again() {
    let calls = r#"(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (if (i32.gt_u (global.get $calls) (i32.const 3)) (then unreachable))"#;
    let turncoat =
        DetectorGuest { items: "(global $calls (mut i32) (i32.const 0))", observe: calls, ..Default::default() };
    let plugin = turncoat.load(limits()).unwrap();
    for _ in 0..2 {
        let mut detector = plugin.detector().unwrap();
        let mut observe = || detector.observe(&frame(1), &mut Vec::new()).map(drop).map_err(|fault| fault.kind());
        let outcomes: Vec<_> = (0..5).map(|_| observe()).collect();
        assert_eq!(outcomes, [Ok(()), Ok(()), Ok(()), Err("trap"), Err("contract")]);
    }
}

#[test]
fn a_correlator_that_spins_ends_with_its_fuel() {
    let plugin = sandbox(limits()).load(&correlator(SPIN)).unwrap();
    let mut changes = Vec::new();
    let at = Timestamp::from_millis(1_000);
    let mut tick = plugin.correlator().unwrap();
    let fault = tick.correlate(at, &orion_sandbox::EventBatch::new(), &mut changes).unwrap_err();
    insta::assert_snapshot!(fault, @"`correlate` spent its fuel of 100000 on 0 items; the settings are `call_fuel` and `item_fuel`");
    let mut events = one_event();
    events.push(2, at, Severity::Error, Status::Firing, 7, f64::NAN, "k", "service_down", &Labels::empty());
    let fault = plugin.correlator().unwrap().correlate(at, &events, &mut changes).unwrap_err();
    insta::assert_snapshot!(fault, @"`correlate` spent its fuel of 102000 on 2 items; the settings are `call_fuel` and `item_fuel`");
    assert!(changes.is_empty());
}
