/**
 * What the page knows of the pool: lists that are kept up to date, and what an event has read again.
 *
 * @import { Api, Device, Lease, PoolNode, Tenant, Token, Who } from "./api.js"
 * @typedef {{kind: string, lease?: string | null, node?: string | null, device?: string | null}} PoolEvent
 */

import { Collection } from "./collection.js";

export class Pool {
  /** @param {Api} api @param {Who} who */
  constructor(api, who) {
    this.api = api;
    this.who = who;
    const id = (/** @type {any} */ item) => item.id;
    const name = (/** @type {any} */ item) => item.name;
    /** @type {Collection<Device>} */
    this.devices = new Collection({
      key: id,
      readAll: () => api.all("/devices"),
      readOne: (each) => api.get(at("/devices", each)),
    });
    /** @type {Collection<Lease>} */
    this.active = new Collection({
      key: id,
      readAll: () => api.all("/leases", { state: "active" }),
      readOne: (each) => this.#lease(each),
    });
    // Of queued leases the list is read: who reads one by its id keeps it in the queue, and its position is all others', too.
    /** @type {Collection<Lease>} */
    this.queue = new Collection({ key: id, readAll: () => api.all("/leases", { state: "queued" }) });
    /** @type {Collection<Lease>} */
    this.recent = new Collection({
      key: id,
      readAll: () => this.#newest(),
      readOne: (each) => api.get(at("/leases", each)),
    });
    /** @type {Collection<PoolNode>} */
    this.nodes = new Collection({
      key: name,
      readAll: () => api.all("/nodes"),
      readOne: (each) => api.get(at("/nodes", each)),
    });
    /** @type {Collection<Tenant>} */
    this.tenants = new Collection({ key: name, readAll: () => api.all("/tenants") });
    /** @type {Collection<Token>} */
    this.tokens = new Collection({ key: id, readAll: () => api.all("/tokens") });
    this.lists = [this.devices, this.active, this.queue, this.recent, this.nodes, this.tenants, this.tokens];
  }

  /** @type {string | null} Where the leases that are older than `recent` begin. */
  olderCursor = null;

  /** Whether the token has a scope. @param {string} scope */
  can(scope) {
    return this.who.scopes.includes(scope);
  }

  /** Have all that is shown read again. */
  refresh() {
    for (const list of this.lists) list.changed();
  }

  /** Have that read again which changes without an event: what devices measure, and why somebody waits. */
  refreshReadings() {
    this.devices.changed();
    this.queue.changed();
  }

  /** @param {PoolEvent} event */
  apply(event) {
    const [what, how] = event.kind.split(".");
    if (what === "lease" && event.lease) this.#leaseChanged(event.lease, how);
    else if (what === "node" && event.node) this.#nodeChanged(event.node, how);
    else if (what === "device" && event.device) this.devices.changed(event.device);
    else this.refresh();
  }

  async #newest() {
    const page = await this.api.get("/leases", { limit: 100 });
    this.olderCursor = page.next_cursor;
    return page.items;
  }

  /** @param {string} id @param {string} how */
  #leaseChanged(id, how) {
    this.tenants.changed();
    if (how === "queued") {
      this.queue.changed();
      this.recent.changed();
      return;
    }
    if (this.queue.items.has(id)) this.queue.changed();
    this.recent.changed(id);
    this.#devicesOf(this.active.items.get(id));
    this.active.changed(id);
  }

  /** @param {string} name @param {string} how */
  #nodeChanged(name, how) {
    this.nodes.changed(name);
    if (how === "ready" || how === "lost") this.devices.changed();
  }

  /** @param {string} id */
  async #lease(id) {
    const lease = await this.api.get(at("/leases", id));
    this.#devicesOf(lease);
    return lease.state === "active" ? lease : null;
  }

  /** @param {Lease | undefined} lease */
  #devicesOf(lease) {
    for (const share of lease?.shares ?? []) this.devices.changed(share.device);
  }
}

/** The path of one thing of a list. @param {string} list @param {string} id @param {string} [below] */
export function at(list, id, below = "") {
  return `${list}/${id.split("/").map(encodeURIComponent).join("/")}${below}`;
}
