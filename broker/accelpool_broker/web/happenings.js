/**
 * What happened to a lease or a node, as the broker's events tell.
 *
 * @import { Api, EventRecord } from "./api.js"
 */

import { h, put } from "./dom.js";
import { instant } from "./format.js";
import { when } from "./parts.js";
import { Throttle } from "./throttle.js";

const EVERY_MS = 1000;
const MOST = 50;

/**
 * @param {Api} api
 * @param {Record<string, string>} query Of what: `lease` or `node`.
 * @returns {{element: HTMLElement, refresh: () => void}} Where it is shown; hidden until there is something.
 */
export function happenings(api, query) {
  const list = h("ol", { class: "history" });
  const element = h(
    "section",
    { class: "stack", hidden: true, "aria-label": "What happened" },
    h("h2", {}, "What happened"),
    list,
  );
  const reading = new Throttle(async () => {
    const page = await api.get("/events", { ...query, limit: MOST }).catch(() => null);
    if (page === null) return; // the rest of the view is worth showing without
    element.hidden = page.items.length === 0;
    put(list, page.items.map(line));
  }, EVERY_MS);
  return { element, refresh: () => reading.request() };
}

/** @param {EventRecord} eventRecord */
function line({ at, kind, device, reason }) {
  const [what, how] = kind.split(".");
  const words = `${what === "device" ? "a device is " : ""}${how.replaceAll("_", " ")}`;
  return h(
    "li",
    {},
    h("b", {}, words),
    " ",
    instant(at),
    " (",
    when(at),
    ")",
    reason && `: ${reason}`,
    device && h("span", { class: "dim" }, ` ${device}`),
  );
}
