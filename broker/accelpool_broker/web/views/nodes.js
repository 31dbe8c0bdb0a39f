/**
 * Nodes: whether they answer, what they are marked with, and whether they take leases.
 *
 * @import { PoolNode } from "../api.js"
 * @import { Context } from "../main.js"
 * @import { Column } from "../table.js"
 */

import { h } from "../dom.js";
import { ask, field } from "../dialog.js";
import { heading, link, rowButton, state, trouble, when } from "../parts.js";
import { at } from "../pool.js";
import { DataTable } from "../table.js";

export const title = "Nodes";
export const needs = "nodes:read";

/** @param {HTMLElement} place @param {Context} context */
export function open(place, context) {
  const { pool } = context;
  const table = new DataTable({
    caption: "Nodes",
    key: (node) => node.name,
    empty: "No node has registered yet.",
    columns: columns(context),
  });
  const error = trouble();
  place.append(heading("Nodes", "The machines whose devices are lent."), error.element, table.element);
  return pool.nodes.watch(() => {
    error.show(pool.nodes.error);
    if (pool.nodes.at !== null) table.update(pool.nodes.list);
  });
}

/** In one word what a node is doing. @param {PoolNode} node */
export function doing(node) {
  if (node.state !== "ready") return node.state;
  if (node.drain_at) return "draining";
  return node.cordoned ? "cordoned" : "ready";
}

/** @param {Context} context @returns {Column<PoolNode>[]} */
function columns(context) {
  /** @type {Column<PoolNode>[]} */
  const shown = [
    {
      title: "Node",
      value: (node) => node.name,
      show: (node) => link(node.name, "nodes", node.name),
      className: "name",
    },
    {
      title: "State",
      value: doing,
      changes: (node) => [doing(node), node.drain_at],
      className: "nowrap",
      show: (node) => [
        state(doing(node)),
        node.drain_at && h("span", { class: "dim" }, "leases end ", when(node.drain_at)),
      ],
    },
    { title: "Devices", value: (node) => node.device_count, isNumber: true },
    {
      title: "Last heard of",
      value: (node) => node.last_seen_at,
      show: (node) => when(node.last_seen_at),
      className: "nowrap",
    },
    { title: "Version", value: (node) => node.version, className: "nowrap" },
    { title: "Sandbox", value: sandbox, className: "few" },
    {
      title: "Labels",
      value: (node) => pairs(node.labels).join(" "),
      changes: (node) => node.labels,
      show: (node) => tags(pairs(node.labels)),
    },
    {
      title: "Taints",
      value: (node) => node.taints.join(" "),
      changes: (node) => node.taints,
      show: (node) => tags(node.taints),
    },
  ];
  if (!context.pool.can("nodes")) return shown;
  return [
    ...shown,
    {
      title: "Actions",
      isSorted: false,
      value: () => "",
      changes: (node) => [node.cordoned, node.drain_at, node.labels],
      className: "actions",
      show: (node) => actions(context, node),
    },
  ];
}

/** What confines a node's workers: how far, and what of it is missing. @param {PoolNode} node */
export function sandbox(node) {
  const told = node.sandbox;
  if (!told) return "–";
  const missing = Array.isArray(told.missing) ? told.missing : [];
  const lacks = missing.map((each) => String(each).split(":")[0]);
  return lacks.length && told.level !== "off"
    ? `${told.level} (without ${lacks.join(", ")})`
    : String(told.level);
}

/** @param {Record<string, string>} labels */
function pairs(labels) {
  return Object.entries(labels)
    .sort()
    .map(([name, value]) => `${name}=${value}`);
}

/** @param {string[]} texts */
function tags(texts) {
  return texts.length
    ? h(
        "span",
        { class: "tags" },
        texts.map((text) => h("span", { class: "tag" }, text)),
      )
    : "–";
}

/** @param {Context} context @param {PoolNode} node */
function actions(context, node) {
  const button = (
    /** @type {string} */ word,
    /** @type {() => void} */ act,
    label = `${word} ${node.name}`,
  ) => rowButton(word, label, act);
  const uncordon = () => change(context, node, { cordoned: false });
  const cordon = () => change(context, node, { cordoned: true });
  const isTaken = !node.cordoned && !node.drain_at;
  return [
    isTaken && button("Cordon", cordon),
    !isTaken && !node.drain_at && button("Uncordon", uncordon),
    node.drain_at && button("End drain", uncordon, `End drain of ${node.name}`),
    !node.drain_at && button("Drain", () => drain(context, node)),
    button("Label", () => label(context, node)),
  ];
}

/** @param {Context} context @param {PoolNode} node @param {object} body */
async function change({ api, pool, say, report }, node, body) {
  const now = await api.call("PATCH", at("/nodes", node.name), { json: body }).catch(report);
  if (!now) return;
  pool.nodes.set(now);
  say(`Node ${node.name} is ${doing(now)}.`);
}

/** @param {Context} context @param {PoolNode} node */
async function drain({ api, pool, say }, node) {
  const minutes = h("input", {
    type: "number",
    name: "minutes",
    min: "0",
    max: "527040",
    step: "any",
    value: "30",
    required: true,
  });
  const now = await ask({
    title: `Drain ${node.name}?`,
    action: "Drain",
    isDangerous: true,
    body: [
      h(
        "p",
        {},
        "It takes no new leases. Those that it has are told to end within that time, and end with it.",
      ),
      field("Minutes", minutes),
    ],
    send: () =>
      api.call("PATCH", at("/nodes", node.name), { json: { drain_within_s: 60 * Number(minutes.value) } }),
  });
  if (!now) return;
  pool.nodes.set(now);
  say(`Node ${node.name} is ${doing(now)}.`);
}

/** @param {Context} context @param {PoolNode} node */
async function label({ api, pool, say }, node) {
  const text = h("textarea", {
    name: "labels",
    rows: "6",
    value: pairs(node.labels).join("\n"),
    spellcheck: "false",
  });
  const now = await ask({
    title: `Labels of ${node.name}`,
    action: "Save",
    body: [field("Labels", text, "One a line: name=value. Expressions ask for them as device.labels.")],
    send: () => api.call("PATCH", at("/nodes", node.name), { json: { labels: readLabels(text.value) } }),
  });
  if (!now) return;
  pool.nodes.set(now);
  say(`The labels of ${node.name} are saved.`);
}

/** Read labels, one a line. @param {string} text @throws {Error} A line is none. */
export function readLabels(text) {
  return Object.fromEntries(
    text
      .split("\n")
      .map((line) => line.trim())
      .filter(Boolean)
      .map((line) => {
        const place = line.indexOf("=");
        if (place < 1) throw new Error(`"${line}" is no label: name=value was expected`);
        return [line.slice(0, place).trim(), line.slice(place + 1).trim()];
      }),
  );
}
