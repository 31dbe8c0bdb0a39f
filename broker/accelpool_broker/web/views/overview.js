/**
 * The pool at a glance: what is free, and who has what of each device.
 *
 * @typedef {Omit<Share, "attributes"> & {attributes: null, lease: string, tenant: string, account: string}} HeldShare
 * @import { Device, Schemas, Share } from "../api.js"
 * @import { Context } from "../main.js"
 * @import { Pool } from "../pool.js"
 * @import { Column } from "../table.js"
 */

import { h, setText } from "../dom.js";
import { bytes, number, percent } from "../format.js";
import { gauge, heading, hueOf, link, shareBar, shareText, state, trouble } from "../parts.js";
import { DataTable } from "../table.js";

export const title = "Overview";
export const needs = "nodes:read";

/** @param {HTMLElement} place @param {Context} context */
export function open(place, { pool }) {
  const tiles = new Tiles();
  let shares = new Map();
  const table = new DataTable({
    caption: "Devices",
    key: (device) => device.id,
    empty: "No node has registered a device yet.",
    columns: columns((device) => shares.get(device.id) ?? []),
    sortBy: 1,
  });
  const error = trouble();
  place.append(
    heading("Overview", "Every device of the pool, and who has it."),
    tiles.element,
    error.element,
    table.element,
  );
  const draw = () => {
    const devices = pool.devices.list;
    error.show(pool.devices.error);
    tiles.update(devices, pool);
    shares = sharesByDevice(pool);
    if (pool.devices.at !== null) table.update(devices);
  };
  const watched = pool.can("leases:read") ? [pool.devices, pool.active, pool.queue] : [pool.devices];
  const ends = watched.map((list) => list.watch(draw));
  return () => ends.forEach((end) => end());
}

/** The shares of active leases by device: those that the token may see. @param {Pool} pool */
export function sharesByDevice(pool) {
  const found = new Map();
  for (const lease of pool.active.list) {
    for (const share of lease.shares) {
      if (!found.has(share.device)) found.set(share.device, []);
      found
        .get(share.device)
        .push({ ...share, attributes: null, lease: lease.id, tenant: lease.tenant, account: lease.account });
    }
  }
  return found;
}

/** @param {(device: Device) => HeldShare[]} of @returns {Column<Device>[]} */
function columns(of) {
  const reading = (/** @type {keyof Schemas["Readings"]} */ name) => (/** @type {Device} */ device) =>
    device.readings?.[name] ?? null;
  return [
    {
      title: "Device",
      value: (device) => device.name,
      show: (device) => link(device.name, "devices", device.id),
      className: "name",
    },
    { title: "Node", value: (device) => device.node, className: "nowrap" },
    {
      title: "Kind",
      value: (device) => `${device.kind} ${device.api}`,
      show: (device) => [device.kind, " ", h("span", { class: "dim" }, device.api)],
      className: "nowrap",
    },
    {
      title: "State",
      value: (device) => device.state,
      show: (device) => state(device.state),
      className: "nowrap",
    },
    {
      title: "Who has it",
      value: (device) =>
        of(device)
          .map((share) => `${share.tenant} ${share.account}`)
          .join(" "),
      className: "shares",
      changes: (device) => [device.leases, device.free, device.state, of(device)],
      show: (device) => holders(device, of(device)),
    },
    {
      title: "Use",
      value: reading("utilization"),
      show: (device) => gauge(device.readings?.utilization),
      isNumber: true,
    },
    {
      title: "Memory",
      value: (device) => device.readings?.memory_used_bytes ?? device.capacity.memory_bytes,
      isNumber: true,
      changes: (device) => [device.readings?.memory_used_bytes, device.capacity.memory_bytes],
      show: memory,
      className: "nowrap",
    },
    {
      title: "Temp.",
      value: reading("temperature_c"),
      isNumber: true,
      className: "nowrap",
      show: (device) =>
        device.readings?.temperature_c == null ? "–" : `${number(device.readings.temperature_c)} °C`,
    },
  ];
}

