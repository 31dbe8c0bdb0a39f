import assert from "node:assert/strict";
import { test } from "node:test";

import { niceTop } from "../../../broker/accelpool_broker/web/chart.js";
import { describeDemand } from "../../../broker/accelpool_broker/web/demand.js";
import {
  bytes,
  coarse,
  duration,
  nanoseconds,
  percent,
  relative,
} from "../../../broker/accelpool_broker/web/format.js";
import { route } from "../../../broker/accelpool_broker/web/router.js";
import { sampleOf } from "../../../broker/accelpool_broker/web/samples.js";
import { usagePoints, usageTimes } from "../../../broker/accelpool_broker/web/usage.js";

test("amounts have a fitting unit, and what is not known is a dash", () => {
  assert.deepEqual([0, 1023, 1 << 20, 1536 * 2 ** 20, 80 * 2 ** 30].map(bytes), [
    "0 B",
    "1,023 B",
    "1 MiB",
    "1.5 GiB",
    "80 GiB",
  ]);
  assert.deepEqual([0, 0.005, 0.5, 1].map(percent), ["0 %", "0.5 %", "50 %", "100 %"]);
  assert.deepEqual([0, 59, 3600, 3725, 90_000].map(duration), ["0 s", "59 s", "1 h", "1 h 2 min", "1 d 1 h"]);
  assert.deepEqual([500, 2_500_000, 3e9].map(nanoseconds), ["0.5 µs", "2.5 ms", "3 s"]);
  assert.equal(coarse(7260), "2 h");
  for (const of of [bytes, percent, duration, relative]) assert.equal(of(null), "–");
});

test("an instant is told by how far it is", () => {
  const now = Date.parse("2026-01-01T12:00:00Z");
  assert.equal(relative("2026-01-01T11:55:00Z", now), "5 min ago");
  assert.equal(relative("2026-01-01T14:00:00Z", now), "in 2 h");
});

test("an address means a view, whatever somebody writes into it", () => {
  assert.deepEqual(route(""), { view: "overview", path: [] });
  assert.deepEqual(route("#/leases/lse_1"), { view: "lease", path: ["lse_1"] });
  assert.deepEqual(route("#/tenants/vision%2Fasr"), { view: "tenant", path: ["vision/asr"] });
  for (const none of ["#/nothing", "#/__proto__", "#/toString/x", "#/leases/a/b", "#/constructor"])
    assert.equal(route(none), null);
  assert.deepEqual(route("#/nodes/%"), { view: "node", path: ["%"] });
});

test("a demand is told in words", () => {
  const demand = {
    kind: "gpu",
    api: "",
    count: 2,
    memory_bytes: 2 ** 33,
    memory_fraction: null,
    compute: 0.5,
    exclusive: false,
    where: "",
    device: null,
  };
  assert.equal(describeDemand(demand), "2 × gpu, 50 %, 8 GiB");
  assert.equal(
    describeDemand({ ...demand, kind: "any", compute: null, memory_bytes: null, exclusive: true }),
    "2 × device, alone",
  );
});

test("hours add up to days, and those without use are zero", () => {
  const now = Date.parse("2026-03-02T10:30:00Z");
  const times = usageTimes(now, 3, 86400);
  assert.deepEqual(
    times.map((time) => new Date(time).toISOString()),
    ["2026-02-28T00:00:00.000Z", "2026-03-01T00:00:00.000Z", "2026-03-02T00:00:00.000Z"],
  );
  const items = [
    { hour: "2026-02-28T05:00:00Z", device_s: 60 },
    { hour: "2026-02-28T23:00:00Z", device_s: 30 },
    { hour: "2026-03-02T10:00:00Z", device_s: 5 },
  ];
  assert.deepEqual(
    usagePoints(items, times, 86400, (hour) => hour.device_s),
    [
      { label: "02-28", value: 90 },
      { label: "03-01", value: 0 },
      { label: "03-02", value: 5 },
    ],
  );
});

test("a chart ends at a round number", () => {
  assert.deepEqual([0, 0.3, 1, 7, 20, 21, 99].map(niceTop), [1, 0.5, 1, 10, 20, 50, 100]);
});

test("a sample has each argument that the caller passes, in order and of its type", () => {
  const argument = (name, type, role, shape = []) => ({ name, type, role, shape });
  const kernel = {
    name: "histogram256",
    arguments: [
      argument("n", "int", "scalar"),
      argument("values", "uchar", "input", ["n"]),
      argument("counts", "uint", "inout", [256]),
    ],
  };
  const [n, values, counts] = sampleOf(kernel);
  assert.equal(values.content.length, n.value);
  assert.ok(values.content instanceof Uint8Array && new Set(values.content).size === 256);
  assert.ok(counts.content instanceof Uint32Array && counts.content.every((count) => count === 0));
  assert.equal(sampleOf({ name: "unknown", arguments: [] }), null);
});
