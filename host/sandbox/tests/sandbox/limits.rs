//! Every limit, once obeyed and once violated; and what is said when it is.

use crate::guests::*;
use orion_model::{Labels, Parameter, ParameterValue, StateEntry, Timestamp};
use orion_sandbox::{ConfigureError, Limits};

type Outcome = Result<usize, (&'static str, String)>;

/// A violation as one line: its kind and its message.
fn line(outcome: Outcome) -> String {
    let (kind, message) = outcome.unwrap_err();
    format!("{kind}: {message}")
}

#[test]
fn work_ends_with_its_fuel_and_fuel_grows_with_the_frame() {
    // Three instructions a round and some around them.
    let guest = DetectorGuest { observe: repeat(10_000, ""), ..Default::default() };
    let limits = |call_fuel| Limits { call_fuel, item_fuel: 1_000, ..Limits::default() };
    assert_eq!(observed(guest, limits(200_000), 0), Ok(0));
    assert_eq!(observed(guest, limits(1_000), 200), Ok(0));
    insta::assert_snapshot!(line(observed(guest, limits(1_000), 2)), @"fuel: `observe` spent its fuel of 3000 on 2 items; the settings are `call_fuel` and `item_fuel`");
}

#[test]
fn every_function_ends_with_its_fuel() {
    let limits = Limits { setup_fuel: 100_000, call_fuel: 100_000, ..Limits::default() };
    let spin = |guest: DetectorGuest| guest.start(limits.clone());
    let fuel = |error: ConfigureError| match error {
        ConfigureError::Fault(fault) => format!("{}: {fault}", fault.kind()),
        refused => panic!("{refused}"),
    };
    let configure = spin(DetectorGuest { configure: SPIN, ..Default::default() }).configure(&[]).unwrap_err();
    insta::assert_snapshot!(fuel(configure), @"fuel: `configure` spent its fuel of 100000 on 0 items; the setting is `setup_fuel`");
    let entry = StateEntry { key: vec![1], value: Some(vec![2]) };
    let restore = spin(DetectorGuest { restore: SPIN, ..Default::default() }).restore(1, &[entry]).unwrap_err();
    insta::assert_snapshot!(fuel(restore), @"fuel: `restore` spent its fuel of 100000 on 1 items; the setting is `setup_fuel`");
    let labels = Labels::empty();
    let define =
        spin(DetectorGuest { define_series: SPIN, ..Default::default() }).define_series([(0, &labels)]).unwrap_err();
    insta::assert_snapshot!(define, @"`define-series` spent its fuel of 100000 on 1 items; the setting is `setup_fuel`");
    let checkpoint = spin(DetectorGuest { checkpoint: SPIN, ..Default::default() }).checkpoint().unwrap_err();
    insta::assert_snapshot!(checkpoint, @"`checkpoint` spent its fuel of 100000 on 0 items; the setting is `setup_fuel`");
    let start = DetectorGuest { items: "(func $s (loop $l (br $l))) (start $s)", ..Default::default() };
    let start = start.load(limits).err().unwrap();
    insta::assert_snapshot!(start, @"the plugin does not start: `start` spent its fuel of 100000 on 0 items; the setting is `setup_fuel`");
}

/// So many rounds of eight instructions, once in the life of an instance: the counter, and the loop, for any function.
fn rounds(times: u32) -> (&'static str, &'static str) {
    let counter = format!("(global $left (mut i32) (i32.const {times}))").leak();
    let work = "(block $done (loop $next (br_if $done (i32.eqz (global.get $left)))
                (global.set $left (i32.sub (global.get $left) (i32.const 1))) (br $next)))";
    (counter, work)
}

