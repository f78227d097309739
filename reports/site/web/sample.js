/** The page of a sample: the question, and the answers of one or two systems side by side. */

import { answerPanel } from "./answer.js";
import { load } from "./data.js";
import { fold, h, replace, section, select } from "./dom.js";
import { indexOf } from "./explorer.js";
import { count, json, words } from "./format.js";
import { player } from "./player.js";
import { texts } from "./search.js";
import { address, sampleAddress, state, systemByLabel, taskByKey } from "./state.js";

/** @typedef {import("./types.js").Task} Task */
/** @typedef {import("./types.js").Sample} Sample */

const LONG = 600;

/** @param {import("./types.js").Route} route @returns {import("./types.js").View} */
export function sampleView(route) {
  const task = taskByKey(route.parts[1] ?? "");
  const id = route.parts[2] ?? "";
  const body = h("div", { class: "sample" }, h("p", { class: "empty" }, "Reading the sample\u2026"));
  if (!task) {
    replace(body, h("p", { class: "empty" }, "There is no task of that name here."));
    return { title: "No such task", body };
  }
  const list = state.list?.task === task.key ? state.list : null;
  const back = list?.address ?? address(["samples", task.key]);
  /** @type {(step: number) => void} */
  let move = () => {};
  const page = {
    task,
    id,
    a: columnOf(task, route.query.get("a")) ?? 0,
    b: columnOf(task, route.query.get("b")),
    back,
    list,
  };
  draw(body, page).then(
    (step) => (move = step),
    (error) => replace(body, h("p", { class: "bad" }, error.message)),
  );
  return {
    title: id,
    body,
    keys: {
      j: () => move(1),
      k: () => move(-1),
      Escape: () => {
        location.hash = back;
      },
    },
  };
}

/** @param {Task} task @param {string | null} label */
function columnOf(task, label) {
  const system = systemByLabel(label);
  const found = system === null ? -1 : task.cells.findIndex((cell) => cell.system === system);
  return found < 0 ? null : found;
}

/**
 * @typedef {{task: Task, id: string, a: number, b: number | null, back: string, list: typeof state.list}} Page
 */

/** @param {HTMLElement} body @param {Page} page @returns {Promise<(step: number) => void>} */
async function draw(body, page) {
  const { task, id } = page;
  const index = await indexOf(task);
  const row = index.ids.indexOf(id);
  if (row < 0) {
    replace(body, h("p", { class: "empty" }, `The task ${task.name} has no sample ${id}.`));
    return () => {};
  }
  const { samples, texts: size } = state.site.page;
  const [pages, words_] = await Promise.all([
    load(`t${task.number}/samples-${Math.floor(row / samples)}`),
    texts(task.number, Math.floor(row / size)),
  ]);
  /** @type {Sample} */
  const sample = pages[row % samples];
  const at = row % size;
  const rows = page.list?.rows ?? Int32Array.from(index.ids, (_, i) => i);
  const place = Array.prototype.indexOf.call(rows, row);
  const go = (/** @type {number} */ step) => {
    const next = rows[place + step];
    if (place >= 0 && next !== undefined)
      location.hash = sampleAddress(task, index.ids[next], page.a, page.b);
  };
  const shown = [page.a, ...(page.b === null ? [] : [page.b])];
  const prompt = words_.prompt[at];
  replace(
    body,
    head(page, place, rows.length, go),
    question(sample, prompt),
    h(
      "div",
      { class: shown.length > 1 ? "answers two" : "answers" },
      shown.map((column, i) => {
        const told = words_.cells[column];
        const text = { output: told.output[at], transcript: told.transcript[at], note: told.note[at] };
        const chooser = systemChoice(page, i === 0 ? "a" : "b");
        return answerPanel(task, task.cells[column], sample, sample.cells[column], text, index, chooser);
      }),
    ),
    aside(sample),
  );
  return go;
}

