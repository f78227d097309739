/** A run that is going on: how far it is, how fast, what failed, what it has cost. */

import { loadLive } from "./data.js";
import { h, replace, section, svg } from "./dom.js";
import { count, dollars, duration, fixed, moment, plural, short, words } from "./format.js";
import { state } from "./state.js";

/** @typedef {import("./types.js").LiveRun} LiveRun */

const EVERY_MS = 2000;
const WINDOW_SECONDS = 30;

/** @type {import("./types.js").Live | null} */
let latest = null;
/** @type {Set<() => void>} */
const watchers = new Set();

/**
 * Ask again and again; `changed` hears when results are there that the page does not show yet, and whether a run has
 * just ended.
 *
 * @param {(ended: boolean) => void} changed
 */
export function follow(changed) {
  const ask = async () => {
    try {
      const found = await loadLive();
      const [now, before] = [found, latest].map((live) => (live ? [counted(live), running(live)] : null));
      latest = found;
      if (now && before && (now[0] !== before[0] || now[1] !== before[1])) changed(now[1] < before[1]);
      document.body.classList.remove("offline");
    } catch {
      document.body.classList.add("offline");
    }
    for (const watcher of watchers) watcher();
    setTimeout(ask, document.hidden ? EVERY_MS * 5 : EVERY_MS);
  };
  void ask();
}

/** @param {import("./types.js").Live} live */
function counted(live) {
  return live.runs.reduce((sum, run) => sum + run.done + run.failed, 0);
}

/** @param {import("./types.js").Live} live */
function running(live) {
  return live.runs.filter((run) => run.state === "running").length;
}

function isRunning() {
  return latest !== null && running(latest) > 0;
}

/** The runs under way, for the top of the overview. */
export function liveStrip() {
  const strip = h("div", { class: "live-strip" });
  watch(strip, () => {
    const runs = latest?.runs.filter((run) => run.state === "running") ?? [];
    replace(strip, runs.map(runCard));
  });
  return strip;
}

/** @returns {import("./types.js").View} */
export function liveView() {
  const body = h("div", {});
  watch(body, () => {
    const runs = latest ? [...latest.runs].reverse() : [];
    const title = h(
      "div",
      { class: "masthead" },
      h("h1", {}, "Live"),
      h(
        "p",
        { class: "facts" },
        h("span", {}, isRunning() ? "asked again every two seconds" : "nothing is running now"),
      ),
    );
    replace(
      body,
      title,
      runs.map((run) => section(`Run ${run.id}`, "", runCard(run), cellTable(run), failureList(run))),
    );
  });
  return { title: "Live", body };
}

/**
 * Draw now and whenever there is news, as long as the element is on the page.
 *
 * @param {HTMLElement} element
 * @param {() => void} draw
 */
function watch(element, draw) {
  let seen = false;
  const watcher = () => {
    seen ||= element.isConnected;
    if (seen && !element.isConnected) watchers.delete(watcher);
    else draw();
  };
  watchers.add(watcher);
  if (state.site.live) draw();
}

/** Samples a second over the last while. @param {LiveRun} run */
function speed(run) {
  const last = run.history[run.history.length - 1];
  const from = run.history.find(([time]) => last[0] - time <= WINDOW_SECONDS);
  if (!from || last[0] - from[0] < 1) return null;
  return (last[1] - from[1]) / (last[0] - from[0]);
}

