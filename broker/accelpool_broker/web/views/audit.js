/**
 * Who did what, newest first; asked for by its filters.
 *
 * @typedef {AuditEntry & {place: number}} Entry With its place among those shown.
 * @import { AuditEntry } from "../api.js"
 * @import { Context } from "../main.js"
 * @import { Column } from "../table.js"
 */

import { h } from "../dom.js";
import { field } from "../dialog.js";
import { instant } from "../format.js";
import { heading, state, trouble } from "../parts.js";
import { DataTable } from "../table.js";

export const title = "Audit log";
export const needs = "audit:read";

/** @param {HTMLElement} place @param {Context} context */
export function open(place, { api }) {
  /** @type {Entry[]} */
  let items = [];
  /** @type {string | null} */
  let cursor = null;
  const input = (/** @type {string} */ name, type = "text") =>
    h("input", { type, name, autocomplete: "off", step: type === "datetime-local" && "1" });
  const form = /** @type {HTMLFormElement} */ (
    h(
      "form",
      {
        class: "filters",
        "aria-label": "Filters",
        on: {
          submit: (event) => {
            event.preventDefault();
            read(true);
          },
        },
      },
      field("Account", input("account")),
      field("Action", input("action")),
      field("Object", input("object")),
      field("Since", input("since", "datetime-local")),
      field("Until", input("until", "datetime-local")),
      h("button", { type: "submit", class: "primary" }, "Show"),
    )
  );
  const table = new DataTable({
    caption: "Audit log",
    key: (entry) => String(entry.place),
    empty: "Nothing fits.",
    columns: columns(),
    isDescending: true,
    hasFilter: false,
  });
  const more = h(
    "button",
    { type: "button", hidden: true, on: { click: () => read(false) } },
    "Load older entries",
  );
  const error = trouble();
  place.append(
    heading("Audit log", "Who did what to what, and who was refused."),
    form,
    error.element,
    table.element,
    more,
  );

  /** @param {boolean} isAnew */
  async function read(isAnew) {
    const query = { ...conditions(form), limit: 100, cursor: isAnew ? null : cursor };
    try {
      const page = await api.get("/audit", query);
      if (isAnew) items = [];
      items = [
        ...items,
        ...page.items.map((/** @type {AuditEntry} */ entry, /** @type {number} */ place) => ({
          ...entry,
          place: items.length + place,
        })),
      ];
      cursor = page.next_cursor;
      more.hidden = cursor === null;
      error.show(null);
      table.update(items);
    } catch (problem) {
      error.show(/** @type {Error} */ (problem));
    }
  }
  read(true);
  return () => {};
}

/** @param {HTMLFormElement} form */
function conditions(form) {
  const given = Object.fromEntries(new FormData(form));
  for (const name of ["since", "until"])
    if (given[name]) given[name] = new Date(String(given[name])).toISOString();
  return given;
}

/** @returns {Column<Entry>[]} */
function columns() {
  return [
    { title: "When", value: (entry) => entry.at, show: (entry) => instant(entry.at), className: "nowrap" },
    {
      title: "Account",
      value: (entry) => entry.account,
      show: (entry) => entry.account || "–",
      className: "nowrap",
    },
    { title: "Action", value: (entry) => entry.action, className: "nowrap" },
    { title: "Object", value: (entry) => entry.object, className: "wide" },
    {
      title: "Outcome",
      value: (entry) => entry.outcome,
      show: (entry) => state(entry.outcome),
      className: "nowrap",
    },
    { title: "Times", value: (entry) => entry.count, isNumber: true },
    { title: "From", value: (entry) => entry.address, className: "nowrap" },
    { title: "Token", value: (entry) => entry.token, className: "id" },
  ];
}
