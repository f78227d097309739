/** The samples of a task: searched, filtered, sorted, a hundred thousand of them in one list. */

import { load } from "./data.js";
import { h, replace, select } from "./dom.js";
import { SHOWN, pick, unpack } from "./filter.js";
import { count, own, words } from "./format.js";
import { sampleRow } from "./row.js";
import { search } from "./search.js";
import { address, sampleAddress, sampleFigure, state, systemByLabel, taskByKey } from "./state.js";
import { virtualList } from "./vlist.js";

/** @typedef {import("./filter.js").Index} Index */
/** @typedef {import("./filter.js").Criteria} Criteria */
/** @typedef {import("./types.js").Task} Task */

const PAUSE_MS = 160;

/** @type {Map<string, Index>} */
const indexes = new Map();

/** The unpacked index of a task. @param {Task} task @returns {Promise<Index>} */
export async function indexOf(task) {
  const name = `${state.site.build}/${task.number}`;
  let index = indexes.get(name);
  if (!index) {
    const raw = await load(`t${task.number}/index`);
    index = unpack(
      raw,
      task.cells.map((cell) => cell.system),
      sampleFigure(task)?.higher ?? true,
    );
    // One is enough: they are large, and the chunk itself is kept.
    indexes.clear();
    indexes.set(name, index);
  }
  return index;
}

/** @param {import("./types.js").Route} route @returns {import("./types.js").View} */
export function explorerView(route) {
  const tasks = state.site.tasks;
  const task = taskByKey(route.parts[1] ?? "") ?? tasks[0];
  if (!task) return { title: "Samples", body: h("p", { class: "empty" }, "There are no samples yet.") };
  const explorer = new Explorer(task, route.query);
  void explorer.open();
  return {
    title: `Samples of ${task.name}`,
    body: explorer.body,
    keys: {
      j: () => explorer.move(1),
      k: () => explorer.move(-1),
      ArrowDown: () => explorer.move(1),
      ArrowUp: () => explorer.move(-1),
      Enter: () => explorer.enter(),
      "/": () => explorer.searchBox.focus(),
    },
    leave: () => explorer.stop(),
  };
}

class Explorer {
  /** @param {Task} task @param {URLSearchParams} query */
  constructor(task, query) {
    this.task = task;
    this.higher = sampleFigure(task)?.higher ?? true;
    const place = (/** @type {string} */ name) => {
      const system = systemByLabel(query.get(name));
      const found = task.cells.findIndex((cell) => cell.system === system);
      return found < 0 ? null : found;
    };
    const a = place("a") ?? 0;
    /** @type {Criteria} */
    this.criteria = {
      show: query.get("show") ?? "all",
      a,
      b: place("b") ?? (task.cells.length > 1 ? Number(a === 0) : null),
      label: query.get("label") ?? "",
      reason: query.get("reason") ?? "",
      facets: Object.fromEntries(
        [...query].filter(([name]) => name.startsWith("m.")).map(([name, value]) => [name.slice(2), value]),
      ),
      sort: query.get("sort") ?? "",
      falling: query.get("falling") === "1",
    };
    this.query = query.get("q") ?? "";
    /** @type {Uint8Array | null} */
    this.hits = null;
    this.turn = 0;
    /** @type {Index | null} */
    this.index = null;
    /** @type {Int32Array} */
    this.rows = new Int32Array(0);
    this.status = h("p", { class: "status", role: "status" }, "Reading the index\u2026");
    this.chips = h("div", { class: "chips", role: "group", "aria-label": "Show" });
    this.tools = h("div", { class: "bar-tools" });
    this.more = h("div", { class: "bar-tools" });
    this.list = virtualList((row) => this.row(row), "Samples");
    this.searchBox = h("input", {
      type: "search",
      class: "search",
      placeholder: "Search ids, questions, answers\u2026  ( / )",
      "aria-label": "Search ids, questions, references, answers, transcripts and errors",
      value: this.query,
      on: { input: () => this.typed() },
    });
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.body = h(
      "div",
      { class: "explorer" },
      h("div", { class: "explorer-title" }, h("h1", { class: "small" }, "Samples"), this.tools),
      h("div", {}, this.searchBox, this.chips, this.more, this.status),
      this.list.element,
    );
  }

  async open() {
    this.drawTools();
    try {
      this.index = await indexOf(this.task);
    } catch (error) {
      this.status.textContent = /** @type {Error} */ (error).message;
      return;
    }
    this.drawChips();
    this.drawMore();
    if (this.query) await this.find();
    else this.apply();
  }

  stop() {
    this.turn++;
    clearTimeout(this.timer);
  }

  drawTools() {
    const { tasks } = state.site;
    const names = tasks.map((task) => /** @type {[string, string]} */ ([task.key, task.key]));
    const cells = this.task.cells.map(
      (cell, i) => /** @type {[string, string]} */ ([String(i), state.site.systems[cell.system].label]),
    );
    const systems = [
      select(cells.length > 1 ? "A" : "System", cells, String(this.criteria.a), (value) =>
        this.change({ a: Number(value), label: "", reason: "" }),
      ),
    ];
    if (cells.length > 1) {
      systems.push(
        select(
          "B",
          [["", "none"], ...cells],
          this.criteria.b === null ? "" : String(this.criteria.b),
          (value) => this.change({ b: value === "" ? null : Number(value) }),
        ),
      );
    }
    replace(
      this.tools,
      select("Task", names, this.task.key, (key) => {
        location.hash = address(["samples", key]);
      }),
      systems,
    );
  }

