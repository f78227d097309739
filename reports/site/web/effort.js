/** What answers took: time, money, and how the speech sounds. */

import { h, section } from "./dom.js";
import { TIMES, count, dollars, fixed, own, seconds, words } from "./format.js";
import { latency } from "./plots.js";
import { state } from "./state.js";
import { systemHead } from "./tables.js";

/** @typedef {import("./types.js").Summary} Summary */

/** @param {Summary} summary */
export function latencies(summary) {
  const plots = TIMES.flatMap(([name, title]) => {
    const rows = summary.cells.flatMap((cell) => {
      const spread = cell.latency[name];
      return spread ? [{ system: cell.system, spread }] : [];
    });
    return rows.length
      ? [
          h(
            "figure",
            {},
            h("figcaption", {}, title),
            h("div", { class: "times" }, latency(rows), h("div", { class: "scroll" }, spreadTable(rows))),
          ),
        ]
      : [];
  });
  return plots.length
    ? section("Latency", "full dot: median; hollow dots: 90th, 95th and 99th percentile", ...plots)
    : null;
}

/** @param {{system: number, spread: import("./types.js").Spread}[]} rows */
function spreadTable(rows) {
  const columns = /** @type {[string, keyof import("./types.js").Spread][]} */ ([
    ["mean", "mean"],
    ["p50", "p50"],
    ["p90", "p90"],
    ["p95", "p95"],
    ["p99", "p99"],
    ["most", "max"],
  ]);
  return h(
    "table",
    { class: "list" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "System"),
        columns.map(([name]) => h("th", { scope: "col", class: "number" }, name)),
      ),
    ),
    h(
      "tbody",
      {},
      rows.map(({ system, spread }) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, state.site.systems[system].label),
          columns.map(([, key]) => h("td", { class: "number" }, seconds(spread[key]))),
        ),
      ),
    ),
  );
}

/** @param {Summary} summary */
export function spending(summary) {
  const spent = summary.cells.filter(
    (cell) =>
      cell.answers.input_tokens ||
      cell.answers.output_tokens ||
      cell.answers.cost !== null ||
      cell.verdicts.calls,
  );
  if (!spent.length) return null;
  return section(
    "Cost",
    "what answers and verdicts took, where the endpoints say so",
    costTable(spent.map((cell) => ({ name: state.site.systems[cell.system].label, cell }))),
  );
}

/**
 * @param {{name: string, cell: {answers: import("./types.js").Spent, verdicts: import("./types.js").Spent}}[]} rows
 */
export function costTable(rows) {
  const heads = ["System", "Answers", "Tokens in", "out", "Cost", "Verdicts", "Tokens in", "out", "Cost"];
  /** @param {import("./types.js").Spent} spent */
  const cells = (spent) => [
    h("td", { class: "number" }, count(spent.calls)),
    h("td", { class: "number" }, spent.input_tokens ? count(spent.input_tokens) : "\u2013"),
    h("td", { class: "number" }, spent.output_tokens ? count(spent.output_tokens) : "\u2013"),
    h("td", { class: "number" }, dollars(spent.cost)),
  ];
  return h(
    "div",
    { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Cost" },
    h(
      "table",
      { class: "list" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((name, i) => h("th", { scope: "col", class: i ? "number" : "" }, name)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map(({ name, cell }) =>
          h("tr", {}, h("th", { scope: "row" }, name), cells(cell.answers), cells(cell.verdicts)),
        ),
      ),
    ),
  );
}

/** @param {Summary} summary */
export function quality(summary) {
  const names = [...new Set(summary.cells.flatMap((cell) => Object.keys(cell.quality)))];
  const finishes = [...new Set(summary.cells.flatMap((cell) => Object.keys(cell.finish)))];
  const speech = summary.cells.some((cell) => cell.speech);
  if (!names.length && !speech && finishes.length < 2) return null;
  /** @type {[string, (cell: import("./types.js").CellSummary) => string][]} */
  const lines = [
    ...names.map(
      (name) =>
        /** @type {[string, any]} */ ([
          `${words(name)}, mean`,
          (/** @type {any} */ cell) => fixedMean(own(cell.quality, name)),
        ]),
    ),
    ...(speech
      ? [
          /** @type {[string, any]} */ ([
            "speech, median length",
            (/** @type {any} */ cell) => seconds(cell.speech?.p50),
          ]),
        ]
      : []),
    ...finishes.map(
      (name) =>
        /** @type {[string, any]} */ ([
          `ended with: ${words(name)}`,
          (/** @type {any} */ cell) => count(own(cell.finish, name) ?? 0),
        ]),
    ),
  ];
  return section(
    "Answers",
    "",
    h(
      "div",
      { class: "table-scroll" },
      h(
        "table",
        { class: "leaderboard compact" },
        systemHead(
          "",
          summary.cells.map((cell) => cell.system),
        ),
        h(
          "tbody",
          {},
          lines.map(([name, value]) =>
            h(
              "tr",
              {},
              h("th", { scope: "row", class: "name" }, name),
              summary.cells.map((cell) => h("td", { class: "number" }, value(cell))),
            ),
          ),
        ),
      ),
    ),
  );
}

/** @param {import("./types.js").Spread | undefined} spread */
function fixedMean(spread) {
  return spread ? fixed(spread.mean) : "\u2013";
}
