/** What one system answered to a sample, what it was worth, and why. */

import { callDiff } from "./calldiff.js";
import { fold, h } from "./dom.js";
import { verdictOf } from "./filter.js";
import { TIMES, dollars, fixed, json, seconds, short, words } from "./format.js";
import { player } from "./player.js";
import { sampleFigure, seriesClass, state } from "./state.js";
import { wordDiff } from "./worddiff.js";

/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {{output: string, transcript: string, note: string}} Told */

const ERROR_RATES = /^(wer|cer|mer|.*error rate)$/i;
const FEW_WORDS = 2;

/**
 * @param {import("./types.js").Task} task
 * @param {import("./types.js").Cell} cell
 * @param {import("./types.js").Sample} sample
 * @param {Answer | null} answer
 * @param {Told} told
 * @param {{best: number, worst: number}} index
 * @param {HTMLElement | null} chooser
 */
export function answerPanel(task, cell, sample, answer, told, index, chooser) {
  const label = state.site.systems[cell.system].label;
  const swatch = h("span", { class: `swatch ${seriesClass(cell.system)}`, "aria-hidden": "true" });
  // Where the system can be changed, the list names it already.
  const head = h(
    "div",
    { class: "panel-head" },
    swatch,
    h("h2", { class: chooser ? "sr" : "" }, label),
    chooser,
  );
  if (!answer)
    return h(
      "section",
      { class: "panel", "aria-label": label },
      head,
      h("p", { class: "empty" }, "No outcome is stored for this sample yet."),
    );
  return h(
    "section",
    { class: `panel ${seriesClass(cell.system)}`, "aria-label": label },
    head,
    outcome(answer, told, index),
    answer.other_question
      ? h("p", { class: "warn" }, "This system was asked another version of the sample.")
      : null,
    answer.speech ? player(answer.speech, "Answer") : null,
    told.output
      ? part("Text", h("p", { class: "said answer" }, told.output))
      : answer.answered && !answer.calls.length
        ? part("Text", h("p", { class: "empty" }, "(empty)"))
        : null,
    told.transcript ? part("Transcript of the speech", h("p", { class: "said" }, told.transcript)) : null,
    differences(task, sample, told),
    calls(sample, answer),
    verdicts(answer),
    numbers(answer),
    more(answer),
  );
}

/** @param {string} title @param {...(import("./dom.js").Child)} children */
function part(title, ...children) {
  return h("div", { class: "part" }, h("h3", {}, title), ...children);
}

/** @param {Answer} answer @param {Told} told @param {{best: number, worst: number}} index */
function outcome(answer, told, index) {
  if (answer.outcome !== "scored") {
    const kind = answer.outcome === "failed" ? "failed" : "skipped";
    return h(
      "div",
      { class: "outcome" },
      h("span", { class: `chip ${kind}` }, `${answer.outcome}: ${words(answer.reason ?? "?")}`),
      told.note ? h("pre", { class: "bad" }, told.note) : null,
    );
  }
  const value = answer.value ?? NaN;
  return h(
    "div",
    { class: "outcome" },
    h("span", { class: `chip big ${verdictOf(index, value)}` }, short(Number(value.toFixed(4)))),
    answer.label !== undefined && answer.label !== null
      ? h("span", { class: "label" }, h("span", { class: "key" }, "read as"), answer.label)
      : null,
    told.note ? h("p", { class: "why" }, told.note) : null,
  );
}

/** @param {import("./types.js").Task} task @param {import("./types.js").Sample} sample @param {Told} told */
function differences(task, sample, told) {
  const found = [];
  const heard = told.transcript || told.output;
  const figure = sampleFigure(task);
  if (
    typeof sample.reference === "string" &&
    heard &&
    sample.reference.trim().split(/\s+/).length >= FEW_WORDS
  ) {
    const diff = wordDiff(sample.reference, heard);
    const asked = figure !== undefined && ERROR_RATES.test(figure.name);
    if (diff)
      found.push(
        asked ? part("Against the reference", diff) : fold("Word by word against the reference", [diff]),
      );
  }
  if (told.transcript && told.output) {
    const diff = wordDiff(told.output, told.transcript);
    if (diff) found.push(part("What was said, against the text", diff));
  }
  return found.length ? h("div", { class: "parts" }, found) : null;
}

/** @param {import("./types.js").Sample} sample @param {Answer} answer */
function calls(sample, answer) {
  if (sample.expected) return part("Tool calls", callDiff(sample.expected, answer.calls));
  return answer.calls.length ? part("Tool calls", h("pre", {}, json(answer.calls))) : null;
}

/** @param {Answer} answer */
function verdicts(answer) {
  if (!answer.verdicts.length) return null;
  return part(
    answer.verdicts.length > 1 ? `Verdicts (${answer.verdicts.length})` : "Verdict",
    ...answer.verdicts.map((verdict) =>
      h(
        "div",
        { class: "verdict-card" },
        h(
          "p",
          { class: "remark" },
          [
            verdict.rubric,
            verdict.prompt && `${verdict.prompt} prompt`,
            verdict.usage?.cost !== undefined && dollars(verdict.usage.cost),
          ]
            .filter(Boolean)
            .join(" \u00b7 "),
        ),
        verdict.error
          ? h(
              "p",
              { class: "bad" },
              `${words(verdict.error.kind ?? "error")}: ${verdict.error.message ?? ""}`,
            )
          : null,
        h("pre", { class: "reply" }, verdict.reply ?? ""),
      ),
    ),
  );
}

/** @param {Answer} answer */
function numbers(answer) {
  const { timings, usage } = answer;
  /** @type {[string, string][]} */
  const pairs = TIMES.filter(([name]) => timings[name] !== undefined).map(([name, title]) => [
    title,
    seconds(timings[name]),
  ]);
  if (timings.attempts > 1) pairs.push(["Attempts", String(timings.attempts)]);
  if (timings.batch > 1) pairs.push(["Batch", String(timings.batch)]);
  const counts = /** @type {[string, string][]} */ ([
    ["input_tokens", "Tokens in"],
    ["output_tokens", "Tokens out"],
    ["input_audio_tokens", "Audio tokens in"],
    ["output_audio_tokens", "Audio tokens out"],
  ]);
  for (const [name, title] of counts) if (usage[name] !== undefined) pairs.push([title, String(usage[name])]);
  if (usage.cost !== undefined) pairs.push(["Cost", dollars(usage.cost)]);
  if (answer.finish) pairs.push(["Ended with", words(answer.finish)]);
  for (const [name, value] of Object.entries(answer.quality)) pairs.push([words(name), fixed(value)]);
  for (const [name, value] of Object.entries(answer.parts)) pairs.push([words(name), short(value)]);
  if (!pairs.length) return null;
  return part(
    "Numbers",
    h("dl", { class: "pairs" }, pairs.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]).flat()),
  );
}

/** @param {Answer} answer */
function more(answer) {
  const held = { evidence: answer.evidence, details: answer.details, ...answer.more };
  const filled = Object.entries(held).filter(([, value]) => value && Object.keys(value).length);
  return filled.length
    ? h(
        "div",
        {},
        filled.map(([name, value]) => fold(words(name), [h("pre", {}, json(value))])),
      )
    : null;
}
