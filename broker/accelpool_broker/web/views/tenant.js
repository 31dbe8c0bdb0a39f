/**
 * One tenant: its rules, and what it has used over time.
 *
 * @import { Hour, Tenant } from "../api.js"
 * @import { Context } from "../main.js"
 */

import { h, put } from "../dom.js";
import { barChart } from "../chart.js";
import { bytes, duration, number } from "../format.js";
import { facts, heading, trouble } from "../parts.js";
import { editRules } from "../tenant_rules.js";
import { usagePoints, usageTimes } from "../usage.js";

export const title = "Tenant";
export const needs = "tenants:read";
/** @type {Record<string, {steps: number, stepS: number}>} */
const PERIODS = {
  "a day, by hour": { steps: 24, stepS: 3600 },
  "a week, by day": { steps: 7, stepS: 86400 },
  "30 days, by day": { steps: 30, stepS: 86400 },
};

/** @param {HTMLElement} place @param {Context} context @param {string[]} path */
export function open(place, context, [name]) {
  const { pool, api } = context;
  const error = trouble();
  const rules = h("div");
  const usage = h("div");
  const edit = h("button", { type: "button", on: { click: () => editRules(context, name) } }, "Edit rules");
  const period = h(
    "select",
    { id: "period", on: { change: () => readUsage() } },
    Object.keys(PERIODS).map((each) => h("option", { value: each }, each)),
  );
  place.append(
    heading(`Tenant ${name}`, "", pool.can("tenants") && edit),
    error.element,
    rules,
    h("h2", {}, "Use"),
    h("div", { class: "bar" }, h("label", { for: "period", class: "unseen" }, "Period"), period),
    usage,
  );
  async function readUsage() {
    const { steps, stepS } = PERIODS[period.value];
    const times = usageTimes(Date.now(), steps, stepS);
    const query = {
      tenant: name,
      since: new Date(times[0]).toISOString(),
      until: new Date(times[steps - 1] + 1000 * stepS).toISOString(),
    };
    await api.get("/usage", query).then(
      (told) => put(usage, charts(told.items, times, stepS)),
      (problem) =>
        put(
          usage,
          h("p", { class: "empty" }, problem.status === 404 ? "It has used nothing." : problem.message),
        ),
    );
  }
  readUsage();
  return pool.tenants.watch(() => {
    error.show(pool.tenants.error);
    const tenant = pool.tenants.items.get(name);
    if (pool.tenants.at !== null)
      put(rules, tenant ? properties(tenant) : h("p", { class: "empty" }, "It has no rules of its own."));
  });
}

/** @param {Tenant} tenant */
function properties(tenant) {
  const limit = (/** @type {number | null} */ value, show = number) =>
    value === null ? "no limit" : show(value, 1);
  return facts([
    ["Weight", number(tenant.weight, 3)],
    ["Highest priority", tenant.max_priority ?? "that of the tenant above, or 0"],
    ["Devices at once", limit(tenant.quota_devices)],
    ["Memory at once", limit(tenant.quota_memory_bytes, bytes)],
    ["Device-hours", `${number(tenant.spent_device_hours, 1)} of ${limit(tenant.quota_device_hours)}`],
    ["Recently", `${number(tenant.recent_device_hours, 1)} device-hours`],
    ["Ended when idle for", tenant.idle_after_s === null ? "never" : duration(tenant.idle_after_s)],
    ["Now", `${tenant.active_leases} active, ${tenant.queued_leases} queued`],
  ]);
}

/** @param {Hour[]} items @param {number[]} times @param {number} stepS */
function charts(items, times, stepS) {
  const chart = (
    /** @type {string} */ caption,
    /** @type {string} */ unit,
    /** @type {(hour: Hour) => number} */ pick,
  ) => barChart({ caption, unit, points: usagePoints(items, times, stepS, pick) });
  return [
    chart("Device-hours", "device-hours", (hour) => hour.device_s / 3600),
    chart("Device memory", "GiB-hours", (hour) => hour.byte_s / 3600 / 2 ** 30),
  ];
}
