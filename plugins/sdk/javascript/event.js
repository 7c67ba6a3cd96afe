// Events as a correlator sees them: one by one, texts looked up when asked for.

import { numbers, pairs, piece } from "./frame.js";
import { SEVERITIES } from "./said.js";

/** @typedef {"occurred" | "firing" | "resolved"} Status A thing of one moment; it holds from now on; it held until now. */

/**
 * @typedef {object} Columns The columns of a batch, as they come from the host.
 * @property {BigUint64Array} positions
 * @property {BigInt64Array} timestamps
 * @property {Uint8Array} severities
 * @property {Uint8Array} statuses
 * @property {BigUint64Array} fingerprints
 * @property {Float64Array} values
 * @property {Uint32Array} labelCounts
 * @property {Uint8Array} text
 * @property {Uint32Array} ends
 */

/** @type {Status[]} As batches number them. */
export const STATUSES = ["occurred", "firing", "resolved"];

/** Pieces of text of an event before its labels: key and type. */
const FIXED_PIECES = 2;

/** One event. */
export class Event {
  #columns;
  #index;
  #piece;

  /**
   * @param {Columns} columns
   * @param {number} index
   * @param {number} timestamp
   * @param {number} piece
   */
  constructor(columns, index, timestamp, piece) {
    /** When, in milliseconds. */
    this.timestamp = timestamp;
    this.#columns = columns;
    this.#index = index;
    this.#piece = piece;
  }

  /** Position on the bus; grows from event to event. */
  get position() {
    return this.#columns.positions[this.#index];
  }

  /** How bad. */
  get severity() {
    return SEVERITIES[this.#columns.severities[this.#index]];
  }

  /** Whether it began, ended, or just happened. */
  get status() {
    return STATUSES[this.#columns.statuses[this.#index]];
  }

  /** The same for the firing and the resolved event of one alert. */
  get fingerprint() {
    return this.#columns.fingerprints[this.#index];
  }

  /** The value it carries; NaN when it carries none. */
  get value() {
    return this.#columns.values[this.#index];
  }

  /** Its group. */
  get key() {
    return piece(this.#columns.text, this.#columns.ends, this.#piece);
  }

  /** What kind of thing: `service_down`. */
  get type() {
    return piece(this.#columns.text, this.#columns.ends, this.#piece + 1);
  }

  /** Its labels, by name; sorted by name. */
  get labels() {
    const { text, ends, labelCounts } = this.#columns;
    return pairs(text, ends, this.#piece + FIXED_PIECES, labelCounts[this.#index]);
  }
}

/**
 * Events from the columns of a batch.
 * @param {Columns} columns
 */
export function events(columns) {
  const timestamps = numbers(columns.timestamps);
  const told = [];
  let piece = 0;
  for (let i = 0; i < timestamps.length; i++) {
    told.push(new Event(columns, i, timestamps[i], piece));
    piece += FIXED_PIECES + 2 * columns.labelCounts[i];
  }
  return told;
}
