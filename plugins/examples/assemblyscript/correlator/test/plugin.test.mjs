import assert from "node:assert/strict";
import test from "node:test";

import { CorrelatorProbe, Saved } from "../../../../sdk/assemblyscript/testing.mjs";

const MODULE = new URL("../build/core.wasm", import.meta.url);
const GIVEN = { count: 3n, window: 300_000n, quiet: 600_000n };
const MINUTE = 60_000n;

function event(position, minute, more = {}) {
  return { position: BigInt(position), timestamp: BigInt(minute) * MINUTE, key: "jellyfin", ...more };
}

test("the third event within the window opens an incident with all three", () => {
  const probe = CorrelatorProbe.load(MODULE, GIVEN);
  assert.deepEqual(probe.correlate(2n * MINUTE, [event(1, 0), event(2, 1)]), []);
  assert.deepEqual(probe.correlate(3n * MINUTE, [event(5, 3, { severity: "critical" })]), [{
    kind: "opened",
    key: "jellyfin",
    severity: "critical",
    timestamp: 3n * MINUTE,
    reason: "3 events within 300 s",
    positions: [1n, 2n, 5n],
    fields: [{ name: "events", value: 3n }],
  }]);
});

test("events too far apart, or resolved ones, are not enough", () => {
  const probe = CorrelatorProbe.load(MODULE, GIVEN);
  assert.deepEqual(probe.correlate(9n * MINUTE, [event(1, 0), event(2, 4), event(3, 9)]), []);
  assert.deepEqual(probe.correlate(9n * MINUTE, [event(4, 9, { status: "resolved" })]), []);
});

test("an incident grows, ends when it was quiet for long enough, and may come again", () => {
  const probe = CorrelatorProbe.load(MODULE, GIVEN);
  const changes = probe.correlate(30n * MINUTE, [1, 2, 3, 4, 30].map((minute) => event(minute, minute)));
  assert.deepEqual(changes.map(({ kind, timestamp, positions }) => [kind, timestamp / MINUTE, positions]), [
    ["opened", 3n, [1n, 2n, 3n]],
    ["updated", 4n, [4n]],
    ["resolved", 14n, []],
  ]);
});

test("a tick ends what was quiet, in the order of the keys' bytes", () => {
  const probe = CorrelatorProbe.load(MODULE, GIVEN);
  const keys = ["😀", "b", "\u{FFFD}", "ä"];
  const events = keys.flatMap((key, i) => [1, 2, 3].map((n) => event(10 * i + n, 1, { key })));
  probe.correlate(MINUTE, events);
  const ended = probe.correlate(11n * MINUTE);
  assert.deepEqual(ended.map(({ key }) => key), ["b", "ä", "\u{FFFD}", "😀"]);
  assert.equal(ended[0].reason, "quiet for 600 s");
});

test("a restart changes nothing, and nothing is left of what is over", () => {
  const whole = CorrelatorProbe.load(MODULE, GIVEN);
  const saved = new Saved();
  let said = 0;
  for (let n = 0; n < 60; n++) {
    const part = CorrelatorProbe.load(MODULE, GIVEN);
    part.restore(1, saved);
    const events = n % 20 < 12 ? [event(n + 1, n, { key: `group-${n % 2}` })] : [];
    const changes = part.correlate(BigInt(n) * MINUTE, events);
    assert.deepEqual(changes, whole.correlate(BigInt(n) * MINUTE, events));
    said += changes.length;
    saved.keep(part.checkpoint());
  }
  assert.ok(said > 6, `${said}`);
  const last = CorrelatorProbe.load(MODULE, GIVEN);
  last.restore(1, saved);
  last.correlate(1000n * MINUTE);
  saved.keep(last.checkpoint());
  assert.deepEqual(saved.entries, []);
});
