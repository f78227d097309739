/** What pages share: the loaded site, hidden systems, and addresses within the site. */

/** @type {{site: import("./types.js").Site, hidden: Set<number>,
 *   list: {task: string, rows: ArrayLike<number>, address: string} | null}} */
export const state = {
  site: /** @type {any} */ (null),
  hidden: new Set(),
  list: null,
};

/** @param {number} system */
export function seriesClass(system) {
  return `s${system % 8}`;
}

/** @param {string} key @returns {import("./types.js").Task | undefined} */
export function taskByKey(key) {
  return (
    state.site.tasks.find((task) => task.key === key) ?? state.site.tasks.find((task) => task.name === key)
  );
}

/** @param {import("./types.js").Task} task @param {number} system */
export function cellOf(task, system) {
  return task.cells.find((cell) => cell.system === system);
}

/** @param {{figures: import("./types.js").Figure[]} | undefined} cell */
export function mainFigure(cell) {
  return cell?.figures.find((figure) => figure.main) ?? cell?.figures[0];
}

/** The main figure that a task prints, whoever has one. @param {import("./types.js").Task} task */
export function sampleFigure(task) {
  return task.cells.map((cell) => mainFigure(cell)).find((figure) => figure !== undefined);
}

/** @param {string[]} parts @param {Record<string, string | number | null | undefined>} [query] */
export function address(parts, query = {}) {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") asked.set(name, String(value));
  }
  const tail = asked.toString();
  return `#/${parts.map(encodeURIComponent).join("/")}${tail ? `?${tail}` : ""}`;
}

/**
 * The page of a sample, which shows the answers of one cell of the task or of two.
 *
 * @param {import("./types.js").Task} task
 * @param {string} id
 * @param {number} a
 * @param {number | null} b
 */
export function sampleAddress(task, id, a, b) {
  const label = (/** @type {number | null} */ cell) =>
    cell === null || task.cells.length < 2 ? "" : state.site.systems[task.cells[cell].system].label;
  return address(["sample", task.key, id], { a: label(a), b: label(b) });
}

/** @param {string} hash @returns {import("./types.js").Route} */
export function routeOf(hash) {
  const [path, tail = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const parts = path.split("/").filter(Boolean).map(decoded);
  return { parts, query: new URLSearchParams(tail) };
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The system of a label in an address. @param {string | null} label */
export function systemByLabel(label) {
  const found = state.site.systems.findIndex((system) => system.label === label);
  return found < 0 ? null : found;
}

/** The way down to a task's name without its benchmark. @param {import("./types.js").Task} task */
export function shortName(task) {
  return task.name.includes("/") ? task.name.slice(task.benchmark.length + 1) : task.name;
}
