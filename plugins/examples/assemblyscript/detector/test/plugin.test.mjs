import assert from "node:assert/strict";
import test from "node:test";

import { DetectorProbe, Saved } from "../../../../sdk/assemblyscript/testing.mjs";

const MODULE = new URL("../build/core.wasm", import.meta.url);
const GIVEN = { factor: 3.0, warmup: 3n, weight: 0.5 };

/** Shows three quiet minutes and then these values, and returns what is found in those. */
function findings(probe, values) {
  const quiet = [1, 2, 3].flatMap((minute) => probe.observe(BigInt(minute) * 60_000n, [[0, 10.0]]));
  assert.deepEqual(quiet, []);
  return values.flatMap((value, i) => probe.observe(BigInt(i + 4) * 60_000n, [[0, value]]));
}

test("a value far above the mean is found, with what the mean was", () => {
  const probe = DetectorProbe.load(MODULE, GIVEN);
  probe.define(0, { instance: "höst", job: "node" });
  assert.deepEqual(findings(probe, [31.0]), [{
    series: 0,
    severity: null,
    timestamp: 240_000n,
    value: 31.0,
    score: 3.1,
    message: "höst is far above its mean",
    fields: [{ name: "mean", value: 10.0 }, { name: "samples", value: 3n }],
  }]);
});

test("a value twice as far is critical, and one at the bound is nothing", () => {
  assert.equal(findings(DetectorProbe.load(MODULE, GIVEN), [60.5])[0].severity, "critical");
  assert.deepEqual(findings(DetectorProbe.load(MODULE, GIVEN), [30.0]), []);
});

test("what is no number and what was seen before teaches nothing", () => {
  const probe = DetectorProbe.load(MODULE, GIVEN);
  assert.deepEqual(findings(probe, [NaN, Infinity]), []);
  probe.observe(180_000n, [[0, 1000.0]]);
  const [found] = probe.observe(600_000n, [[0, 31.0]]);
  assert.deepEqual(found.fields, [{ name: "mean", value: 10.0 }, { name: "samples", value: 3n }]);
  assert.equal(found.message, "a series is far above its mean");
});

test("a restart changes nothing", () => {
  const whole = DetectorProbe.load(MODULE, GIVEN);
  const saved = new Saved();
  for (let minute = 1n; minute < 20n; minute++) {
    const part = DetectorProbe.load(MODULE, GIVEN);
    part.restore(1, saved);
    const samples = [[0, Number(minute * 7n % 13n)], [1, minute % 5n === 0n ? 90.0 : 4.0]];
    assert.deepEqual(part.observe(minute * 60_000n, samples), whole.observe(minute * 60_000n, samples));
    saved.keep(part.checkpoint());
  }
  assert.equal(saved.entries.length, 2);
});
