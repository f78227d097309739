/** The report's first figure: all tasks at a glance, as a radar and as bars. */

import { h, svg } from "./dom.js";
import { fixed, interval, withUnit } from "./format.js";
import { seriesClass, state } from "./state.js";

/** @typedef {{label: string, href: string | null, figures: Map<number, import("./types.js").Figure>}} Axis */

const RINGS = 4;
const LETTERS_ROOM = 104;
const LETTER = 7.2;
/** Shapes up to which each is filled: more would only grey each other. */
const FILLED = 3;

/**
 * Where a figure stands between the worst and the best that its kind can be, 0 to 1.
 *
 * @param {import("./types.js").Figure} figure
 * @param {number} value
 * @param {Axis} axis
 */
function share(figure, value, axis) {
  const [low, high] = scaleOf(figure, axis);
  const place = Math.min(1, Math.max(0, (value - low) / (high - low)));
  return figure.higher ? place : 1 - place;
}

/** @param {import("./types.js").Figure} figure @param {Axis} axis @returns {[number, number]} */
export function scaleOf(figure, axis) {
  if (figure.unit === "%") return [0, 100];
  const most = Math.max(...[...axis.figures.values()].map((one) => one.high ?? one.value ?? 0));
  if (most <= 5) return figure.name.toLowerCase().includes("rating") || most > 1 ? [1, 5] : [0, 1];
  return [0, 10 ** Math.ceil(Math.log10(most))];
}

/** @typedef {{size: number, radius: number}} Round */

/**
 * @param {Round} round
 * @param {number} turn of a full one, 0 at the top
 * @param {number} distance
 * @returns {[number, number]}
 */
function point(round, turn, distance) {
  const angle = 2 * Math.PI * turn - Math.PI / 2;
  return [round.size / 2 + distance * Math.cos(angle), round.size / 2 + distance * Math.sin(angle)];
}

/** @param {[number, number][]} points */
function path(points) {
  return `M${points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L")}`;
}

/**
 * @param {Axis[]} axes
 * @param {number[]} systems
 */
export function radar(axes, systems) {
  const size = Math.max(260, Math.min(480, document.documentElement.clientWidth - 40));
  const round = { size, radius: size / 2 - Math.min(LETTERS_ROOM, size / 4) };
  const turns = axes.map((_, i) => i / axes.length);
  const grid = Array.from({ length: RINGS }, (_, ring) =>
    svg("path", {
      class: "grid",
      d: `${path(turns.map((turn) => point(round, turn, (round.radius * (ring + 1)) / RINGS)))}Z`,
    }),
  );
  const spokes = turns.map((turn) => {
    const [x, y] = point(round, turn, round.radius);
    return svg("line", { class: "grid", x1: size / 2, y1: size / 2, x2: x, y2: y });
  });
  const names = axes.map((axis, i) => axisName(axis, round, turns[i]));
  const filled = systems.length <= FILLED;
  const shapes = systems.map((system) => radarShape(axes, round, turns, system, filled));
  const lowest = Math.max(...turns.map((turn) => point(round, turn, round.radius + 16)[1]));
  const top = size / 2 - round.radius - 32;
  const height = lowest + 14 - top;
  return svg(
    "svg",
    {
      class: "chart radar",
      width: size,
      height,
      viewBox: `0 ${top} ${size} ${height}`,
      role: "img",
      "aria-label": spokenAxes(axes, systems),
    },
    ...grid,
    ...spokes,
    ...shapes,
    ...names,
  );
}

/** @param {Axis} axis @param {Round} round @param {number} turn */
function axisName(axis, round, turn) {
  const [x, y] = point(round, turn, round.radius + 16);
  const side = Math.abs(x - round.size / 2) < 8 ? "middle" : x > round.size / 2 ? "start" : "end";
  const space = side === "middle" ? round.size : side === "end" ? x : round.size - x;
  const most = Math.max(6, Math.floor(space / LETTER));
  const text = axis.label.length > most ? `${axis.label.slice(0, most - 1)}\u2026` : axis.label;
  return svg(
    "text",
    { class: "axis-name", x, y: y + 4, "text-anchor": side },
    svg("title", {}, axis.label),
    text,
  );
}

/**
 * Lines join neighbours that both have a figure: a missing one is no zero.
 *
 * @param {Axis[]} axes
 * @param {Round} round
 * @param {number[]} turns
 * @param {number} system
 * @param {boolean} filled
 */
function radarShape(axes, round, turns, system, filled) {
  const points = axes.map((axis, i) => {
    const figure = axis.figures.get(system);
    if (!figure || figure.value === null) return null;
    return point(round, turns[i], round.radius * share(figure, figure.value, axis));
  });
  const dots = points.flatMap((at, i) => {
    const figure = axes[i].figures.get(system);
    if (!at || !figure) return [];
    const title = `${state.site.systems[system].label}: ${axes[i].label} ${withUnit(figure.value, figure.unit)}`;
    return [svg("circle", { class: "dot", cx: at[0], cy: at[1], r: 3 }, svg("title", {}, title))];
  });
  const whole = /** @type {[number, number][]} */ (points.filter((at) => at !== null));
  if (whole.length === axes.length) {
    return svg(
      "g",
      { class: seriesClass(system) },
      svg("path", { class: filled ? "shape" : "shape open", d: `${path(whole)}Z` }),
      ...dots,
    );
  }
  const edges = points.flatMap((at, i) => {
    const next = points[(i + 1) % points.length];
    return at && next ? [path([at, next])] : [];
  });
  return svg(
    "g",
    { class: seriesClass(system) },
    svg("path", { class: "shape open", d: edges.join("") }),
    ...dots,
  );
}