#[test]
fn a_call_that_sets_up_may_do_the_more_the_more_it_is_given() {
    let limits = |setup_fuel| Limits { setup_base_fuel: 20_000, item_fuel: 1_000, setup_fuel, ..Limits::default() };
    let start = |guest: DetectorGuest| guest.start(limits(5_000_000));
    // Thirty-two thousand instructions.
    let (items, work) = rounds(4_000);

    let configuring = || start(DetectorGuest { items, configure: work, ..Default::default() });
    let parameter = Parameter { name: "a".to_owned(), value: ParameterValue::Flag(true) };
    configuring().configure(&vec![parameter.clone(); 40]).unwrap();
    let configure = configuring().configure(&[parameter]).unwrap_err();
    insta::assert_snapshot!(configure, @"`configure` spent its fuel of 21000 on 1 items; the settings are `setup_base_fuel` and `item_fuel`");

    let restoring = || start(DetectorGuest { items, restore: work, ..Default::default() });
    let entry = |bytes| StateEntry { key: vec![1], value: Some(vec![0; bytes]) };
    restoring().restore(1, &vec![entry(1); 40]).unwrap();
    restoring().restore(1, &[entry(40 * 256)]).unwrap();
    let restore = restoring().restore(1, &[entry(1)]).unwrap_err();
    insta::assert_snapshot!(restore, @"`restore` spent its fuel of 21000 on 1 items; the settings are `setup_base_fuel` and `item_fuel`");

    let defining = || start(DetectorGuest { items, define_series: work, ..Default::default() });
    let labels = Labels::empty();
    defining().define_series((0..40).map(|id| (id, &labels))).unwrap();
    let define = defining().define_series([(0, &labels)]).unwrap_err();
    insta::assert_snapshot!(define, @"`define-series` spent its fuel of 21000 on 1 items; the settings are `setup_base_fuel` and `item_fuel`");

    // However much it is given, it is not more than this.
    let mut last = DetectorGuest { items, restore: work, ..Default::default() }.start(limits(25_000));
    let restore = last.restore(1, &vec![entry(1); 40]).unwrap_err();
    insta::assert_snapshot!(restore, @"`restore` spent its fuel of 25000 on 40 items; the setting is `setup_fuel`");

    // What a checkpoint is about lies in the memory: sixty-four items a page.
    let (items, work) = rounds(20_000);
    let saving = |pages| start(DetectorGuest { items, checkpoint: work, pages, ..Default::default() }).checkpoint();
    saving(3).unwrap();
    insta::assert_snapshot!(saving(0).unwrap_err(), @"`checkpoint` spent its fuel of 84000 on 0 items; the settings are `setup_base_fuel` and `item_fuel`");
}

#[test]
fn a_call_ends_with_its_time_when_fuel_would_last_longer() {
    let limits = Limits { call_fuel: u64::MAX / 2, call_millis: 30, ..Limits::default() };
    let patient = DetectorGuest { observe: repeat(1_000, ""), ..Default::default() };
    assert_eq!(observed(patient, limits.clone(), 1), Ok(0));
    let spinning = DetectorGuest { observe: SPIN, ..Default::default() };
    insta::assert_snapshot!(line(observed(spinning, limits, 1)), @"deadline: `observe` was still running after 30 ms; the setting is `call_millis`");
}

const GROW_TEN_PAGES: &str = "(drop (memory.grow (i32.const 10)))";

#[test]
fn memory_is_counted_from_the_first_page() {
    let growing = DetectorGuest { observe: GROW_TEN_PAGES, ..Default::default() };
    let limits = |pages: usize| Limits { memory_bytes: pages * 65_536, ..Limits::default() };
    assert_eq!(observed(growing, limits(11), 1), Ok(0));
    insta::assert_snapshot!(line(observed(growing, limits(10), 1)), @"memory: `observe` asked for 655360 bytes of memory, 65536 are in use and 655360 allowed; the setting is `memory_bytes`");
    let large = DetectorGuest { pages: 10, ..Default::default() };
    assert!(large.load(limits(11)).is_ok());
    insta::assert_snapshot!(large.load(limits(10)).err().unwrap(), @"the plugin does not start: `start` asked for 720896 bytes of memory, 0 are in use and 655360 allowed; the setting is `memory_bytes`");
}

