/** Pictures of one task: how scores are spread, who is ahead of whom, how long answers took. */

import { h, svg } from "./dom.js";
import { count, fixed, seconds, short, signed } from "./format.js";
import { seriesClass, state } from "./state.js";

/** @typedef {import("./types.js").Summary} Summary */

const HEIGHT = 110;
const WIDTH = 320;

/**
 * A histogram for each system, over the same bars.
 *
 * @param {Summary} summary
 */
export function histograms(summary) {
  const found = summary.histogram;
  if (!found) return h("p", { class: "empty" }, "No sample has been scored yet.");
  return h(
    "div",
    { class: "multiples" },
    summary.cells.map((cell, i) => histogram(cell.system, found, found.counts[i])),
  );
}

/**
 * @param {number} system
 * @param {NonNullable<Summary["histogram"]>} found
 * @param {number[]} counts
 */
function histogram(system, found, counts) {
  const all = counts.reduce((sum, n) => sum + n, 0) || 1;
  const most = Math.max(...counts, 1);
  const step = WIDTH / counts.length;
  const gap = Math.min(10, step * 0.18);
  const labelOf = (/** @type {number} */ i) =>
    found.values
      ? short(found.values[i])
      : `${short(found.edges?.[i] ?? 0)} to ${short(found.edges?.[i + 1] ?? 0)}`;
  const bars = counts.map((n, i) => {
    const tall = (n / most) * (HEIGHT - 34);
    const x = i * step + gap / 2;
    const title = svg("title", {}, `${labelOf(i)}: ${count(n)} (${fixed((100 * n) / all, 1)} %)`);
    const parts = [
      svg(
        "rect",
        { class: "bar", x, y: HEIGHT - 18 - tall, width: step - gap, height: Math.max(tall, n ? 1 : 0) },
        title,
      ),
    ];
    const middle = x + (step - gap) / 2;
    if (counts.length <= 6) {
      const label = `${fixed((100 * n) / all, 0)} %`;
      parts.push(
        /** @type {any} */ (
          svg("text", { class: "value", x: middle, y: HEIGHT - 22 - tall, "text-anchor": "middle" }, label)
        ),
      );
    }
    if (found.values) {
      parts.push(
        /** @type {any} */ (
          svg("text", { class: "tick", x: middle, y: HEIGHT - 4, "text-anchor": "middle" }, labelOf(i))
        ),
      );
    }
    return svg("g", {}, ...parts);
  });
  if (found.edges) {
    const ends = [found.edges[0], found.edges[found.edges.length - 1]];
    bars.push(svg("g", {}, svg("text", { class: "tick", x: 0, y: HEIGHT - 4 }, short(ends[0]))));
    bars.push(
      svg(
        "g",
        {},
        svg("text", { class: "tick", x: WIDTH, y: HEIGHT - 4, "text-anchor": "end" }, short(ends[1])),
      ),
    );
  }
  const label = counts.map((n, i) => `${labelOf(i)}: ${n}`).join(", ");
  return h(
    "figure",
    { class: seriesClass(system) },
    h("figcaption", {}, h("span", { class: "swatch" }), state.site.systems[system].label),
    svg(
      "svg",
      { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
      svg("line", { class: "base", x1: 0, x2: WIDTH, y1: HEIGHT - 18, y2: HEIGHT - 18 }),
      ...bars,
    ),
  );
}

/** What a wide picture may take of the window, and how it divides that. @param {number} [most] */
export function room(most = 720) {
  const width = Math.max(280, Math.min(most, document.documentElement.clientWidth - 64));
  const narrow = width < 560;
  return { width, narrow, name: narrow ? 112 : 190, letters: narrow ? 15 : 26 };
}

/** @param {string} text @param {number} most */
export function clipped(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}\u2026` : text;
}

/**
 * Every system's distance from the baseline, with paired intervals.
 *
 * @param {Summary} summary
 * @param {number} baseline the number of a cell in the summary
 */
export function forest(summary, baseline) {
  const rows = summary.pairs
    .filter((pair) => pair.a === baseline || pair.b === baseline)
    .map((pair) => turned(pair, baseline))
    .filter((pair) => pair.value !== null);
  if (!rows.length) return h("p", { class: "empty" }, "No two systems have answered the same samples.");
  const ends = rows.flatMap((pair) => [pair.low ?? pair.value, pair.high ?? pair.value, 0].map(Number));
  const reach = Math.max(...ends.map(Math.abs)) * 1.08 || 1;
  const { width, narrow, name } = room();
  const plot = width - name - (narrow ? 8 : 190);
  const step = narrow ? 44 : 34;
  const at = (/** @type {number} */ value) => name + ((value + reach) / (2 * reach)) * plot;
  const height = rows.length * step + 30;
  const better = summary.measure.higher ? 1 : -1;
  const lines = rows.map((pair, i) => forestRow(summary, pair, i * step + 26, at, better));
  const zero = svg("line", { class: "zero", x1: at(0), x2: at(0), y1: 14, y2: height - 4 });
  const left = summary.measure.higher ? "worse" : "better";
  const sides = [
    svg("text", { class: "tick", x: at(0) - 8, y: 10, "text-anchor": "end" }, `\u2190 ${left}`),
    svg("text", { class: "tick", x: at(0) + 8, y: 10 }, `${left === "worse" ? "better" : "worse"} \u2192`),
  ];
  const spoken = rows.map((pair) => `${nameOf(summary, pair.a)}: ${signed(Number(pair.value))}`).join("; ");
  return svg(
    "svg",
    {
      class: "chart forest",
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": spoken,
    },
    ...sides,
    zero,
    ...lines,
  );
}

/** @param {Summary} summary @param {number} cell */
function nameOf(summary, cell) {
  return state.site.systems[summary.cells[cell].system].label;
}

/** The pair as seen from a baseline. @param {import("./types.js").Pair} pair @param {number} baseline */
export function turned(pair, baseline) {
  if (pair.b === baseline) return pair;
  const minus = (/** @type {number | null} */ value) => (value === null ? null : -value);
  return {
    ...pair,
    a: pair.b,
    b: pair.a,
    wins: pair.losses,
    losses: pair.wins,
    value: minus(pair.value),
    low: minus(pair.high),
    high: minus(pair.low),
  };
}

/**
 * @param {Summary} summary
 * @param {import("./types.js").Pair} pair
 * @param {number} y
 * @param {(value: number) => number} at
 * @param {number} better
 */
function forestRow(summary, pair, y, at, better) {
  const value = Number(pair.value);
  const sure = pair.low !== null && pair.high !== null && (pair.low > 0 || pair.high < 0);
  const side = !sure ? "unsure" : value * better > 0 ? "better" : "worse";
  const { width: end, narrow, name: start, letters } = room();
  const name = nameOf(summary, pair.a);
  const whisker =
    pair.low === null || pair.high === null
      ? []
      : [
          svg("path", {
            class: "whisker",
            d: `M${at(pair.low)},${y}H${at(pair.high)}M${at(pair.low)},${y - 4}v8M${at(pair.high)},${y - 4}v8`,
          }),
        ];
  const range = pair.low === null || pair.high === null ? "" : ` [${signed(pair.low)}, ${signed(pair.high)}]`;
  const tally = `${pair.wins} won, ${pair.losses} lost, ${pair.ties} even`;
  const numbers = narrow
    ? [svg("text", { class: "value", x: start, y: y + 20 }, `${signed(value)}${range}`)]
    : [
        svg("text", { class: "value", x: end, y: y + 1, "text-anchor": "end" }, `${signed(value)}${range}`),
        svg("text", { class: "tick", x: end, y: y + 14, "text-anchor": "end" }, tally),
      ];
  return svg(
    "g",
    { class: `forest-row ${side}` },
    svg("title", {}, `${name}: ${signed(value)}${range}; of ${pair.n} samples ${tally}`),
    svg(
      "text",
      { class: "axis-name", x: start - 12, y: y + 4, "text-anchor": "end" },
      clipped(name, letters),
    ),
    ...whisker,
    svg("rect", {
      class: "dot",
      x: at(value) - 4,
      y: y - 4,
      width: 8,
      height: 8,
      transform: `rotate(45 ${at(value)} ${y})`,
    }),
    ...numbers,
  );
}

const TIME_ROW = 30;

/**
 * Percentiles of a duration, a line a system: median, 90th, 95th and 99th.
 *
 * @param {{system: number, spread: import("./types.js").Spread}[]} rows
 */
export function latency(rows) {
  const most = Math.max(...rows.map(({ spread }) => spread.p99 ?? spread.p90));
  const { width, narrow, name, letters } = room(640);
  const at = (/** @type {number} */ value) => name + (value / most) * (width - name - 12);
  const height = rows.length * TIME_ROW + 26;
  const ticks = (narrow ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]).map((part) => {
    const x = at(part * most);
    const anchor = part === 1 ? "end" : part === 0 ? "start" : "middle";
    return svg(
      "g",
      {},
      svg("line", { class: "grid", x1: x, x2: x, y1: 0, y2: height - 20 }),
      svg("text", { class: "tick", x, y: height - 5, "text-anchor": anchor }, seconds(part * most)),
    );
  });
  const lines = rows.map(({ system, spread }, i) => {
    const y = i * TIME_ROW + 16;
    const label = state.site.systems[system].label;
    const marks = /** @type {[string, number | null][]} */ ([
      ["p50", spread.p50],
      ["p90", spread.p90],
      ["p95", spread.p95],
      ["p99", spread.p99],
    ]).filter(([, value]) => value !== null);
    const told = marks.map(([mark, value]) => `${mark} ${seconds(value)}`).join(", ");
    return svg(
      "g",
      { class: seriesClass(system) },
      svg("title", {}, `${label}: ${told}, most ${seconds(spread.max)}, ${count(spread.n)} samples`),
      svg(
        "text",
        { class: "axis-name", x: name - 12, y: y + 4, "text-anchor": "end" },
        clipped(label, letters),
      ),
      svg("line", {
        class: "whisker",
        x1: at(spread.p50),
        x2: at(Number(marks[marks.length - 1][1])),
        y1: y,
        y2: y,
      }),
      ...marks.map(([mark, value], k) =>
        svg(
          "circle",
          { class: k ? "dot hollow" : "dot", cx: at(Number(value)), cy: y, r: k ? 3.5 : 5 },
          svg("title", {}, `${mark} ${seconds(value)}`),
        ),
      ),
    );
  });
  return svg(
    "svg",
    {
      class: "chart latency",
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": "Percentiles of latency",
    },
    ...ticks,
    ...lines,
  );
}
