/** The table of main figures: tasks down and systems across, or the other way round; sorted by any column. */

import { h, replace, svg } from "./dom.js";
import { count, interval, total, withUnit, words } from "./format.js";
import { address, cellOf, mainFigure, sampleFigure, shortName, state, seriesClass } from "./state.js";
import { breakable } from "./tables.js";

/** @typedef {import("./types.js").Task} Task */
/** @typedef {import("./types.js").Figure} Figure */
/**
 * @typedef {{benchmark: string, filter?: string, down?: "tasks" | "systems", sort?: string, falling?: boolean}} Options
 */

/**
 * A line of figures that belong together: a task's, or a benchmark's total.
 *
 * @typedef {{key: string, name: string, note: string, href: string | null, task: Task | null, higher: boolean,
 *   figureOf: (system: number) => Figure | undefined}} Line
 */

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const MANY_SYSTEMS = 6;

/**
 * @param {number[]} systems
 * @param {Options} options kept by the caller, so that a redrawn table stays as it was
 */
export function leaderboard(systems, options) {
  options.down ??= state.site.systems.length > MANY_SYSTEMS ? "systems" : "tasks";
  const holder = h("div", {
    class: "table-scroll",
    tabindex: "0",
    role: "region",
    "aria-label": "Leaderboard",
  });
  const notes = h("div", {});
  const draw = () => {
    const lines = linesOf(options);
    replace(
      holder,
      options.down === "tasks"
        ? tasksDown(lines, systems, options, draw)
        : systemsDown(lines, systems, options, draw),
    );
    replace(notes, protocolNotes(lines), missingNote(lines, systems));
  };
  const filter = h("input", {
    type: "search",
    placeholder: "Filter tasks",
    "aria-label": "Filter tasks",
    value: options.filter ?? "",
    on: {
      input: () => {
        options.filter = filter.value;
        draw();
      },
    },
  });
  const turn = h(
    "button",
    {
      type: "button",
      class: "quiet",
      on: {
        click: () => {
          options.down = options.down === "tasks" ? "systems" : "tasks";
          options.sort = undefined;
          draw();
        },
      },
    },
    "Swap rows and columns",
  );
  draw();
  return h("div", {}, h("div", { class: "bar-tools" }, filter, turn), holder, notes);
}

/** @param {Options} options @returns {Line[]} */
function linesOf(options) {
  const wanted = (options.filter ?? "").trim().toLowerCase();
  /** @type {Line[]} */
  const lines = [];
  for (const benchmark of new Set(state.site.tasks.map((task) => task.benchmark))) {
    if (options.benchmark && benchmark !== options.benchmark) continue;
    const tasks = state.site.tasks.filter((task) => task.benchmark === benchmark);
    lines.push(...tasks.map(taskLine), ...(tasks.length > 1 ? totalLines(benchmark) : []));
  }
  return lines.filter((line) =>
    `${line.name} ${line.note} ${line.task?.name ?? ""} ${line.task?.title ?? ""}`
      .toLowerCase()
      .includes(wanted),
  );
}

/** @param {Task} task @returns {Line} */
function taskLine(task) {
  const figure = sampleFigure(task);
  const several = state.site.tasks.filter((other) => other.name === task.name).length > 1;
  return {
    key: task.key,
    name: task.name,
    note: [figure ? figure.name : "", several ? task.variant : ""].filter(Boolean).join(", "),
    href: address(["task", task.key]),
    task,
    higher: figure?.higher ?? true,
    figureOf: (system) => mainFigure(cellOf(task, system)),
  };
}

/** @param {string} benchmark @returns {Line[]} */
function totalLines(benchmark) {
  const totals = state.site.totals.filter((one) => one.benchmark === benchmark && one.figure);
  const names = [...new Set(totals.map((one) => one.figure?.name ?? ""))];
  return names.map((name) => ({
    key: `${benchmark}: ${name}`,
    name: benchmark,
    note: name,
    href: null,
    task: null,
    higher: totals.find((one) => one.figure?.name === name)?.figure?.higher ?? true,
    figureOf: (system) =>
      totals.find((one) => one.system === system && one.figure?.name === name)?.figure ?? undefined,
  }));
}

/**
 * @param {import("./dom.js").Child | import("./dom.js").Child[]} name
 * @param {string} key
 * @param {Options} options
 * @param {() => void} draw
 * @param {boolean} falling whether the first click puts the largest on top
 * @param {any[]} [more] what stands below the name
 */
