/**
 * A table over a list: sorted by its headers, filtered by words, its rows kept by key.
 *
 * @import { Child } from "./dom.js"
 * @template T
 * @typedef {{title: string, value: (item: T) => string | number | null, show?: (item: T) => Child | Child[],
 *   changes?: (item: T) => unknown, isNumber?: boolean, className?: string, isSorted?: boolean}} Column
 *   `value` is what it is sorted and filtered by; `show` what it looks like, if not the same; `changes` what that depends on.
 */

import { announce, h, put, setText } from "./dom.js";
import { number } from "./format.js";
import { KeyedRows } from "./rows.js";

export const STEP = 200; // rows at once: the rest is a button away, and found by the filter
const FILTER_MS = 120;
let tables = 0;

/** @template T */
export class DataTable {
  /** @type {string[]} */
  #words = [];
  #shown = STEP;
  /** @type {T[]} */
  #items = [];
  #sort;
  #total = 0;

  /**
   * @param {{caption: string, columns: Column<T>[], key: (item: T) => string, empty: string, sortBy?: number, isDescending?: boolean,
   *   hasFilter?: boolean, isCaptionShown?: boolean, extras?: Child[]}} options
   */
  constructor({
    caption,
    columns,
    key,
    empty,
    sortBy = 0,
    isDescending = false,
    hasFilter = true,
    isCaptionShown = false,
    extras = [],
  }) {
    this.columns = columns;
    this.empty = empty;
    this.caption = caption;
    this.#sort = { place: sortBy, isDescending };
    this.headers = columns.map((column, place) => this.#header(column, place));
    this.body = h("tbody");
    this.rows = new KeyedRows(this.body, { key, create: (item) => this.#row(item) });
    this.count = h("p", { class: "count" });
    this.more = h("button", { type: "button", on: { click: () => this.#showMore() } }, `Show ${STEP} more`);
    const table = h(
      "table",
      {},
      h("caption", { class: isCaptionShown ? "" : "unseen" }, caption),
      h("thead", {}, h("tr", {}, this.headers)),
      this.body,
    );
    this.message = h("p", { class: "empty", hidden: true });
    this.element = h(
      "section",
      { class: "listing" },
      h("div", { class: "bar" }, hasFilter && this.#filter(), extras, this.count),
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, table),
      this.message,
      this.more,
    );
    this.#showSort();
  }

  /** Show these items. @param {T[]} items */
  update(items) {
    this.#items = items;
    this.#draw();
  }

  #draw() {
    const found = this.#items.filter((item) => this.#matches(item));
    this.#total = found.length;
    found.sort((one, other) => this.#compare(one, other));
    this.rows.update(found.slice(0, this.#shown));
    const shown = Math.min(this.#shown, found.length);
    setText(this.count, countText(shown, found.length, this.#items.length));
    this.more.hidden = shown >= found.length;
    this.message.hidden = found.length > 0;
    setText(this.message, this.#items.length ? "Nothing fits these words." : this.empty);
  }

  /** @param {T} item */
  #row(item) {
    const cells = this.columns.map((column, place) =>
      place === 0
        ? h("th", { scope: "row", class: column.className })
        : h("td", { class: [column.isNumber && "number", column.className] }),
    );
    /** @type {(string | undefined)[]} */
    const before = this.columns.map(() => undefined);
    const update = (/** @type {T} */ next) => {
      this.columns.forEach((column, place) => {
        const now = String(JSON.stringify((column.changes ?? column.value)(next)));
        if (now === before[place]) return;
        before[place] = now;
        redraw(cells[place], column.show ? column.show(next) : (column.value(next) ?? "–"));
      });
    };
    update(item);
    return { element: h("tr", {}, cells), update };
  }

  /** @param {Column<T>} column @param {number} place */
  #header(column, place) {
    if (column.isSorted === false)
      return h("th", { scope: "col", class: column.isNumber && "number" }, column.title);
    const button = h(
      "button",
      { type: "button", class: "sort", on: { click: () => this.#sortBy(place) } },
      column.title,
    );
    return h("th", { scope: "col", class: column.isNumber && "number" }, button);
  }

  /** @param {number} place */
  #sortBy(place) {
    this.#sort = { place, isDescending: this.#sort.place === place && !this.#sort.isDescending };
    this.#showSort();
    this.#draw();
  }

  #showSort() {
    this.headers.forEach((header, place) => {
      if (place !== this.#sort.place) header.removeAttribute("aria-sort");
      else header.setAttribute("aria-sort", this.#sort.isDescending ? "descending" : "ascending");
    });
  }

  /** @param {T} one @param {T} other */
  #compare(one, other) {
    const { value } = this.columns[this.#sort.place];
    const order = compare(value(one), value(other));
    return this.#sort.isDescending ? -order : order;
  }

  #filter() {
    tables += 1;
    const id = `filter-${tables}`;
    let timer = 0;
    const input = h("input", {
      type: "search",
      id,
      placeholder: "Filter",
      autocomplete: "off",
      spellcheck: "false",
      on: {
        input: () => {
          clearTimeout(timer);
          timer = setTimeout(() => this.#narrow(input.value), FILTER_MS);
        },
      },
    });
    return h(
      "div",
      { class: "filter" },
      h("label", { for: id, class: "unseen" }, `Filter ${this.caption}`),
      input,
    );
  }

  /** @param {string} text */
  #narrow(text) {
    this.#words = text.toLowerCase().split(/\s+/).filter(Boolean);
    this.#shown = STEP;
    this.#draw();
    announce(`${number(this.#total)} of ${number(this.#items.length)}`);
  }

  /** @param {T} item */
  #matches(item) {
    if (this.#words.length === 0) return true;
    const text = this.columns
      .map((column) => column.value(item) ?? "")
      .join(" ")
      .toLowerCase();
    return this.#words.every((word) => text.includes(word));
  }

  #showMore() {
    this.#shown += STEP;
    this.#draw();
    announce(`${number(Math.min(this.#shown, this.#total))} shown of ${number(this.#total)}`);
  }
}

/** @param {number} shown @param {number} found @param {number} all */
function countText(shown, found, all) {
  const fitting = found < all ? `${number(found)} of ${number(all)} fit` : `${number(all)} in all`;
  return shown < found ? `${fitting}, ${number(shown)} shown` : fitting;
}

/** Draw a cell anew; what had the focus in it has it again, by its name. @param {HTMLElement} cell @param {Child | Child[]} shown */
function redraw(cell, shown) {
  const focused = cell.contains(document.activeElement) ? document.activeElement : null;
  put(cell, shown);
  if (focused === null) return;
  const targets = /** @type {HTMLElement[]} */ ([...cell.querySelectorAll("a, button")]);
  const again = targets.find((each) => each.textContent === focused.textContent);
  (again ?? targets[0])?.focus({ preventScroll: true });
}

/** @param {string | number | null} one @param {string | number | null} other */
function compare(one, other) {
  if (one === other) return 0;
  if (one === null || one === undefined) return 1;
  if (other === null || other === undefined) return -1;
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one).localeCompare(String(other), "en", { numeric: true });
}
