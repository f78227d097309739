/** Numbers, times and names as a reader wants them. */

const MINUS = "\u2212";
/** What is measured of an answer's time, and how that is called. */
export const TIMES = /** @type {[string, string][]} */ ([
  ["first_token", "First token"],
  ["first_audio", "First audio"],
  ["total", "Whole answer"],
]);

const NARROW = "\u202f";

/** @param {number} value @param {number} [digits] */
export function fixed(value, digits = 2) {
  const text = Math.abs(value).toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return value < 0 && Number(text.replaceAll(",", "")) !== 0 ? MINUS + text : text;
}

/** @param {number} value */
export function count(value) {
  return Math.round(value).toLocaleString("en-US");
}

/** @param {number} value */
export function signed(value) {
  const text = fixed(value);
  return value > 0 && text !== "0.00" ? `+${text}` : text;
}

/** A number with as many digits as it needs. @param {number} value */
export function short(value) {
  if (Number.isInteger(value)) return fixed(value, 0);
  return fixed(value, Math.abs(value) < 1 ? 3 : 2)
    .replace(/0+$/, "")
    .replace(/\.$/, "");
}

/** @param {number | null} value @param {string} unit */
export function withUnit(value, unit) {
  if (value === null) return "\u2013";
  return unit === "%" ? `${fixed(value)}${NARROW}%` : fixed(value);
}

/** The interval of a figure, ends only. @param {import("./types.js").Figure} figure */
export function interval(figure) {
  if (figure.low === null || figure.high === null) return "";
  const digits = 1 + Number(figure.unit !== "%");
  return `${fixed(figure.low, digits)}\u2013${fixed(figure.high, digits)}`;
}

/** @param {number | null | undefined} value in US dollars */
export function dollars(value) {
  if (value === null || value === undefined) return "\u2013";
  if (value === 0) return "$0";
  return `$${value < 0.1 ? value.toPrecision(2) : fixed(value)}`;
}

/** @param {number | null | undefined} value */
export function seconds(value) {
  if (value === null || value === undefined) return "\u2013";
  if (value < 0.0995) return `${Math.round(value * 1000)}${NARROW}ms`;
  if (value < 60) return `${fixed(value, value < 10 ? 2 : 1)}${NARROW}s`;
  return duration(value);
}

/** @param {number} value in seconds */
export function duration(value) {
  const whole = Math.max(0, Math.round(value));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  if (hours) return `${hours}${NARROW}h ${String(minutes).padStart(2, "0")}${NARROW}min`;
  if (minutes) return `${minutes}${NARROW}min ${String(whole % 60).padStart(2, "0")}${NARROW}s`;
  return `${whole}${NARROW}s`;
}

/** As a player shows it. @param {number} value in seconds */
export function clock(value) {
  const whole = Math.floor(value);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** @param {number} stamp seconds since 1970 */
export function moment(stamp) {
  return new Date(stamp * 1000).toLocaleString("en-GB", {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
  });
}

/** @param {number} n @param {string} one @param {string} [many] */
export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** @param {Record<string, number>} counts */
export function total(counts) {
  return Object.values(counts).reduce((sum, n) => sum + n, 0);
}

/** `judge_error` as words. @param {string} kind */
export function words(kind) {
  return kind.replaceAll("_", " ");
}

/** Plain data as text. @param {any} value */
export function json(value) {
  return JSON.stringify(value, null, 2);
}

/**
 * A table's own entry: names that came from data may also be those of inherited methods.
 *
 * @template T
 * @param {Record<string, T>} table
 * @param {string} name
 * @returns {T | undefined}
 */
export function own(table, name) {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
