/**
 * The kernel library.
 *
 * @import { KernelEntry } from "../api.js"
 * @import { Context } from "../main.js"
 */

import { h } from "../dom.js";
import { heading, link, trouble } from "../parts.js";
import { DataTable } from "../table.js";

export const title = "Kernels";
export const needs = "";

/** @param {HTMLElement} place @param {Context} context */
export function open(place, { api }) {
  /** @type {DataTable<KernelEntry>} */
  const table = new DataTable({
    caption: "Kernel library",
    key: (kernel) => kernel.name,
    empty: "There are no kernels.",
    columns: [
      {
        title: "Kernel",
        value: (kernel) => kernel.name,
        show: (kernel) => link(kernel.name, "kernels", kernel.name),
        className: "name",
      },
      { title: "What it computes", value: (kernel) => kernel.summary, className: "wide" },
      {
        title: "Arguments",
        value: (kernel) => kernel.arguments.map((each) => each.name).join(" "),
        show: (kernel) =>
          h(
            "code",
            {},
            kernel.arguments
              .filter((each) => each.role !== "local")
              .map((each) => each.name)
              .join(", "),
          ),
      },
      { title: "Written for", value: (kernel) => kernel.apis.join(", "), className: "nowrap" },
    ],
  });
  const error = trouble();
  place.append(
    heading("Kernel library", "Ready kernels; each can be tried on a device of the pool from here."),
    error.element,
    table.element,
  );
  api.all("/kernels", { limit: null }).then(
    (items) => table.update(items),
    (problem) => error.show(problem),
  );
  return () => {};
}
