import assert from "node:assert/strict";
import test from "node:test";

import { DetectorProbe, Saved } from "../../../../sdk/javascript/testing.js";
import Surge, { STATE_VERSION } from "../src/plugin.js";

const GIVEN = { factor: 3.0, warmup: 3n, weight: 0.5 };

/** Shows three quiet minutes and then these values, and returns what is found in those. */
function findings(probe, values) {
  const quiet = [1, 2, 3].flatMap((minute) => probe.observe(minute * 60_000, [[0, 10.0]]));
  assert.deepEqual(quiet, []);
  return values.flatMap((value, i) => probe.observe((i + 4) * 60_000, [[0, value]]));
}

test("a value far above the mean is found, with what the mean was", () => {
  const probe = new DetectorProbe(Surge, GIVEN);
  probe.define(0, { instance: "höst", job: "node" });
  assert.deepEqual(findings(probe, [31.0]), [{
    series: 0,
    severity: undefined,
    timestamp: 240_000,
    value: 31.0,
    score: 3.1,
    message: "höst is far above its mean",
    fields: { mean: 10.0, samples: 3n },
  }]);
});

test("a value twice as far is critical, and one at the bound is nothing", () => {
  assert.equal(findings(new DetectorProbe(Surge, GIVEN), [60.5])[0].severity, "critical");
  assert.deepEqual(findings(new DetectorProbe(Surge, GIVEN), [30.0]), []);
});

test("what is no number and what was seen before teaches nothing", () => {
  const probe = new DetectorProbe(Surge, GIVEN);
  assert.deepEqual(findings(probe, [NaN, Infinity]), []);
  probe.observe(180_000, [[0, 1000.0]]);
  const [found] = probe.observe(600_000, [[0, 31.0]]);
  assert.deepEqual(found.fields, { mean: 10.0, samples: 3n });
  assert.equal(found.message, "a series is far above its mean");
});

test("a restart changes nothing", () => {
  const whole = new DetectorProbe(Surge, GIVEN);
  const saved = new Saved();
  for (let minute = 1; minute < 20; minute++) {
    const part = new DetectorProbe(Surge, GIVEN);
    part.restore(STATE_VERSION, saved);
    const samples = [[0, minute * 7 % 13], [1, minute % 5 === 0 ? 90.0 : 4.0]];
    assert.deepEqual(part.observe(minute * 60_000, samples), whole.observe(minute * 60_000, samples));
    saved.keep(part.checkpoint());
  }
  assert.equal(saved.entries.length, 1);
});