/** @param {Device} device */
function memory(device) {
  const used = device.readings?.memory_used_bytes;
  const all = bytes(device.capacity.memory_bytes);
  return used === null || used === undefined ? all : [bytes(used), h("span", { class: "dim" }, ` / ${all}`)];
}

/** Who has what of a device, as a bar and in words. @param {Device} device @param {HeldShare[]} shares */
export function holders(device, shares) {
  if (device.state === "faulty") return h("span", { class: "reason" }, device.fault);
  const used = 1 - device.free.compute;
  const seen = shares.reduce((sum, share) => sum + share.compute, 0);
  const parts = shares.map((share) => ({
    fraction: share.compute,
    label: share.tenant,
    hue: hueOf(share.tenant),
  }));
  const isTaken = device.state === "leased";
  if (isTaken && used - seen > 0.001) parts.push({ fraction: used - seen, label: "others", hue: "others" });
  const words = shares.map((share) =>
    h(
      "span",
      { class: "holder" },
      h("span", { class: `dot hue-${hueOf(share.tenant)}`, "aria-hidden": "true" }),
      link(share.tenant, "leases", share.lease),
      " ",
      h("span", { class: "dim" }, shareText(share)),
    ),
  );
  if (isTaken && used - seen > 0.001)
    words.push(h("span", { class: "holder dim" }, `others ${percent(used - seen)}`));
  return [
    shareBar(parts),
    h(
      "span",
      { class: "holders" },
      words.length ? words : h("span", { class: "dim" }, device.state === "free" ? "nobody" : "–"),
    ),
  ];
}

class Tiles {
  constructor() {
    /** @type {Record<string, HTMLElement>} */
    this.values = {};
    /** @type {Record<string, HTMLElement>} */
    this.notes = {};
    this.element = h(
      "dl",
      { class: "tiles" },
      ["Devices", "Free now", "In use", "Memory lent", "Leases", "Waiting"].map((name) => this.#tile(name)),
    );
  }

  /** @param {string} name */
  #tile(name) {
    this.values[name] = h("span", { class: "value" }, "–");
    this.notes[name] = h("span", { class: "note" });
    return h("div", { class: "tile" }, h("dt", {}, name), h("dd", {}, this.values[name], this.notes[name]));
  }

  /** @param {Device[]} devices @param {Pool} pool */
  update(devices, pool) {
    const once = [...new Map(devices.map((device) => [device.hardware || device.id, device])).values()];
    const count = (/** @type {string} */ name) => once.filter((device) => device.state === name).length;
    const total = (/** @type {(device: Device) => number} */ pick) =>
      once.reduce((sum, device) => sum + pick(device), 0);
    const away = count("faulty") + count("lost");
    const working = once.filter((device) => device.state === "free" || device.state === "leased");
    const lent = working.reduce(
      (sum, device) => sum + device.capacity.memory_bytes - device.free.memory_bytes,
      0,
    );
    this.#set("Devices", number(once.length), away ? `${number(away)} not working` : "all working");
    this.#set("Free now", number(count("free")), `of ${number(working.length)}`);
    this.#set(
      "In use",
      percent(working.length ? 1 - total((device) => device.free.compute) / working.length : 0),
      "of compute",
    );
    this.#set(
      "Memory lent",
      bytes(lent),
      `of ${bytes(working.reduce((sum, device) => sum + device.capacity.memory_bytes, 0))}`,
    );
    if (!pool.can("leases:read")) return;
    const tenants = new Set(pool.active.list.map((lease) => lease.tenant)).size;
    this.#set(
      "Leases",
      number(pool.active.items.size),
      `of ${number(tenants)} ${tenants === 1 ? "tenant" : "tenants"}`,
    );
    this.#set(
      "Waiting",
      number(pool.queue.items.size),
      pool.queue.items.size ? "in the queue" : "nobody waits",
    );
  }

  /** @param {string} name @param {string} value @param {string} note */
  #set(name, value, note) {
    setText(this.values[name], value);
    setText(this.notes[name], note);
  }
}
