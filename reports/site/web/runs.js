/** The runs behind the figures, and what all of them took together. */

import { load } from "./data.js";
import { fold, h, replace, section } from "./dom.js";
import { costTable } from "./effort.js";
import { duration, json, moment, plural, seconds } from "./format.js";
import { state } from "./state.js";

/** @typedef {import("./types.js").Run} Run */

/** @returns {import("./types.js").View} */
export function runsView() {
  const { runs, systems } = state.site;
  const body = h(
    "div",
    {},
    h(
      "div",
      { class: "masthead" },
      h("h1", {}, "Runs"),
      h("p", { class: "facts" }, h("span", {}, `made with fac-eval ${state.site.version}`)),
    ),
    [...runs]
      .map((run, number) => ({ run, number }))
      .reverse()
      .map(({ run, number }) => {
        const labels = systems.filter((system) => system.runs.includes(number)).map((system) => system.label);
        return runSection(run, labels);
      }),
  );
  return { title: "Runs", body };
}

/** @param {Run} run @param {string[]} labels */
function runSection(run, labels) {
  const sittings = run.sessions.map((session) => {
    const took = session.ended === null ? "" : duration(session.ended - session.started);
    return h("li", {}, `${moment(session.started)}: ${session.outcome ?? "not ended"}${took && `, ${took}`}`);
  });
  const last = run.sessions[run.sessions.length - 1];
  return section(
    `Run ${run.id}`,
    h("span", { class: `state ${run.state}` }, run.state),
    h("dl", { class: "pairs" }, [
      h("dt", {}, "Systems"),
      h("dd", {}, labels.join(", ")),
      h("dt", {}, "Store"),
      h("dd", {}, run.store),
      ...(run.parent ? [h("dt", {}, "Rescored from"), h("dd", {}, run.parent)] : []),
      h("dt", {}, "Sessions"),
      h("dd", {}, h("ul", { class: "plain" }, sittings)),
    ]),
    fold("Configuration", [h("pre", {}, json(run.config))]),
    last ? fold("Environment", [h("pre", {}, json(last.environment))]) : null,
  );
}

/** @returns {import("./types.js").View} */
export function costView() {
  const { tasks } = state.site;
  const body = h(
    "div",
    {},
    h(
      "div",
      { class: "masthead" },
      h("h1", {}, "Cost and speed"),
      h("p", { class: "facts" }, h("span", {}, `over ${plural(tasks.length, "task")}`)),
    ),
  );
  for (const task of tasks) {
    const holder = h("div", {}, h("p", { class: "empty" }, "Reading\u2026"));
    body.append(section(task.key, "", holder));
    load(`t${task.number}/summary`).then(
      (/** @type {import("./types.js").Summary} */ summary) => {
        const rows = summary.cells.map((cell) => ({ name: state.site.systems[cell.system].label, cell }));
        replace(holder, costTable(rows), speedLine(summary));
      },
      (error) => replace(holder, h("p", { class: "bad" }, error.message)),
    );
  }
  return { title: "Cost and speed", body };
}

/** @param {import("./types.js").Summary} summary */
function speedLine(summary) {
  const lines = summary.cells.flatMap((cell) => {
    const spread = cell.latency.total;
    if (!spread) return [];
    const tail = spread.p95 === null ? "" : `, 95th percentile ${seconds(spread.p95)}`;
    return [
      h("li", {}, `${state.site.systems[cell.system].label}: median ${seconds(spread.p50)} an answer${tail}`),
    ];
  });
  return lines.length ? h("ul", { class: "plain remark" }, lines) : null;
}