#[test]
fn all_memories_of_an_instance_count_together() {
    let two = DetectorGuest { items: "(memory $other 5)", pages: 5, ..Default::default() };
    let limits = |pages: usize| Limits { memory_bytes: pages * 65_536, ..Limits::default() };
    assert!(two.load(limits(11)).is_ok());
    insta::assert_snapshot!(two.load(limits(10)).err().unwrap(), @"the plugin does not start: `start` asked for 327680 bytes of memory, 393216 are in use and 655360 allowed; the setting is `memory_bytes`");
}

#[test]
fn what_the_host_hands_over_counts_too() {
    let guest = DetectorGuest::default();
    let limits = Limits { memory_bytes: 2 * 65_536, ..Limits::default() };
    assert_eq!(observed(guest, limits.clone(), 1_000), Ok(0));
    insta::assert_snapshot!(line(observed(guest, limits, 10_000)), @"memory: `observe` asked for 65536 bytes of memory, 131072 are in use and 131072 allowed; the setting is `memory_bytes`");
}

#[test]
fn a_bound_of_the_guests_own_is_no_fault() {
    let items = "(memory $small 1 2)";
    let observe = "(if (i32.ne (memory.grow $small (i32.const 5)) (i32.const -1)) (then unreachable))";
    assert_eq!(observed(DetectorGuest { items, observe, ..Default::default() }, Limits::default(), 1), Ok(0));
}

#[test]
fn tables_are_counted() {
    let growing = DetectorGuest {
        items: "(table $t 100 funcref)",
        observe: "(drop (table.grow $t (ref.null func) (i32.const 50)))",
        ..Default::default()
    };
    let limits = |table_elements| Limits { table_elements, ..Limits::default() };
    assert_eq!(observed(growing, limits(150 + ADAPTER_TABLE), 1), Ok(0));
    let few = line(observed(growing, limits(149 + ADAPTER_TABLE), 1));
    insta::assert_snapshot!(few, @"memory: `observe` asked for 50 elements of tables, 101 are in use and 150 allowed; the setting is `table_elements`");
}

/// wit-component links `emit` through a table of one.
const ADAPTER_TABLE: usize = 1;

#[test]
fn parts_of_an_instance_are_counted() {
    let two = DetectorGuest { items: "(memory 1) (table 1 funcref)", ..Default::default() };
    // The guest, and two small ones that link `emit`.
    assert!(two.load(Limits { core_instances: 3, memories: 2, tables: 2, ..Limits::default() }).is_ok());
    let refused = |limits: Limits| two.load(limits).err().unwrap();
    insta::assert_snapshot!(refused(Limits { core_instances: 2, ..Limits::default() }), @"the plugin does not start: `start` ended: resource limit exceeded: instance count too high at 3; the settings are `core_instances`, `memories` and `tables`");
    insta::assert_snapshot!(refused(Limits { memories: 1, ..Limits::default() }), @"the plugin does not start: `start` ended: resource limit exceeded: memory count too high at 2; the settings are `core_instances`, `memories` and `tables`");
    insta::assert_snapshot!(refused(Limits { tables: 1, ..Limits::default() }), @"the plugin does not start: `start` ended: resource limit exceeded: table count too high at 2; the settings are `core_instances`, `memories` and `tables`");
}

#[test]
fn live_handles_are_counted() {
    let ten = orion_hostile_plugins::hoarding(10);
    let loaded = |component_handles| sandbox(Limits { component_handles, ..Limits::default() }).load(&ten);
    assert!(loaded(10).is_ok());
    insta::assert_snapshot!(loaded(9).unwrap_err(), @"the plugin does not start: `start` asked for another handle, and 9 are live and allowed; the setting is `component_handles`");
}

#[test]
fn recursion_ends_with_its_stack() {
    let deep = |depth: u32| DetectorGuest {
        items: "(func $down (param i32) (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1))))))",
        observe: format!("(call $down (i32.const {depth}))").leak(),
        ..Default::default()
    };
    assert_eq!(observed(deep(1_000), Limits::default(), 1), Ok(0));
    insta::assert_snapshot!(line(observed(deep(10_000_000), Limits::default(), 1)), @"trap: `observe` trapped: call stack exhausted, in `down`");
}