function sortable(name, key, options, draw, falling, more = []) {
  const sorted = options.sort === key;
  const click = () => {
    options.falling = sorted ? !options.falling : falling;
    options.sort = key;
    draw();
  };
  const way = sorted ? (options.falling ? "descending" : "ascending") : "none";
  const arrow = h(
    "span",
    { class: "arrow", "aria-hidden": "true" },
    sorted ? (options.falling ? "\u2193" : "\u2191") : "",
  );
  return h(
    "th",
    { scope: "col", "aria-sort": way, class: key === "" ? "name" : "number" },
    h("button", { type: "button", class: "sort", on: { click } }, name, arrow),
    ...more,
  );
}

/**
 * @template T
 * @param {T[]} rows
 * @param {Options} options
 * @param {(row: T) => string | number | null} value
 */
function inOrder(rows, options, value) {
  if (options.sort === undefined) return rows;
  const sign = options.falling ? -1 : 1;
  return [...rows].sort((one, other) => {
    const [left, right] = [value(one), value(other)];
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    return sign * (typeof left === "string" ? left.localeCompare(String(right)) : left - Number(right));
  });
}

/** @param {Line[]} lines @param {number[]} systems @param {Options} options @param {() => void} draw */
function tasksDown(lines, systems, options, draw) {
  const chosen = systems.find((system) => `s${system}` === options.sort);
  const value = (/** @type {Line} */ line) =>
    chosen === undefined ? line.name : (line.figureOf(chosen)?.value ?? null);
  const grouped = options.sort === undefined;
  const rows = inOrder(lines, options, value).flatMap((line, i, all) => {
    const benchmark = line.task?.benchmark ?? line.name;
    const first = grouped && (i === 0 || (all[i - 1].task?.benchmark ?? all[i - 1].name) !== benchmark);
    const label = grouped && line.task ? shortName(line.task) : line.name;
    const row = h(
      "tr",
      { class: line.task ? "" : "total" },
      h(
        "th",
        { scope: "row", class: "name" },
        line.href
          ? h("a", { href: line.href }, breakable(label))
          : h("span", {}, grouped ? line.note : label),
        h("small", {}, line.task || !grouped ? line.note : ""),
      ),
      systems.map((system) => figureCell(line, system, systems)),
    );
    const single = line.task?.name === benchmark;
    const head = h(
      "tr",
      { class: "group" },
      h("th", { scope: "colgroup", colspan: systems.length + 1 }, benchmark),
    );
    const gap = h("tr", { class: "gap", "aria-hidden": "true" }, h("td", { colspan: systems.length + 1 }));
    return first ? [single ? gap : head, row] : [row];
  });
  const heads = systems.map((system) => {
    const dot = h("span", { class: `swatch ${seriesClass(system)}`, "aria-hidden": "true" });
    return sortable([dot, ...breakable(state.site.systems[system].label)], `s${system}`, options, draw, true);
  });
  return h(
    "table",
    { class: "leaderboard" },
    h("thead", {}, h("tr", {}, sortable("Task", "", options, draw, false), heads)),
    h("tbody", {}, rows),
  );
}

/** @param {Line[]} lines @param {number[]} systems @param {Options} options @param {() => void} draw */
function systemsDown(lines, systems, options, draw) {
  const chosen = lines.find((line) => line.key === options.sort);
  const value = (/** @type {number} */ system) =>
    chosen ? (chosen.figureOf(system)?.value ?? null) : state.site.systems[system].label;
  const rows = inOrder(systems, options, value).map((system) =>
    h(
      "tr",
      {},
      h(
        "th",
        { scope: "row", class: "name" },
        h("span", { class: `swatch ${seriesClass(system)}`, "aria-hidden": "true" }),
        state.site.systems[system].label,
      ),
      lines.map((line) => figureCell(line, system, systems)),
    ),
  );
  const heads = lines.map((line) => {
    const link = line.href
      ? [h("a", { class: "head-note", href: line.href }, line.note)]
      : [h("span", { class: "head-note" }, line.note)];
    return sortable(breakable(line.name), line.key, options, draw, line.higher, link);
  });
  return h(
    "table",
    { class: "leaderboard wide" },
    h("thead", {}, h("tr", {}, sortable("System", "", options, draw, false), heads)),
    h("tbody", {}, rows),
  );
}

/**
 * The figures of a line under one protocol: those of different protocols are never ranked together.
 *
 * @param {Line} line @param {number[]} systems @param {number | null} protocol @returns {Figure[]}
 */
function rivalsOf(line, systems, protocol) {
  return systems.flatMap((system) => {
    const figure = line.figureOf(system);
    const same = line.task === null || cellOf(line.task, system)?.protocol === protocol;
    return figure && figure.value !== null && same ? [figure] : [];
  });
}

