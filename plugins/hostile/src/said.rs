//! Attacks with what is handed to the host: too much of it, or something that is none.

use crate::guest::{
    CorrelatorGuest, DetectorGuest, EPOCH, NO_SERIES, NOTHING, change, emit, emit_plain, fields, repeat,
};
use crate::{Attack, End, correlator, detector, observes};

pub(crate) fn attacks() -> Vec<Attack> {
    [findings(), of_fields(), numbers(), replies(), changes()].concat()
}

fn message(pointer: &str, bytes: u32) -> &'static str {
    emit(NO_SERIES, &format!("(i32.const {pointer}) (i32.const {bytes})"), NOTHING, EPOCH)
}

fn findings() -> Vec<Attack> {
    let large = |name, kind, bytes| {
        detector(
            name,
            "observe",
            kind,
            DetectorGuest { observe: message("65536", bytes), pages: 64, ..Default::default() },
        )
    };
    vec![
        observes("says-a-million-things", "emit", repeat(1_000_000, emit_plain())),
        observes("says-a-gigabyte", "contract", message("64", 0x4000_0000)),
        large("says-two-megabytes", "contract", 2 << 20),
        large("says-too-long-a-message", "emit", 5_000),
        observes("says-what-is-no-text", "contract", not_text()),
        observes("says-something-at-the-last-address", "contract", message("-1", 16)),
        observes(
            "speaks-of-a-series-that-is-none",
            "emit",
            emit("(i32.const 1) (i32.const -1)", NOTHING, NOTHING, EPOCH),
        ),
        observes(
            "says-a-severity-that-is-none",
            "contract",
            emit("(i32.const 0) (i32.const 0)", NOTHING, NOTHING, EPOCH)
                .replacen("(i32.const 0) (i32.const 0) (i64", "(i32.const 1) (i32.const 9) (i64", 1)
                .leak(),
        ),
        observes("speaks-before-all-time", "emit", emit(NO_SERIES, NOTHING, NOTHING, "(i64.const 0x8000000000000000)")),
        observes("speaks-after-all-time", "emit", emit(NO_SERIES, NOTHING, NOTHING, "(i64.const 0x7fffffffffffffff)")),
        detector(
            "speaks-when-configured",
            "configure",
            "emit",
            DetectorGuest { configure: emit_plain(), ..Default::default() },
        ),
    ]
}

/// Bytes that are no UTF-8.
fn not_text() -> &'static str {
    format!("(i32.store (i32.const 64) (i32.const -1)) {}", message("64", 2)).leak()
}

fn of_fields() -> Vec<Attack> {
    let said = |name, kind, names: &[&str], text_bytes| {
        let (items, list) = fields(names, text_bytes);
        let observe = emit(NO_SERIES, NOTHING, list, EPOCH);
        detector(name, "observe", kind, DetectorGuest { items, observe, ..Default::default() })
    };
    let many: Vec<String> = (0..100).map(|number| format!("f{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let list = |name, list| observes(name, "contract", emit(NO_SERIES, NOTHING, list, EPOCH));
    vec![
        said("says-too-many-fields", "emit", &many, 1),
        said("says-too-long-a-name", "emit", &[&"n".repeat(1_000)], 1),
        said("says-too-long-a-value", "emit", &["a"], 5_000),
        said("says-a-name-twice", "emit", &["a", "b", "a"], 1),
        said("says-an-empty-name", "emit", &[""], 1),
        list("says-a-billion-fields", "(i32.const 64) (i32.const 0x3fffffff)"),
        list("says-fields-askew", "(i32.const 65) (i32.const 1)"),
    ]
}

/// Numbers that are none, or odd. They are numbers to the contract; NaN gets one form.
fn numbers() -> Vec<Attack> {
    let number = |name, value: &str| {
        let observe = emit_plain().replace("f64.const 1.5", &format!("f64.const {value}")).leak();
        Attack { end: End::Taken, ..observes(name, "", observe) }
    };
    vec![
        number("says-nan", "-nan:0x123"),
        number("says-infinity", "inf"),
        number("says-minus-infinity", "-inf"),
        number("says-minus-zero", "-0.0"),
    ]
}

fn replies() -> Vec<Attack> {
    let checkpoint = |name, entries: &str| {
        let checkpoint =
            format!("(i32.store (i32.const 16) (i32.const 32)) (i32.store (i32.const 20) (i32.const {entries}))")
                .leak();
        detector(name, "checkpoint", "contract", DetectorGuest { checkpoint, ..Default::default() })
    };
    let declines = |name, bytes: u32| {
        let configure = format!(
            "(memory.fill (i32.const 65536) (i32.const 110) (i32.const {bytes})) (i32.store8 (i32.const 0) (i32.const 1))
             (i32.store (i32.const 4) (i32.const 65536)) (i32.store (i32.const 8) (i32.const {bytes}))"
        )
        .leak();
        detector(name, "configure", "contract", DetectorGuest { configure, pages: 64, ..Default::default() })
    };
    vec![
        checkpoint("saves-a-billion-entries", "0x3fffffff"),
        detector(
            "saves-forty-megabytes",
            "checkpoint",
            "contract",
            DetectorGuest {
                checkpoint: "(i32.store (i32.const 16) (i32.const 32)) (i32.store (i32.const 20) (i32.const 1))
                (i32.store (i32.const 32) (i32.const 64)) (i32.store (i32.const 36) (i32.const 40000000))
                (i32.store8 (i32.const 40) (i32.const 0))",
                pages: 700,
                ..Default::default()
            },
        ),
        detector(
            "answers-neither-yes-nor-no",
            "configure",
            "contract",
            DetectorGuest { configure: "(i32.store8 (i32.const 0) (i32.const 9))", ..Default::default() },
        ),
        declines("declines-with-two-megabytes", 2 << 20),
        Attack { end: End::Declines, ..declines("declines-at-length", 1_000_000) },
    ]
}

fn changes() -> Vec<Attack> {
    let says = |name, kind, correlate| {
        correlator(name, "correlate", kind, CorrelatorGuest { correlate, ..Default::default() })
    };
    vec![
        says("changes-a-million-times", "emit", repeat(1_000_000, change(1, 1, 1))),
        says("says-too-long-a-key", "emit", change(10_000, 1, 1)),
        says("says-too-long-a-reason", "emit", change(1, 2_000, 1)),
        says("says-positions-beyond-its-memory", "contract", change(1, 1, 20_000)),
    ]
}
