/** Heads of tables with a column a system. */

import { h } from "./dom.js";
import { seriesClass, state } from "./state.js";

/** @param {string} first @param {number[]} systems */
export function systemHead(first, systems) {
  return h(
    "thead",
    {},
    h(
      "tr",
      {},
      h("th", { scope: "col", class: "name" }, first),
      systems.map((system) =>
        h(
          "th",
          { scope: "col", class: "number" },
          h("span", { class: `swatch ${seriesClass(system)}`, "aria-hidden": "true" }),
          breakable(state.site.systems[system].label),
        ),
      ),
    ),
  );
}

/** A name that may be broken after its signs, where a column is narrow. @param {string} name */
export function breakable(name) {
  return name.split(/(?<=[_/@=,-])/).flatMap((piece, i) => (i ? [h("wbr"), piece] : [piece]));
}