#[test]
fn traps_say_what_and_where() {
    let trapping = |observe| line(observed(DetectorGuest { observe, ..Default::default() }, Limits::default(), 1));
    insta::assert_snapshot!(trapping("unreachable"), @"trap: `observe` trapped: wasm `unreachable` instruction executed");
    insta::assert_snapshot!(trapping("(drop (i32.div_u (i32.const 1) (i32.const 0)))"), @"trap: `observe` trapped: integer divide by zero");
    insta::assert_snapshot!(trapping("(drop (i32.load (i32.const -1)))"), @"trap: `observe` trapped: out of bounds memory access");
}

#[test]
fn a_detector_may_say_one_thing_for_each_series_and_some_more() {
    let saying = |times| DetectorGuest { observe: repeat(times, emit_plain()), ..Default::default() };
    let limits = Limits { spare_findings: 5, ..Limits::default() };
    assert_eq!(observed(saying(8), limits.clone(), 3), Ok(8));
    insta::assert_snapshot!(line(observed(saying(9), limits, 3)), @"emit: `observe` emitted more than the 8 findings it may for 3 items; the setting is `spare_findings`");
}

#[test]
fn nothing_may_be_said_outside_of_observe() {
    let configure = DetectorGuest { configure: emit_plain(), ..Default::default() };
    let fault = configure.start(Limits::default()).configure(&[]).unwrap_err();
    insta::assert_snapshot!(fault, @"`configure` emitted something malformed: nobody asked for findings here");
    let checkpoint = DetectorGuest { checkpoint: emit_plain(), ..Default::default() };
    let mut detector = checkpoint.start(Limits::default());
    assert!(detector.observe(&frame(1), &mut Vec::new()).is_ok());
    assert_eq!(detector.checkpoint().unwrap_err().kind(), "emit");
}

/// A message of so many bytes.
fn message(bytes: u32) -> DetectorGuest {
    let text = format!("(i32.const 131072) (i32.const {bytes})");
    DetectorGuest { observe: emit(NO_SERIES, &text, NOTHING, EPOCH), pages: 40, ..Default::default() }
}

#[test]
fn a_message_has_its_length() {
    let limits = Limits { message_bytes: 100, ..Limits::default() };
    assert_eq!(observed(message(100), limits.clone(), 1), Ok(1));
    insta::assert_snapshot!(line(observed(message(101), limits, 1)), @"emit: `observe` emitted something malformed: the length of the message is 101, at most 100 are taken; the setting is `message_bytes`");
}

#[test]
fn all_texts_of_a_call_together_have_their_length() {
    let text = emit(NO_SERIES, "(i32.const 64) (i32.const 100)", NOTHING, EPOCH);
    let saying = |times| DetectorGuest { observe: repeat(times, text), ..Default::default() };
    let limits = Limits { emitted_bytes: 300, item_emitted_bytes: 100, ..Limits::default() };
    assert_eq!(observed(saying(5), limits.clone(), 2), Ok(5));
    insta::assert_snapshot!(line(observed(saying(6), limits, 2)), @"emit: `observe` emitted more than the 500 bytes of text it may for 2 items; the setting is `emitted_bytes`");
}

#[test]
fn the_host_copies_no_more_than_it_said_before_it_looks() {
    let limits = Limits { emit_copy_bytes: 1_000_000, message_bytes: 2_000_000, ..Limits::default() };
    assert_eq!(observed(message(900_000), limits.clone(), 1), Ok(1));
    insta::assert_snapshot!(line(observed(message(1_100_000), limits, 1)), @"contract: `observe` handed over more than 1000000 bytes in one go; the setting is `emit_copy_bytes`");
}

fn with_fields(names: &[&str], text_bytes: usize) -> DetectorGuest {
    let (items, list) = fields(names, text_bytes);
    DetectorGuest { items, observe: emit(NO_SERIES, NOTHING, list, EPOCH), ..Default::default() }
}

