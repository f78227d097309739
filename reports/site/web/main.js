/** Starts the page: frame, routes, keys, light and dark. */

import { loadSite } from "./data.js";
import { h, replace } from "./dom.js";
import { explorerView } from "./explorer.js";
import { follow, liveView } from "./live.js";
import { overviewView } from "./overview.js";
import { costView, runsView } from "./runs.js";
import { sampleView } from "./sample.js";
import { address, routeOf, state } from "./state.js";
import { taskView } from "./task.js";

const THEME = "fac-eval-theme";
const REFRESH_MS = 8000;
const RESIZED_MS = 200;

/** @type {Record<string, (route: import("./types.js").Route) => import("./types.js").View>} */
const VIEWS = {
  "": overviewView,
  task: taskView,
  samples: explorerView,
  sample: sampleView,
  runs: runsView,
  cost: costView,
  live: liveView,
};

const KEYS = /** @type {[string, string][]} */ ([
  ["j, k", "next and previous sample, in a list and on a sample's page"],
  ["Enter", "open the sample"],
  ["/", "search"],
  ["Esc", "leave the search, go back to the list"],
  ["o", "overview"],
  ["s", "samples"],
  ["t", "light or dark"],
  ["?", "this list"],
]);

/** @type {import("./types.js").View | null} */
let view = null;
let stale = false;

const main = h("main", { id: "main", tabindex: "-1" });
const nav = h("nav", { "aria-label": "Pages" });
const notice = h("div", { class: "notice", role: "status" });
const help = h(
  "dialog",
  { class: "help", "aria-label": "Keys" },
  h("h2", {}, "Keys"),
  h(
    "dl",
    { class: "pairs" },
    KEYS.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)]).flat(),
  ),
  h("button", { type: "button", class: "button", on: { click: () => help.close() } }, "Close"),
);

function show() {
  const route = routeOf(location.hash);
  const draw = Object.hasOwn(VIEWS, route.parts[0] ?? "") ? VIEWS[route.parts[0] ?? ""] : VIEWS[""];
  view?.leave?.();
  view = draw(route);
  document.title = `${view.title} \u2013 ${state.site.title}`;
  replace(main, view.body);
  drawNav(route.parts[0] ?? "");
}

/** @param {string} here */
function drawNav(here) {
  /** @type {[string, string][]} */
  const pages = [
    ["", "Overview"],
    ["samples", "Samples"],
    ["cost", "Cost"],
    ["runs", "Runs"],
  ];
  if (state.site.live) pages.push(["live", "Live"]);
  const current = here === "task" ? "" : here === "sample" ? "samples" : here;
  replace(
    nav,
    pages.map(([name, text]) =>
      h("a", { href: address(name ? [name] : []), "aria-current": current === name ? "page" : null }, text),
    ),
  );
}

async function refresh() {
  stale = false;
  replace(notice);
  try {
    state.site = await loadSite();
  } catch {
    return; // the server is gone; what is here stays
  }
  const top = scrollY;
  show();
  scrollTo(0, top);
}

/**
 * Results have come in: the overview shows them by itself, other pages are not pulled from under the reader.
 *
 * @param {boolean} ended whether a run has just ended
 */
function changed(ended) {
  const quiet = ["", "runs", "live"].includes(routeOf(location.hash).parts[0] ?? "");
  if (quiet && ended) void refresh();
  else if (quiet && !stale) setTimeout(() => stale && void refresh(), REFRESH_MS);
  else if (!quiet && !stale) {
    const button = h(
      "button",
      { type: "button", class: "button", on: { click: () => void refresh() } },
      "Show them",
    );
    replace(notice, "New results are there. ", button);
  }
  stale = !(quiet && ended);
}

function themeNow() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

function switchTheme() {
  const next = themeNow() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem(THEME, next);
  } catch {
    // a page from disk may have no storage: the choice lasts as long as the page
  }
  show();
}

function recallTheme() {
  try {
    const kept = localStorage.getItem(THEME);
    if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
  } catch {
    // see above
  }
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const target = /** @type {HTMLElement} */ (event.target);
  const typing = target.matches("input, textarea, select");
  if (typing) {
    if (event.key === "Escape") target.blur();
    return;
  }
  // A focused link or button answers Enter and the arrows itself.
  if (event.key === "Enter" && target.matches("a, button, summary")) return;
  /** @type {Record<string, () => void>} */
  const general = {
    "?": () => help.showModal(),
    t: switchTheme,
    o: () => (location.hash = "#/"),
    s: () => (location.hash = "#/samples"),
    "/": () => (location.hash = "#/samples"),
  };
  const own = view?.keys ?? {};
  const act = Object.hasOwn(own, event.key)
    ? own[event.key]
    : Object.hasOwn(general, event.key)
      ? general[event.key]
      : null;
  if (!act) return;
  event.preventDefault();
  act();
}

function frame() {
  const skip = h(
    "button",
    { type: "button", class: "skip", on: { click: () => main.focus() } },
    "Skip to content",
  );
  const theme = h(
    "button",
    { type: "button", class: "icon", "aria-label": "Light or dark", on: { click: switchTheme } },
    "\u25d0",
  );
  const keys = h(
    "button",
    { type: "button", class: "icon", "aria-label": "Keys", on: { click: () => help.showModal() } },
    "?",
  );
  const brand = h("a", { class: "brand", href: "#/" }, state.site.title);
  const top = h(
    "header",
    { class: "top" },
    h("div", { class: "top-inner" }, brand, nav, h("div", { class: "top-tools" }, theme, keys)),
  );
  document.body.append(skip, top, notice, main, help);
}

async function start() {
  recallTheme();
  try {
    state.site = await loadSite();
  } catch (error) {
    document.body.append(h("p", { class: "fatal" }, /** @type {Error} */ (error).message));
    return;
  }
  frame();
  show();
  let width = innerWidth;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  addEventListener("hashchange", () => {
    scrollTo(0, 0);
    show();
    main.focus({ preventScroll: true });
  });
  addEventListener("keydown", pressed);
  addEventListener("resize", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const page = routeOf(location.hash).parts[0] ?? "";
      if (innerWidth !== width && (page === "" || page === "task")) show();
      width = innerWidth;
    }, RESIZED_MS);
  });
  if (state.site.live) follow(changed);
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

void start();
