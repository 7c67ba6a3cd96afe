// Compiled plugins called in Node.js: the same steps a host takes, with the core module that `asc` makes.
//
//   const probe = DetectorProbe.load("build/core.wasm", { above: 90.0 });
//   probe.define(0, { instance: "a" });
//   probe.observe(60_000n, [[0, 95.0]]);   // the findings
//
// Whole numbers of 64 bits (times, positions, integers of parameters and fields) are BigInt.

import { readFileSync } from "node:fs";

const SEVERITIES = ["info", "warning", "error", "critical"];
const STATUSES = ["occurred", "firing", "resolved"];
const KINDS = ["opened", "updated", "resolved"];
const FIELD_BYTES = 24;
const ENTRY_BYTES = 20;
const PARAMETER_BYTES = 24;

/** What a host keeps of a plugin's state. */
export class Saved {
  #values = new Map();

  /** Takes what a checkpoint returned. */
  keep(entries) {
    for (const { key, value } of entries) {
      const name = key.toString();
      if (value === null) this.#values.delete(name);
      else this.#values.set(name, { key, value });
    }
  }

  /** All of it, to restore from. */
  get entries() {
    return [...this.#values.values()];
  }
}

/** Memory of the plugin, read and written as the contract lays it out. */
class Memory {
  constructor(exports) {
    this.exports = exports;
  }

  get view() {
    return new DataView(this.exports.memory.buffer);
  }

  place(bytes, align) {
    const at = this.exports.cabi_realloc(0, 0, align, bytes.byteLength);
    new Uint8Array(this.exports.memory.buffer).set(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), at);
    return [at, bytes.length];
  }

  placeText(text) {
    return this.place(new TextEncoder().encode(text), 1);
  }

  bytes(at) {
    const [start, length] = this.list(at);
    return new Uint8Array(this.exports.memory.buffer).slice(start, start + length);
  }

  text(at) {
    return new TextDecoder("utf-8", { fatal: true }).decode(this.bytes(at));
  }

  list(at) {
    return [this.view.getUint32(at, true), this.view.getUint32(at + 4, true)];
  }

  textOf(start, length) {
    return new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(this.exports.memory.buffer, start, length));
  }

  fields(list, count) {
    return Array.from({ length: count }, (_, i) => {
      const at = list + FIELD_BYTES * i;
      return { name: this.text(at), value: this.#scalar(at + 8) };
    });
  }

  #scalar(at) {
    const value = at + 8;
    switch (this.view.getUint8(at)) {
      case 0: return this.text(value);
      case 1: return this.view.getFloat64(value, true);
      case 2: return this.view.getBigInt64(value, true);
      default: return this.view.getUint8(value) !== 0;
    }
  }

  entries(at) {
    const [list, count] = this.list(at);
    return Array.from({ length: count }, (_, i) => {
      const entry = list + ENTRY_BYTES * i;
      return { key: this.bytes(entry), value: this.view.getUint8(entry + 8) === 1 ? this.bytes(entry + 12) : null };
    });
  }

  placeEntries(entries) {
    const at = this.exports.cabi_realloc(0, 0, 4, ENTRY_BYTES * entries.length);
    entries.forEach(({ key, value }, i) => {
      const entry = at + ENTRY_BYTES * i;
      this.#refer(entry, this.place(key, 1));
      this.view.setUint8(entry + 8, value === null ? 0 : 1);
      if (value !== null) this.#refer(entry + 12, this.place(value, 1));
    });
    return [at, entries.length];
  }

  placeParameters(given) {
    const named = Object.entries(given);
    const at = this.exports.cabi_realloc(0, 0, 8, PARAMETER_BYTES * named.length);
    named.forEach(([name, value], i) => {
      const parameter = at + PARAMETER_BYTES * i;
      this.#refer(parameter, this.placeText(name));
      this.#placeValue(parameter + 8, value);
    });
    return [at, named.length];
  }

  #placeValue(at, value) {
    const set = (kind, put) => {
      this.view.setUint8(at, kind);
      put(at + 8);
    };
    if (typeof value === "string") set(0, (to) => this.#refer(to, this.placeText(value)));
    else if (typeof value === "number") set(1, (to) => this.view.setFloat64(to, value, true));
    else if (typeof value === "bigint") set(2, (to) => this.view.setBigInt64(to, value, true));
    else if (typeof value === "boolean") set(3, (to) => this.view.setUint8(to, value ? 1 : 0));
    else set(4, (to) => this.#refer(to, this.#placeTexts(value)));
  }

  #placeTexts(texts) {
    const at = this.exports.cabi_realloc(0, 0, 4, 8 * texts.length);
    texts.forEach((text, i) => this.#refer(at + 8 * i, this.placeText(text)));
    return [at, texts.length];
  }

  #refer(at, [start, length]) {
    this.view.setUint32(at, start, true);
    this.view.setUint32(at + 4, length, true);
  }

  /** A refusal becomes an error. */
  answer(at) {
    if (this.view.getUint8(at) !== 0) throw new Error(this.text(at + 4));
  }
}

class Probe {
  #face;
  said = [];

  constructor(face, path, imports, given) {
    this.#face = face;
    const module = new WebAssembly.Module(readFileSync(path));
    const instance = new WebAssembly.Instance(module, imports);
    this.memory = new Memory(instance.exports);
    this.memory.answer(this.call("configure", ...this.memory.placeParameters(given)));
  }