#[test]
fn fields_have_their_number_and_lengths() {
    let limits = Limits { fields: 3, field_name_bytes: 10, field_text_bytes: 20, ..Limits::default() };
    let outcome = |names: &[&str], text| observed(with_fields(names, text), limits.clone(), 1);
    let ten = "a123456789";
    assert_eq!(outcome(&[ten, "b", "c"], 20), Ok(1));
    insta::assert_snapshot!(line(outcome(&["a", "b", "c", "d"], 20)), @"emit: `observe` emitted something malformed: the number of fields is 4, at most 3 are taken; the setting is `fields`");
    insta::assert_snapshot!(line(outcome(&["a1234567890"], 20)), @"emit: `observe` emitted something malformed: the length of a field's name is 11, at most 10 are taken; the setting is `field_name_bytes`");
    insta::assert_snapshot!(line(outcome(&[ten], 21)), @"emit: `observe` emitted something malformed: the length of a field's text is 21, at most 20 are taken; the setting is `field_text_bytes`");
    insta::assert_snapshot!(line(outcome(&[""], 1)), @"emit: `observe` emitted something malformed: a field without a name");
    insta::assert_snapshot!(line(outcome(&["a", "b", "a"], 1)), @"emit: `observe` emitted something malformed: field `a` stands twice");
}

#[test]
fn a_series_must_be_defined_and_not_dropped() {
    let about = |id: u32| {
        let series = format!("(i32.const 1) (i32.const {id})");
        DetectorGuest { observe: emit(&series, NOTHING, NOTHING, EPOCH), ..Default::default() }
    };
    let labels: Labels = [("job", "a")].into_iter().collect();
    let mut detector = about(2).start(Limits::default());
    detector.define_series([(2, &labels), (70, &labels)]).unwrap();
    let mut findings = Vec::new();
    detector.observe(&frame(1), &mut findings).unwrap();
    assert_eq!(findings[0].series, Some(2));
    detector.drop_series(&[2]).unwrap();
    let fault = detector.observe(&frame(1), &mut findings).unwrap_err();
    insta::assert_snapshot!(fault, @"`observe` emitted something malformed: series 2 was not defined");
    assert_eq!(observed(about(u32::MAX), Limits::default(), 1).unwrap_err().0, "emit");
}

#[test]
fn a_time_lies_between_1970_and_9999() {
    let at = |millis: i64| {
        let timestamp = format!("(i64.const {millis})");
        let observe = emit(NO_SERIES, NOTHING, NOTHING, &timestamp);
        observed(DetectorGuest { observe, ..Default::default() }, Limits::default(), 1)
    };
    assert_eq!(at(0), Ok(1));
    assert_eq!(at(253_402_300_799_999), Ok(1));
    insta::assert_snapshot!(line(at(-1)), @"emit: `observe` emitted something malformed: timestamp -1 is not between 1970 and 9999");
    insta::assert_snapshot!(line(at(253_402_300_800_000)), @"emit: `observe` emitted something malformed: timestamp 253402300800000 is not between 1970 and 9999");
}

#[test]
fn text_that_is_none_and_pointers_beyond_the_memory_break_the_contract() {
    let items = r#"(data (i32.const 64) "\ff\fe")"#;
    let observe = emit(NO_SERIES, "(i32.const 64) (i32.const 2)", NOTHING, EPOCH);
    let torn = observed(DetectorGuest { items, observe, ..Default::default() }, Limits::default(), 1);
    insta::assert_snapshot!(line(torn), @"contract: `observe` broke the plugin contract: invalid utf-8 sequence of 1 bytes from index 0");
    let observe = emit(NO_SERIES, "(i32.const -16) (i32.const 1000)", NOTHING, EPOCH);
    let beyond = observed(DetectorGuest { observe, ..Default::default() }, Limits::default(), 1);
    insta::assert_snapshot!(line(beyond), @"contract: `observe` broke the plugin contract: string pointer/length out of bounds of memory");
    let configure = "(i32.store8 (i32.const 0) (i32.const 9))";
    let fault = DetectorGuest { configure, ..Default::default() }.start(Limits::default()).configure(&[]).unwrap_err();
    insta::assert_snapshot!(fault, @"`configure` broke the plugin contract: invalid expected discriminant");
}

