/**
 * Dialogs: questions before what cannot be undone, and forms. They are <dialog>, so the browser keeps the focus in them.
 *
 * @import { Child } from "./dom.js"
 */

import { messageOf } from "./api.js";
import { h, put } from "./dom.js";

let dialogs = 0;

/**
 * Show a dialog with a form until it is sent or given up.
 *
 * @param {{title: string, body: Child[], action: string, isDangerous?: boolean, send: (form: HTMLFormElement) => Promise<any>}} options
 *   `send` does it; what it throws is shown, and the dialog stays.
 * @returns {Promise<any>} What `send` returned; undefined if it was given up.
 */
export function ask({ title, body, action, isDangerous = false, send }) {
  dialogs += 1;
  const id = `dialog-${dialogs}`;
  return new Promise((resolve) => {
    /** @type {any} */
    let result;
    const error = h("p", { class: "error", role: "alert" });
    const submit = h("button", { type: "submit", class: isDangerous ? "danger" : "primary" }, action);
    const cancel = h("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel");
    const form = /** @type {HTMLFormElement} */ (
      h(
        "form",
        {
          on: {
            submit: async (event) => {
              event.preventDefault();
              submit.setAttribute("aria-disabled", "true");
              put(error);
              try {
                result = (await send(form)) ?? null;
                dialog.close();
              } catch (problem) {
                put(error, messageOf(problem));
              } finally {
                submit.removeAttribute("aria-disabled");
              }
            },
          },
        },
        h("h2", { id }, title),
        body,
        error,
        h("div", { class: "buttons" }, cancel, submit),
      )
    );
    const dialog = show(h("dialog", { "aria-labelledby": id }, form));
    dialog.addEventListener("close", () => resolve(result));
  });
}

/** Show something until it is closed. @param {string} title @param {...Child} body @returns {Promise<void>} */
export function tell(title, ...body) {
  dialogs += 1;
  const id = `dialog-${dialogs}`;
  return new Promise((resolve) => {
    const close = h(
      "button",
      { type: "button", class: "primary", on: { click: () => dialog.close() } },
      "Close",
    );
    const dialog = show(
      h(
        "dialog",
        { "aria-labelledby": id },
        h("h2", { id }, title),
        body,
        h("div", { class: "buttons" }, close),
      ),
    );
    dialog.addEventListener("close", () => resolve());
  });
}

/** @param {HTMLDialogElement} dialog */
function show(dialog) {
  const before = document.activeElement;
  document.body.append(dialog);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before instanceof HTMLElement && before.isConnected) before.focus();
  });
  dialog.showModal();
  return dialog;
}

/** A labelled control of a form. @param {string} label @param {HTMLElement} control @param {string} [hint] */
export function field(label, control, hint = "") {
  dialogs += 1;
  control.id ||= `field-${dialogs}`;
  if (hint) control.setAttribute("aria-describedby", `${control.id}-hint`);
  return h(
    "p",
    { class: "field" },
    h("label", { for: control.id }, label),
    control,
    hint && h("span", { class: "hint", id: `${control.id}-hint` }, hint),
  );
}
