/** Numbers, times and states as people read them. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
/** @type {[string, number][]} */
const SPANS = [
  ["d", 86400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
];
export const NOTHING = "–";

/** Bytes, such as `23.5 GiB`. @param {number | null | undefined} count */
export function bytes(count) {
  if (count === null || count === undefined) return NOTHING;
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${number(value, value < 10 && unit > 0 ? 1 : 0)} ${UNITS[unit]}`;
}

/** A number with at most so many decimals, and thousands apart. @param {number | null | undefined} value @param {number} [decimals] */
export function number(value, decimals = 0) {
  if (value === null || value === undefined) return NOTHING;
  return value.toLocaleString("en", { maximumFractionDigits: decimals });
}

/** A fraction of 1, in per cent. @param {number | null | undefined} fraction */
export function percent(fraction) {
  if (fraction === null || fraction === undefined) return NOTHING;
  const value = fraction * 100;
  return `${number(value, value > 0 && value < 10 ? 1 : 0)} %`;
}

/** Seconds in their two largest units, such as `2 h 5 min`. @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NOTHING;
  let rest = Math.max(0, Math.round(seconds));
  const first = SPANS.findIndex(([, size]) => rest >= size);
  if (first < 0) return "0 s";
  const parts = [];
  for (const [unit, size] of SPANS.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count) parts.push(`${count} ${unit}`);
  }
  return parts.join(" ");
}

/** An instant of the API as local date and time, such as `2026-11-27 09:30:05`. @param {string | null | undefined} text */
export function instant(text) {
  if (!text) return NOTHING;
  const at = new Date(text);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(at)}`;
}

/** The time of day, such as `09:30:05`. @param {Date} at */
export function clock(at) {
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** How far an instant is from now, such as `5 min ago` or `in 2 h`. @param {string | null | undefined} text @param {number} [now] */
export function relative(text, now = Date.now()) {
  if (!text) return NOTHING;
  const seconds = (new Date(text).getTime() - now) / 1000;
  if (Math.abs(seconds) < 1) return "now";
  return seconds < 0 ? `${coarse(-seconds)} ago` : `in ${coarse(seconds)}`;
}

/** Seconds in their largest unit, such as `5 min`. @param {number} seconds */
export function coarse(seconds) {
  const [unit, size] = SPANS.find(([, each]) => seconds >= each) ?? SPANS[3];
  return `${Math.floor(seconds / size)} ${unit}`;
}

/** Nanoseconds in a fitting unit. @param {number} ns */
export function nanoseconds(ns) {
  if (ns >= 1e9) return `${number(ns / 1e9, 2)} s`;
  if (ns >= 1e6) return `${number(ns / 1e6, 2)} ms`;
  return `${number(ns / 1e3, 1)} µs`;
}

/** @param {number} value */
function two(value) {
  return String(value).padStart(2, "0");
}
