/**
 * Picking samples out of a task's index: plain loops over columns, a few milliseconds for a hundred thousand.
 */

import { own } from "./format.js";

/** @typedef {import("./types.js").RawIndex} RawIndex */
/**
 * @typedef {{system: number, state: Uint8Array, value: Float64Array, label: Int32Array | null, labels: string[],
 *   reason: Int32Array | null, reasons: string[]}} Column
 * @typedef {{ids: string[], n: number, columns: Column[], facets: {name: string, values: string[],
 *   value: Int32Array}[], best: number, worst: number}} Index
 * @typedef {{show: string, a: number, b: number | null, label: string, reason: string,
 *   facets: Record<string, string>, sort: string, falling: boolean}} Criteria `a` and `b` number columns
 */

export const ABSENT = 0;
export const SCORED = 1;
export const FAILED = 2;
export const SKIPPED = 3;
const STATES = /** @type {Record<string, number>} */ ({ s: SCORED, f: FAILED, k: SKIPPED });

export const SHOWN = /** @type {[string, string, boolean][]} */ ([
  // Name in addresses, text, whether two systems take part.
  ["all", "All", false],
  ["wrong", "Wrong", false],
  ["right", "Right", false],
  ["failed", "Failed", false],
  ["judge", "Judge errors", false],
  ["skipped", "Skipped", false],
  ["changed", "Changed", true],
  ["worse", "A worse than B", true],
  ["better", "A better than B", true],
]);

/**
 * The index as typed columns.
 *
 * @param {RawIndex} raw
 * @param {number[]} systems
 * @param {boolean} higher whether a higher score is better
 * @returns {Index}
 */
export function unpack(raw, systems, higher) {
  const columns = raw.columns.map((column, i) => unpackColumn(column, systems[i]));
  const facets = raw.facets.map((facet) => ({ ...facet, value: Int32Array.from(facet.value) }));
  return {
    ids: raw.ids,
    n: raw.ids.length,
    columns,
    facets,
    best: extreme(columns, higher),
    worst: extreme(columns, !higher),
  };
}

/** @param {import("./types.js").RawColumn} raw @param {number} system @returns {Column} */
function unpackColumn(raw, system) {
  const n = raw.state.length;
  const column = new Uint8Array(n);
  const value = new Float64Array(n);
  for (let row = 0; row < n; row++) {
    column[row] = STATES[raw.state[row]] ?? ABSENT;
    const held = raw.value[row];
    if (raw.values === null) value[row] = held ?? NaN;
    else value[row] = held === null || held < 0 ? NaN : raw.values[held];
  }
  return {
    system,
    state: column,
    value,
    label: raw.label && Int32Array.from(raw.label),
    labels: raw.labels,
    reason: raw.reason && Int32Array.from(raw.reason),
    reasons: raw.reasons,
  };
}

/**
 * The most that any sample got, and at least 1; or the least, and at most 0. Where more is better, the one is a right
 * answer's score and the other a wrong one's.
 *
 * @param {Column[]} columns
 * @param {boolean} most
 */
function extreme(columns, most) {
  let found = most ? 1 : 0;
  for (const { value } of columns) {
    for (let row = 0; row < value.length; row++) {
      if (most ? value[row] > found : value[row] < found) found = value[row];
    }
  }
  return found;
}

/** What colour a score has. @param {{best: number, worst: number}} index @param {number} value */
export function verdictOf(index, value) {
  return value === index.best ? "right" : value === index.worst ? "wrong" : "between";
}

/**
 * The rows that meet the criteria, in the order asked for.
 *
 * @param {Index} index
 * @param {Criteria} criteria
 * @param {Uint8Array | null} hits of a search; null without one
 * @param {boolean} higher
 * @returns {Int32Array}
 */
export function pick(index, criteria, hits, higher) {
  const test = testOf(index, criteria, higher);
  const label = numberOf(index.columns[criteria.a]?.labels ?? [], criteria.label);
  const reason = numberOf(index.columns[criteria.a]?.reasons ?? [], criteria.reason);
  const facets = index.facets
    .map((facet) => ({
      value: facet.value,
      wanted: numberOf(facet.values, own(criteria.facets, facet.name) ?? ""),
    }))
    .filter(({ wanted }) => wanted !== null);
  const column = index.columns[criteria.a];
  const found = new Int32Array(index.n);
  let n = 0;
  rows: for (let row = 0; row < index.n; row++) {
    if (hits !== null && !hits[row]) continue;
    if (label !== null && column.label?.[row] !== label) continue;
    if (reason !== null && column.reason?.[row] !== reason) continue;
    for (const facet of facets) if (facet.value[row] !== facet.wanted) continue rows;
    if (test(row)) found[n++] = row;
  }
  return ordered(index, criteria, found.subarray(0, n));
}

/**
 * A name's number; null if none is asked for, and a number that no row has if it is unknown.
 *
 * @param {string[]} names
 * @param {string} name
 */
function numberOf(names, name) {
  if (name === "") return null;
  const number = names.indexOf(name);
  return number < 0 ? -9 : number;
}

/**
 * @param {Index} index
 * @param {Criteria} criteria
 * @param {boolean} higher
 * @returns {(row: number) => boolean}
 */
function testOf(index, criteria, higher) {
  const a = index.columns[criteria.a];
  const b = criteria.b === null ? null : index.columns[criteria.b];
  const judge = a?.reasons.indexOf("judge_error") ?? -1;
  const sign = higher ? 1 : -1;
  const both = (/** @type {number} */ row) =>
    b !== null && a.state[row] === SCORED && b.state[row] === SCORED;
  switch (a ? criteria.show : "all") {
    case "wrong":
      return (row) => a.state[row] === SCORED && a.value[row] !== index.best;
    case "right":
      return (row) => a.state[row] === SCORED && a.value[row] === index.best;
    case "failed":
      return (row) => a.state[row] === FAILED;
    case "judge":
      return (row) => a.state[row] === FAILED && judge >= 0 && a.reason?.[row] === judge;
    case "skipped":
      return (row) => a.state[row] === SKIPPED;
    case "changed":
      return (row) =>
        b !== null && (a.state[row] !== b.state[row] || (both(row) && a.value[row] !== b.value[row]));
    case "worse":
      return (row) => b !== null && both(row) && sign * (a.value[row] - b.value[row]) < 0;
    case "better":
      return (row) => b !== null && both(row) && sign * (a.value[row] - b.value[row]) > 0;
    default:
      return () => true;
  }
}

/** @param {Index} index @param {Criteria} criteria @param {Int32Array} rows */
function ordered(index, criteria, rows) {
  const key = keyOf(index, criteria);
  if (!key) return criteria.falling ? rows.slice().reverse() : rows;
  const sign = criteria.falling ? -1 : 1;
  const keys = new Float64Array(index.n);
  for (const row of rows) keys[row] = key(row);
  return rows.slice().sort((one, other) => {
    const [left, right] = [keys[one], keys[other]];
    // Rows without a value come last whichever way it goes.
    if (Number.isNaN(left) || Number.isNaN(right))
      return Number(Number.isNaN(left)) - Number(Number.isNaN(right)) || one - other;
    return sign * (left - right) || one - other;
  });
}

/** @param {Index} index @param {Criteria} criteria @returns {((row: number) => number) | null} */
function keyOf(index, criteria) {
  const a = index.columns[criteria.a];
  const b = criteria.b === null ? null : index.columns[criteria.b];
  if (criteria.sort === "score" && a) return (row) => a.value[row];
  if (criteria.sort === "gap" && a && b) return (row) => a.value[row] - b.value[row];
  return null;
}
