/**
 * One kernel: its arguments, its code, and a try on a device of the pool.
 *
 * @import { Kernel } from "../api.js"
 * @import { Result } from "../compute.js"
 * @import { Context } from "../main.js"
 */

import { announce, h, put } from "../dom.js";
import { nanoseconds } from "../format.js";
import { runKernel } from "../compute.js";
import { facts, heading, plainTable, trouble } from "../parts.js";
import { at } from "../pool.js";
import { showOutput } from "../results.js";
import { sampleOf } from "../samples.js";

export const title = "Kernel";
export const needs = "";
/** @type {Record<string, string>} */
const APIS = { opencl: "OpenCL C", cuda: "CUDA C++" };
const KINDS = ["any", "gpu", "cpu", "accelerator"];

/** @param {HTMLElement} place @param {Context} context @param {string[]} path */
export function open(place, context, [name]) {
  const leaving = new AbortController();
  const error = trouble();
  const body = h("div", { class: "stack" });
  const head = heading(name);
  place.append(head, error.element, body);
  context.api.get(at("/kernels", name), {}, { signal: leaving.signal }).then(
    (kernel) => show(body, context, kernel, leaving.signal),
    (problem) => {
      if (!leaving.signal.aborted) error.show(problem);
    },
  );
  return () => leaving.abort();
}

/** @param {HTMLElement} body @param {Context} context @param {Kernel} kernel @param {AbortSignal} signal */
function show(body, context, kernel, signal) {
  put(
    body,
    h("p", { class: "lead" }, kernel.summary),
    tryout(context, kernel, signal),
    h("h2", {}, "Arguments"),
    args(kernel),
    h("h2", {}, "Code"),
    code(context, kernel),
    facts([
      ["Source of the formula", kernel.source],
      ["Tolerance", kernel.tolerance],
      ["NDRange", kernel.ndrange.global_size],
    ]),
  );
}

/** @param {Kernel} kernel */
function args(kernel) {
  const rows = kernel.arguments.map((each) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, each.name),
      h("td", {}, each.type),
      h("td", {}, each.role),
      h("td", {}, each.shape.length ? each.shape.join(" × ") : "–"),
      h("td", { class: "wide" }, each.summary),
    ),
  );
  return plainTable("Arguments", ["Argument", "Type", "Role", "Shape", "Meaning"], rows);
}

/** @param {Context} context @param {Kernel} kernel */
function code(context, kernel) {
  const text = h("code", {}, kernel.code);
  const choice = h(
    "select",
    {
      "aria-label": "Language of the code",
      on: {
        change: async () => {
          const read = await context.api
            .get(at("/kernels", kernel.name), { api: choice.value })
            .catch(context.report);
          if (read) put(text, read.code);
        },
      },
    },
    kernel.apis.map((api) => h("option", { value: api }, APIS[api] ?? api)),
  );
  return h(
    "div",
    {},
    h("div", { class: "bar" }, choice),
    h("pre", { class: "code", tabindex: "0", role: "region", "aria-label": "Code" }, text),
  );
}

/** @param {Context} context @param {Kernel} kernel @param {AbortSignal} signal */
function tryout({ api, pool }, kernel, signal) {
  const sample = sampleOf(kernel);
  if (sample === null) return h("p", { class: "empty" }, "There is no sample of this kernel.");
  if (!pool.can("leases") || !pool.can("compute"))
    return h("p", { class: "empty" }, "To run it takes a token with the scopes leases and compute.");
  const kind = h(
    "select",
    { "aria-label": "Kind of device" },
    KINDS.map((each) => h("option", { value: each }, each === "any" ? "any device" : each)),
  );
  const progress = h("p", { class: "progress", role: "status" });
  const output = h("div", { class: "outputs" });
  const run = async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    put(output);
    try {
      const done = await runKernel(api, kernel, sample, {
        kind: kind.value,
        onStep: (step) => put(progress, `${step} …`),
        signal,
      });
      put(progress, outcome(done));
      put(output, done.outputs.map(showOutput));
      announce("It has run.");
    } catch (error) {
      const problem = /** @type {Error & {body?: Record<string, any>}} */ (error);
      if (signal.aborted) return;
      put(progress);
      put(
        output,
        h("p", { class: "error", role: "alert" }, problem.message),
        problem.body?.build_log && h("pre", { class: "code" }, problem.body.build_log),
      );
    } finally {
      button.removeAttribute("aria-disabled");
    }
  };
  const button = h("button", { type: "button", class: "primary", on: { click: run } }, "Run it");
  const given = sample
    .filter(({ role }) => role === "scalar")
    .map(({ name, value = 0 }) => `${name} = ${Math.round(value * 1e4) / 1e4}`)
    .join(", ");
  return h(
    "section",
    { class: "panel", "aria-label": "Try it" },
    h("div", { class: "row" }, button, kind, h("span", { class: "dim" }, `with ${given}`)),
    progress,
    output,
  );
}

/** @param {Result} result */
function outcome({ launch, lease }) {
  const [share] = lease.shares;
  const took = launch.profile ? ` in ${nanoseconds(launch.profile.end_ns - launch.profile.start_ns)}` : "";
  return `Ran on ${share.name} of ${share.node}${took}; the device is given back.`;
}