/** @param {Page} page @param {number} place @param {number} many @param {(step: number) => void} go */
function head(page, place, many, go) {
  const step = (/** @type {string} */ text, /** @type {number} */ by, /** @type {string} */ label) =>
    h(
      "button",
      {
        type: "button",
        class: "quiet",
        disabled: place < 0 || place + by < 0 || place + by >= many,
        "aria-label": label,
        on: { click: () => go(by) },
      },
      text,
    );
  const where = place < 0 ? "" : `${count(place + 1)} of ${count(many)}`;
  return h(
    "div",
    { class: "masthead tight" },
    h(
      "p",
      { class: "crumbs" },
      h("a", { href: "#/" }, "Overview"),
      " / ",
      h("a", { href: address(["task", page.task.key]) }, page.task.name),
      " / ",
      h("a", { href: page.back }, "samples"),
    ),
    h(
      "div",
      { class: "sample-head" },
      h("h1", { class: "small id" }, page.id),
      h(
        "div",
        { class: "steps" },
        h("span", { class: "remark" }, where),
        step("\u2190", -1, "Previous sample"),
        step("\u2192", 1, "Next sample"),
      ),
    ),
  );
}

/** @param {Page} page @param {"a" | "b"} which */
function systemChoice(page, which) {
  const { task } = page;
  if (task.cells.length < 2) return null;
  const names = task.cells.map(
    (cell, i) => /** @type {[string, string]} */ ([String(i), state.site.systems[cell.system].label]),
  );
  const show = (/** @type {number} */ a, /** @type {number | null} */ b) => {
    location.hash = sampleAddress(task, page.id, a, b);
  };
  if (which === "b") {
    return select("B", [["", "none"], ...names], String(page.b), (value) =>
      show(page.a, value === "" ? null : Number(value)),
    );
  }
  const list = select("A", names, String(page.a), (value) => show(Number(value), page.b));
  if (page.b !== null) return list;
  const other = Number(page.a === 0);
  const add = h(
    "button",
    { type: "button", class: "quiet", on: { click: () => show(page.a, other) } },
    "Compare with another",
  );
  return h("div", { class: "choice" }, list, add);
}

/** @param {Sample} sample @param {string} prompt */
function question(sample, prompt) {
  const said = sample.messages.flatMap((message) => message.parts).some((part) => "text" in part);
  const clips = sample.messages.flatMap((message) => message.parts).filter((part) => "audio" in part).length;
  let number = 0;
  const turns = sample.messages.map((message) =>
    h(
      "div",
      { class: `turn ${message.role}` },
      h("span", { class: "role" }, message.role),
      h(
        "div",
        { class: "turn-body" },
        message.parts.map((part) => {
          if ("text" in part)
            return message.role === "system"
              ? fold("System prompt", [h("pre", {}, part.text)])
              : h("p", { class: "said" }, part.text);
          number++;
          return player(part, clips > 1 ? `Question, clip ${number}` : "Question");
        }),
        message.tool_calls?.length ? h("pre", {}, json(message.tool_calls)) : null,
      ),
    ),
  );
  return section(
    "Question",
    "",
    ...turns,
    prompt && !said ? h("p", { class: "said spoken" }, prompt) : null,
    sample.choices.length
      ? h(
          "p",
          { class: "choices" },
          h("span", { class: "key" }, "Choices"),
          sample.choices.map((choice) => h("span", { class: "chip" }, choice)),
        )
      : null,
    reference(sample),
  );
}

/** @param {Sample} sample */
function reference(sample) {
  if (sample.reference === null || sample.reference === undefined) return null;
  const plain = typeof sample.reference === "string";
  const stored = plain ? sample.reference : json(sample.reference);
  if (!plain && (sample.expected || stored.length > LONG))
    return fold("Reference, as stored", [h("pre", {}, stored)]);
  const text = plain ? h("p", { class: "said" }, stored) : h("pre", {}, stored);
  return h("div", { class: "reference" }, h("span", { class: "key" }, "Reference"), text);
}

/** @param {Sample} sample */
function aside(sample) {
  const pairs = Object.entries(sample.metadata).filter(([name]) => name !== "prompt");
  const table = h(
    "dl",
    { class: "pairs" },
    pairs
      .map(([name, value]) => [
        h("dt", {}, words(name)),
        h("dd", {}, typeof value === "string" ? value : json(value)),
      ])
      .flat(),
  );
  return h(
    "div",
    { class: "aside" },
    pairs.length ? fold("Metadata", [table]) : null,
    sample.tools.length ? fold(`Tools (${sample.tools.length})`, [h("pre", {}, json(sample.tools))]) : null,
    sample.cluster
      ? h("p", { class: "remark" }, `Shares its source with other samples: ${sample.cluster}`)
      : null,
  );
}
