/**
 * The page: who is logged in, which view is open, and what keeps it up to date.
 *
 * @import { Who } from "./api.js"
 * @typedef {{title: string, needs: string, open: (place: HTMLElement, context: Context, path: string[]) => () => void}} View
 *   What a module of `views/` is; `open` returns what closes it.
 * @typedef {{api: Api, pool: Pool, say: (text: string) => void, report: (error: Error) => void}} Context
 */

import { Api, Problem } from "./api.js";
import { Connection } from "./connection.js";
import { announce, h, put } from "./dom.js";
import { renewInstants } from "./parts.js";
import { Pool } from "./pool.js";
import { route } from "./router.js";
import { forgetToken, storedToken, storeToken } from "./session.js";
import { switchBy } from "./theme.js";
import * as audit from "./views/audit.js";
import * as device from "./views/device.js";
import * as kernel from "./views/kernel.js";
import * as kernels from "./views/kernels.js";
import * as lease from "./views/lease.js";
import * as leases from "./views/leases.js";
import { showLogin, whatIsWrong } from "./views/login.js";
import * as node from "./views/node.js";
import * as nodes from "./views/nodes.js";
import * as overview from "./views/overview.js";
import * as queue from "./views/queue.js";
import * as tenant from "./views/tenant.js";
import * as tenants from "./views/tenants.js";
import * as tokens from "./views/tokens.js";

/** @type {Record<string, View>} */
const VIEWS = {
  overview,
  device,
  queue,
  leases,
  lease,
  nodes,
  node,
  tenants,
  tenant,
  tokens,
  audit,
  kernels,
  kernel,
};
const LISTS = {
  overview: "",
  queue: "queue",
  leases: "leases",
  nodes: "nodes",
  tenants: "tenants",
  kernels: "kernels",
  tokens: "tokens",
  audit: "audit",
};
/** @type {Record<string, string>} */
const PARTS = { device: "overview", lease: "leases", node: "nodes", tenant: "tenants", kernel: "kernels" };
const TOAST_MS = 6000;
const PATIENCE_MS = 1000; // for the first word of the stream of events

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const nav = /** @type {HTMLElement} */ (document.getElementById("nav"));
const who = /** @type {HTMLElement} */ (document.getElementById("who"));
const place = /** @type {HTMLElement} */ (document.getElementById("connection"));

/** What is open at present, and how it is closed. */
let close = () => {};
let end = () => {};

async function begin() {
  const token = storedToken();
  if (token === null) return login("");
  put(main, h("p", { class: "dim" }, "Loading …"));
  try {
    enter(token, await new Api(token).get("/whoami"));
  } catch (problem) {
    if (problem instanceof Problem || problem instanceof TypeError) forgetToken();
    login(whatIsWrong(problem));
  }
}

/** @param {string} why */
function login(why) {
  end();
  document.title = "Log in · accelpool";
  nav.hidden = true;
  put(who);
  showLogin(main, why, (token, whoami) => {
    storeToken(token);
    enter(token, whoami);
  });
}

/** @param {string} token @param {Who} whoami */
async function enter(token, whoami) {
  const leave = (/** @type {string} */ why) => {
    forgetToken();
    login(why);
  };
  const api = new Api(token, { onUnauthorized: () => leave("This token does not let in any more.") });
  const pool = new Pool(api, whoami);
  const connection = new Connection(api, pool, place);
  const context = { api, pool, say, report: (/** @type {Error} */ error) => say(error.message, true) };
  const go = () => show(context);
  end = () => {
    end = () => {};
    removeEventListener("hashchange", go);
    connection.close();
    close();
    close = () => {};
  };
  put(
    who,
    h("span", { class: "account" }, whoami.account),
    h("span", { class: "tag" }, whoami.role),
    h("button", { type: "button", class: "quiet", on: { click: () => leave("") } }, "Log out"),
  );
  drawNav(pool);
  connection.start();
  await Promise.race([connection.known, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
  if (storedToken() !== token) return;
  addEventListener("hashchange", go);
  show(context, true);
}

/** @param {Pool} pool */
function drawNav(pool) {
  const links = Object.entries(LISTS)
    .filter(([name]) => mayOpen(pool, VIEWS[name]))
    .map(([name, path]) => h("li", {}, h("a", { href: `#/${path}`, "data-view": name }, VIEWS[name].title)));
  put(nav, h("ul", {}, links), h("p", {}, h("a", { href: "docs" }, "REST API")));
  nav.hidden = false;
}

/** @param {Pool} pool @param {View} view */
function mayOpen(pool, view) {
  return view.needs === "" || pool.can(view.needs);
}

/** Open the view that the address means. @param {Context} context @param {boolean} [isFirst] */
function show(context, isFirst = false) {
  close();
  close = () => {};
  put(main);
  const found = route(location.hash);
  const view = found && VIEWS[found.view];
  const name = found ? (PARTS[found.view] ?? found.view) : "";
  for (const each of /** @type {NodeListOf<HTMLElement>} */ (nav.querySelectorAll("a[data-view]"))) {
    if (each.dataset.view === name) each.setAttribute("aria-current", "page");
    else each.removeAttribute("aria-current");
  }
  document.title = `${view ? [found.path[0], view.title].filter(Boolean).join(" · ") : "Not here"} · accelpool`;
  if (!view)
    main.append(
      h("h1", { tabindex: "-1" }, "There is no such view"),
      h("p", {}, h("a", { href: "#/" }, "To the overview")),
    );
  else if (!mayOpen(context.pool, view))
    main.append(
      h("h1", { tabindex: "-1" }, view.title),
      h("p", { class: "panel" }, `This needs a token with the scope ${view.needs}.`),
    );
  else close = view.open(main, context, found.path);
  if (!isFirst) main.querySelector("h1")?.focus({ preventScroll: true });
  if (!isFirst) scrollTo(0, 0);
}

/** Say that something is done, or why it is not. @param {string} text @param {boolean} [isError] */
function say(text, isError = false) {
  const toast = h("p", { class: ["toast", isError && "error"], "aria-hidden": "true" }, text);
  document.body.append(toast);
  announce(text);
  setTimeout(() => toast.remove(), TOAST_MS);
}

document.getElementById("skip")?.addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
switchBy(/** @type {HTMLElement} */ (document.getElementById("theme")));
setInterval(renewInstants, 10_000);
begin();
