/**
 * One's own tokens: made, shown once, revoked.
 *
 * @import { Token } from "../api.js"
 * @import { Context } from "../main.js"
 * @import { Column } from "../table.js"
 */

import { h } from "../dom.js";
import { ask, field, tell } from "../dialog.js";
import { instant } from "../format.js";
import { heading, rowButton, state, trouble, when } from "../parts.js";
import { at } from "../pool.js";
import { DataTable } from "../table.js";

export const title = "Tokens";
export const needs = "tokens";
const DAY_MS = 86_400_000;

/** @param {HTMLElement} place @param {Context} context */
export function open(place, context) {
  const { pool } = context;
  const table = new DataTable({
    caption: "Tokens",
    key: (token) => token.id,
    empty: "This account has no tokens.",
    columns: columns(context),
    sortBy: 3,
    isDescending: true,
  });
  const error = trouble();
  const make = h(
    "button",
    { type: "button", class: "primary", on: { click: () => create(context) } },
    "Make a token",
  );
  place.append(
    heading("Tokens", `What account ${pool.who.account} shows to the broker.`, make),
    error.element,
    table.element,
  );
  return pool.tokens.watch(() => {
    error.show(pool.tokens.error);
    if (pool.tokens.at !== null) table.update(pool.tokens.list);
  });
}

/** What a token is now. @param {Token} token @param {number} [now] */
export function standing(token, now = Date.now()) {
  if (token.revoked_at) return "revoked";
  return token.expires_at && new Date(token.expires_at).getTime() <= now ? "expired" : "active";
}

/** @param {Context} context @returns {Column<Token>[]} */
function columns(context) {
  const own = context.pool.who.token;
  return [
    {
      title: "Name",
      value: (token) => token.name,
      show: (token) => [token.name, token.id === own && h("span", { class: "tag" }, "this page's")],
      className: "name",
    },
    { title: "Id", value: (token) => token.id, className: "id" },
    {
      title: "State",
      value: (token) => standing(token),
      show: (token) => state(standing(token)),
      className: "nowrap",
    },
    {
      title: "Made",
      value: (token) => token.created_at,
      show: (token) => when(token.created_at),
      className: "nowrap",
    },
    {
      title: "Last used",
      value: (token) => token.last_used_at,
      show: (token) => when(token.last_used_at),
      className: "nowrap",
    },
    {
      title: "Expires",
      value: (token) => token.expires_at,
      show: (token) => (token.expires_at ? when(token.expires_at) : "never"),
      className: "nowrap",
    },
    {
      title: "Scopes",
      value: (token) => token.scopes.join(" "),
      show: (token) =>
        h(
          "span",
          { class: "tags" },
          token.scopes.map((scope) => h("span", { class: "tag" }, scope)),
        ),
    },
    {
      title: "Actions",
      isSorted: false,
      value: () => "",
      changes: (token) => standing(token),
      className: "actions",
      show: (token) =>
        standing(token) === "active" &&
        rowButton("Revoke", `Revoke ${token.name} ${token.id}`, () => revoke(context, token)),
    },
  ];
}

/** @param {Context} context */
async function create({ api, pool, say }) {
  const name = h("input", {
    type: "text",
    name: "name",
    required: true,
    maxlength: "64",
    pattern: "[A-Za-z0-9][A-Za-z0-9 ._@\\/\\-]*",
    autocomplete: "off",
  });
  const days = h(
    "select",
    { name: "days" },
    [
      ["1", "a day"],
      ["30", "30 days"],
      ["365", "a year"],
      ["", "never"],
    ].map(([value, text]) => h("option", { value, selected: value === "30" }, text)),
  );
  const scopes = pool.who.scopes.map((scope) =>
    h(
      "label",
      { class: "check" },
      h("input", { type: "checkbox", name: "scopes", value: scope, checked: true }),
      scope,
    ),
  );
  const made = await ask({
    title: "Make a token",
    action: "Make",
    body: [
      field("Name", name, "What it is called in lists."),
      field("Ends after", days),
      h("fieldset", {}, h("legend", {}, "What it is good for"), scopes),
    ],
    send: (form) => {
      const chosen = new FormData(form).getAll("scopes");
      if (chosen.length === 0) throw new Error("Choose at least one scope.");
      const ends = days.value && new Date(Date.now() + Number(days.value) * DAY_MS).toISOString();
      return api.call("POST", "/tokens", {
        json: { name: name.value, scopes: chosen, expires_at: ends || null },
      });
    },
  });
  if (!made) return;
  const { token, ...rest } = made;
  pool.tokens.set(rest);
  say(`Token ${made.name} is made.`);
  await showOnce(made.name, token, made.expires_at);
}

/** @param {string} name @param {string} token @param {string | null} endsAt */
function showOnce(name, token, endsAt) {
  const shown = h("input", {
    type: "text",
    readonly: true,
    value: token,
    class: "secret",
    "aria-label": "The token",
    on: { focus: (event) => event.target.select() },
  });
  const copy = h(
    "button",
    {
      type: "button",
      on: {
        click: async () => {
          await navigator.clipboard?.writeText(token);
          copy.textContent = "Copied";
        },
      },
    },
    "Copy",
  );
  return tell(
    `Token ${name}`,
    h("p", {}, "It is shown now, and never again."),
    h("p", { class: "row" }, shown, navigator.clipboard && copy),
    endsAt && h("p", { class: "dim" }, `It ends ${instant(endsAt)}.`),
  );
}

/** @param {Context} context @param {Token} token */
async function revoke({ api, pool, say }, token) {
  const now = await ask({
    title: `Revoke ${token.name}?`,
    action: "Revoke",
    isDangerous: true,
    body: [
      h(
        "p",
        {},
        `Token ${token.id} lets nobody in from now on.`,
        token.id === pool.who.token && " It is this page's own: you will be logged out.",
      ),
    ],
    send: () => api.call("DELETE", at("/tokens", token.id)),
  });
  if (!now) return;
  pool.tokens.set(now);
  say(`Token ${token.name} is revoked.`);
}
