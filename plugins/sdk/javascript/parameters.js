// What a rule says under `with:`, by name and type.

/** A refusal in words: what is wrong and what to write instead. Thrown by a plugin's constructor. */
export class Refused extends Error {
  /** @param {string} why */
  constructor(why) {
    super(why);
    /** What the host is told. */
    this.payload = why;
  }
}

/** @typedef {{ tag: "text" | "number" | "integer" | "flag" | "texts", val: any }} Value A value as the contract has it. */

/** All that the rule said, with the manifest's defaults filled in. The host has checked types and bounds. */
export class Parameters {
  /** @type {Map<string, Value>} */
  #said;

  /** @param {{ name: string, value: Value }[]} given */
  constructor(given) {
    this.#said = new Map(given.map(({ name, value }) => [name, value]));
  }

  /**
   * A value of another type than the plugin asks for is as good as none.
   * @param {string} name
   * @param {Value["tag"]} tag
   */
  #find(name, tag) {
    const found = this.#said.get(name);
    return found?.tag === tag ? found.val : undefined;
  }

  /**
   * A number; `otherwise` when nothing was said.
   * @template T
   * @param {string} name
   * @param {T} otherwise
   * @returns {number | T}
   */
  number(name, otherwise) {
    return this.#find(name, "number") ?? otherwise;
  }

  /**
   * A whole number; `otherwise` when nothing was said.
   * @template T
   * @param {string} name
   * @param {T} otherwise
   * @returns {number | T}
   */
  integer(name, otherwise) {
    const said = this.#find(name, "integer");
    return said === undefined ? otherwise : Number(said);
  }

  /**
   * A duration in milliseconds; `otherwise` when nothing was said.
   * @template T
   * @param {string} name
   * @param {T} otherwise
   * @returns {number | T}
   */
  millis(name, otherwise) {
    return this.integer(name, otherwise);
  }

  /**
   * True or false; `otherwise` when nothing was said.
   * @template T
   * @param {string} name
   * @param {T} otherwise
   * @returns {boolean | T}
   */
  flag(name, otherwise) {
    return this.#find(name, "flag") ?? otherwise;
  }

  /**
   * A text; `otherwise` when nothing was said.
   * @template T
   * @param {string} name
   * @param {T} otherwise
   * @returns {string | T}
   */
  text(name, otherwise) {
    return this.#find(name, "text") ?? otherwise;
  }

  /**
   * A list of texts, or a mapping as names and values in turns; empty when nothing was said.
   * @param {string} name
   * @returns {string[]}
   */
  texts(name) {
    return this.#find(name, "texts") ?? [];
  }
}
