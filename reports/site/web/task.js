/** The page of a task: its figures, how scores are spread, who is ahead, what went wrong, what it took. */

import { load } from "./data.js";
import { h, replace, section, select } from "./dom.js";
import { latencies, quality, spending } from "./effort.js";
import { count, interval, own, plural, short, withUnit, words } from "./format.js";
import { forest, histograms } from "./plots.js";
import { address, state, taskByKey } from "./state.js";
import { systemHead } from "./tables.js";

/** @typedef {import("./types.js").Task} Task */
/** @typedef {import("./types.js").Summary} Summary */

/** @param {import("./types.js").Route} route @returns {import("./types.js").View} */
export function taskView(route) {
  const task = taskByKey(route.parts[1] ?? "");
  if (!task)
    return { title: "No such task", body: h("p", { class: "empty" }, "There is no task of that name here.") };
  const below = h("div", { "aria-live": "polite" }, h("p", { class: "empty" }, "Reading the samples\u2026"));
  load(`t${task.number}/summary`).then(
    (summary) => replace(below, ...details(task, summary)),
    (error) => replace(below, h("p", { class: "bad" }, error.message)),
  );
  const body = h(
    "div",
    {},
    h(
      "div",
      { class: "masthead" },
      h("p", { class: "crumbs" }, h("a", { href: "#/" }, "Overview"), " / ", task.benchmark),
      h("h1", {}, task.name),
      h(
        "p",
        { class: "facts" },
        facts(task).map((fact) => h("span", {}, fact)),
      ),
      h("p", {}, h("a", { class: "button", href: address(["samples", task.key]) }, "Explore samples")),
    ),
    section("Figures", "with 95\u202f% intervals", figureTable(task)),
    below,
  );
  return { title: task.name, body };
}

/** @param {Task} task */
function facts(task) {
  const most = Math.max(...task.cells.map((cell) => cell.total));
  return [
    task.title,
    plural(most, "sample"),
    task.variant,
    task.protocols.length > 1 ? `${task.protocols.length} protocols` : `protocol ${task.protocols[0].id}`,
  ].filter(Boolean);
}

/** @param {Task} task */
function figureTable(task) {
  const names = [...new Set(task.cells.flatMap((cell) => cell.figures.map((figure) => figure.name)))];
  if (!names.length) return h("p", { class: "empty" }, "There is no figure yet.");
  const rows = names.map((name) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", class: isMain(task, name) ? "name main" : "name" }, name, arrowOf(task, name)),
      task.cells.map((cell) => {
        const figure = cell.figures.find((one) => one.name === name);
        if (!figure) return h("td", { class: "number missing" }, "\u2013");
        return h(
          "td",
          { class: "number" },
          h("span", { class: "figure" }, withUnit(figure.value, figure.unit)),
          h(
            "small",
            { class: "interval", title: figure.method ? `${figure.method} interval` : null },
            interval(figure),
          ),
        );
      }),
    ),
  );
  const notes = task.cells.flatMap((cell) =>
    cell.figures
      .filter((figure) => figure.note)
      .map((figure) => `${state.site.systems[cell.system].label}, ${figure.name}: ${figure.note}`),
  );
  return h(
    "div",
    {},
    h(
      "div",
      { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Figures" },
      h(
        "table",
        { class: "leaderboard" },
        systemHead(
          "Figure",
          task.cells.map((cell) => cell.system),
        ),
        h("tbody", {}, rows, coverageRow(task)),
      ),
    ),
    notes.map((note) => h("p", { class: "remark" }, note)),
  );
}

/** @param {Task} task @param {string} name */
function arrowOf(task, name) {
  const figure = task.cells.flatMap((cell) => cell.figures).find((one) => one.name === name);
  return figure && !figure.higher ? h("span", { class: "down", title: "lower is better" }, " \u2193") : null;
}

/** @param {Task} task @param {string} name */
function isMain(task, name) {
  return task.cells.some((cell) => cell.figures.some((figure) => figure.main && figure.name === name));
}

/** @param {Task} task */
function coverageRow(task) {
  return h(
    "tr",
    { class: "coverage" },
    h("th", { scope: "row", class: "name" }, "scored"),
    task.cells.map((cell) => h("td", { class: "number" }, `${count(cell.scored)} of ${count(cell.total)}`)),
  );
}

