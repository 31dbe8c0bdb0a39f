/**
 * Who waits, at which position, and why.
 *
 * @import { Lease, Verdict } from "../api.js"
 * @import { Context } from "../main.js"
 * @import { Column } from "../table.js"
 */

import { facts, heading, link, rowButton, trouble, when } from "../parts.js";
import { instant } from "../format.js";
import { tell } from "../dialog.js";
import { endButton } from "../lease_actions.js";
import { DataTable } from "../table.js";
import { at } from "../pool.js";
import { describeDemand } from "../demand.js";

export const title = "Queue";
export const needs = "leases:read";

/** @param {HTMLElement} place @param {Context} context */
export function open(place, context) {
  const { pool } = context;
  const table = new DataTable({
    caption: "Queue",
    key: (lease) => lease.id,
    empty: "Nobody waits.",
    columns: columns(context),
  });
  const error = trouble();
  place.append(
    heading("Queue", "Requests in the order in which they will be served, and why each of them waits."),
    error.element,
    table.element,
  );
  return pool.queue.watch(() => {
    error.show(pool.queue.error);
    if (pool.queue.at !== null) table.update(pool.queue.list);
  });
}

/** @param {Context} context @returns {Column<Lease>[]} */
function columns(context) {
  return [
    { title: "Position", value: (lease) => lease.position, show: (lease) => lease.position ?? "later" },
    {
      title: "Lease",
      value: (lease) => lease.id,
      show: (lease) => link(lease.id, "leases", lease.id),
      className: "id",
    },
    { title: "Tenant", value: (lease) => lease.tenant, className: "nowrap" },
    { title: "Wants", value: (lease) => lease.alternatives.map(describeDemand).join(" or ") },
    { title: "Priority", value: (lease) => lease.priority, isNumber: true },
    {
      title: "Since",
      value: (lease) => lease.created_at,
      show: (lease) => when(lease.created_at),
      className: "nowrap",
    },
    { title: "Why it waits", value: (lease) => lease.reason, className: "reason" },
    {
      title: "Actions",
      isSorted: false,
      value: () => "",
      changes: (lease) => lease.account,
      className: "actions",
      show: (lease) => [
        rowButton("Explain", `Explain lease ${lease.id}`, () => explain(context, lease)),
        endButton(context, lease),
      ],
    },
  ];
}

/** Show device by device why a request waits. @param {Context} context @param {Lease} lease */
export async function explain({ api, report }, lease) {
  const told = await api.get(at("/leases", lease.id, "/explanation")).catch(report);
  if (!told) return;
  const table = new DataTable({
    caption: "Devices",
    key: (verdict) => `${verdict.device} ${verdict.alternative}`,
    empty: "No device was looked at.",
    columns: [
      { title: "Device", value: (verdict) => verdict.name },
      { title: "Node", value: (verdict) => verdict.node },
      { title: "Why not now", value: (verdict) => verdict.verdict, className: "reason" },
    ],
  });
  table.update(told.devices);
  await tell(
    `Why ${lease.id} waits`,
    facts([
      ["Reason", told.reason || "–"],
      ["Position", told.position],
      ["Not before", instant(told.earliest_at)],
    ]),
    table.element,
  );
}
