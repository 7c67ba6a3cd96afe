import assert from "node:assert/strict";
import test from "node:test";

import { CorrelatorProbe, Saved } from "../../../../sdk/javascript/testing.js";
import Burst, { STATE_VERSION } from "../src/plugin.js";

const GIVEN = { count: 3n, window: 300_000n, quiet: 600_000n };
const MINUTE = 60_000;

function event(position, minute, more = {}) {
  return { position: BigInt(position), timestamp: minute * MINUTE, key: "jellyfin", ...more };
}

test("the third event within the window opens an incident with all three", () => {
  const probe = new CorrelatorProbe(Burst, GIVEN);
  assert.deepEqual(probe.correlate(2 * MINUTE, [event(1, 0), event(2, 1)]), []);
  assert.deepEqual(probe.correlate(3 * MINUTE, [event(5, 3, { severity: "critical" })]), [{
    kind: "opened",
    key: "jellyfin",
    severity: "critical",
    timestamp: 3 * MINUTE,
    reason: "3 events within 300 s",
    positions: [1n, 2n, 5n],
    fields: { events: 3n },
  }]);
});

test("events too far apart, or resolved ones, are not enough", () => {
  const probe = new CorrelatorProbe(Burst, GIVEN);
  assert.deepEqual(probe.correlate(9 * MINUTE, [event(1, 0), event(2, 4), event(3, 9)]), []);
  assert.deepEqual(probe.correlate(9 * MINUTE, [event(4, 9, { status: "resolved" })]), []);
});

test("an incident grows, ends when it was quiet for long enough, and may come again", () => {
  const probe = new CorrelatorProbe(Burst, GIVEN);
  const changes = probe.correlate(30 * MINUTE, [1, 2, 3, 4, 30].map((minute) => event(minute, minute)));
  assert.deepEqual(changes.map(({ kind, timestamp, positions }) => [kind, timestamp / MINUTE, positions]), [
    ["opened", 3, [1n, 2n, 3n]],
    ["updated", 4, [4n]],
    ["resolved", 14, []],
  ]);
});

test("a tick ends what was quiet, in the order of the keys' bytes", () => {
  const probe = new CorrelatorProbe(Burst, GIVEN);
  const keys = ["😀", "b", "\u{FFFD}", "ä"];
  const events = keys.flatMap((key, i) => [1, 2, 3].map((n) => event(10 * i + n, 1, { key })));
  probe.correlate(MINUTE, events);
  const ended = probe.correlate(11 * MINUTE);
  assert.deepEqual(ended.map(({ key }) => key), ["b", "ä", "\u{FFFD}", "😀"]);
  assert.equal(ended[0].reason, "quiet for 600 s");
});

test("a restart changes nothing, and nothing is left of what is over", () => {
  const whole = new CorrelatorProbe(Burst, GIVEN);
  const saved = new Saved();
  let said = 0;
  for (let n = 0; n < 60; n++) {
    const part = new CorrelatorProbe(Burst, GIVEN);
    part.restore(STATE_VERSION, saved);
    const events = n % 20 < 12 ? [event(n + 1, n, { key: `group-${n % 2}` })] : [];
    const changes = part.correlate(n * MINUTE, events);
    assert.deepEqual(changes, whole.correlate(n * MINUTE, events));
    said += changes.length;
    saved.keep(part.checkpoint());
  }
  assert.ok(said > 6, `${said}`);
  const last = new CorrelatorProbe(Burst, GIVEN);
  last.restore(STATE_VERSION, saved);
  last.correlate(1000 * MINUTE);
  saved.keep(last.checkpoint());
  assert.deepEqual(saved.entries, []);
});
