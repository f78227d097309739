/**
 * Elements from data. Text becomes text nodes and nothing else: there is no way from a string to markup here.
 */

/** @typedef {Node | string | number | null | undefined | false} Child */

const SVG = "http://www.w3.org/2000/svg";
const FORBIDDEN = /^(on|style$|srcdoc$|formaction$)/i;

/** What a link or a player may point at: a page of this site, or a clip beside it. */
const OWN_ADDRESS = /^(#|audio\/[a-z0-9/.]+$)/;

/**
 * An HTML element. Attributes that are false, null or undefined are left out; `on` holds listeners.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  fill(element, attributes, children);
  return element;
}

/**
 * An SVG element.
 *
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  fill(element, attributes, children);
  return element;
}

/**
 * @param {Element} element
 * @param {Record<string, any>} attributes
 * @param {(Child | Child[])[]} children
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
      continue;
    }
    if (FORBIDDEN.test(name)) throw new Error(`${name} is not set from data`);
    if ((name === "href" || name === "src") && !OWN_ADDRESS.test(String(value))) {
      throw new Error("an address outside this site");
    }
    element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
}

/**
 * @param {Element} element
 * @param {(Child | Child[])[]} children
 */
export function append(element, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(typeof child === "number" ? String(child) : child);
  }
}

/**
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/**
 * A drop-down list; `options` are pairs of value and text.
 *
 * @param {string} label
 * @param {[string, string][]} options
 * @param {string} chosen
 * @param {(value: string) => void} change
 */
export function select(label, options, chosen, change) {
  const list = h(
    "select",
    { on: { change: () => change(list.value) } },
    options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)),
  );
  return h("label", { class: "field" }, h("span", {}, label), list);
}

/**
 * Part of a page that can be folded.
 *
 * @param {string} title
 * @param {Child[]} children
 * @param {boolean} [open]
 */
export function fold(title, children, open = false) {
  return h("details", { class: "fold", open }, h("summary", {}, title), ...children);
}

/**
 * A section with its heading and, beside that, a remark.
 *
 * @param {string} title
 * @param {Child | Child[]} remark
 * @param {...(Child | Child[])} children
 */
export function section(title, remark, ...children) {
  return h(
    "section",
    { class: "section", "aria-label": title },
    h("div", { class: "section-head" }, h("h2", {}, title), remark && h("p", { class: "remark" }, remark)),
    ...children,
  );
}
