/** A chart of amounts over time that can also be read as a table. */

import { h, svg } from "./dom.js";
import { number } from "./format.js";

const WIDTH = 1080;
const HEIGHT = 210;
const LEFT = 60;
const BELOW = 24;

/**
 * @param {{caption: string, unit: string, points: {label: string, value: number}[], limit?: number | null}} options
 *   Points in order of time; `limit` is drawn as a line.
 * @returns {HTMLElement}
 */
export function barChart({ caption, unit, points, limit = null }) {
  const top = niceTop(Math.max(0, ...points.map((point) => point.value), limit ?? 0));
  const decimals = Math.max(0, 1 - Math.floor(Math.log10(top)));
  const y = (/** @type {number} */ value) => 8 + (HEIGHT - BELOW - 8) * (1 - value / top);
  const step = (WIDTH - LEFT) / Math.max(1, points.length);
  const bars = points.map(({ label, value }, place) =>
    svg(
      "rect",
      {
        class: "mark",
        x: LEFT + place * step + step * 0.12,
        width: Math.max(1, step * 0.76),
        y: y(value),
        height: Math.max(0, y(0) - y(value)),
        rx: Math.min(2, step / 4),
      },
      svg("title", {}, `${label}: ${number(value, decimals + 2)} ${unit}`),
    ),
  );
  const lines = [0, top / 2, top].map((value) =>
    svg(
      "g",
      { class: "grid" },
      svg("line", { x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }),
      svg("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, number(value, decimals)),
    ),
  );
  const every = Math.max(1, Math.ceil(points.length / 12));
  const labels = points.map(
    ({ label }, place) =>
      place % every === 0 &&
      svg(
        "text",
        { class: "tick", x: LEFT + (place + 0.5) * step, y: HEIGHT - 6, "text-anchor": "middle" },
        label,
      ),
  );
  const bound =
    limit !== null &&
    svg(
      "line",
      { class: "limit", x1: LEFT, x2: WIDTH, y1: y(limit), y2: y(limit) },
      svg("title", {}, `limit ${number(limit, 1)} ${unit}`),
    );
  const picture = svg(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      role: "img",
      "aria-label": `${caption}. The table below has the numbers.`,
    },
    lines,
    bars,
    labels,
    bound,
  );
  return h(
    "figure",
    { class: "chart" },
    h("figcaption", {}, caption),
    picture,
    table(caption, unit, points, decimals + 2),
  );
}

/** @param {string} caption @param {string} unit @param {{label: string, value: number}[]} points @param {number} decimals */
function table(caption, unit, points, decimals) {
  const rows = points.map(({ label, value }) =>
    h("tr", {}, h("th", { scope: "row" }, label), h("td", { class: "number" }, number(value, decimals))),
  );
  return h(
    "details",
    {},
    h("summary", {}, "As a table"),
    h(
      "table",
      {},
      h("caption", { class: "unseen" }, caption),
      h(
        "thead",
        {},
        h("tr", {}, h("th", { scope: "col" }, "When"), h("th", { scope: "col", class: "number" }, unit)),
      ),
      h("tbody", {}, rows),
    ),
  );
}

/** A round number that is not below: 1, 2 or 5 times a power of ten. @param {number} value */
export function niceTop(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= value * 0.9999) ?? 10 * power;
}
