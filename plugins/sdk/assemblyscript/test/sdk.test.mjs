import assert from "node:assert/strict";
import test from "node:test";

import { CorrelatorProbe, DetectorProbe, Saved } from "../testing.mjs";

const DETECTOR = new URL("build/detector.wasm", import.meta.url);
const CORRELATOR = new URL("build/correlator.wasm", import.meta.url);

test("parameters come with their types, and what was not said is what the plugin says instead", () => {
  const values = (given) => DetectorProbe.load(DETECTOR, given).observe(5n, [])[0].fields.map(({ value }) => value);
  assert.deepEqual(values({}), ["none", 0.5, -1n, true, ""]);
  const said = { text: "höst", number: -2.25, integer: 1n << 62n, flag: false, texts: ["a", "", "日本"] };
  assert.deepEqual(values(said), ["höst", -2.25, 1n << 62n, false, "a||日本"]);
  assert.deepEqual(values({ number: "of another type" }).slice(1, 2), [0.5]);
});

test("a refusal comes in words", () => {
  assert.throws(() => DetectorProbe.load(DETECTOR, { refuse: true }), { message: "`refuse` is sät" });
});

test("a series has the labels that it was last given, and none once it is dropped", () => {
  const probe = DetectorProbe.load(DETECTOR);
  probe.define(3, { zone: "ä", job: "😀" });
  probe.define(0, {});
  const message = () => probe.observe(1n, [[3, 1.0]])[1].message;
  assert.equal(message(), "job=😀;zone=ä;");
  probe.define(3, { job: "other" });
  assert.equal(message(), "job=other;");
  probe.drop(3, 99);
  assert.equal(message(), "");
});

test("a finding says what it was given", () => {
  const found = DetectorProbe.load(DETECTOR).observe(9n, [[4, -0.0, 7n]]);
  assert.deepEqual({ ...found[0], fields: [] }, {
    series: null, severity: null, timestamp: 9n, value: 0, score: null, message: "", fields: [],
  });
  assert.deepEqual(found[1], {
    series: 4, severity: "warning", timestamp: 7n, value: -0.0, score: 1, message: "", fields: [],
  });
});

test("a checkpoint holds what changed, in order, and goes back into another instance", () => {
  const probe = DetectorProbe.load(DETECTOR);
  const saved = new Saved();
  probe.observe(1n, [[9, 1.0], [2, 1.0]]);
  const first = probe.checkpoint();
  assert.deepEqual(first.map(({ key }) => key[0]), [2, 9]);
  saved.keep(first);
  assert.deepEqual(probe.checkpoint(), []);
  probe.observe(2n, [[9, 1.0]]);
  probe.drop(2);
  const second = probe.checkpoint();
  assert.deepEqual(second.map(({ key, value }) => [key[0], value === null]), [[2, true], [9, false]]);
  saved.keep(second);
  const other = DetectorProbe.load(DETECTOR);
  other.restore(7, saved);
  assert.deepEqual(other.observe(3n, [[9, 1.0], [2, 1.0]]).slice(1).map(({ score }) => score), [3, 1]);
});

test("state of another version, or that is something else, is refused", () => {
  const saved = new Saved();
  saved.keep([{ key: Uint8Array.of(1, 0, 0, 0), value: Uint8Array.of(1, 0, 0, 0, 200, 0, 0, 0, 65) }]);
  const probe = DetectorProbe.load(DETECTOR);
  assert.throws(() => probe.restore(8, saved), { message: "the saved state has version 8, and this plugin reads 7; reset it" });
  assert.throws(() => probe.restore(7, saved), { message: "the saved state is not what this plugin wrote; reset it" });
  const none = CorrelatorProbe.load(CORRELATOR);
  assert.throws(() => none.restore(1, saved), { message: "there is saved state, and this plugin keeps none" });
});

test("an event is told whole", () => {
  const probe = CorrelatorProbe.load(CORRELATOR);
  const event = {
    position: (1n << 63n) + 1n, timestamp: 5n, key: "schlüssel", type: "döwn", severity: "critical", status: "resolved",
    fingerprint: 77n, value: 1.5, labels: { zone: "日本", a: "" },
  };
  const [first, change] = probe.correlate(8n, [{ position: 1n, timestamp: 4n, key: "" }, event]);
  assert.deepEqual([first.key, first.reason, first.fields[2].value], ["", "test", NaN]);
  assert.deepEqual(change, {
    kind: "updated", key: "schlüssel", severity: "critical", timestamp: 5n, reason: "döwn a= zone=日本",
    positions: [(1n << 63n) + 1n],
    fields: [
      { name: "status", value: 2n }, { name: "fingerprint", value: 77n }, { name: "value", value: 1.5 },
      { name: "now", value: 8n }, { name: "zone", value: "日本" },
    ],
  });
  assert.deepEqual(probe.correlate(9n), []);
  assert.deepEqual(probe.checkpoint(), []);
});

test("garbage is collected: memory stays what it is, however long a plugin runs", () => {
  const probe = DetectorProbe.load(DETECTOR);
  const samples = Array.from({ length: 1000 }, (_, id) => [id, 1.0]);
  const run = (frames) => {
    for (let i = 0; i < frames; i++) probe.observe(BigInt(i), samples);
    probe.checkpoint();
    return probe.memory.exports.memory.buffer.byteLength;
  };
  assert.equal(run(150), run(300));
});
