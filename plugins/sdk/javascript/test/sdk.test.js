import assert from "node:assert/strict";
import test from "node:test";

import { Refused, SeriesState, State, compareBytes, worse } from "../index.js";
import { Parameters } from "../parameters.js";
import { Reader, Writer } from "../stored.js";
import { CorrelatorProbe, DetectorProbe, Saved } from "../testing.js";

/** Says back everything that it is told, and how often it saw a series. */
class Echo {
  constructor(parameters) {
    if (parameters.flag("refuse", false)) throw new Refused("`refuse` is sät");
    this.state = new SeriesState(7);
  }

  observe(frame, emit) {
    for (const { series, timestamp, value } of frame) {
      const seen = (this.state.get(series) ?? 0) + 1;
      this.state.set(series, seen);
      const message = [...frame.labels(series)].map(([name, text]) => `${name}=${text}`).join(";");
      emit({ series, timestamp, value, score: seen, message });
    }
  }
}

/** Says back every event. Keeps no state. */
class Teller {
  correlate(now, events, emit) {
    for (const { key, severity, timestamp, position, type, labels, status, fingerprint, value } of events) {
      const reason = [type, ...[...labels].flat()].join(" ");
      const fields = { status, fingerprint: BigInt.asIntN(64, fingerprint), value, now: BigInt(now), flag: true };
      emit({ kind: "updated", key, severity, timestamp, reason, positions: [position], fields });
    }
  }
}

test("parameters come with their types, and what was not said is what the plugin says instead", () => {
  const said = (name, tag, val) => ({ name, value: { tag, val } });
  const given = new Parameters([said("a", "number", -2.5), said("b", "integer", 7n), said("c", "flag", false), said("d", "texts", ["x"])]);
  assert.deepEqual([given.number("a", 1), given.integer("b", 1), given.flag("c", true), given.texts("d")], [-2.5, 7, false, ["x"]]);
  assert.deepEqual([given.number("b", 1), given.millis("z", undefined), given.text("z", "t"), given.texts("z")], [1, undefined, "t", []]);
});

test("a refusal comes in words", () => {
  assert.throws(() => new DetectorProbe(Echo, { refuse: true }), { payload: "`refuse` is sät" });
});

test("a series has the labels that it was last given, and none once it is dropped", () => {
  const probe = new DetectorProbe(Echo);
  const message = () => probe.observe(1, [[3, 1.0]])[0].message;
  probe.define(3, { zone: "ä", job: "😀" });
  probe.define(0, {});
  assert.equal(message(), "job=😀;zone=ä");
  probe.define(3, { job: "other" });
  assert.equal(message(), "job=other");
  probe.drop(3, 99);
  assert.equal(message(), "");
});

test("times are exact, before 1970 as well", () => {
  const times = [-1, 0, 2 ** 32 - 1, 2 ** 32, 253402300799999];
  const found = new DetectorProbe(Echo).observe(0, times.map((time, i) => [i, 0, time]));
  assert.deepEqual(found.map(({ timestamp }) => timestamp), times);
});

test("a checkpoint holds what changed and goes back into another instance, however much it is", () => {
  const probe = new DetectorProbe(Echo);
  const saved = new Saved();
  probe.observe(1, Array.from({ length: 1000 }, (_, series) => [series, 1.0]));
  const first = probe.checkpoint();
  assert.equal(first.length, 16);
  saved.keep(first);
  assert.deepEqual(probe.checkpoint(), []);
  probe.observe(2, [[999, 1.0]]);
  probe.drop(2);
  saved.keep(probe.checkpoint());
  const other = new DetectorProbe(Echo);
  other.restore(7, saved);
  assert.deepEqual(other.observe(3, [[999, 1.0], [2, 1.0], [3, 1.0]]).map(({ score }) => score), [3, 1, 2]);
});

