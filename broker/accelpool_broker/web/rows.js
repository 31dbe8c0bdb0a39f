/**
 * Rows by key: an update touches the rows that changed and no others, and leaves the focus where it is.
 *
 * @template T
 * @typedef {{element: HTMLElement, update: (item: T) => void}} Row
 */

/** @template T */
export class KeyedRows {
  /**
   * @param {HTMLElement} body What the rows are in; it has no other children.
   * @param {{key: (item: T) => string, create: (item: T) => Row<T>}} options How to tell and how to make them.
   */
  constructor(body, { key, create }) {
    this.body = body;
    this.key = key;
    this.create = create;
    /** @type {Map<string, Row<T>>} */
    this.rows = new Map();
  }

  /**
   * Show these items in this order.
   *
   * @param {T[]} items
   */
  update(items) {
    const focused = document.activeElement;
    const wanted = new Set(items.map(this.key));
    for (const [key, row] of this.rows) {
      if (wanted.has(key)) continue;
      row.element.remove();
      this.rows.delete(key);
    }
    let next = this.body.firstElementChild;
    for (const item of items) next = this.#place(item, next);
    if (focused instanceof HTMLElement && focused.isConnected && document.activeElement !== focused) {
      focused.focus({ preventScroll: true });
    }
  }

  /** @param {T} item @param {Element | null} next */
  #place(item, next) {
    const key = this.key(item);
    let row = this.rows.get(key);
    if (row === undefined) {
      row = this.create(item);
      this.rows.set(key, row);
    } else {
      row.update(item);
    }
    if (row.element === next) return next.nextElementSibling;
    if (next !== null && row.element === next.nextElementSibling) {
      // `next` goes further down: one row moves, not all those behind it
      const after = row.element.nextElementSibling;
      move(this.body, next, null);
      return after === null ? next : after;
    }
    move(this.body, row.element, next);
    return next;
  }
}

/** @param {Element} parent @param {Element} child @param {Element | null} before */
function move(parent, child, before) {
  if (child.parentNode === parent && "moveBefore" in parent)
    /** @type {any} */ (parent).moveBefore(child, before); // keeps its focus
  else parent.insertBefore(child, before);
}
