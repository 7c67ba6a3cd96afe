// A plugin being called: the same steps whether a host calls it through WebAssembly or a test calls it directly.

import { events } from "./event.js";
import { Frame, SeriesBook } from "./frame.js";
import { Parameters, Refused } from "./parameters.js";
import { loweredChange, loweredFinding } from "./said.js";

/** @typedef {import("./state.js").State<any> | import("./state.js").SeriesState<any>} Stateful */

/**
 * @typedef {object} Detector What a detector's class has. It is made from its `Parameters`.
 * @property {(frame: Frame, emit: (finding: import("./said.js").Finding) => void) => void} observe Looks at one frame.
 * @property {Stateful} [state] What survives a restart.
 */

/**
 * @typedef {object} Correlator What a correlator's class has. It is made from its `Parameters`.
 * @property {(now: number, events: import("./event.js").Event[], emit: (change: import("./said.js").Change) => void) => void} correlate
 *   Looks at events in bus order, or at none: then time has passed until `now`, in milliseconds.
 * @property {Stateful} [state] What survives a restart.
 */

/**
 * Gives memory back at once. The engine does not look for garbage before it has tens of megabytes of it, and a plugin is ended at 64.
 * Whoever still holds an array has an empty one.
 * @param {...{ buffer: ArrayBufferLike }} arrays
 */
function release(...arrays) {
  for (const { buffer } of arrays) {
    // An empty one may have been given back already, and cannot be once more.
    if (buffer instanceof ArrayBuffer && buffer.byteLength > 0) buffer.transfer(0);
  }
}

/** What a checkpoint handed over, which the host has read when it calls again. @type {import("./state.js").Entry[]} */
let handedOver = [];

/** @param {Stateful | undefined} state */
function checkpoint(state) {
  for (const { key, value } of handedOver) release(key, ...(value === undefined ? [] : [value]));
  handedOver = state?.checkpoint() ?? [];
  return handedOver;
}

/**
 * @param {Stateful | undefined} state
 * @param {number} version
 * @param {import("./state.js").Entry[]} entries
 */
function restore(state, version, entries) {
  if (state !== undefined) state.restore(version, entries);
  else if (entries.length > 0) throw new Refused("there is saved state, and this plugin keeps none");
}

/**
 * A detector as its host sees it: the exports of the contract.
 * @param {new (parameters: Parameters) => Detector} Plugin
 * @param {(finding: object) => void} emit What the host offers.
 */
export function detectorExports(Plugin, emit) {
  const book = new SeriesBook();
  /** @type {Detector} */
  let plugin;
  return {
    /** @param {any[]} parameters */
    configure(parameters) {
      plugin = new Plugin(new Parameters(parameters));
    },
    /** @type {SeriesBook["define"]} */
    defineSeries(ids, labelCounts, text, ends) {
      book.define(ids, labelCounts, text, ends);
      release(ids, labelCounts);
    },
    /** @param {Uint32Array} ids */
    dropSeries(ids) {
      book.drop(ids);
      plugin.state?.dropSeries(ids);
    },
    /** @param {number} version @param {any[]} entries */
    restore(version, entries) {
      restore(plugin.state, version, entries);
    },
    /** @param {bigint} now @param {Uint32Array} ids @param {BigInt64Array} timestamps @param {Float64Array} values */
    observe(now, ids, timestamps, values) {
      const frame = new Frame(now, ids, timestamps, values, book);
      plugin.observe(frame, (finding) => emit(loweredFinding(finding)));
      release(ids, timestamps, values, frame.timestamps);
    },
    checkpoint() {
      return checkpoint(plugin.state);
    },
  };
}

/**
 * A correlator as its host sees it: the exports of the contract.
 * @param {new (parameters: Parameters) => Correlator} Plugin
 * @param {(change: object) => void} emit What the host offers.
 */
export function correlatorExports(Plugin, emit) {
  /** @type {Correlator} */
  let plugin;
  return {
    /** @param {any[]} parameters */
    configure(parameters) {
      plugin = new Plugin(new Parameters(parameters));
    },
    /** @param {number} version @param {any[]} entries */
    restore(version, entries) {
      restore(plugin.state, version, entries);
    },
    /** @param {bigint} now @param {import("./event.js").Columns} columns */
    correlate(now, columns) {
      plugin.correlate(Number(now), events(columns), (change) => emit(loweredChange(change)));
      release(...Object.values(columns));
    },
    checkpoint() {
      return checkpoint(plugin.state);
    },
  };
}
