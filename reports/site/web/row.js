/** One line of the explorer: what was asked, what was answered, and what that was worth. */

import { h } from "./dom.js";
import { ABSENT, FAILED, SCORED, verdictOf } from "./filter.js";
import { short, words } from "./format.js";
import { chunkOf, texts } from "./search.js";
import { sampleAddress, seriesClass, state } from "./state.js";

const MOST_LETTERS = 240;

/** Chunks of texts that are here. @type {Map<string, import("./types.js").TextChunk | null>} */
const here = new Map();
let hereBuild = "";

/** @param {number} task @param {number} chunk @param {() => void} arrived */
function textsHere(task, chunk, arrived) {
  if (hereBuild !== state.site.build) {
    here.clear();
    hereBuild = state.site.build;
  }
  const name = `${task}/${chunk}`;
  const found = here.get(name);
  if (found === undefined) {
    here.set(name, null);
    texts(task, chunk).then(
      (data) => {
        here.set(name, data);
        arrived();
      },
      () => here.delete(name),
    );
  }
  return found ?? null;
}

/**
 * @param {import("./types.js").Task} task
 * @param {import("./filter.js").Index} index
 * @param {number} row
 * @param {number[]} shown columns
 * @param {() => void} arrived called when a text that was missing has come
 */
export function sampleRow(task, index, row, shown, arrived) {
  const chunk = chunkOf(row);
  const found = textsHere(task.number, chunk, arrived);
  const at = row - chunk * state.site.page.texts;
  const id = index.ids[row];
  const prompt = found ? found.prompt[at] || found.reference[at] : "\u2026";
  const answer = found?.cells[shown[0]]?.output[at] || found?.cells[shown[0]]?.note[at] || "";
  return h(
    "div",
    { class: "row" },
    h(
      "a",
      { class: "row-link", href: sampleAddress(task, id, shown[0], shown[1] ?? null) },
      h("span", { class: "row-id" }, id),
      h("span", { class: "row-prompt" }, prompt.slice(0, MOST_LETTERS)),
      h("span", { class: "row-answer" }, answer.slice(0, MOST_LETTERS)),
    ),
    h(
      "span",
      { class: "row-scores" },
      shown.map((column) => scoreChip(index, column, row)),
    ),
  );
}

/**
 * What became of a sample at one system.
 *
 * @param {import("./filter.js").Index} index
 * @param {number} column
 * @param {number} row
 */
function scoreChip(index, column, row) {
  const { state: states, value, reason, reasons, system } = index.columns[column];
  const label = state.site.systems[system].label;
  const outcome = states[row];
  if (outcome === SCORED) {
    const text = short(Number(value[row].toFixed(3)));
    return h(
      "span",
      { class: `chip ${verdictOf(index, value[row])} ${seriesClass(system)}`, title: `${label}: ${text}` },
      h("span", { class: "sr" }, `${label}: `),
      text,
    );
  }
  const why = outcome === ABSENT ? "not yet" : words(reasons[reason?.[row] ?? -1] ?? "?");
  const kind = outcome === FAILED ? "failed" : "skipped";
  return h(
    "span",
    { class: `chip ${kind} ${seriesClass(system)}`, title: `${label}: ${why}` },
    h("span", { class: "sr" }, `${label}: `),
    why,
  );
}
