// What plugins say, and how the contract has it.

/** @typedef {"info" | "warning" | "error" | "critical"} Severity How bad a thing is. */

/** @typedef {string | number | bigint | boolean} Scalar A fact: a bigint is a whole number, a number is one with a fraction. */

/**
 * @typedef {object} Finding One thing that a detector saw. At most one for each series and frame.
 * @property {number} [series] The series it is about; without one it is about the answer as a whole.
 * @property {Severity} [severity] Without one the rule says.
 * @property {number} timestamp When, in milliseconds.
 * @property {number} value The value that made it.
 * @property {number} [score] How unusual, for detectors that can tell.
 * @property {string} [message] One sentence for a person; without one the rule's annotations speak.
 * @property {Record<string, Scalar>} [fields] Further facts.
 */

/**
 * @typedef {object} Change A step in the life of the incident that belongs to `key`.
 * @property {"opened" | "updated" | "resolved"} kind What happened.
 * @property {string} key The group the incident is about: a key of the events, or one of the correlator's own.
 * @property {Severity} severity How bad it is now.
 * @property {number} timestamp When, in milliseconds.
 * @property {string} reason Why, in a few words.
 * @property {bigint[]} [positions] Bus positions of the events that this change adds to the incident.
 * @property {Record<string, Scalar>} [fields] Further facts.
 */

/** @type {Severity[]} From the least to the worst, as batches number them. */
export const SEVERITIES = ["info", "warning", "error", "critical"];

/**
 * The worse of two.
 * @param {Severity} one
 * @param {Severity} other
 */
export function worse(one, other) {
  return SEVERITIES.indexOf(one) < SEVERITIES.indexOf(other) ? other : one;
}

/** @param {Finding} finding */
export function loweredFinding({ series, severity, timestamp, value, score, message = "", fields }) {
  return { series, severity, timestamp: BigInt(timestamp), value, score, message, fields: loweredFields(fields) };
}

/** @param {Change} change */
export function loweredChange({ kind, key, severity, timestamp, reason, positions = [], fields }) {
  return { key, kind, severity, timestamp: BigInt(timestamp), reason, positions, fields: loweredFields(fields) };
}

const CASES = { string: "text", number: "number", bigint: "integer", boolean: "flag" };

/** @param {Record<string, Scalar>} [fields] */
function loweredFields(fields = {}) {
  return Object.entries(fields).map(([name, value]) => {
    const tag = CASES[/** @type {keyof typeof CASES} */ (typeof value)];
    return { name, value: { tag, val: value } };
  });
}
