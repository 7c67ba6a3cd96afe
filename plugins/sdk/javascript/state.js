// What a plugin remembers. The host keeps it: after each call it asks what changed, and hands all of it back to the next
// instance. So these maps know which of their keys changed, and a quiet call costs nothing.

import { Refused } from "./parameters.js";
import { Reader, Writer } from "./stored.js";

/** @typedef {{ key: Uint8Array, value?: Uint8Array }} Entry A piece of saved state; without a value the key is gone. */

/**
 * @template V
 * @typedef {object} Packing How values are written as bytes and read again. Without it a value is whatever JSON can hold.
 * @property {(value: V, out: Writer) => void} write
 * @property {(from: Reader) => V} read Throws when the bytes are not what `write` made.
 */

/** @type {Packing<any>} */
const AS_JSON = {
  write: (value, out) => out.text(JSON.stringify(value)),
  read: (from) => JSON.parse(from.text()),
};

/**
 * A map that is saved. Walking over it is in the order of the keys: that in which they came would be another one after a
 * restart. A value that is changed in place has to be named with `changed(key)`.
 *
 * @template {string | number} K
 * @template V
 * @extends {Map<K, V>}
 */
class SavedMap extends Map {
  #version;
  #compare;

  /**
   * @param {number} version The one that the manifest says.
   * @param {(one: K, other: K) => number} compare Which of two keys comes first.
   */
  constructor(version, compare) {
    super();
    this.#version = version;
    this.#compare = compare;
  }

  /**
   * Says that a value was changed in place: it will be saved.
   * @param {K} _key
   */
  changed(_key) {
    throw new Error("each kind of state notes what has to be saved");
  }

  /**
   * @param {K} key
   * @param {V} value
   */
  set(key, value) {
    this.changed(key);
    return super.set(key, value);
  }

  /** @param {K} key */
  delete(key) {
    if (!super.delete(key)) return false;
    this.changed(key);
    return true;
  }

  clear() {
    for (const key of super.keys()) this.changed(key);
    super.clear();
  }

  /** Puts a value that is saved already. @param {K} key @param {V} value */
  place(key, value) {
    super.set(key, value);
  }

  #sorted() {
    return [...super.keys()].sort(this.#compare);
  }

  keys() {
    return this.#sorted().values();
  }

  /** @returns {MapIterator<[K, V]>} */
  entries() {
    return this.#sorted().map((key) => /** @type {[K, V]} */ ([key, this.get(key)])).values();
  }

  /** @returns {MapIterator<V>} */
  values() {
    return this.#sorted().map((key) => /** @type {V} */ (this.get(key))).values();
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  /** @param {(value: V, key: K, map: Map<K, V>) => void} each */
  forEach(each) {
    for (const [key, value] of this.entries()) each(value, key, this);
  }

  /**
   * Takes back what earlier checkpoints handed out.
   * @param {number} version
   * @param {Entry[]} entries
   */
  restore(version, entries) {
    if (version !== this.#version) {
      throw new Refused(`the saved state has version ${version}, and this plugin reads ${this.#version}; reset it`);
    }
    try {
      for (const { key, value } of entries) this.readEntry(new Reader(key), new Reader(/** @type {any} */ (value)));
    } catch {
      throw new Refused("the saved state is not what this plugin wrote; reset it");
    }
  }

  /**
   * Takes back one entry.
   * @param {Reader} _key
   * @param {Reader} _value
   */
  readEntry(_key, _value) {
    throw new Error("each kind of state reads its own entries");
  }
}

/** @param {Reader} from */
function mustBeDone(from) {
  if (!from.done) throw new RangeError("more was written than is read");
}

/**
 * A map from texts to values that is saved.
 * @template V
 * @extends {SavedMap<string, V>}
 */
export class State extends SavedMap {
  /** @type {Set<string>} */
  #dirty = new Set();
  #packing;
  #writer = new Writer();