/** @param {LiveRun} run */
function runCard(run) {
  const finished = run.done + run.failed;
  const rate = speed(run);
  const left = rate && run.total ? (run.total - finished) / rate : null;
  const goingOn = run.state === "running";
  const now = latest?.time ?? 0;
  const elapsed = (run.ended ?? (goingOn ? now : run.started)) - run.started;
  /** @type {[string, string, string][]} */
  const facts = [
    ["done", run.total === null ? count(finished) : `${count(finished)} of ${count(run.total)}`, ""],
    ["failed", count(run.failed), run.failed ? "bad" : ""],
    ["rate", rate === null ? "\u2013" : `${fixed(rate, rate < 10 ? 2 : 0)} /s`, ""],
    ["cost", dollars(run.cost), ""],
    ...Object.entries(run.costs)
      .filter(([stage]) => stage !== "generate")
      .map(
        ([stage, cost]) => /** @type {[string, string, string]} */ ([`of which ${stage}`, dollars(cost), ""]),
      ),
    ["so far", duration(elapsed), ""],
    ["left", goingOn && left !== null ? duration(left) : "\u2013", ""],
  ];
  return h(
    "article",
    { class: "live-card", "data-run": run.id },
    h(
      "header",
      {},
      h("span", { class: `state ${run.state}` }, run.state),
      h("span", { class: "remark" }, `run ${run.id.slice(0, 6)}, since ${moment(run.started)}`),
    ),
    progressBar(finished, run.failed, run.total),
    h(
      "dl",
      { class: "live-facts" },
      facts.map(([name, value, kind]) =>
        h("div", { "data-fact": name }, h("dt", {}, name), h("dd", { class: kind }, value)),
      ),
    ),
    sparkline(run),
  );
}

/** @param {number} finished @param {number} failed @param {number | null} total */
function progressBar(finished, failed, total) {
  const all = Math.max(total ?? finished, 1);
  const share = (/** @type {number} */ n) => (100 * n) / all;
  return svg(
    "svg",
    {
      class: "progress",
      viewBox: "0 0 100 4",
      preserveAspectRatio: "none",
      role: "progressbar",
      "aria-valuemin": 0,
      "aria-valuemax": all,
      "aria-valuenow": finished,
      "aria-label": "Samples done",
    },
    svg("rect", { class: "rail", x: 0, y: 0, width: 100, height: 4 }),
    svg("rect", { class: "range", x: 0, y: 0, width: share(finished), height: 4 }),
    svg("rect", { class: "failed", x: share(finished - failed), y: 0, width: share(failed), height: 4 }),
  );
}

/** The rate over time. @param {LiveRun} run */
function sparkline(run) {
  const rates = run.history
    .slice(1)
    .map(([time, n], i) => (n - run.history[i][1]) / Math.max(0.1, time - run.history[i][0]));
  if (rates.length < 3) return null;
  const most = Math.max(...rates, 0.001);
  const points = rates.map(
    (rate, i) => `${((100 * i) / (rates.length - 1)).toFixed(2)},${(27 - 25 * (rate / most)).toFixed(2)}`,
  );
  return svg(
    "svg",
    {
      class: "spark",
      viewBox: "0 0 100 28",
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `Samples a second, at most ${short(Number(most.toFixed(1)))}`,
    },
    svg("polyline", { points: points.join(" ") }),
  );
}

/** @param {LiveRun} run */
function cellTable(run) {
  const heads = ["Model", "Task", "", "Scored", "Failed", "Skipped", "Samples"];
  return h(
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
          heads.map((name, i) => h("th", { scope: "col", class: i > 2 ? "number" : "" }, name)),
        ),
      ),
      h(
        "tbody",
        {},
        run.cells.map((cell) =>
          h(
            "tr",
            {},
            h("td", {}, cell.model),
            h("td", {}, cell.task),
            h(
              "td",
              { class: "progress-cell" },
              progressBar(cell.scored + cell.failed + cell.skipped, cell.failed, cell.total),
            ),
            [cell.scored, cell.failed, cell.skipped].map((n, i) =>
              h("td", { class: i === 1 && n ? "number bad" : "number" }, count(n)),
            ),
            h("td", { class: "number" }, cell.total === null ? "?" : count(cell.total)),
          ),
        ),
      ),
    ),
  );
}

/** @param {LiveRun} run */
function failureList(run) {
  if (!run.failures.length) return null;
  return h(
    "ul",
    { class: "failures" },
    run.failures.map(([kind, n, example]) =>
      h(
        "li",
        {},
        h("span", { class: "chip failed" }, words(kind)),
        ` ${plural(n, "sample")}`,
        example && h("span", { class: "remark" }, ` e.g. ${example.split("\n")[0]}`),
      ),
    ),
  );
}
