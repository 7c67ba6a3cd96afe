// Frames as a detector sees them: samples one by one or as columns, with labels that are looked up when asked for.

const decoder = new TextDecoder();

/** @typedef {{ series: number, timestamp: number, value: number }} Sample The value of one series. */

/** What the high half of a timestamp counts for. */
const HIGH = 2 ** 32;

/**
 * The answer to the rule's query at one instant. Walking over it gives its samples, in the order of the answer. The columns
 * give the same, quicker: `ids[i]`, `timestamps[i]`, `values[i]`.
 */
export class Frame {
  #book;

  /**
   * @param {bigint} now
   * @param {Uint32Array} ids
   * @param {BigInt64Array} timestamps
   * @param {Float64Array} values
   * @param {SeriesBook} book
   */
  constructor(now, ids, timestamps, values, book) {
    /** The instant that was asked for, in milliseconds. */
    this.now = Number(now);
    /** The column of series: numbers that stay the same from frame to frame. */
    this.ids = ids;
    /** The column of timestamps, in milliseconds. */
    this.timestamps = numbers(timestamps);
    /** The column of values. */
    this.values = values;
    this.#book = book;
  }

  /** Number of samples. */
  get length() {
    return this.ids.length;
  }

  /** @returns {Generator<Sample>} */
  *[Symbol.iterator]() {
    const { ids, timestamps, values } = this;
    for (let i = 0; i < ids.length; i++) {
      yield { series: ids[i], timestamp: timestamps[i], value: values[i] };
    }
  }

  /**
   * The labels of a series, by name; sorted by name.
   * @param {number} series
   */
  labels(series) {
    return this.#book.labels(series);
  }
}

/**
 * Times as numbers, which hold every millisecond there will be. Read in halves: each item of the column itself would be an
 * object of its own.
 * @param {BigInt64Array} times
 */
export function numbers(times) {
  const highs = new Int32Array(times.buffer, times.byteOffset, 2 * times.length);
  const lows = new Uint32Array(times.buffer, times.byteOffset, 2 * times.length);
  const whole = new Float64Array(times.length);
  for (let i = 0, half = 0; i < whole.length; i++, half += 2) whole[i] = highs[half + 1] * HIGH + lows[half];
  return whole;
}

/**
 * One of the texts that lie behind one another in `text`.
 * @param {Uint8Array} text
 * @param {Uint32Array} ends
 * @param {number} index
 */
export function piece(text, ends, index) {
  return decoder.decode(text.subarray(index === 0 ? 0 : ends[index - 1], ends[index]));
}

/**
 * Labels whose names and values are pieces of `text`.
 * @param {Uint8Array} text
 * @param {Uint32Array} ends
 * @param {number} first
 * @param {number} count
 * @returns {Map<string, string>}
 */
export function pairs(text, ends, first, count) {
  const labels = new Map();
  for (let at = first; at < first + 2 * count; at += 2) labels.set(piece(text, ends, at), piece(text, ends, at + 1));
  return labels;
}

/** @typedef {{ text: Uint8Array, ends: Uint32Array, first: number, count: number }} Row Where the labels of a series are. */

/** The labels of all series that were defined: as they came, until somebody asks for them. */
export class SeriesBook {
  /** @type {Map<number, Row | Map<string, string>>} */
  #rows = new Map();

  /**
   * @param {Uint32Array} ids
   * @param {Uint32Array} labelCounts
   * @param {Uint8Array} text
   * @param {Uint32Array} ends
   */
  define(ids, labelCounts, text, ends) {
    let first = 0;
    ids.forEach((series, i) => {
      this.#rows.set(series, { text, ends, first, count: labelCounts[i] });
      first += 2 * labelCounts[i];
    });
  }

  /** @param {Uint32Array} ids */
  drop(ids) {
    for (const series of ids) this.#rows.delete(series);
  }

  /**
   * @param {number} series
   * @returns {Map<string, string>}
   */
  labels(series) {
    const row = this.#rows.get(series);
    if (row === undefined) return new Map();
    if (row instanceof Map) return row;
    const labels = pairs(row.text, row.ends, row.first, row.count);
    this.#rows.set(series, labels);
    return labels;
  }
}