  /**
   * @param {number} version The one that the manifest says.
   * @param {Packing<V>} [packing]
   */
  constructor(version, packing = AS_JSON) {
    super(version, compareBytes);
    this.#packing = packing;
  }

  /** @param {string} key */
  changed(key) {
    this.#dirty.add(key);
  }

  /** @type {SavedMap<string, V>["readEntry"]} */
  readEntry(key, value) {
    this.place(key.text(), this.#packing.read(value));
    mustBeDone(key);
    mustBeDone(value);
  }

  /**
   * What changed since the last call, in the order of the keys.
   * @returns {Entry[]}
   */
  checkpoint() {
    const keys = [...this.#dirty].sort(compareBytes);
    this.#dirty.clear();
    return keys.map((key) => {
      this.#writer.text(key);
      return { key: this.#writer.finish(), value: this.#written(key) };
    });
  }

  /** @param {string} key */
  #written(key) {
    if (!this.has(key)) return undefined;
    this.#packing.write(/** @type {V} */ (this.get(key)), this.#writer);
    return this.#writer.finish();
  }

  /** Nothing: the keys are the plugin's own. @param {Iterable<number>} _ids */
  dropSeries(_ids) {}
}

/**
 * Series whose values are saved together. An entry costs much more than the few bytes in it: an object for the engine each
 * time it is handed over, and a detector usually learns of all its series at once.
 */
const BLOCK = 64;

/** What a number of a series is shifted by to get that of its block. */
const BLOCK_BITS = 6;

/**
 * A map from series to values that is saved, and forgets dropped series by itself.
 * @template V
 * @extends {SavedMap<number, V>}
 */
export class SeriesState extends SavedMap {
  /** @type {boolean[]} Whether a block has to be saved, by its number. A plain row, because it is written for every sample. */
  #dirty = [];
  #packing;
  #writer = new Writer();

  /**
   * @param {number} version The one that the manifest says.
   * @param {Packing<V>} [packing]
   */
  constructor(version, packing = AS_JSON) {
    super(version, (one, other) => one - other);
    this.#packing = packing;
  }

  /** @param {number} series */
  changed(series) {
    this.#dirty[series >>> BLOCK_BITS] = true;
  }

  /** @type {SavedMap<number, V>["readEntry"]} */
  readEntry(key, value) {
    key.u32();
    mustBeDone(key);
    while (!value.done) this.place(value.u32(), this.#packing.read(value));
  }

  /**
   * What changed since the last call, in the order of the keys.
   * @returns {Entry[]}
   */
  checkpoint() {
    /** @type {Entry[]} */
    const entries = [];
    // Not every place of the row is there.
    this.#dirty.forEach((_, block) => {
      this.#writer.u32(block);
      entries.push({ key: this.#writer.finish(), value: this.#written(block) });
    });
    this.#dirty = [];
    return entries;
  }

  /** @param {number} block */
  #written(block) {
    let count = 0;
    for (let series = block * BLOCK; series < (block + 1) * BLOCK; series++) {
      if (!this.has(series)) continue;
      this.#writer.u32(series);
      this.#packing.write(/** @type {V} */ (this.get(series)), this.#writer);
      count += 1;
    }
    return count > 0 ? this.#writer.finish() : undefined;
  }

  /** @param {Iterable<number>} ids */
  dropSeries(ids) {
    for (const series of ids) this.delete(series);
  }
}

/** What is added to halves of surrogate pairs, which stand for code points behind all others. */
const BEHIND_ALL = 0x10000;

/**
 * Which of two texts comes first in the order of their UTF-8 bytes, which is that of their code points.
 * @param {string} one
 * @param {string} other
 */
export function compareBytes(one, other) {
  const length = Math.min(one.length, other.length);
  for (let i = 0; i < length; i++) {
    const difference = rank(one.charCodeAt(i)) - rank(other.charCodeAt(i));
    if (difference !== 0) return difference;
  }
  return one.length - other.length;
}

/** @param {number} unit */
function rank(unit) {
  return (unit & 0xf800) === 0xd800 ? unit + BEHIND_ALL : unit;
}
