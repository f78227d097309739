/** Search over every text of a task: chunk after chunk, each kept in memory once it is here. */

import { load } from "./data.js";
import { state } from "./state.js";

/** @typedef {import("./types.js").TextChunk} TextChunk */

const SLICE_MS = 24;
const AT_ONCE = 4;

/** @type {Map<string, string[]>} */
const haystacks = new Map();
let haystackBuild = "";

/** @param {number} task @param {number} chunk @returns {Promise<TextChunk>} */
export function texts(task, chunk) {
  return load(`t${task}/text-${chunk}`);
}

/** @param {number} row */
export function chunkOf(row) {
  return Math.floor(row / state.site.page.texts);
}

/**
 * One searchable text a row.
 *
 * @param {number} task
 * @param {number} chunk
 * @param {string[]} ids
 * @returns {Promise<string[]>}
 */
async function haystack(task, chunk, ids) {
  const name = `${task}/${chunk}`;
  const known = haystacks.get(name);
  if (known) return known;
  const found = await texts(task, chunk);
  const first = chunk * state.site.page.texts;
  const made = found.prompt.map((prompt, i) => {
    const parts = [ids[first + i], prompt, found.reference[i]];
    for (const cell of found.cells) parts.push(cell.output[i], cell.transcript[i], cell.note[i]);
    return parts.join("\n").toLowerCase();
  });
  haystacks.set(name, made);
  return made;
}

/**
 * Mark the rows whose texts hold every word of the query.
 *
 * @param {number} task
 * @param {string[]} ids
 * @param {string} query
 * @param {Uint8Array} hits one a row, filled as texts are read
 * @param {(done: number) => void} progress called with the rows read so far, now and then and at the end
 * @param {() => boolean} stopped
 */
export async function search(task, ids, query, hits, progress, stopped) {
  if (haystackBuild !== state.site.build) {
    haystacks.clear();
    haystackBuild = state.site.build;
  }
  const wanted = query.toLowerCase().split(/\s+/).filter(Boolean);
  const size = state.site.page.texts;
  const chunks = Math.ceil(ids.length / size);
  let told = performance.now();
  for (let chunk = 0; chunk < chunks; chunk++) {
    for (let ahead = 1; ahead <= AT_ONCE && chunk + ahead < chunks; ahead++) void texts(task, chunk + ahead);
    const rows = haystacks.get(`${task}/${chunk}`) ?? (await haystack(task, chunk, ids));
    if (stopped()) return;
    for (let i = 0; i < rows.length; i++) {
      if (wanted.every((word) => rows[i].includes(word))) hits[chunk * size + i] = 1;
    }
    if (performance.now() - told > SLICE_MS * 8) {
      progress(Math.min((chunk + 1) * size, ids.length));
      // Let the page draw and hear its keys.
      await new Promise((resume) => setTimeout(resume));
      told = performance.now();
      if (stopped()) return;
    }
  }
  progress(ids.length);
}
