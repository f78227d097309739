/** The first page: the leaderboard, the radar and the bars. */

import { bars, legend, radar } from "./charts.js";
import { h, replace, section, select } from "./dom.js";
import { count, moment, plural, total } from "./format.js";
import { leaderboard } from "./leaderboard.js";
import { liveStrip } from "./live.js";
import { address, mainFigure, shortName, state } from "./state.js";

const MOST_AXES = 14;

/** @param {import("./types.js").Route} route @returns {import("./types.js").View} */
export function overviewView(route) {
  const { site } = state;
  const options = { benchmark: route.query.get("benchmark") ?? "" };
  const board = h("div", { class: "board" });
  const pictures = h("div", { class: "pair" });
  const names = h("div", {});
  const draw = () => {
    replace(names, legend(allSystems(), draw));
    replace(board, leaderboard(shownSystems(), options));
    replace(pictures, ...figures(options.benchmark));
  };
  const benchmarks = [...new Set(site.tasks.map((task) => task.benchmark))];
  const choice = select(
    "Benchmark",
    [["", "All"], ...benchmarks.map((name) => /** @type {[string, string]} */ ([name, name]))],
    options.benchmark,
    (value) => {
      options.benchmark = value;
      draw();
    },
  );
  draw();
  const body = h(
    "div",
    {},
    heading(),
    liveStrip(),
    section("Leaderboard", explanation(), h("div", { class: "bar-tools" }, choice, names), board),
    section("At a glance", "The worst a figure can be stands in the middle, the best outside.", pictures),
  );
  return { title: "Overview", body };
}

function allSystems() {
  return state.site.systems.map((_, system) => system);
}

function shownSystems() {
  return allSystems().filter((system) => !state.hidden.has(system));
}

function heading() {
  const { site } = state;
  const cells = site.tasks.flatMap((task) => task.cells);
  const failed = cells.reduce((sum, cell) => sum + total(cell.failed), 0);
  const facts = [
    `${plural(
      cells.reduce((sum, cell) => sum + cell.scored, 0),
      "answer",
    )} scored`,
    failed ? `${count(failed)} failed` : "none failed",
    plural(site.runs.length, "run"),
    `as of ${moment(site.made)}`,
  ];
  return h(
    "div",
    { class: "masthead" },
    h("h1", {}, `${plural(site.systems.length, "system")} on ${plural(site.tasks.length, "task")}`),
    h(
      "p",
      { class: "facts" },
      facts.map((fact) => h("span", {}, fact)),
    ),
  );
}

function explanation() {
  return "Main figures with 95\u202f% intervals. Bold is best; \u2248 marks what its interval does not set apart from that.";
}

/** @param {string} benchmark */
function figures(benchmark) {
  const systems = shownSystems();
  const found = axesOf(benchmark, true);
  const axes = found.length < 3 ? axesOf(benchmark, false) : found;
  if (!axes.length) return [h("p", { class: "empty" }, "There is no figure yet.")];
  const left = axes.length > MOST_AXES ? axes.slice(0, MOST_AXES) : axes;
  const note =
    left.length < axes.length
      ? [
          h(
            "p",
            { class: "remark" },
            `The first ${MOST_AXES} of ${axes.length}; choose a benchmark to see its own.`,
          ),
        ]
      : [];
  return [
    ...(left.length > 2 ? [h("figure", {}, radar(left, systems), ...note)] : []),
    h("figure", { class: "scroll" }, bars(axes, systems)),
  ];
}

/**
 * One axis a task; for all benchmarks together, their totals stand in for their tasks where there are any.
 *
 * @param {string} benchmark
 * @param {boolean} withTotals
 * @returns {import("./charts.js").Axis[]}
 */
function axesOf(benchmark, withTotals) {
  const { site } = state;
  const totals = benchmark || !withTotals ? new Map() : totalAxes();
  const wholes = new Set(totals.keys());
  const single = site.tasks.filter(
    (task) => (!benchmark || task.benchmark === benchmark) && !wholes.has(task.benchmark),
  );
  const axes = single.map((task) => {
    const found = new Map();
    for (const cell of task.cells) {
      const figure = mainFigure(cell);
      if (figure && figure.value !== null) found.set(cell.system, figure);
    }
    const several = site.tasks.filter((other) => other.name === task.name).length > 1;
    const label = several ? `${shortName(task)} ${task.variant}` : shortName(task);
    return { label, href: address(["task", task.key]), figures: found };
  });
  return [...totals.values(), ...axes].filter((axis) => axis.figures.size);
}

/** The first total of each benchmark that any system has. */
function totalAxes() {
  /** @type {Map<string, import("./charts.js").Axis>} */
  const axes = new Map();
  const chosen = new Map();
  for (const { benchmark, figure, system } of state.site.totals) {
    if (!figure || figure.value === null) continue;
    if (!chosen.has(benchmark)) chosen.set(benchmark, figure.name);
    if (chosen.get(benchmark) !== figure.name) continue;
    const axis = axes.get(benchmark) ?? { label: benchmark, href: null, figures: new Map() };
    axis.figures.set(system, figure);
    axes.set(benchmark, axis);
  }
  return axes;
}
