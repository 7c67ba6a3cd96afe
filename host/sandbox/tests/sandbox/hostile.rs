//! Plugins that attack: each attack ends as what it is, the plugins beside it answer as before, and the host is no larger
//! for it afterwards.

use crate::guests::*;
use orion_hostile_plugins::{Attack, End, attacks};
use orion_model::{Kind, Labels, Severity, StateEntry, Status, Timestamp};
use orion_sandbox::{ConfigureError, Correlator, Detector, Fault, Limits, Plugin};

/// What the host may grow by over all attacks of [`ROUNDS`] rounds, in bytes.
const GROWTH_BYTES: usize = 1 << 20;

/// Rounds before the host's memory is looked at: its allocator and the engine's tables have their size by then.
const WARM_UP_ROUNDS: usize = 5;

/// Rounds over which the host must not grow. Some seventy attacks each: a hundred and fifty bytes left behind by one would show.
const ROUNDS: usize = 100;

/// Small enough that thousands of attacks take seconds, large enough that each gets to what it is about.
fn limits() -> Limits {
    Limits { call_fuel: 300_000, item_fuel: 1_000, setup_fuel: 5_000_000, spare_changes: 1_000, ..Limits::default() }
}

/// What became of an attack, and what is said of it.
type Fate = (End, String);

fn ended(fault: &Fault) -> Fate {
    let said = fault.to_string();
    // Every message begins with the call that it is about.
    let call = said.split('`').nth(1).unwrap().to_owned();
    (End::Fault { call: call.leak(), kind: fault.kind() }, said)
}

fn configured(error: ConfigureError) -> Fate {
    match error {
        ConfigureError::Refused(words) => (End::Declines, words),
        ConfigureError::Fault(fault) => ended(&fault),
    }
}

fn entry() -> StateEntry {
    StateEntry { key: vec![1], value: Some(vec![2]) }
}

/// Calls every function as the host does. The first that does not end well is how the attack ends.
fn all_of_detector(mut detector: Detector) -> Result<(), Fate> {
    detector.configure(&[]).map_err(configured)?;
    detector.restore(1, &[entry()]).map_err(configured)?;
    let labels: Labels = [("job", "a")].into_iter().collect();
    detector.define_series([(0, &labels)]).map_err(|fault| ended(&fault))?;
    for _ in 0..4 {
        let mut findings = Vec::new();
        let outcome = detector.observe(&frame(1), &mut findings);
        outcome.map_err(|fault| {
            assert!(findings.is_empty(), "a call that faulted has said nothing");
            ended(&fault)
        })?;
    }
    detector.checkpoint().map_err(|fault| ended(&fault))?;
    detector.drop_series(&[0]).map_err(|fault| ended(&fault))
}

fn all_of_correlator(mut correlator: Correlator) -> Result<(), Fate> {
    correlator.configure(&[]).map_err(configured)?;
    correlator.restore(1, &[entry()]).map_err(configured)?;
    let mut changes = Vec::new();
    let outcome = correlator.correlate(Timestamp::from_millis(1_000), &one_event(), &mut changes);
    outcome.map_err(|fault| {
        assert!(changes.is_empty(), "a call that faulted has said nothing");
        ended(&fault)
    })?;
    correlator.checkpoint().map(drop).map_err(|fault| ended(&fault))
}

fn all_of(plugin: &Plugin) -> Fate {
    let outcome = match plugin.manifest().kind {
        Kind::Detector => all_of_detector(plugin.detector().unwrap()),
        Kind::Correlator => all_of_correlator(plugin.correlator().unwrap()),
    };
    outcome.err().unwrap_or((End::Taken, String::new()))
}

/// What the plugin beside an attack says of one frame.
fn neighbour_says(neighbour: &mut Detector) -> usize {
    let mut findings = Vec::new();
    neighbour.observe(&frame(3), &mut findings).unwrap();
    findings.len()
}

/// Memory of this process that is resident, in bytes.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

fn neighbour() -> Vec<u8> {
    DetectorGuest { observe: repeat(3, emit_plain()), ..Default::default() }.component()
}

