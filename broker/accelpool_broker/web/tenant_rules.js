/**
 * The rules of a tenant, as a form: quota, weight, limits. They are changed only if they are still those that were read; if somebody
 * else was faster, what is not touched here follows, and whoever has the form decides.
 *
 * @import { Api, Schemas, Tenant } from "./api.js"
 * @import { Context } from "./main.js"
 * @typedef {Omit<Schemas["TenantIn"], "reset_device_hours">} Rules
 * @typedef {{name: keyof Rules, label: string, hint: string, empty?: string, unit?: number, isRequired?: boolean, bounds: Record<string, string>}} Rule
 *   `empty` is what nothing means, if not "no limit"; `unit` what the API counts in one of what the form has; `bounds` are the control's.
 * @typedef {{tenant: Tenant | null, etag: string}} Found A tenant as it was read; null for none.
 */

import { Problem } from "./api.js";
import { h } from "./dom.js";
import { ask, field } from "./dialog.js";
import { at } from "./pool.js";

const AMOUNT = { min: "0", max: "1e9", step: "any" };

const NO_LIMIT = "no limit";

/** @type {Rule[]} */
export const RULES = [
  {
    name: "weight",
    label: "Weight",
    hint: "Its part of what tenants beside it want, too.",
    isRequired: true,
    bounds: { min: "0.001", max: "1000", step: "any" },
  },
  { name: "quota_devices", label: "Devices at once", hint: "Parts count as parts.", bounds: AMOUNT },
  {
    name: "quota_memory_bytes",
    label: "Memory at once (GiB)",
    hint: "Of devices.",
    unit: 2 ** 30,
    bounds: { min: "0", step: "any" },
  },
  { name: "quota_device_hours", label: "Device-hours", hint: "Devices times hours, in all.", bounds: AMOUNT },
  {
    name: "idle_after_s",
    label: "Ended when idle for (seconds)",
    hint: "30 or more; empty for never.",
    empty: "never",
    bounds: { min: "30", max: "31622400", step: "any" },
  },
  {
    name: "max_priority",
    label: "Highest priority",
    hint: "Empty for that of the tenant above, or 0.",
    empty: "as above",
    bounds: { min: "-1000", max: "1000", step: "1" },
  },
];

/** A rule as the form has it; "" is no limit. @param {Rule} rule @param {Rules | null} rules null for those of a new tenant. */
export function textOf({ name, unit = 1 }, rules) {
  const value = rules === null ? (name === "weight" ? 1 : null) : rules[name];
  return value === null ? "" : String(value / unit);
}

/** Rules from texts by their names. @param {Record<string, string>} texts */
export function readRules(texts) {
  return Object.fromEntries(
    RULES.map(({ name, unit }) => {
      const value = texts[name] === "" ? null : Number(texts[name]) * (unit ?? 1);
      return [name, unit === undefined || value === null ? value : Math.round(value)];
    }),
  );
}

/**
 * What the form has once somebody else has changed the rules: theirs where they were not touched here.
 *
 * @param {Record<string, string>} texts What the form has.
 * @param {Rules | null} before What it began with.
 * @param {Rules | null} now What they are now.
 * @returns {{texts: Record<string, string>, changed: string[]}} `changed` says which are others now, and what.
 */
export function follow(texts, before, now) {
  const other = RULES.filter((rule) => textOf(rule, before) !== textOf(rule, now));
  const untouched = other.filter((rule) => texts[rule.name] === textOf(rule, before));
  return {
    texts: { ...texts, ...Object.fromEntries(untouched.map((rule) => [rule.name, textOf(rule, now)])) },
    changed: other.map((rule) => `${rule.label}: ${textOf(rule, now) || (rule.empty ?? NO_LIMIT)}`),
  };
}

/** Have the rules of a tenant edited. @param {Context} context @param {string} name */
export async function editRules({ api, pool, say, report }, name) {
  let found = await read(api, name).catch(report);
  if (!found) return;
  const inputs = controls(found.tenant);
  const reset = h("input", { type: "checkbox", name: "reset" });
  const send = async () => {
    const texts = textsOf(inputs);
    const json = { ...readRules(texts), reset_device_hours: reset.checked };
    try {
      return await write(api, name, json, /** @type {Found} */ (found));
    } catch (problem) {
      if (!(problem instanceof Problem && problem.status === 412)) throw problem;
      const now = await read(api, name);
      const next = follow(texts, found?.tenant ?? null, now.tenant);
      inputs.forEach((input) => (input.value = next.texts[input.name]));
      found = now;
      throw new Error(
        `Somebody else has changed this tenant meanwhile: ${next.changed.join(", ") || "it is as it was again"}. ` +
          "What you had not touched is so here, too: save again if that is right.",
      );
    }
  };
  const done = await ask({
    title: `Rules of ${name}`,
    action: "Save",
    body: [
      h("p", {}, "Its limits bind it with all tenants below it. What is empty is no limit."),
      h("div", { class: "fields" }, fields(inputs)),
      h("label", { class: "check" }, reset, "Count its device-hours, and those of all below it, from zero"),
    ],
    send,
  });
  if (!done) return;
  pool.tenants.set(done);
  say(`Tenant ${name} has these rules now.`);
}

/** Have a tenant made. @param {Context} context */
export async function makeTenant({ api, pool, say }) {
  const name = h("input", {
    type: "text",
    name: "name",
    required: true,
    maxlength: "255",
    autocomplete: "off",
  });
  const inputs = controls(null);
  const done = await ask({
    title: "Make a tenant",
    action: "Make",
    body: [field("Name", name, "ORG/TEAM is below ORG."), h("div", { class: "fields" }, fields(inputs))],
    send: () =>
      write(api, name.value.trim(), readRules(textsOf(inputs)), { tenant: null, etag: "" }).catch(
        (problem) => {
          if (problem.status !== 412) throw problem;
          throw new Error(`There is a tenant ${name.value.trim()} already: edit that one.`);
        },
      ),
  });
  if (!done) return;
  pool.tenants.set(done);
  say(`Tenant ${done.name} is made.`);
}

/** @param {Api} api @param {string} name @returns {Promise<Found>} */
async function read(api, name) {
  try {
    const { body, etag } = await api.getTagged(at("/tenants", name));
    return { tenant: body, etag };
  } catch (problem) {
    if (problem instanceof Problem && problem.status === 404) return { tenant: null, etag: "" };
    throw problem;
  }
}

/** @param {Api} api @param {string} name @param {object} json @param {Found} found @returns {Promise<Tenant>} */
function write(api, name, json, { tenant, etag }) {
  /** @type {Record<string, string>} */
  const headers = tenant === null ? { "If-None-Match": "*" } : etag ? { "If-Match": etag } : {};
  return api.call("PUT", at("/tenants", name), { json, headers });
}

/** @param {Rules | null} rules */
function controls(rules) {
  return RULES.map((rule) =>
    h("input", {
      type: "number",
      name: rule.name,
      required: rule.isRequired,
      value: textOf(rule, rules),
      placeholder: rule.isRequired ? null : (rule.empty ?? NO_LIMIT),
      ...rule.bounds,
    }),
  );
}

/** @param {HTMLInputElement[]} inputs */
function fields(inputs) {
  return RULES.map((rule, place) => field(rule.label, inputs[place], rule.hint));
}

/** @param {HTMLInputElement[]} inputs */
function textsOf(inputs) {
  return Object.fromEntries(inputs.map((input) => [input.name, input.value]));
}
