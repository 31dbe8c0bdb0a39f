/** One tenant: its rules, and what it has used over time. */

import { h, put } from "../dom.js";
import { barChart } from "../chart.js";
import { bytes, duration, number } from "../format.js";
import { facts, heading, trouble } from "../parts.js";
import { at } from "../pool.js";

export const title = "Tenant";
export const needs = "tenants:read";

/** @param {HTMLElement} place @param {import("../main.js").Context} context @param {string[]} path */
export function open(place, { pool, api }, [name]) {
  const error = trouble();
  const rules = h("div");
  const usage = h("div", {}, h("p", { class: "dim" }, "Reading what it has used …"));
  place.append(heading(`Tenant ${name}`), error.element, rules, h("h2", {}, "Use"), usage);
  api.get(at("/tenants", name, "/usage")).then(
    (told) => put(usage, charts(told, pool.tenants.items.get(name))),
    (problem) => put(usage, h("p", { class: "empty" }, problem.status === 404 ? "This broker keeps no record of it." : problem.message)),
  );
  return pool.tenants.watch(() => {
    error.show(pool.tenants.error);
    const tenant = pool.tenants.items.get(name);
    if (pool.tenants.at !== null) put(rules, tenant ? properties(tenant) : h("p", { class: "empty" }, "It has no rules, and has used nothing."));
  });
}

function properties(tenant) {
  const limit = (value, show = number) => (value === null ? "no limit" : show(value, 1));
  return facts([
    ["Weight", number(tenant.weight, 3)], ["Highest priority", tenant.max_priority ?? "that of the tenant above, or 0"],
    ["Devices at once", limit(tenant.quota_devices)], ["Memory at once", limit(tenant.quota_memory_bytes, bytes)],
    ["Device-hours", `${number(tenant.spent_device_hours, 1)} of ${limit(tenant.quota_device_hours)}`], ["Recently", `${number(tenant.recent_device_hours, 1)} device-hours`],
    ["Ended when idle for", tenant.idle_after_s === null ? "never" : duration(tenant.idle_after_s)],
    ["Now", `${tenant.active_leases} active, ${tenant.queued_leases} queued`],
  ]);
}

function charts(told) {
  return barChart({
    caption: "Device-hours", unit: "device-hours",
    points: told.items.map((each) => ({ label: each.at, value: each.device_hours })),
  });
}
