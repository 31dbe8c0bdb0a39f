import assert from "node:assert/strict";
import { test } from "node:test";

import { RULES, follow, readRules, textOf } from "../../../broker/accelpool_broker/web/tenant_rules.js";

const NONE = {
  weight: 1,
  quota_devices: null,
  quota_memory_bytes: null,
  quota_device_hours: null,
  idle_after_s: null,
  max_priority: null,
};
const texts = (rules) => Object.fromEntries(RULES.map((rule) => [rule.name, textOf(rule, rules)]));

test("rules are the same after the form has had them", () => {
  const all = {
    ...NONE,
    weight: 0.3,
    quota_devices: 2.5,
    quota_memory_bytes: 1234567891,
    idle_after_s: 100,
    max_priority: -3,
  };
  for (const rules of [NONE, all]) assert.deepEqual(readRules(texts(rules)), rules);
  assert.deepEqual(texts(null), texts(NONE)); // a new tenant's
});

test("nothing is no limit, and nought is a limit", () => {
  const read = readRules({ ...texts(NONE), quota_devices: "0", quota_memory_bytes: "1.5" });
  assert.equal(read.quota_devices, 0);
  assert.equal(read.quota_memory_bytes, 1.5 * 2 ** 30);
  assert.equal(read.quota_device_hours, null);
});

test("what somebody else has changed follows where it was not touched", () => {
  const now = { ...NONE, weight: 5, quota_devices: 8, max_priority: 2 };
  const mine = { ...texts(NONE), weight: "3", idle_after_s: "60" };
  const next = follow(mine, NONE, now);
  assert.deepEqual(next.texts, { ...texts(now), weight: "3", idle_after_s: "60" });
  assert.deepEqual(next.changed, ["Weight: 5", "Devices at once: 8", "Highest priority: 2"]);
  assert.deepEqual(follow(mine, now, { ...now, quota_devices: null }).changed, ["Devices at once: no limit"]);
});
