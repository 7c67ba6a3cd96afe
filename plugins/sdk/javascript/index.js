// What a plugin of Orion is written with. A detector reads frames and emits findings; a correlator reads events and emits
// incident changes; neither can do anything else. A plugin's main file has its class as the default export.

export { Refused } from "./parameters.js";
export { SeriesState, State, compareBytes } from "./state.js";
export { worse } from "./said.js";

/** @typedef {import("./stored.js").Reader} Reader */
/** @typedef {import("./stored.js").Writer} Writer */
/** @template V @typedef {import("./state.js").Packing<V>} Packing */

/** @typedef {import("./parameters.js").Parameters} Parameters */
/** @typedef {import("./frame.js").Frame} Frame */
/** @typedef {import("./frame.js").Sample} Sample */
/** @typedef {import("./event.js").Event} Event */
/** @typedef {import("./event.js").Status} Status */
/** @typedef {import("./said.js").Severity} Severity */
/** @typedef {import("./said.js").Finding} Finding */
/** @typedef {import("./said.js").Change} Change */
/** @typedef {import("./said.js").Scalar} Scalar */
/** @typedef {import("./runner.js").Detector} Detector */
/** @typedef {import("./runner.js").Correlator} Correlator */
