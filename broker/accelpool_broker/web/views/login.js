/**
 * Logging in: a token, pasted or by a link.
 *
 * @import { Who } from "../api.js"
 */

import { Api, Problem, messageOf } from "../api.js";
import { field } from "../dialog.js";
import { h, put } from "../dom.js";

/**
 * Show the form until somebody is in.
 *
 * @param {HTMLElement} place
 * @param {string} why Why it is shown again; "" at first.
 * @param {(token: string, who: Who) => void} done
 */
export function showLogin(place, why, done) {
  const error = h("p", { class: "error", role: "alert" }, why);
  const token = h("input", {
    type: "password",
    name: "token",
    required: true,
    autocomplete: "off",
    spellcheck: "false",
    autocapitalize: "off",
  });
  const submit = h("button", { type: "submit", class: "primary" }, "Log in");
  const form = h(
    "form",
    {
      class: "login",
      on: {
        submit: async (event) => {
          event.preventDefault();
          put(error);
          try {
            const given = token.value.trim();
            done(given, await new Api(given).get("/whoami"));
          } catch (problem) {
            put(error, whatIsWrong(problem));
            token.focus();
          }
        },
      },
    },
    h("img", { src: "web/icon.svg", alt: "", width: "48", height: "48" }),
    h("h1", { tabindex: "-1" }, "Log in to the pool"),
    field("Token", token, "It is kept in this tab alone, until you close it."),
    error,
    submit,
    h(
      "p",
      { class: "dim" },
      "The command ",
      h("code", {}, "accelpool web --open"),
      " opens this page logged in. ",
      h("code", {}, "accelpool credentials"),
      " tells your token.",
    ),
  );
  put(place, form);
  token.focus();
}

/** Why a token does not let in. @param {unknown} problem */
export function whatIsWrong(problem) {
  if (problem instanceof TypeError) return "This is no token: it has characters that no token has.";
  if (problem instanceof Problem && problem.status === 401)
    return "Nobody knows this token, or it has ended.";
  return messageOf(problem);
}
