/**
 * A kernel of the library on a device of the pool: lease, build, write, launch, read. Whatever happens, the lease is given
 * back: at the end, after a failure, and when the page is left. Should even that fail, it ends by itself within a minute.
 *
 * @import { Api, Launch, Lease } from "./api.js"
 * @import { Argument } from "./samples.js"
 * @typedef {Argument & {arg: object, id?: string}} Sent An argument whose value or buffer is with the broker.
 * @typedef {{step: string, launch: Launch, lease: Lease, outputs: {name: string, type: string, shape: number[], bytes: ArrayBuffer}[]}} Result
 */

import { Problem } from "./api.js";
import { at } from "./pool.js";

const TTL_S = 60;
const WAIT_S = 20;

/**
 * @param {Api} api
 * @param {{name: string}} kernel
 * @param {Argument[]} sample
 * @param {{kind: string, onStep: (step: string) => void, signal: AbortSignal}} options
 * @returns {Promise<Result>}
 * @throws {Error} No device is free, or a step failed.
 */
export async function runKernel(api, kernel, sample, { kind, onStep, signal }) {
  onStep("Asking for a device");
  const lease = await acquire(api, kind, signal);
  const path = at("/leases", lease.id);
  const release = () => api.fetch("DELETE", path, { keepalive: true }).catch(() => {});
  addEventListener("pagehide", release);
  try {
    if (lease.state !== "active") throw new Error(`No device was free within ${WAIT_S} s: ${lease.reason}`);
    onStep(`Building ${kernel.name} on ${lease.shares[0].name}`);
    const program = await api.call("POST", `${path}/programs`, { json: { kernel: kernel.name }, signal });
    onStep("Writing the sample");
    const args = await writeArguments(api, path, sample, signal);
    onStep("Running");
    const launch = await runLaunch(
      api,
      path,
      { program: program.id, kernel: kernel.name, args: args.map(({ arg }) => arg) },
      signal,
    );
    onStep("Reading the result");
    return { step: "done", launch, lease, outputs: await readOutputs(api, path, args, signal) };
  } finally {
    removeEventListener("pagehide", release);
    await release();
  }
}

/** @param {Api} api @param {string} kind @param {AbortSignal} signal */
async function acquire(api, kind, signal) {
  const json = { kind, ttl_s: TTL_S, queue_timeout_s: WAIT_S, client: "web page" };
  return api.call("POST", "/leases", { json, query: { wait_s: WAIT_S }, signal });
}

/** Make buffers of arrays; scalars go as they are. @param {Api} api @param {string} path @param {Argument[]} sample @param {AbortSignal} signal */
async function writeArguments(api, path, sample, signal) {
  const args = [];
  for (const each of sample) {
    if (each.content === undefined) {
      args.push({ ...each, arg: { type: each.type, value: each.value } });
      continue;
    }
    const { id } = await api.call("POST", `${path}/buffers`, {
      json: { size_bytes: each.content.byteLength },
      signal,
    });
    await api.call("PUT", `${path}/buffers/${id}/content`, {
      body: each.content,
      headers: { "Content-Type": "application/octet-stream" },
      signal,
    });
    args.push({ ...each, id, arg: { buffer: id } });
  }
  return args;
}

/** @param {Api} api @param {string} path @param {object} json @param {AbortSignal} signal */
async function runLaunch(api, path, json, signal) {
  let launch = await api.call("POST", `${path}/launches`, { json, signal });
  while (launch.status !== "complete" && launch.status !== "failed") {
    launch = await api.get(`${path}/launches/${launch.id}`, { wait_s: WAIT_S }, { signal });
  }
  if (launch.error) throw new Problem(422, launch.error);
  return launch;
}

/** @param {Api} api @param {string} path @param {Sent[]} args @param {AbortSignal} signal */
async function readOutputs(api, path, args, signal) {
  const outputs = args.filter(({ role }) => role === "output" || role === "inout");
  return Promise.all(
    outputs.map(async ({ id, name, type, shape }) => ({
      name,
      type,
      shape,
      bytes: await api.bytes(`${path}/buffers/${id}/content`, { signal }),
    })),
  );
}
