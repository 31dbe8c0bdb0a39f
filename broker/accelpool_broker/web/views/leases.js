/**
 * Leases, newest first, with those that have ended.
 *
 * @import { Lease } from "../api.js"
 * @import { Context } from "../main.js"
 * @import { Column } from "../table.js"
 */

import { h } from "../dom.js";
import { endButton } from "../lease_actions.js";
import { heading, link, state, trouble, when } from "../parts.js";
import { coarse } from "../format.js";
import { DataTable } from "../table.js";
import { describeDemand } from "../demand.js";

export const title = "Leases";
export const needs = "leases:read";
const STATES = ["", "active", "queued", "released", "expired", "revoked", "lost", "withdrawn", "rejected"];

/** @param {HTMLElement} place @param {Context} context */
export function open(place, context) {
  const { pool, api, report } = context;
  const older = new Map();
  /** @type {string | null | undefined} Of what is older still: undefined before the first page of it. */
  let cursor;
  const choice = h(
    "select",
    { id: "lease-state", on: { change: () => draw() } },
    STATES.map((each) => h("option", { value: each }, each || "all states")),
  );
  const table = new DataTable({
    caption: "Leases",
    key: (lease) => lease.id,
    empty: "There are no leases.",
    columns: columns(context),
    sortBy: 5,
    isDescending: true,
    extras: [h("label", { for: "lease-state", class: "unseen" }, "State"), choice],
  });
  const error = trouble();
  const more = h("button", { type: "button", hidden: true, on: { click: readOlder } }, "Load older leases");
  place.append(
    heading("Leases", "Who has, and had, which devices; ended ones are kept for a week."),
    error.element,
    table.element,
    more,
  );

  function draw() {
    error.show(pool.recent.error);
    if (pool.recent.at === null) return;
    more.hidden = (cursor === undefined ? pool.olderCursor : cursor) === null;
    const all = [
      ...new Map([...older, ...pool.active.items, ...pool.queue.items, ...pool.recent.items]).values(),
    ];
    table.update(choice.value ? all.filter((lease) => lease.state === choice.value) : all);
  }
  async function readOlder() {
    const page = await api.get("/leases", { limit: 500, cursor: cursor ?? pool.olderCursor }).catch(report);
    if (!page) return;
    for (const lease of page.items) older.set(lease.id, lease);
    cursor = page.next_cursor;
    draw();
  }
  const ends = [pool.recent, pool.active, pool.queue].map((list) => list.watch(draw));
  return () => ends.forEach((end) => end());
}

/** @param {Context} context @returns {Column<Lease>[]} */
function columns(context) {
  return [
    {
      title: "Lease",
      value: (lease) => lease.id,
      show: (lease) => link(lease.id, "leases", lease.id),
      className: "id",
    },
    {
      title: "State",
      value: (lease) => lease.state,
      show: (lease) => state(lease.state),
      className: "nowrap",
    },
    { title: "Tenant", value: (lease) => lease.tenant, className: "nowrap" },
    { title: "Account", value: (lease) => lease.account, className: "nowrap" },
    { title: "Devices", value: devices },
    {
      title: "Asked for",
      value: (lease) => lease.created_at,
      show: (lease) => when(lease.created_at),
      className: "nowrap",
    },
    {
      title: "Lasted",
      value: lasted,
      show: (lease) => {
        const seconds = lasted(lease);
        return seconds === null ? "–" : coarse(seconds);
      },
      isNumber: true,
      changes: (lease) => [lease.granted_at, lease.ended_at],
      className: "nowrap",
    },
    { title: "Reason", value: (lease) => lease.reason, className: "reason" },
    {
      title: "Actions",
      isSorted: false,
      value: () => "",
      changes: (lease) => [lease.account, lease.state],
      className: "actions",
      show: (lease) => endButton(context, lease),
    },
  ];
}

/** @param {Lease} lease */
function devices(lease) {
  if (lease.shares.length === 0) return lease.alternatives.map(describeDemand).join(" or ");
  return lease.shares.map((share) => `${share.name} on ${share.node}`).join(", ");
}

/** @param {Lease} lease */
function lasted(lease) {
  if (!lease.granted_at || !lease.ended_at) return null;
  return (new Date(lease.ended_at).getTime() - new Date(lease.granted_at).getTime()) / 1000;
}
