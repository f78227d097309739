/** Two texts word by word: what was left out, put in, or said otherwise. */

import { h } from "./dom.js";

/** @typedef {{kind: "same" | "sub" | "del" | "ins", left: string, right: string}} Step */

const MOST_WORDS = 1200;
/** Scripts that put no blanks between words are compared character by character. */
const LETTER_BY_LETTER =
  /[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+/g;

/** @param {string} text */
export function tokens(text) {
  return text.match(LETTER_BY_LETTER) ?? [];
}

/** What of a word counts: neither case nor the signs around it. @param {string} word */
function core(word) {
  const bare = word.toLowerCase().replace(/[^\p{L}\p{N}']/gu, "");
  return bare || word;
}

/**
 * The alignment with the fewest differences.
 *
 * @param {string[]} left
 * @param {string[]} right
 * @returns {Step[]}
 */
export function align(left, right) {
  const [a, b] = [left.map(core), right.map(core)];
  const wide = b.length + 1;
  const cost = new Uint16Array((a.length + 1) * wide);
  for (let i = 0; i <= a.length; i++) cost[i * wide] = i;
  for (let j = 0; j <= b.length; j++) cost[j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const change = cost[(i - 1) * wide + j - 1] + Number(a[i - 1] !== b[j - 1]);
      cost[i * wide + j] = Math.min(change, cost[(i - 1) * wide + j] + 1, cost[i * wide + j - 1] + 1);
    }
  }
  /** @type {Step[]} */
  const steps = [];
  let [i, j] = [a.length, b.length];
  while (i || j) {
    const here = cost[i * wide + j];
    const same = i > 0 && j > 0 && a[i - 1] === b[j - 1];
    if (i > 0 && j > 0 && cost[(i - 1) * wide + j - 1] + Number(!same) === here) {
      steps.push({ kind: same ? "same" : "sub", left: left[--i], right: right[--j] });
    } else if (i > 0 && cost[(i - 1) * wide + j] + 1 === here) {
      steps.push({ kind: "del", left: left[--i], right: "" });
    } else {
      steps.push({ kind: "ins", left: "", right: right[--j] });
    }
  }
  return steps.reverse();
}

/**
 * Both texts as one, with the differences marked; null where that would be too long to read.
 *
 * @param {string} reference
 * @param {string} heard
 */
export function wordDiff(reference, heard) {
  const [left, right] = [tokens(reference), tokens(heard)];
  if (!left.length || !right.length || left.length > MOST_WORDS || right.length > MOST_WORDS) return null;
  const steps = align(left, right);
  const n = { same: 0, sub: 0, del: 0, ins: 0 };
  for (const step of steps) n[step.kind]++;
  const parts = steps.flatMap((step) => [...marked(step), " "]);
  const tally =
    n.sub + n.del + n.ins
      ? `${n.sub} substituted, ${n.del} left out, ${n.ins} put in, of ${left.length}`
      : `the same ${left.length} words`;
  const aside = "Case and punctuation aside; the scorer may normalise further.";
  return h("div", {}, h("p", { class: "worddiff" }, parts), h("p", { class: "remark", title: aside }, tally));
}

/** @param {Step} step @returns {(HTMLElement | string)[]} */
function marked(step) {
  if (step.kind === "same") return [step.right];
  const out = step.left ? [h("del", {}, step.left)] : [];
  const into = step.right ? [h("ins", { class: step.kind }, step.right)] : [];
  return [...out, ...into];
}
