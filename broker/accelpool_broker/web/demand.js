/** What a request asks for, in words. */

import { bytes, percent } from "./format.js";

/** @param {Record<string, any>} demand One of a lease's `alternatives`. */
export function describeDemand(demand) {
  const kind = demand.kind === "any" ? "device" : demand.kind;
  const parts = [`${demand.count} × ${demand.api ? `${demand.api} ` : ""}${kind}`];
  if (demand.compute !== null && demand.compute < 1) parts.push(percent(demand.compute));
  if (demand.memory_bytes !== null) parts.push(bytes(demand.memory_bytes));
  if (demand.memory_fraction !== null) parts.push(`${percent(demand.memory_fraction)} of memory`);
  if (demand.exclusive) parts.push("alone");
  if (demand.device) parts.push(`device ${demand.device}`);
  if (demand.where) parts.push(`where ${demand.where}`);
  return parts.join(", ");
}
