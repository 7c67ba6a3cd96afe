// Values as bytes: one form for each value, and anything else is no value.

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Bytes of most values: growing to these step by step would cost more than writing them. */
const USUAL_BYTES = 1024;

/** Writes values, one behind the other. */
export class Writer {
  #bytes = new Uint8Array(USUAL_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /**
   * Makes room for this many bytes, and returns where they go. What holds them may be another one afterwards.
   * @param {number} count
   */
  #room(count) {
    const at = this.#length;
    this.#length = at + count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }

  /** True or false. @param {boolean} value */
  flag(value) {
    const at = this.#room(1);
    this.#view.setUint8(at, value ? 1 : 0);
  }

  /** A whole number of 32 bits. @param {number} value */
  u32(value) {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
  }

  /** A whole number of 64 bits. @param {bigint} value */
  u64(value) {
    const at = this.#room(8);
    this.#view.setBigUint64(at, value, true);
  }

  /** Any number. @param {number} value */
  number(value) {
    const at = this.#room(8);
    this.#view.setFloat64(at, value, true);
  }

  /** A text. @param {string} value */
  text(value) {
    const bytes = encoder.encode(value);
    this.u32(bytes.length);
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** What was written since the last call. */
  finish() {
    const whole = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return whole;
  }
}

/** Reads what a `Writer` wrote. What is missing is a `RangeError`. */
export class Reader {
  #bytes;
  #view;
  #at = 0;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Whether nothing is left. */
  get done() {
    return this.#at === this.#bytes.length;
  }

  /** @param {number} count */
  #take(count) {
    const at = this.#at;
    this.#at = at + count;
    return at;
  }

  /** True or false. */
  flag() {
    return this.#view.getUint8(this.#take(1)) !== 0;
  }

  /** A whole number of 32 bits. */
  u32() {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** A whole number of 64 bits. */
  u64() {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  /** Any number. */
  number() {
    return this.#view.getFloat64(this.#take(8), true);
  }

  /** A text. */
  text() {
    const length = this.u32();
    const at = this.#take(length);
    if (this.#at > this.#bytes.length) throw new RangeError("a text is longer than what is there");
    return decoder.decode(this.#bytes.subarray(at, at + length));
  }
}