/** @param {Task} task @param {Summary} summary */
function details(task, summary) {
  return [
    section("Scores", "how many samples got which", histograms(summary)),
    comparison(task, summary),
    outcomes(task),
    labels(task, summary),
    latencies(summary),
    spending(summary),
    quality(summary),
  ];
}

/** @param {Task} task @param {Summary} summary */
function comparison(task, summary) {
  if (summary.cells.length < 2) return null;
  const baselines = [...new Set(summary.pairs.flatMap((pair) => [pair.a, pair.b]))].sort((a, b) => a - b);
  const holder = h("div", { class: "scroll" });
  const draw = (/** @type {number} */ baseline) => replace(holder, forest(summary, baseline));
  draw(0);
  const names = baselines.map(
    (cell) =>
      /** @type {[string, string]} */ ([String(cell), state.site.systems[summary.cells[cell].system].label]),
  );
  const mixed =
    task.protocols.length > 1
      ? [h("p", { class: "warn" }, "These systems were measured under different protocols.")]
      : [];
  return section(
    "Comparison",
    `difference in ${summary.measure.name}${summary.measure.unit === "%" ? ", in points," : ""} on the samples that both answered, with paired 95\u202f% intervals`,
    h(
      "div",
      { class: "bar-tools" },
      select("Baseline", names, "0", (value) => draw(Number(value))),
    ),
    ...mixed,
    holder,
  );
}

/** @param {Task} task */
function outcomes(task) {
  const rows = task.cells.flatMap((cell) => [
    ...Object.entries(cell.failed).map(([kind, n]) => outcomeRow(task, cell, "failed", kind, n)),
    ...Object.entries(cell.skipped).map(([reason, n]) => outcomeRow(task, cell, "skipped", reason, n)),
  ]);
  if (!rows.length) return section("What failed", "nothing", null);
  return section(
    "What failed",
    "a sample that failed has no score; it is not counted as zero",
    h(
      "div",
      { class: "table-scroll" },
      h(
        "table",
        { class: "list" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["System", "Outcome", "Samples", "For instance"].map((name, i) =>
              h("th", { scope: "col", class: i === 2 ? "number" : "" }, name),
            ),
          ),
        ),
        h("tbody", {}, rows),
      ),
    ),
  );
}

/**
 * @param {Task} task
 * @param {import("./types.js").Cell} cell
 * @param {string} outcome
 * @param {string} kind
 * @param {number} n
 */
function outcomeRow(task, cell, outcome, kind, n) {
  const label = state.site.systems[cell.system].label;
  const href = address(["samples", task.key], { a: label, reason: kind });
  return h(
    "tr",
    {},
    h("td", {}, label),
    h("td", {}, h("a", { href }, h("span", { class: `chip ${outcome}` }, words(kind)))),
    h("td", { class: "number" }, count(n)),
    h("td", { class: "example" }, (own(cell.failures, kind) ?? "").split("\n")[0]),
  );
}

/** @param {Task} task @param {Summary} summary */
function labels(task, summary) {
  const names = [...new Set(summary.cells.flatMap((cell) => cell.labels.map(([label]) => label)))];
  // Answers in their own words are no kinds of answer.
  if (!names.length || names.length > 60) return null;
  const rows = names.map((name) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", class: "name" }, name || "(empty)"),
      summary.cells.map((cell) => labelCell(task, summary, cell, name)),
    ),
  );
  return section(
    "Labels",
    "what the scorer read out of the answers: samples, and their mean score",
    h(
      "div",
      { class: "table-scroll" },
      h(
        "table",
        { class: "leaderboard compact" },
        systemHead(
          "Label",
          summary.cells.map((cell) => cell.system),
        ),
        h("tbody", {}, rows),
      ),
    ),
  );
}

/**
 * @param {Task} task
 * @param {Summary} summary
 * @param {import("./types.js").CellSummary} cell
 * @param {string} name
 */
function labelCell(task, summary, cell, name) {
  const found = cell.labels.find(([label]) => label === name);
  if (!found) return h("td", { class: "number missing" }, "\u2013");
  const href = address(["samples", task.key], { a: state.site.systems[cell.system].label, label: name });
  return h(
    "td",
    { class: "number" },
    h("a", { href }, count(found[1])),
    h("small", { class: "interval" }, `mean ${short(Number(found[2].toFixed(3)))}`),
  );
}
