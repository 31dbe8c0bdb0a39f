import assert from "node:assert/strict";
import { test } from "node:test";

import { Problem } from "../../../broker/accelpool_broker/web/api.js";
import { Collection, EVERY_MS, FEW } from "../../../broker/accelpool_broker/web/collection.js";
import { Pool } from "../../../broker/accelpool_broker/web/pool.js";
import { Throttle } from "../../../broker/accelpool_broker/web/throttle.js";

/** Timers whose time passes when told to. */
class Timers {
  time = 0;
  #waiting = [];
  now = () => this.time;
  setTimeout = (run, ms) => {
    const timer = { run, at: this.time + ms };
    this.#waiting.push(timer);
    return timer;
  };
  clearTimeout = (timer) => {
    this.#waiting = this.#waiting.filter((each) => each !== timer);
  };
  async pass(ms) {
    await settle();
    this.time += ms;
    const due = this.#waiting.filter(({ at }) => at <= this.time);
    this.#waiting = this.#waiting.filter(({ at }) => at > this.time);
    for (const { run } of due) run();
    await settle();
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test("what is asked for often runs once at once, and once when it may again", async () => {
  const timers = new Timers();
  let runs = 0;
  const throttle = new Throttle(
    async () => {
      runs += 1;
    },
    1000,
    timers,
  );
  for (let asked = 0; asked < 50; asked += 1) throttle.request();
  await settle();
  assert.equal(runs, 1);
  await timers.pass(999);
  assert.equal(runs, 1);
  await timers.pass(1);
  assert.equal(runs, 2);
  await timers.pass(10_000);
  assert.equal(runs, 2);
});

function collection(timers, broker) {
  const asked = [];
  const list = new Collection({
    key: (item) => item.id,
    timers,
    readAll: async () => {
      asked.push("all");
      return [...broker.values()];
    },
    readOne: async (id) => {
      asked.push(id);
      if (!broker.has(id)) throw new Problem(404, {});
      return broker.get(id);
    },
  });
  return { list, asked };
}

test("a list is read when somebody looks, a changed item by itself, and many items as the list", async () => {
  const timers = new Timers();
  const broker = new Map([
    ["a", { id: "a", n: 1 }],
    ["b", { id: "b", n: 1 }],
  ]);
  const { list, asked } = collection(timers, broker);
  list.changed("a");
  await settle();
  assert.deepEqual(asked, []);
  let shown = 0;
  const end = list.watch(() => {
    shown += 1;
  });
  await settle();
  assert.deepEqual(asked, ["all"]);
  broker.set("b", { id: "b", n: 2 });
  broker.delete("a");
  list.changed("a");
  list.changed("b");
  list.changed("b");
  await timers.pass(EVERY_MS);
  assert.deepEqual(asked, ["all", "a", "b"]);
  assert.deepEqual(list.list, [{ id: "b", n: 2 }]);
  assert.equal(shown, 2);
  for (let number = 0; number <= FEW; number += 1) list.changed(`n${number}`);
  await timers.pass(EVERY_MS);
  assert.equal(asked.at(-1), "all");
  end();
  list.changed();
  await timers.pass(EVERY_MS);
  assert.equal(asked.length, 4);
});

test("a list that could not be read keeps what it had, says why, and is read whole the next time", async () => {
  const timers = new Timers();
  const broker = new Map([["a", { id: "a" }]]);
  const { list } = collection(timers, broker);
  list.watch(() => {});
  await settle();
  list.readOne = async () => {
    throw new Error("away");
  };
  list.changed("a");
  await timers.pass(EVERY_MS);
  assert.equal(list.error?.message, "away");
  assert.deepEqual(list.list, [{ id: "a" }]);
  list.changed("a");
  await timers.pass(EVERY_MS);
  assert.equal(list.error, null);
});

/** A pool whose lists only note what is said to have changed. */
function noting() {
  const pool = new Pool(
    { all: async () => [], get: async () => ({}) },
    { account: "a", role: "admin", tenants: [], token: "", scopes: [] },
  );
  const said = [];
  for (const name of ["devices", "active", "queue", "recent", "nodes", "tenants"]) {
    pool[name].changed = (id) => said.push(id === undefined ? name : `${name} ${id}`);
  }
  return { pool, said };
}

test("an event has that read which it is about, and no more", () => {
  const { pool, said } = noting();
  const of = (event) => {
    said.length = 0;
    pool.apply(event);
    return [...said].sort();
  };
  assert.deepEqual(of({ kind: "lease.queued", lease: "L" }), ["queue", "recent", "tenants"]);
  assert.deepEqual(of({ kind: "lease.active", lease: "L" }), ["active L", "recent L", "tenants"]);
  pool.queue.items.set("L", {});
  assert.deepEqual(of({ kind: "lease.withdrawn", lease: "L" }), ["active L", "queue", "recent L", "tenants"]);
  pool.active.items.set("M", { shares: [{ device: "d1" }, { device: "d2" }] });
  assert.deepEqual(of({ kind: "lease.released", lease: "M" }), [
    "active M",
    "devices d1",
    "devices d2",
    "recent M",
    "tenants",
  ]);
  assert.deepEqual(of({ kind: "node.cordoned", node: "n" }), ["nodes n"]);
  assert.deepEqual(of({ kind: "node.lost", node: "n" }), ["devices", "nodes n"]);
  assert.deepEqual(of({ kind: "device.faulty", node: "n", device: "d" }), ["devices d"]);
  assert.ok(of({ kind: "something.new" }).includes("devices")); // not understood: all of it
});