#[test]
fn every_attack_ends_as_it_has_to_and_it_is_said_why() {
    let sandbox = sandbox(limits());
    let mut neighbour = sandbox.load(&neighbour()).unwrap().detector().unwrap();
    let mut said = String::new();
    let mut wrong = Vec::new();
    for Attack { name, bytes, end, .. } in attacks() {
        let (is, words) = match sandbox.load(&bytes) {
            Ok(plugin) => all_of(&plugin),
            Err(refused) => (End::Refused, refused.to_string()),
        };
        if is != end {
            wrong.push(format!("{name} has to end as {end:?}, and it is {is:?}: {words}"));
        }
        assert!(words.len() < 6_000, "{name}: {} bytes are said of it", words.len());
        assert_eq!(neighbour_says(&mut neighbour), 3, "beside what {name}");
        said.push_str(&format!("{name}: {}\n", first_of(&words)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    insta::assert_snapshot!(said);
}

/// The beginning of what is long.
fn first_of(words: &str) -> String {
    if words.len() <= 300 { words.to_owned() } else { format!("{}[{} bytes]", &words[..200], words.len()) }
}

#[test]
fn attacks_leave_their_neighbours_and_the_hosts_memory_alone() {
    let sandbox = sandbox(limits());
    let mut neighbour = sandbox.load(&neighbour()).unwrap().detector().unwrap();
    let loaded = attacks().into_iter().filter(|attack| attack.end != End::Refused);
    let loaded: Vec<(Attack, Plugin)> = loaded
        .map(|attack| {
            let plugin = sandbox.load(&attack.bytes).unwrap();
            (attack, plugin)
        })
        .collect();
    let mut round = || {
        for (attack, plugin) in &loaded {
            assert_eq!(all_of(plugin).0, attack.end, "{}", attack.name);
            assert_eq!(neighbour_says(&mut neighbour), 3, "beside what {}", attack.name);
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
    let turncoat = attacks().into_iter().find(|attack| attack.name == "behaves-twice-and-then-traps").unwrap();
    let plugin = sandbox(limits()).load(&turncoat.bytes).unwrap();
    for _ in 0..2 {
        let mut detector = plugin.detector().unwrap();
        let mut observe = || detector.observe(&frame(1), &mut Vec::new()).map(drop).map_err(|fault| fault.kind());
        let outcomes: Vec<_> = (0..4).map(|_| observe()).collect();
        assert_eq!(outcomes, [Ok(()), Ok(()), Err("trap"), Err("contract")]);
    }
}

#[test]
fn one_that_says_something_else_each_time_is_heard_and_forgets_with_its_instance() {
    let fickle = attacks().into_iter().find(|attack| attack.name == "says-something-else-each-time").unwrap();
    let plugin = sandbox(limits()).load(&fickle.bytes).unwrap();
    for _ in 0..2 {
        let mut detector = plugin.detector().unwrap();
        let mut observe = || {
            let mut findings = Vec::new();
            detector.observe(&frame(1), &mut findings).unwrap();
            findings.len()
        };
        assert_eq!([observe(), observe(), observe()], [1, 2, 3]);
    }
}

#[test]
fn one_instruction_that_does_as_much_as_a_million_costs_as_much() {
    let fill = |bytes: u32| DetectorGuest {
        observe: format!("(memory.fill (i32.const 0) (i32.const 0) (i32.const {bytes}))").leak(),
        pages: 20,
        ..Default::default()
    };
    let spent = |bytes| fill(bytes).start(Limits::default()).observe(&frame(0), &mut Vec::new()).unwrap().fuel;
    assert_eq!(spent(1_000_000) - spent(0), 1_000_000);
    let grown = |observe: &'static str| {
        let guest = DetectorGuest { observe, ..Default::default() };
        guest.start(Limits::default()).observe(&frame(0), &mut Vec::new()).unwrap().fuel
    };
    // The constant is one more.
    assert_eq!(grown("(drop (memory.grow (i32.const 0)))") - grown(""), 101);
}

#[test]
fn a_correlator_that_spins_ends_with_its_fuel() {
    let limits = Limits { call_fuel: 100_000, ..limits() };
    let plugin = sandbox(limits).load(&correlator(SPIN)).unwrap();
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
