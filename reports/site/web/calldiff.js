/** Tool calls beside those that the reference asks for, argument by argument. */

import { h } from "./dom.js";
import { own } from "./format.js";

/** @typedef {import("./types.js").Call} Call */

/** Text of a value that is the same for equal values. @param {any} value @returns {string} */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    const names = Object.keys(value).sort();
    return `{${names.map((name) => `${JSON.stringify(name)}: ${canonical(value[name])}`).join(", ")}}`;
  }
  return JSON.stringify(value) ?? "";
}

/**
 * Which call was meant for which: those of the same name in order, then whatever is left.
 *
 * @param {Call[]} expected
 * @param {Call[]} made
 * @returns {[Call | null, Call | null][]}
 */
export function paired(expected, made) {
  const left = [...made];
  /** @type {[Call | null, Call | null][]} */
  const pairs = expected.map((want) => {
    const same = left.filter((call) => call.name === want.name);
    const best = same.sort((one, other) => likeness(want, other) - likeness(want, one))[0] ?? null;
    if (best) left.splice(left.indexOf(best), 1);
    return [want, best];
  });
  return [...pairs, ...left.map((call) => /** @type {[null, Call]} */ ([null, call]))];
}

/** How many arguments of a call are right. @param {Call} want @param {Call} made */
function likeness(want, made) {
  const names = Object.keys(argumentsOf(made));
  return names.filter((name) => fits(want, name, argumentsOf(made)[name])).length;
}

/** @param {Call} call @returns {Record<string, any>} */
function argumentsOf(call) {
  const held = call.accepted ?? call.arguments;
  return held !== null && typeof held === "object" && !Array.isArray(held)
    ? held
    : held === undefined
      ? {}
      : { "(all)": held };
}

/** @param {Call} want @param {string} name @param {any} value */
function fits(want, name, value) {
  const held = argumentsOf(want);
  if (!Object.hasOwn(held, name)) return false;
  const text = canonical(value);
  return want.accepted
    ? held[name].some((/** @type {any} */ one) => canonical(one) === text)
    : canonical(held[name]) === text;
}

/**
 * What is accepted for an argument, as text. An empty text among accepted values means that it may be left out.
 *
 * @param {Call} want
 * @param {string} name
 */
function wantedText(want, name) {
  const held = argumentsOf(want);
  if (!Object.hasOwn(held, name)) return "";
  if (!want.accepted) return canonical(held[name]);
  const values = held[name].filter((/** @type {any} */ one) => one !== "").map(canonical);
  return `${values.join(" or ")}${held[name].includes("") ? " (optional)" : ""}`;
}

/** @param {Call[]} expected @param {Call[]} made */
export function callDiff(expected, made) {
  const pairs = paired(expected, made);
  if (!pairs.length) return h("p", { class: "empty" }, "No call was asked for, and none was made.");
  return h(
    "div",
    { class: "calls" },
    pairs.map(([want, call]) => callTable(want, call)),
  );
}

/** @param {Call | null} want @param {Call | null} call */
function callTable(want, call) {
  const name = (want ?? call)?.name ?? "";
  const note = !want ? "not asked for" : !call ? "was not made" : "";
  const names = [
    ...new Set([
      ...(want ? Object.keys(argumentsOf(want)) : []),
      ...(call ? Object.keys(argumentsOf(call)) : []),
    ]),
  ];
  return h(
    "table",
    { class: `call ${!want ? "extra" : !call ? "lacking" : ""}` },
    h("caption", {}, h("code", {}, name), note && h("span", { class: "bad" }, ` ${note}`)),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ["Argument", "Reference", "Made", ""].map((text) => h("th", { scope: "col" }, text)),
      ),
    ),
    h(
      "tbody",
      {},
      names.map((argument) => argumentRow(want, call, argument)),
    ),
  );
}

/** @param {Call | null} want @param {Call | null} call @param {string} name */
function argumentRow(want, call, name) {
  const made = call && Object.hasOwn(argumentsOf(call), name);
  const value = made ? argumentsOf(/** @type {Call} */ (call))[name] : undefined;
  const optional = want?.accepted && own(want.accepted, name)?.includes("");
  const right = want && (made ? fits(want, name, value) : optional);
  const kind = right
    ? "same"
    : made && want && Object.hasOwn(argumentsOf(want), name)
      ? "sub"
      : made
        ? "ins"
        : "del";
  const verdict = call === null ? "" : { same: "\u2713", sub: "differs", ins: "extra", del: "missing" }[kind];
  return h(
    "tr",
    { class: kind },
    h("th", { scope: "row" }, name),
    h("td", {}, h("code", {}, want ? wantedText(want, name) : "")),
    h("td", {}, h("code", {}, made ? canonical(value) : "")),
    h("td", { class: "verdict" }, verdict),
  );
}
