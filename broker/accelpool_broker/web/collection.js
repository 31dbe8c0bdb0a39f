/**
 * A list of the broker's that is kept up to date while somebody looks at it.
 *
 * A change of a few things has these read, one by one; a change of many, or of nobody knows what, has the list read. Either
 * happens at most once a second.
 *
 * @import { Timers } from "./throttle.js"
 */

import { Problem } from "./api.js";
import { Throttle } from "./throttle.js";

export const EVERY_MS = 1000;
export const FEW = 4;

/** @template T */
export class Collection {
  #pending = new Set();
  #isWhole = true;
  #watchers = new Set();

  /**
   * @param {{readAll: () => Promise<T[]>, readOne?: (id: string) => Promise<T | null>, key: (item: T) => string, timers?: Timers}} options
   */
  constructor({ readAll, readOne, key, timers }) {
    this.readAll = readAll;
    this.readOne = readOne;
    this.key = key;
    /** @type {Map<string, T>} */
    this.items = new Map();
    /** @type {Date | null} When it was read last. */
    this.at = null;
    /** @type {Error | null} Why it could not be read. */
    this.error = null;
    this.throttle = new Throttle(() => this.#read(), EVERY_MS, timers);
  }

  /** All items, in the list's order. */
  get list() {
    return [...this.items.values()];
  }

  /**
   * Have a function called now, if there is something to show, and after each change.
   *
   * @param {() => void} watcher
   * @returns {() => void} Ends it.
   */
  watch(watcher) {
    this.#watchers.add(watcher);
    if (this.at !== null) watcher();
    if (this.#isWhole || this.#pending.size > 0) this.throttle.request();
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size === 0) this.throttle.cancel();
    };
  }

  /** Say that something has changed: one item, or without an id nobody knows which. @param {string} [id] */
  changed(id) {
    if (id === undefined || this.readOne === undefined) this.#isWhole = true;
    else this.#pending.add(id);
    if (this.#watchers.size > 0) this.throttle.request();
  }

  /** Put an item in that a call has just answered with. @param {T} item */
  set(item) {
    this.items.set(this.key(item), item);
    this.#tell();
  }

  /** Take an item out. @param {string} id */
  delete(id) {
    if (this.items.delete(id)) this.#tell();
  }

  async #read() {
    const ids = [...this.#pending];
    const isWhole = this.#isWhole || ids.length > FEW;
    this.#pending.clear();
    this.#isWhole = false;
    try {
      await (isWhole ? this.#replace() : Promise.all(ids.map((id) => this.#renew(id))));
      this.at = new Date();
      this.error = null;
    } catch (error) {
      this.error = /** @type {Error} */ (error);
      this.#isWhole = true; // read again when there is reason to
    }
    this.#tell();
  }

  async #replace() {
    const items = await this.readAll();
    this.items = new Map(items.map((item) => [this.key(item), item]));
  }

  /** @param {string} id */
  async #renew(id) {
    try {
      const item = (await this.readOne?.(id)) ?? null;
      if (item === null) this.items.delete(id);
      else this.items.set(id, item);
    } catch (error) {
      if (!(error instanceof Problem && error.status === 404)) throw error;
      this.items.delete(id);
    }
  }

  #tell() {
    for (const watcher of [...this.#watchers]) watcher();
  }
}
