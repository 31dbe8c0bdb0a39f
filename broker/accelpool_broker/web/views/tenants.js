/**
 * Tenants: what they may have, have, and had.
 *
 * @import { Tenant } from "../api.js"
 * @import { Context } from "../main.js"
 * @import { Column } from "../table.js"
 */

import { h } from "../dom.js";
import { heading, link, rowButton, trouble } from "../parts.js";
import { bytes, number } from "../format.js";
import { DataTable } from "../table.js";
import { editRules, makeTenant } from "../tenant_rules.js";

export const title = "Tenants";
export const needs = "tenants:read";

/** @param {HTMLElement} place @param {Context} context */
export function open(place, context) {
  const { pool } = context;
  const table = new DataTable({
    caption: "Tenants",
    key: (tenant) => tenant.name,
    empty: "No tenant has rules, or has used anything.",
    columns: columns(context),
  });
  const error = trouble();
  const make = h(
    "button",
    { type: "button", class: "primary", on: { click: () => makeTenant(context) } },
    "Make a tenant",
  );
  place.append(
    heading(
      "Tenants",
      "Who is charged, by which rules, and what they have now.",
      pool.can("tenants") && make,
    ),
    error.element,
    table.element,
  );
  return pool.tenants.watch(() => {
    error.show(pool.tenants.error);
    if (pool.tenants.at !== null) table.update(pool.tenants.list);
  });
}

/** @param {Context} context @returns {Column<Tenant>[]} */
function columns(context) {
  /** @returns {Omit<Column<Tenant>, "title">} */
  const limit = (
    /** @type {"quota_devices" | "quota_memory_bytes" | "quota_device_hours"} */ name,
    show = number,
  ) => ({
    value: (tenant) => tenant[name],
    show: (tenant) => (tenant[name] === null ? "no limit" : show(tenant[name], 1)),
    isNumber: true,
  });
  /** @type {Column<Tenant>[]} */
  const shown = [
    {
      title: "Tenant",
      value: (tenant) => tenant.name,
      show: (tenant) => link(tenant.name, "tenants", tenant.name),
      className: "name",
    },
    { title: "Weight", value: (tenant) => tenant.weight, isNumber: true },
    { title: "Active leases", value: (tenant) => tenant.active_leases, isNumber: true },
    { title: "Queued", value: (tenant) => tenant.queued_leases, isNumber: true },
    { title: "Devices at once", ...limit("quota_devices") },
    { title: "Memory at once", ...limit("quota_memory_bytes", bytes) },
    {
      title: "Device-hours used",
      value: (tenant) => tenant.spent_device_hours,
      show: (tenant) => number(tenant.spent_device_hours, 1),
      isNumber: true,
    },
    { title: "Device-hours allowed", ...limit("quota_device_hours") },
  ];
  if (!context.pool.can("tenants")) return shown;
  return [
    ...shown,
    {
      title: "Actions",
      isSorted: false,
      value: () => "",
      className: "actions",
      show: ({ name }) => rowButton("Edit", `Edit rules of ${name}`, () => editRules(context, name)),
    },
  ];
}