/** What the picture says, for those who hear it. @param {Axis[]} axes @param {number[]} systems */
function spokenAxes(axes, systems) {
  return axes
    .map((axis) => {
      const values = systems
        .filter((system) => axis.figures.has(system))
        .map((system) => {
          const figure = /** @type {import("./types.js").Figure} */ (axis.figures.get(system));
          return `${state.site.systems[system].label} ${withUnit(figure.value, figure.unit)}`;
        });
      return `${axis.label}: ${values.join(", ") || "no figure"}`;
    })
    .join("; ");
}

const ROW = 17;
const GAP = 15;
const VALUE = 62;

/** @returns {{width: number, name: number, letters: number}} */
function barRoom() {
  const width = Math.max(280, Math.min(560, document.documentElement.clientWidth - 64));
  return width < 480 ? { width, name: 104, letters: 14 } : { width, name: 150, letters: 21 };
}

/**
 * Bars with their intervals, a group an axis.
 *
 * @param {Axis[]} axes
 * @param {number[]} systems
 */
export function bars(axes, systems) {
  const { width, name: start, letters } = barRoom();
  const plot = width - start - VALUE;
  let y = 4;
  const groups = axes.map((axis) => {
    const shown = systems.filter((system) => axis.figures.has(system));
    const top = y;
    const lines = shown.map((system) => {
      const line = bar(axis, system, y, start, plot);
      y += ROW;
      return line;
    });
    y += shown.length ? GAP : ROW + GAP;
    const label = axis.label.length > letters ? `${axis.label.slice(0, letters - 1)}\u2026` : axis.label;
    const middle = top + (Math.max(1, shown.length) * ROW) / 2 + 3;
    const title = svg("title", {}, axis.label);
    const name = svg(
      "text",
      { class: "axis-name", x: start - 12, y: middle, "text-anchor": "end" },
      title,
      label,
    );
    return svg("g", {}, name, ...lines);
  });
  const height = y - GAP + 6;
  const rules = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const x = start + part * plot;
    return svg("line", { class: "grid", x1: x, x2: x, y1: 0, y2: height });
  });
  return svg(
    "svg",
    {
      class: "chart bars",
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": spokenAxes(axes, systems),
    },
    ...rules,
    ...groups,
  );
}

/** @param {Axis} axis @param {number} system @param {number} y @param {number} start @param {number} plot */
function bar(axis, system, y, start, plot) {
  const figure = /** @type {import("./types.js").Figure} */ (axis.figures.get(system));
  const [low, high] = scaleOf(figure, axis);
  const at = (/** @type {number} */ value) =>
    start + Math.min(1, Math.max(0, (value - low) / (high - low))) * plot;
  const middle = y + ROW / 2 - 1;
  const label = state.site.systems[system].label;
  const title = svg("title", {}, `${label}: ${withUnit(figure.value, figure.unit)} (${interval(figure)})`);
  if (figure.value === null) return svg("g", {}, title);
  const parts = [
    svg("rect", {
      class: "bar",
      x: start,
      y: y + 2,
      width: Math.max(1, at(figure.value) - start),
      height: ROW - 6,
      rx: 1.5,
    }),
  ];
  if (figure.low !== null && figure.high !== null) {
    parts.push(
      /** @type {any} */ (
        svg("path", {
          class: "whisker",
          d: `M${at(figure.low)},${middle}H${at(figure.high)}M${at(figure.low)},${middle - 3}v6M${at(figure.high)},${middle - 3}v6`,
        })
      ),
    );
  }
  const text = svg(
    "text",
    { class: "value", x: start + plot + VALUE - 2, y: middle + 4, "text-anchor": "end" },
    fixed(figure.value),
  );
  return svg("g", { class: seriesClass(system) }, title, ...parts, text);
}

/**
 * Names and colours; each can be switched off and on.
 *
 * @param {number[]} systems
 * @param {(() => void) | null} change
 */
export function legend(systems, change) {
  return h(
    "div",
    { class: "legend", role: "group", "aria-label": "Systems shown" },
    systems.map((system) => {
      const name = state.site.systems[system].label;
      const swatch = h("span", { class: `swatch ${seriesClass(system)}`, "aria-hidden": "true" });
      if (!change) return h("span", { class: "legend-item" }, swatch, name);
      const toggle = () => {
        if (state.hidden.has(system)) state.hidden.delete(system);
        else state.hidden.add(system);
        change();
      };
      const shown = !state.hidden.has(system);
      return h(
        "button",
        { type: "button", class: "legend-item", "aria-pressed": String(shown), on: { click: toggle } },
        swatch,
        name,
      );
    }),
  );
}
