/**
 * Small parts that several views are made of.
 *
 * @import { Child } from "./dom.js"
 */

import { h, put, setText } from "./dom.js";
import { bytes, instant, percent, relative } from "./format.js";

/** Which sign a state has: told by its shape and its word, not by colour alone. */
/** @type {Record<string, keyof typeof SHAPES>} */
const SIGNS = {
  free: "good",
  active: "good",
  ready: "good",
  done: "good",
  complete: "good",
  leased: "busy",
  queued: "wait",
  draining: "wait",
  cordoned: "wait",
  faulty: "bad",
  lost: "bad",
  revoked: "bad",
  rejected: "bad",
  unauthorized: "bad",
  forbidden: "bad",
};
const SHAPES = { good: "●", busy: "◐", wait: "◌", bad: "▲", quiet: "○" };

/** A state, as a word with a shape. @param {string} word */
export function state(word) {
  const sign = Object.hasOwn(SIGNS, word) ? SIGNS[word] : "quiet";
  return h(
    "span",
    { class: ["state", sign] },
    h("span", { class: "shape", "aria-hidden": "true" }, SHAPES[sign]),
    h("span", {}, word),
  );
}

/** A bar of parts of a whole. @param {{fraction: number, label: string, hue?: number}[]} parts */
export function shareBar(parts) {
  const bar = h("span", { class: "sharebar", "aria-hidden": "true" });
  for (const { fraction, label, hue = 0 } of parts) {
    const part = h("span", { class: `part hue-${hue}`, title: label });
    part.style.width = `${100 * Math.min(1, Math.max(0, fraction))}%`;
    bar.append(part);
  }
  return bar;
}

/** A fraction as a number with a little bar. @param {number | null | undefined} fraction */
export function gauge(fraction) {
  if (fraction === null || fraction === undefined) return "–";
  return h(
    "span",
    { class: "gauge" },
    shareBar([{ fraction, label: percent(fraction) }]),
    h("span", { class: "figure" }, percent(fraction)),
  );
}

const HUES = 8;
const hues = new Map();

/** Which of the hues a name has: the next one when it is met first, so that the first few are all different. @param {string} name */
export function hueOf(name) {
  if (!hues.has(name)) hues.set(name, hues.size % HUES);
  return hues.get(name);
}

/** What a share is of its device, such as `50 %, 4.0 GiB`. @param {{compute: number, memory_bytes: number}} share */
export function shareText(share) {
  const compute = share.compute < 1 ? percent(share.compute) : "all";
  return share.compute < 1 ? `${compute}, ${bytes(share.memory_bytes)}` : compute;
}

/** An instant, as how long ago it is; the instant itself is told to those who point at it. @param {string | null} text */
export function when(text) {
  return text ? h("time", { datetime: text, title: instant(text) }, relative(text)) : "–";
}

/** Have all instants on the page say how long ago they are now. */
export function renewInstants() {
  for (const time of document.querySelectorAll("time")) setText(time, relative(time.dateTime));
}

/** A link to a view of this page. @param {string} text @param {...string} path */
export function link(text, ...path) {
  return h("a", { href: `#/${path.map(encodeURIComponent).join("/")}` }, text);
}

/** The beginning of a view. @param {string} title @param {string} [lead] @param {...Child} actions */
export function heading(title, lead = "", ...actions) {
  return h(
    "header",
    { class: "heading" },
    h("div", {}, h("h1", { tabindex: "-1" }, title), lead && h("p", { class: "lead" }, lead)),
    h("div", { class: "buttons" }, actions),
  );
}

/** Terms and what they are. @param {[string, Child | Child[]][]} pairs */
export function facts(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value ?? "–"))),
  );
}

/** A table of rows that stay as they are; `DataTable` is for lists. @param {string} caption @param {string[]} headers @param {HTMLElement[]} rows */
export function plainTable(caption, headers, rows) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", { class: "unseen" }, caption),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          headers.map((each) => h("th", { scope: "col" }, each)),
        ),
      ),
      h("tbody", {}, rows),
    ),
  );
}

/** A button in a row: `label` says to screen readers of which row it is. @param {string} word @param {string} label @param {() => void} act */
export function rowButton(word, label, act) {
  return h("button", { type: "button", class: "small", "aria-label": label, on: { click: act } }, word);
}

/** Where a view says that a list cannot be read. */
export function trouble() {
  const element = h("p", { class: "error", role: "alert", hidden: true });
  return {
    element,
    /** @param {Error | null} error */
    show(error) {
      const text = error === null ? "" : `This could not be read: ${error.message}`;
      element.hidden = !text;
      if (element.textContent !== text) put(element, text);
    },
  };
}
