/**
 * One lease, from its request to its end.
 *
 * @import { Lease } from "../api.js"
 * @import { Context } from "../main.js"
 */

import { h, put } from "../dom.js";
import { duration, instant } from "../format.js";
import { describeDemand } from "../demand.js";
import { happenings } from "../happenings.js";
import { endLease, endWord, mayEnd } from "../lease_actions.js";
import { facts, heading, link, shareText, state, when } from "../parts.js";
import { at } from "../pool.js";
import { explain } from "./queue.js";

export const title = "Lease";
export const needs = "leases:read";

/** @param {HTMLElement} place @param {Context} context @param {string[]} path */
export function open(place, context, [id]) {
  const { pool, api } = context;
  const actions = h("div", { class: "buttons" });
  const body = h("div", { class: "stack" });
  const happened = happenings(api, { lease: id });
  place.append(heading(`Lease ${id}`, "", actions), body, happened.element);
  let shown = "";
  /** @type {Lease | null} */
  let found = null;
  const show = (/** @type {Lease} */ lease) => {
    const now = JSON.stringify(lease);
    if (now === shown) return;
    shown = now;
    found = lease;
    happened.refresh();
    put(body, ...parts(lease));
    put(actions, ...buttons(context, lease));
  };
  const draw = () => {
    const lease = pool.queue.items.get(id) ?? pool.active.items.get(id) ?? pool.recent.items.get(id);
    if (lease) show(lease);
    else if (pool.recent.at !== null && pool.active.at !== null && pool.queue.at !== null) read();
  };
  const read = async () => {
    if (found && found.state !== "active" && found.state !== "queued") return;
    await api
      .get(at("/leases", id))
      .then(show, (error) => put(body, h("p", { class: "error", role: "alert" }, error.message)));
  };
  const ends = [pool.queue, pool.active, pool.recent].map((list) => list.watch(draw));
  return () => ends.forEach((end) => end());
}

/** @param {Context} context @param {Lease} lease */
function buttons(context, lease) {
  return [
    lease.state === "queued" &&
      h("button", { type: "button", on: { click: () => explain(context, lease) } }, "Explain"),
    mayEnd(context.pool, lease) &&
      h(
        "button",
        { type: "button", class: "danger", on: { click: () => endLease(context, lease) } },
        endWord(context.pool, lease),
      ),
  ];
}

/** @param {Lease} lease */
function parts(lease) {
  return [
    facts([
      ["State", state(lease.state)],
      ["Tenant", lease.tenant],
      ["Account", lease.account],
      ["Priority", lease.priority],
      ["Position", lease.position],
      ["Client", lease.client || "–"],
      ["Preemptible", lease.preemptible ? "yes" : "no"],
      ["Time to live", duration(lease.ttl_s)],
    ]),
    lease.reason && h("p", { class: "panel" }, lease.reason),
    lease.notice &&
      h("p", { class: "panel warn" }, `It ends ${instant(lease.notice.revoke_at)}: ${lease.notice.reason}`),
    h("h2", {}, "History"),
    history(lease),
    h("h2", {}, "Wanted"),
    h(
      "ul",
      {},
      lease.alternatives.map((demand) => h("li", {}, describeDemand(demand))),
    ),
    lease.shares.length > 0 && [
      h("h2", {}, "Devices"),
      h(
        "ul",
        {},
        lease.shares.map((share) =>
          h("li", {}, link(share.name, "devices", share.device), ` on ${share.node}: ${shareText(share)}`),
        ),
      ),
    ],
  ];
}

/** @param {Lease} lease */
function history(lease) {
  const steps = [
    ["Asked for", lease.created_at],
    ["Reserved from", lease.starts_at],
    ["Granted", lease.granted_at],
    ["Idle since", lease.idle_since],
    ["Expires", lease.ended_at ? null : lease.expires_at],
    [`Ended: ${lease.state}`, lease.ended_at],
  ];
  return h(
    "ol",
    { class: "history" },
    steps
      .filter(([, each]) => each)
      .map(([what, each]) => h("li", {}, h("b", {}, what), " ", instant(each), " (", when(each), ")")),
  );
}
