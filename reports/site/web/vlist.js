/** A list of any length of which only what can be seen is there. */

import { h, replace } from "./dom.js";

const SPARE = 8;

/**
 * @typedef {{element: HTMLElement, set: (rows: ArrayLike<number>, keep?: boolean) => void,
 *   select: (place: number) => void, selected: () => number, refresh: () => void}} List
 */

/**
 * `make` draws the row that stands at a place; it is called again whenever the row comes into view.
 *
 * @param {(row: number, place: number) => HTMLElement} make
 * @param {string} label
 * @returns {List}
 */
export function virtualList(make, label) {
  /** @type {ArrayLike<number>} */
  let rows = [];
  let chosen = 0;
  let first = -1;
  let last = -1;
  let tall = 0;
  const spacer = h("div", { class: "list-space", "aria-hidden": "true" });
  const window_ = h("div", { class: "list-window", role: "list", "aria-label": label });
  const element = h("div", { class: "virtual-list", tabindex: "-1" }, spacer, window_);

  const height = () => {
    if (!tall) tall = parseFloat(getComputedStyle(element).getPropertyValue("--row-height")) || 64;
    return tall;
  };
  const draw = (force = false) => {
    const from = Math.max(0, Math.floor(element.scrollTop / height()) - SPARE);
    const to = Math.min(
      rows.length,
      Math.ceil((element.scrollTop + element.clientHeight) / height()) + SPARE,
    );
    if (!force && from === first && to === last) return;
    [first, last] = [from, to];
    const focused = element.contains(document.activeElement);
    const shown = [];
    for (let place = from; place < to; place++) {
      const item = make(rows[place], place);
      item.setAttribute("role", "listitem");
      item.setAttribute("aria-posinset", String(place + 1));
      item.setAttribute("aria-setsize", String(rows.length));
      if (place === chosen) item.setAttribute("aria-current", "true");
      item.dataset.place = String(place);
      shown.push(item);
    }
    // Positions are set through the object model, which the policy allows; attributes it would not.
    window_.style.transform = `translateY(${from * height()}px)`;
    replace(window_, shown);
    if (focused) focus();
  };
  const focus = () => {
    const link = /** @type {HTMLElement | null} */ (window_.querySelector(`[data-place="${chosen}"] a`));
    link?.focus({ preventScroll: true });
  };
  const show = (/** @type {number} */ place) => {
    const top = place * height();
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + height() > element.scrollTop + element.clientHeight) {
      element.scrollTop = top + height() - element.clientHeight;
    }
  };
  const measure = () => {
    tall = 0;
    spacer.style.height = `${rows.length * height()}px`;
    draw(true);
  };
  element.addEventListener("scroll", () => draw(), { passive: true });
  new ResizeObserver(measure).observe(element);
  return {
    element,
    set(next, keep = false) {
      rows = next;
      if (!keep) {
        chosen = 0;
        element.scrollTop = 0;
      }
      chosen = Math.min(chosen, Math.max(0, rows.length - 1));
      measure();
    },
    select(place) {
      if (!rows.length) return;
      chosen = Math.max(0, Math.min(place, rows.length - 1));
      show(chosen);
      draw(true);
      focus();
    },
    selected: () => chosen,
    refresh: () => draw(true),
  };
}
