// Plugins called directly, without WebAssembly: the same steps a host takes.
//
//   const probe = new DetectorProbe(Above, { above: 90.0 });
//   probe.define(0, { instance: "a" });
//   probe.observe(60_000, [[0, 95.0]]);   // the findings
//
// A whole number among parameters is a bigint, so that it is none with a fraction.

import { STATUSES } from "./event.js";
import { correlatorExports, detectorExports } from "./runner.js";
import { SEVERITIES } from "./said.js";
import { compareBytes } from "./state.js";

// Node.js has this from version 22 on. Without it a test would not notice what holds on to memory that was given back.
ArrayBuffer.prototype.transfer ??= function () {
  structuredClone(this, { transfer: [this] });
  return new ArrayBuffer(0);
};

/** @typedef {Record<string, string>} Labels */
/** @typedef {Record<string, string | number | bigint | boolean | string[]>} Given */

const TAGS = { string: "text", number: "number", bigint: "integer", boolean: "flag", object: "texts" };

/** @param {Given} given */
function parameters(given) {
  return Object.entries(given).map(([name, val]) => {
    const tag = TAGS[/** @type {keyof typeof TAGS} */ (typeof val)];
    return { name, value: { tag, val } };
  });
}

/** @param {Labels} labels */
function flat(labels) {
  return Object.entries(labels).sort(([one], [other]) => compareBytes(one, other)).flat();
}

/** @param {string[]} pieces */
function joined(pieces) {
  const ends = new Uint32Array(pieces.length);
  let whole = "";
  let end = 0;
  pieces.forEach((piece, i) => {
    whole += piece;
    ends[i] = end += new TextEncoder().encode(piece).length;
  });
  return { text: new TextEncoder().encode(whole), ends };
}

/** What a host keeps of a plugin's state. */
export class Saved {
  /** @type {Map<string, import("./state.js").Entry>} */
  #values = new Map();

  /**
   * Takes what a checkpoint returned.
   * @param {import("./state.js").Entry[]} entries
   */
  keep(entries) {
    for (const { key, value } of entries) {
      if (value === undefined) this.#values.delete(key.toString());
      // Copies: what a checkpoint hands over is gone at the next one.
      else this.#values.set(key.toString(), { key: key.slice(), value: value.slice() });
    }
  }

  /** All of it, to restore from. */
  get entries() {
    return [...this.#values.values()];
  }
}

/** What was said, as the contract has it, turned back into what the plugin gave. @param {any} said */
function raised(said) {
  const fields = Object.fromEntries(said.fields.map((/** @type {any} */ field) => [field.name, field.value.val]));
  return { ...said, timestamp: Number(said.timestamp), fields };
}

/** A detector that is called directly. */
export class DetectorProbe {
  #exports;
  /** @type {any[]} */
  #said = [];

  /**
   * Configured with these parameters; throws its refusal.
   * @param {new (parameters: import("./parameters.js").Parameters) => import("./runner.js").Detector} Plugin
   * @param {Given} given
   */
  constructor(Plugin, given = {}) {
    this.#exports = detectorExports(Plugin, (finding) => this.#said.push(raised(finding)));
    this.#exports.configure(parameters(given));
  }

  /**
   * Tells the labels of a series.
   * @param {number} series
   * @param {Labels} labels
   */
  define(series, labels) {
    const pieces = flat(labels);
    const { text, ends } = joined(pieces);
    this.#exports.defineSeries(Uint32Array.of(series), Uint32Array.of(pieces.length / 2), text, ends);
  }

  /**
   * Says that series will not come again.
   * @param {...number} ids
   */
  drop(...ids) {
    this.#exports.dropSeries(Uint32Array.from(ids));
  }

  /**
   * Shows it a frame: series and value of each sample, and its timestamp if that is not `now`. Returns the findings.
   * @param {number} now
   * @param {[series: number, value: number, timestamp?: number][]} samples
   */
  observe(now, samples) {
    const timestamps = BigInt64Array.from(samples, ([, , timestamp]) => BigInt(timestamp ?? now));
    const values = Float64Array.from(samples, ([, value]) => value);
    this.#exports.observe(BigInt(now), Uint32Array.from(samples, ([series]) => series), timestamps, values);
    return this.#said.splice(0);
  }

  /** What changed in its state. */
  checkpoint() {
    return this.#exports.checkpoint();
  }

  /**
   * Hands it saved state.
   * @param {number} version
   * @param {Saved} saved
   */
  restore(version, saved) {
    this.#exports.restore(version, saved.entries);
  }
}

/**
 * @typedef {object} TestEvent An event as tests write it.
 * @property {bigint} position
 * @property {number} timestamp
 * @property {string} key
 * @property {import("./said.js").Severity} [severity]
 * @property {import("./event.js").Status} [status]
 * @property {bigint} [fingerprint]
 * @property {number} [value]
 * @property {string} [type]
 * @property {Labels} [labels]
 */

/** A correlator that is called directly. */
export class CorrelatorProbe {
  #exports;
  /** @type {any[]} */
  #said = [];

  /**
   * Configured with these parameters; throws its refusal.
   * @param {new (parameters: import("./parameters.js").Parameters) => import("./runner.js").Correlator} Plugin
   * @param {Given} given
   */
  constructor(Plugin, given = {}) {
    this.#exports = correlatorExports(Plugin, (change) => this.#said.push(raised(change)));
    this.#exports.configure(parameters(given));
  }

  /**
   * Shows it events, or with none that time has passed. Returns the changes.
   * @param {number} now
   * @param {TestEvent[]} events
   */
  correlate(now, events = []) {
    const labels = events.map((event) => flat(event.labels ?? {}));
    this.#exports.correlate(BigInt(now), {
      positions: BigUint64Array.from(events, (event) => event.position),
      timestamps: BigInt64Array.from(events, (event) => BigInt(event.timestamp)),
      severities: Uint8Array.from(events, (event) => SEVERITIES.indexOf(event.severity ?? "error")),
      statuses: Uint8Array.from(events, (event) => STATUSES.indexOf(event.status ?? "firing")),
      fingerprints: BigUint64Array.from(events, (event) => event.fingerprint ?? 0n),
      values: Float64Array.from(events, (event) => event.value ?? NaN),
      labelCounts: Uint32Array.from(labels, (pieces) => pieces.length / 2),
      ...joined(events.flatMap((event, i) => [event.key, event.type ?? "test", ...labels[i]])),
    });
    return this.#said.splice(0);
  }

  /** What changed in its state. */
  checkpoint() {
    return this.#exports.checkpoint();
  }

  /**
   * Hands it saved state.
   * @param {number} version
   * @param {Saved} saved
   */
  restore(version, saved) {
    this.#exports.restore(version, saved.entries);
  }
}