  call(name, ...given) {
    return this.memory.exports[`orion:plugin/${this.#face}@1.0.0#${name}`](...given);
  }

  /** What was said since the last time. */
  take() {
    return this.said.splice(0);
  }

  /** What changed in its state. */
  checkpoint() {
    return this.memory.entries(this.call("checkpoint"));
  }

  /** Hands it saved state. */
  restore(version, saved) {
    this.memory.answer(this.call("restore", version, ...this.memory.placeEntries(saved.entries)));
  }
}

/** Texts as one run of bytes and the end of each. */
function joined(pieces) {
  const encoded = pieces.map((piece) => new TextEncoder().encode(piece));
  let end = 0;
  const ends = encoded.map((bytes) => (end += bytes.length));
  return { text: Uint8Array.from(Buffer.concat(encoded)), ends: Uint32Array.from(ends) };
}

function sortedLabels(labels) {
  return Object.entries(labels).sort(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
}

/** A compiled detector that is called directly. */
export class DetectorProbe extends Probe {
  /** Configured with these parameters; throws its refusal. */
  static load(path, given = {}) {
    return new DetectorProbe("detector", path, {
      "orion:plugin/findings@1.0.0": { emit: (...flat) => DetectorProbe.#current.#hear(flat) },
    }, given);
  }

  /** Whose call is running. */
  static #current;

  call(name, ...given) {
    DetectorProbe.#current = this;
    return super.call(name, ...given);
  }

  #hear([hasSeries, series, hasSeverity, severity, timestamp, value, hasScore, score, text, length, fields, count]) {
    this.said.push({
      series: hasSeries ? series : null,
      severity: hasSeverity ? SEVERITIES[severity] : null,
      timestamp,
      value,
      score: hasScore ? score : null,
      message: this.memory.textOf(text, length),
      fields: this.memory.fields(fields, count),
    });
  }

  /** Tells the labels of a series. */
  define(series, labels) {
    const pairs = sortedLabels(labels);
    const { text, ends } = joined(pairs.flat());
    this.call("define-series",
      ...this.memory.place(Uint32Array.of(series), 4), ...this.memory.place(Uint32Array.of(pairs.length), 4),
      ...this.memory.place(text, 1), ...this.memory.place(ends, 4));
  }

  /** Says that series will not come again. */
  drop(...ids) {
    this.call("drop-series", ...this.memory.place(Uint32Array.from(ids), 4));
  }

  /** Shows it a frame: `[series, value]` or `[series, value, timestamp]` of each sample. Returns the findings. */
  observe(now, samples) {
    this.call("observe", now,
      ...this.memory.place(Uint32Array.from(samples, ([id]) => id), 4),
      ...this.memory.place(BigInt64Array.from(samples, ([, , timestamp]) => timestamp ?? now), 8),
      ...this.memory.place(Float64Array.from(samples, ([, value]) => value), 8));
    return this.take();
  }
}

/** A compiled correlator that is called directly. */
export class CorrelatorProbe extends Probe {
  /** Configured with these parameters; throws its refusal. */
  static load(path, given = {}) {
    return new CorrelatorProbe("correlator", path, {
      "orion:plugin/incidents@1.0.0": { emit: (...flat) => CorrelatorProbe.#current.#hear(flat) },
    }, given);
  }

  /** Whose call is running. */
  static #current;

  call(name, ...given) {
    CorrelatorProbe.#current = this;
    return super.call(name, ...given);
  }

  #hear([key, keyLength, kind, severity, timestamp, reason, reasonLength, positions, count, fields, fieldCount]) {
    this.said.push({
      kind: KINDS[kind],
      key: this.memory.textOf(key, keyLength),
      severity: SEVERITIES[severity],
      timestamp,
      reason: this.memory.textOf(reason, reasonLength),
      positions: Array.from({ length: count }, (_, i) => this.memory.view.getBigUint64(positions + 8 * i, true)),
      fields: this.memory.fields(fields, fieldCount),
    });
  }

  /**
   * Shows it events, or with none that time has passed. An event has `position`, `timestamp` and `key`, and may have
   * `severity`, `status`, `fingerprint`, `value`, `type` and `labels`. Returns the changes.
   */
  correlate(now, events = []) {
    const labels = events.map((event) => sortedLabels(event.labels ?? {}));
    const { text, ends } = joined(events.flatMap((event, i) => [event.key, event.type ?? "test", ...labels[i].flat()]));
    const columns = [
      [BigUint64Array.from(events, (event) => event.position), 8],
      [BigInt64Array.from(events, (event) => event.timestamp), 8],
      [Uint8Array.from(events, (event) => SEVERITIES.indexOf(event.severity ?? "error")), 1],
      [Uint8Array.from(events, (event) => STATUSES.indexOf(event.status ?? "firing")), 1],
      [BigUint64Array.from(events, (event) => event.fingerprint ?? 0n), 8],
      [Float64Array.from(events, (event) => event.value ?? NaN), 8],
      [Uint32Array.from(labels, (pairs) => pairs.length), 4],
      [text, 1],
      [ends, 4],
    ].map(([column, align]) => this.memory.place(column, align));
    const at = this.memory.exports.cabi_realloc(0, 0, 8, 8 + 8 * columns.length);
    this.memory.view.setBigInt64(at, now, true);
    columns.flat().forEach((word, i) => this.memory.view.setUint32(at + 8 + 4 * i, word, true));
    this.call("correlate", at);
    return this.take();
  }
}