#[test]
fn nan_has_one_form_in_everything_that_is_said() {
    let said = "(call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0)
        (f64.const -nan:0x123) (i32.const 1) (f64.const nan:0x8000000000001) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))";
    let mut detector = DetectorGuest { observe: said, ..Default::default() }.start(Limits::default());
    let mut findings = Vec::new();
    detector.observe(&frame(1), &mut findings).unwrap();
    assert_eq!(findings[0].value.to_bits(), f64::NAN.to_bits());
    assert_eq!(findings[0].score.map(f64::to_bits), Some(f64::NAN.to_bits()));
}

#[test]
fn a_refusal_comes_in_the_plugins_own_words_and_spares_the_instance() {
    let items = r#"(data (i32.const 64) "no")"#;
    let configure = "(i32.store8 (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (i32.const 64)) (i32.store (i32.const 8) (i32.const 2))";
    let mut detector = DetectorGuest { items, configure, ..Default::default() }.start(Limits::default());
    assert_eq!(detector.configure(&[]), Err(ConfigureError::Refused("no".to_owned())));
    assert!(detector.observe(&frame(1), &mut Vec::new()).is_ok());
}

/// A checkpoint of one entry with a key of so many bytes.
fn checkpoint(bytes: u32) -> DetectorGuest {
    let checkpoint = format!(
        "(i32.store (i32.const 16) (i32.const 32)) (i32.store (i32.const 20) (i32.const 1))
         (i32.store (i32.const 32) (i32.const 64)) (i32.store (i32.const 36) (i32.const {bytes}))
         (i32.store8 (i32.const 40) (i32.const 0))"
    );
    DetectorGuest { checkpoint: checkpoint.leak(), pages: 40, ..Default::default() }
}

#[test]
fn a_checkpoint_has_its_size() {
    let limits = Limits { checkpoint_bytes: 1_000_000, emit_copy_bytes: 10, ..Limits::default() };
    let saved = checkpoint(900_000).start(limits.clone()).checkpoint().unwrap();
    assert_eq!((saved.len(), saved[0].key.len()), (1, 900_000));
    let fault = checkpoint(1_100_000).start(limits).checkpoint().unwrap_err();
    insta::assert_snapshot!(fault, @"`checkpoint` handed over more than 1000000 bytes in one go; the setting is `checkpoint_bytes`");
}

fn correlated(correlate: &'static str, limits: Limits) -> Outcome {
    let mut correlator = sandbox(limits).load(&correlator(correlate)).unwrap().correlator().unwrap();
    let mut changes = Vec::new();
    let outcome = correlator.correlate(Timestamp::from_millis(0), &one_event(), &mut changes);
    outcome.map(|_| changes.len()).map_err(|fault| (fault.kind(), fault.to_string()))
}

#[test]
fn changes_have_their_number_and_lengths() {
    let limits = Limits { key_bytes: 10, reason_bytes: 20, positions: 30, spare_changes: 2, ..Limits::default() };
    let outcome = |key, reason, positions| correlated(change(key, reason, positions), limits.clone());
    assert_eq!(outcome(10, 20, 30), Ok(1));
    insta::assert_snapshot!(line(outcome(11, 20, 30)), @"emit: `correlate` emitted something malformed: the length of the key is 11, at most 10 are taken; the setting is `key_bytes`");
    insta::assert_snapshot!(line(outcome(10, 21, 30)), @"emit: `correlate` emitted something malformed: the length of the reason is 21, at most 20 are taken; the setting is `reason_bytes`");
    insta::assert_snapshot!(line(outcome(10, 20, 31)), @"emit: `correlate` emitted something malformed: the number of positions is 31, at most 30 are taken; the setting is `positions`");
    assert_eq!(correlated(repeat(3, change(1, 1, 1)), limits.clone()), Ok(3));
    insta::assert_snapshot!(line(correlated(repeat(4, change(1, 1, 1)), limits)), @"emit: `correlate` emitted more than the 3 changes it may for 1 items; the setting is `spare_changes`");
}