/** @param {Line} line @param {number} system @param {number[]} systems */
function figureCell(line, system, systems) {
  const cell = line.task ? cellOf(line.task, system) : undefined;
  const figure = line.figureOf(system);
  if (!figure || figure.value === null) return emptyCell(line, cell);
  const rivals = rivalsOf(line, systems, cell?.protocol ?? null);
  const values = rivals.map((rival) => Number(rival.value));
  const best = rivals[values.indexOf(line.higher ? Math.max(...values) : Math.min(...values))];
  const isBest = rivals.length > 1 && best.value === figure.value;
  const close = rivals.length > 1 && !isBest && overlaps(best, figure);
  const failed = cell ? total(cell.failed) : 0;
  const other = "Measured under another protocol than figures with other letters; see the note below.";
  const mixed = line.task !== null && line.task.protocols.length > 1 && cell !== undefined;
  const mark = mixed ? h("abbr", { class: "mark", title: other }, LETTERS[cell.protocol % 26]) : null;
  const marks = [
    failed ? h("small", { class: "bad" }, `${count(failed)} failed`) : null,
    cell && !cell.done ? h("small", { class: "warn" }, "not finished") : null,
  ];
  return h(
    "td",
    { class: isBest ? "number best" : "number", title: figure.note ?? null },
    h(
      "span",
      { class: "figure" },
      mark,
      close
        ? h("span", { class: "close", title: "Its interval overlaps the best one's." }, "\u2248\u2009")
        : null,
      withUnit(figure.value, figure.unit),
    ),
    track(figure),
    h("small", { class: "interval" }, interval(figure)),
    ...marks,
  );
}

/** @param {Figure} one @param {Figure} other */
function overlaps(one, other) {
  if (one.low === null || one.high === null || other.low === null || other.high === null) return false;
  return one.low <= other.high && other.low <= one.high;
}

/** The interval on a line from 0 to 100, for percentages. @param {Figure} figure */
function track(figure) {
  if (figure.unit !== "%" || figure.low === null || figure.high === null || figure.value === null)
    return null;
  const place = (/** @type {number} */ value) => Math.round(Math.min(100, Math.max(0, value)));
  const [low, high, value] = [place(figure.low), place(figure.high), place(figure.value)];
  // Widths come as attributes of a drawing: the policy allows no inline styles.
  return svg(
    "svg",
    { class: "track", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "rail", x: 0, width: 100, y: 2.5, height: 1 }),
    svg("rect", { class: "range", x: low, width: Math.max(1, high - low), y: 1.5, height: 3 }),
    svg("rect", { class: "at", x: value - 0.8, width: 1.6, y: 0, height: 6 }),
  );
}

/** @param {Line} line @param {import("./types.js").Cell | undefined} cell */
function emptyCell(line, cell) {
  if (!cell) {
    const why = line.task ? "Not run." : "No total: not every task that it is made of has a figure.";
    return h("td", { class: "number missing", title: why }, h("span", { "aria-label": why }, "\u2013"));
  }
  const failed = total(cell.failed);
  const allFailed = failed > 0 && failed === cell.total;
  const kinds = Object.keys(cell.failed).map(words).join(", ");
  const going = `running: ${count(cell.scored + failed)} of ${count(cell.total)}`;
  const why = allFailed ? `all failed: ${kinds}` : cell.done ? "nothing scored" : going;
  return h("td", { class: "number missing" }, h("small", { class: allFailed ? "bad" : "warn" }, why));
}

/** @param {Line[]} lines */
function protocolNotes(lines) {
  const mixed = lines.filter((line) => line.task && line.task.protocols.length > 1);
  if (!mixed.length) return null;
  return h(
    "details",
    { class: "notes", open: true },
    h("summary", {}, "Protocols differ: letters mark figures that must not be compared with one another"),
    h(
      "ul",
      {},
      mixed.map((line) =>
        h(
          "li",
          {},
          h("strong", {}, line.name),
          h(
            "ul",
            {},
            (line.task?.protocols ?? []).map((protocol, i) =>
              h(
                "li",
                {},
                `${LETTERS[i % 26]}: `,
                h("code", {}, protocol.id),
                i ? ` (A / ${LETTERS[i % 26]}) ${protocol.differs.join("; ")}` : "",
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

/** @param {Line[]} lines @param {number[]} systems */
function missingNote(lines, systems) {
  const missing = lines.some(
    (line) => line.task && systems.some((system) => !cellOf(/** @type {Task} */ (line.task), system)),
  );
  return missing ? h("p", { class: "remark" }, "\u2013 was not run.") : null;
}
