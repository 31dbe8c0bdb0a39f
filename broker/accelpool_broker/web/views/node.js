/**
 * One node: what it says of itself, and its devices.
 *
 * @import { PoolNode } from "../api.js"
 * @import { Context } from "../main.js"
 */

import { h, put } from "../dom.js";
import { facts, heading, link, state, trouble, when } from "../parts.js";
import { happenings } from "../happenings.js";
import { DataTable } from "../table.js";
import { doing, sandbox } from "./nodes.js";

export const title = "Node";
export const needs = "nodes:read";

/** @param {HTMLElement} place @param {Context} context @param {string[]} path */
export function open(place, { pool, api }, [name]) {
  const error = trouble();
  const told = h("div");
  const happened = happenings(api, { node: name });
  const table = new DataTable({
    caption: `Devices of ${name}`,
    key: (device) => device.id,
    empty: "It has no devices.",
    hasFilter: false,
    columns: [
      {
        title: "Device",
        value: (device) => device.name,
        show: (device) => link(device.name, "devices", device.id),
        className: "name",
      },
      { title: "Kind", value: (device) => `${device.kind} ${device.api}` },
      { title: "Driver environment", value: (device) => device.environment },
      { title: "State", value: (device) => device.state, show: (device) => state(device.state) },
      { title: "Fault", value: (device) => device.fault, className: "reason" },
    ],
  });
  place.append(
    heading(`Node ${name}`),
    error.element,
    told,
    h("h2", {}, "Devices"),
    table.element,
    happened.element,
  );
  const ends = [
    pool.nodes.watch(() => {
      error.show(pool.nodes.error);
      happened.refresh();
      const node = pool.nodes.items.get(name);
      if (pool.nodes.at !== null)
        put(told, node ? properties(node) : h("p", { class: "empty" }, "There is no such node."));
    }),
    pool.devices.watch(
      () =>
        pool.devices.at !== null && table.update(pool.devices.list.filter((device) => device.node === name)),
    ),
  ];
  return () => ends.forEach((end) => end());
}

/** @param {PoolNode} node */
function properties(node) {
  return facts([
    ["State", state(doing(node))],
    ["Address", `${node.address.host}:${node.address.port}`],
    ["TLS", node.address.certificate_sha256 ? "yes" : "no"],
    ["Version", node.version || "–"],
    ["Last heard of", when(node.last_seen_at)],
    ["Sandbox", sandbox(node)],
    [
      "Labels",
      Object.entries(node.labels)
        .map((pair) => pair.join("="))
        .join(", ") || "–",
    ],
    ["Taints", node.taints.join(", ") || "–"],
  ]);
}
