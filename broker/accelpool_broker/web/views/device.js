/**
 * One device: what it is, what it measures, who has it.
 *
 * @import { Device } from "../api.js"
 * @import { Context } from "../main.js"
 * @import { HeldShare } from "./overview.js"
 */

import { h, put } from "../dom.js";
import { bytes, number, percent } from "../format.js";
import { facts, heading, link, plainTable, state, trouble } from "../parts.js";
import { holders, sharesByDevice } from "./overview.js";

export const title = "Device";
export const needs = "nodes:read";

/** @param {HTMLElement} place @param {Context} context @param {string[]} path */
export function open(place, { pool }, [id]) {
  const error = trouble();
  const body = h("div", { class: "stack" });
  let shown = "";
  const head = heading("Device", id);
  place.append(head, error.element, body);
  const draw = () => {
    error.show(pool.devices.error);
    const device = pool.devices.items.get(id);
    if (device !== undefined) show(device, sharesByDevice(pool).get(id) ?? []);
    else if (pool.devices.at !== null) {
      shown = "";
      put(body, h("p", { class: "empty" }, "There is no such device any more."));
    }
  };
  const show = (/** @type {Device} */ device, /** @type {HeldShare[]} */ shares) => {
    const now = JSON.stringify([device, shares]);
    if (now === shown) return;
    shown = now;
    put(/** @type {HTMLElement} */ (head.querySelector("h1")), device.name);
    put(body, ...parts(device, shares));
  };
  const ends = [pool.devices, ...(pool.can("leases:read") ? [pool.active] : [])].map((list) =>
    list.watch(draw),
  );
  return () => ends.forEach((end) => end());
}

/** @param {Device} device @param {HeldShare[]} shares */
function parts(device, shares) {
  const told = device.readings;
  return [
    facts([
      ["State", state(device.state)],
      ["Node", link(device.node, "nodes", device.node)],
      ["Kind", `${device.kind}, ${device.api}`],
      ["Memory", bytes(device.capacity.memory_bytes)],
      ["Compute units", number(device.capacity.compute_units)],
      ["Free", `${percent(device.free.compute)}, ${bytes(device.free.memory_bytes)}`],
    ]),
    h("h2", {}, "Who has it"),
    h("div", { class: "panel" }, holders(device, shares)),
    h("h2", {}, "Readings"),
    told === null
      ? h("p", { class: "empty" }, "Its node does not tell what it measures, or only others have it.")
      : facts([
          ["Use", percent(told.utilization)],
          ["Memory traffic", percent(told.memory_utilization)],
          ["Memory in use", bytes(told.memory_used_bytes)],
          ["Temperature", told.temperature_c == null ? "–" : `${number(told.temperature_c)} °C`],
          ["Power", told.power_w == null ? "–" : `${number(told.power_w)} W`],
          ["Clock", told.clock_hz == null ? "–" : `${number(told.clock_hz / 1e6)} MHz`],
        ]),
    h("h2", {}, "Attributes"),
    attributes(device.attributes),
  ];
}

/** @param {Record<string, unknown>} given */
function attributes(given) {
  const rows = Object.entries(given)
    .sort()
    .map(([name, value]) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, name),
        h("td", { class: "wide" }, typeof value === "string" ? value : JSON.stringify(value)),
      ),
    );
  return plainTable("Attributes", ["Attribute", "Value"], rows);
}
