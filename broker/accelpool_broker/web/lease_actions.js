/**
 * What may be done to leases from several views.
 *
 * @import { Lease } from "./api.js"
 * @import { Context } from "./main.js"
 * @import { Pool } from "./pool.js"
 */

import { h } from "./dom.js";
import { ask } from "./dialog.js";
import { rowButton } from "./parts.js";
import { at } from "./pool.js";

/** @type {Record<string, Record<string, string>>} */
const WORDS = {
  own: { active: "Release", queued: "Withdraw" },
  others: { active: "Revoke", queued: "Withdraw" },
};

/** Whether the token may end a lease. @param {Pool} pool @param {Lease} lease */
export function mayEnd(pool, lease) {
  const isOpen = lease.state === "active" || lease.state === "queued";
  return isOpen && pool.can("leases") && (lease.account === pool.who.account || pool.who.role !== "member");
}

/** What ending it is called. @param {Pool} pool @param {Lease} lease */
export function endWord(pool, lease) {
  return WORDS[lease.account === pool.who.account ? "own" : "others"][lease.state] ?? "End";
}

/** A button in a lease's row that ends it, if the token may. @param {Context} context @param {Lease} lease */
export function endButton(context, lease) {
  const word = endWord(context.pool, lease);
  const act = () => endLease(context, lease);
  return mayEnd(context.pool, lease) && rowButton(word, `${word} lease ${lease.id}`, act);
}

/** Ask whether a lease is to end, and end it. @param {Context} context @param {Lease} lease */
export async function endLease({ api, pool, say }, lease) {
  const word = endWord(pool, lease);
  const ended = await ask({
    title: `${word} lease ${lease.id}?`,
    action: word,
    isDangerous: true,
    body: [
      h(
        "p",
        {},
        `It is of tenant ${lease.tenant}, account ${lease.account}.`,
        lease.state === "active" && " What runs under it ends.",
      ),
    ],
    send: () => api.call("DELETE", at("/leases", lease.id)),
  });
  if (!ended) return;
  say(`Lease ${lease.id} is ${ended.state}.`);
  pool.apply({ kind: `lease.${ended.state}`, lease: lease.id });
}
