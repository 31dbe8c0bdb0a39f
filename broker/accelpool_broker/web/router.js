/** Which view an address means: `#/leases/ID` is the view "lease" of that id. */

/** Views by their path; those with an id have one part more. @type {Record<string, string>} */
const ROUTES = {
  "": "overview",
  devices: "overview",
  queue: "queue",
  leases: "leases",
  nodes: "nodes",
  tenants: "tenants",
  tokens: "tokens",
  audit: "audit",
  kernels: "kernels",
};
/** @type {Record<string, string>} */
const ONE = { devices: "device", leases: "lease", nodes: "node", tenants: "tenant", kernels: "kernel" };

/**
 * @param {string} hash Such as `#/leases/ab12`.
 * @returns {{view: string, path: string[]} | null} null if there is no such view.
 */
export function route(hash) {
  const [list = "", ...path] = hash.replace(/^#\/?/, "").split("/").map(decode);
  if (path.length === 0) return Object.hasOwn(ROUTES, list) ? { view: ROUTES[list], path } : null;
  return path.length === 1 && Object.hasOwn(ONE, list) ? { view: ONE[list], path } : null;
}

/** @param {string} part */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