test("nothing is left of series that are gone", () => {
  const probe = new DetectorProbe(Echo);
  const saved = new Saved();
  probe.observe(1, [[5, 1.0], [70, 1.0]]);
  saved.keep(probe.checkpoint());
  probe.drop(5, 70);
  saved.keep(probe.checkpoint());
  assert.deepEqual(saved.entries, []);
});

test("state of another version, or that is something else, is refused", () => {
  const saved = new Saved();
  saved.keep([{ key: Uint8Array.of(0, 0, 0, 0), value: Uint8Array.of(1, 0, 0, 0, 200, 0, 0, 0, 65) }]);
  const restore = (Probe, Plugin, version) => new Probe(Plugin).restore(version, saved);
  assert.throws(() => restore(DetectorProbe, Echo, 8), { payload: "the saved state has version 8, and this plugin reads 7; reset it" });
  assert.throws(() => restore(DetectorProbe, Echo, 7), { payload: "the saved state is not what this plugin wrote; reset it" });
  assert.throws(() => restore(CorrelatorProbe, Teller, 1), { payload: "there is saved state, and this plugin keeps none" });
});

test("an event is told whole", () => {
  const event = {
    position: 2n ** 63n + 1n, timestamp: 5, key: "schlüssel", severity: "critical", status: "resolved", fingerprint: 2n ** 64n - 1n,
    value: 1.5, type: "döwn", labels: { zone: "日本", a: "" },
  };
  const [first, change] = new CorrelatorProbe(Teller).correlate(8, [{ position: 1n, timestamp: 4, key: "" }, event]);
  assert.deepEqual([first.reason, first.fields.value], ["test", NaN]);
  assert.deepEqual(change, {
    kind: "updated", key: "schlüssel", severity: "critical", timestamp: 5, reason: "döwn a  zone 日本", positions: [2n ** 63n + 1n],
    fields: { status: "resolved", fingerprint: -1n, value: 1.5, now: 8n, flag: true },
  });
});

test("a state is walked in the order of its keys' bytes, and every way to change it is saved", () => {
  const keys = ["😀", "b", "\u{FFFD}", ""];
  const ordered = ["", "b", "\u{FFFD}", "😀"];
  const ways = {
    set: (state) => state.set("b", [1]),
    delete: (state) => state.delete("b"),
    clear: (state) => state.clear(),
    "in place": (state) => (state.get("b").push(2), state.changed("b")),
  };
  for (const [name, change] of Object.entries(ways)) {
    const state = new State(1);
    const saved = new Saved();
    for (const key of keys) state.set(key, [0]);
    assert.deepEqual([...state.keys()], ordered);
    assert.deepEqual([...state].map(([key]) => key), ordered);
    saved.keep(state.checkpoint());
    change(state);
    saved.keep(state.checkpoint());
    const other = new State(1);
    other.restore(1, saved.entries);
    assert.deepEqual([...other], [...state], name);
  }
});

test("what is written is read again, and less than that is an error", () => {
  const out = new Writer();
  out.flag(true);
  out.u32(2 ** 32 - 1);
  out.u64(2n ** 64n - 1n);
  out.number(-0.5);
  out.text("日本".repeat(1000));
  const bytes = out.finish();
  const read = (from) => [from.flag(), from.u32(), from.u64(), from.number(), from.text().length, from.done];
  assert.deepEqual(read(new Reader(bytes)), [true, 2 ** 32 - 1, 2n ** 64n - 1n, -0.5, 2000, true]);
  for (const length of [0, 4, 12, 20, bytes.length - 1]) assert.throws(() => read(new Reader(bytes.slice(0, length))), RangeError);
});

test("the worse of two, and the order of texts", () => {
  assert.deepEqual([worse("info", "error"), worse("critical", "warning")], ["error", "critical"]);
  assert.ok(compareBytes("a", "ab") < 0 && compareBytes("b", "ab") > 0 && compareBytes("x", "x") === 0);
});