  drawChips() {
    const chips = SHOWN.filter(([, , two]) => !two || this.criteria.b !== null).map(([name, text]) => {
      const pressed = this.criteria.show === name;
      return h(
        "button",
        {
          type: "button",
          class: "chip-button",
          "aria-pressed": String(pressed),
          "data-show": name,
          on: { click: () => this.change({ show: name }) },
        },
        text,
      );
    });
    replace(this.chips, chips);
  }

  drawMore() {
    const index = /** @type {Index} */ (this.index);
    const a = index.columns[this.criteria.a];
    const pairs = (/** @type {string[]} */ names) =>
      /** @type {[string, string][]} */ ([
        ["", "any"],
        ...names.map((name) => [name, words(name) || "(empty)"]),
      ]);
    const fields = [];
    if (a?.labels.length > 1 || this.criteria.label)
      fields.push(select("Label", pairs(a.labels), this.criteria.label, (label) => this.change({ label })));
    if (a?.reasons.length || this.criteria.reason)
      fields.push(
        select("Reason", pairs(a.reasons), this.criteria.reason, (reason) => this.change({ reason })),
      );
    for (const facet of index.facets) {
      const chosen = own(this.criteria.facets, facet.name) ?? "";
      fields.push(
        select(words(facet.name), pairs(facet.values), chosen, (value) =>
          this.change({ facets: { ...this.criteria.facets, [facet.name]: value } }),
        ),
      );
    }
    /** @type {[string, string][]} */
    const orders = [
      ["", "data set"],
      ["/1", "data set, reversed"],
      ["score/0", "score, low first"],
      ["score/1", "score, high first"],
    ];
    if (this.criteria.b !== null)
      orders.push(["gap/0", "A \u2212 B, low first"], ["gap/1", "A \u2212 B, high first"]);
    const order =
      this.criteria.sort || this.criteria.falling
        ? `${this.criteria.sort}/${Number(this.criteria.falling)}`
        : "";
    fields.push(
      select("Order", orders, order, (value) => {
        const [sort, falling] = value.split("/");
        this.change({ sort, falling: falling === "1" });
      }),
    );
    replace(this.more, fields);
  }

  /** @param {Partial<Criteria>} changed */
  change(changed) {
    Object.assign(this.criteria, changed);
    if (!this.index) return;
    if ("a" in changed || "b" in changed) this.drawTools();
    this.drawChips();
    if ("a" in changed || "b" in changed) this.drawMore();
    this.apply();
  }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.query = this.searchBox.value;
      void this.find();
    }, PAUSE_MS);
  }

  async find() {
    const index = this.index;
    const turn = ++this.turn;
    if (!index) return;
    if (!this.query.trim()) {
      this.hits = null;
      this.apply();
      return;
    }
    const hits = new Uint8Array(index.n);
    this.hits = hits;
    const stopped = () => turn !== this.turn;
    let shown = false;
    const progress = (/** @type {number} */ done) => {
      if (stopped()) return;
      this.apply(done < index.n ? done : null, shown);
      shown = true;
    };
    try {
      await search(this.task.number, index.ids, this.query, hits, progress, stopped);
    } catch (error) {
      this.status.textContent = /** @type {Error} */ (error).message;
    }
  }

  /** @param {number | null} [searched] rows read so far, while a search is under way @param {boolean} [keep] */
  apply(searched = null, keep = false) {
    const index = /** @type {Index} */ (this.index);
    const began = performance.now();
    this.rows = pick(index, this.criteria, this.hits, this.higher);
    const here = this.address();
    state.list = { task: this.task.key, rows: this.rows, address: here };
    this.list.set(this.rows, keep);
    const of = this.rows.length === index.n ? "" : ` of ${count(index.n)}`;
    const reading = searched === null ? "" : `, ${count(searched)} searched so far\u2026`;
    this.status.textContent = `${count(this.rows.length)}${of} ${index.n === 1 ? "sample" : "samples"}${reading}`;
    // Measured by the tests and by benchmarks/site.py.
    this.status.dataset.took = (performance.now() - began).toFixed(1);
    this.status.dataset.done = String(searched === null);
    if (location.hash !== here) history.replaceState(null, "", here);
  }

  address() {
    const { criteria } = this;
    const label = (/** @type {number | null} */ cell) =>
      cell === null ? "" : state.site.systems[this.task.cells[cell].system].label;
    const several = this.task.cells.length > 1;
    return address(["samples", this.task.key], {
      q: this.query,
      show: criteria.show === "all" ? "" : criteria.show,
      a: several ? label(criteria.a) : "",
      b: several ? label(criteria.b) : "",
      label: criteria.label,
      reason: criteria.reason,
      sort: criteria.sort,
      falling: criteria.falling ? "1" : "",
      ...Object.fromEntries(Object.entries(criteria.facets).map(([name, value]) => [`m.${name}`, value])),
    });
  }

  /** @param {number} row */
  row(row) {
    const index = /** @type {Index} */ (this.index);
    const shown = [this.criteria.a, ...(this.criteria.b === null ? [] : [this.criteria.b])];
    return sampleRow(this.task, index, row, shown, () => this.list.refresh());
  }

  /** @param {number} step */
  move(step) {
    const begun = this.list.element.contains(document.activeElement);
    this.list.select(this.list.selected() + (begun ? step : 0));
  }

  enter() {
    const row = this.rows[this.list.selected()];
    if (row === undefined || !this.index) return;
    location.hash = sampleAddress(this.task, this.index.ids[row], this.criteria.a, this.criteria.b);
  }
}
