/**
 * The broker's REST API, as openapi.yaml describes it: the types of what it tells are made from that (`make types`).
 *
 * @typedef {import("openapi").components["schemas"]} Schemas
 * @typedef {Schemas["AuditEntryOut"]} AuditEntry
 * @typedef {Schemas["DemandOut"]} Demand
 * @typedef {Schemas["DeviceOut"]} Device
 * @typedef {Schemas["EventOut"]} EventRecord
 * @typedef {Schemas["HourOut"]} Hour
 * @typedef {Schemas["KernelDetail"]} Kernel
 * @typedef {Schemas["KernelEntry"]} KernelEntry
 * @typedef {Schemas["LaunchOut"]} Launch
 * @typedef {Schemas["LeaseOut"]} Lease
 * @typedef {Schemas["NodeOut"]} PoolNode
 * @typedef {Schemas["ShareOut"]} Share
 * @typedef {Schemas["TenantOut"]} Tenant
 * @typedef {Schemas["TokenOut"]} Token
 * @typedef {Schemas["VerdictOut"]} Verdict
 * @typedef {Schemas["Whoami"]} Who
 *
 * @typedef {{json?: any, body?: BodyInit, query?: Record<string, any>, headers?: Record<string, string>, signal?: AbortSignal, keepalive?: boolean}} Options
 */

const TRIES = 3; // of what only reads: the broker says when to come back

/** What the broker answers when something fails (RFC 9457). */
export class Problem extends Error {
  /** @param {number} status @param {Record<string, any>} body */
  constructor(status, body) {
    super(body.detail || body.title || `the broker answered ${status}`);
    this.status = status;
    this.type = String(body.type ?? "").replace(/^.*[/:]/, "");
    this.body = body;
  }
}

/** What went wrong, in words. @param {unknown} error */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/** That there was no answer at all. */
export class Unreachable extends Error {
  constructor() {
    super("the broker does not answer");
  }
}

export class Api {
  /**
   * @param {string} token Sent with each call.
   * @param {{onUnauthorized?: () => void, onAnswer?: (isReached: boolean) => void}} [hooks]
   */
  constructor(token, { onUnauthorized = () => {}, onAnswer = () => {} } = {}) {
    this.token = token;
    this.onUnauthorized = onUnauthorized;
    this.onAnswer = onAnswer;
  }

  /**
   * Call, and return the answer whatever it is.
   *
   * @param {string} method
   * @param {string} path From the root of the API on, such as `/devices`.
   * @param {Options} [options]
   * @returns {Promise<Response>}
   * @throws {Unreachable} if there is none.
   */
  async fetch(method, path, { json, body, query, headers = {}, signal, keepalive } = {}) {
    const url = new URL(path.replace(/^\//, ""), document.baseURI);
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, String(value));
    }
    const sent = new Headers({ Authorization: `Bearer ${this.token}`, ...headers }); // a TypeError, if that cannot be sent
    if (json !== undefined) sent.set("Content-Type", "application/json");
    try {
      const answer = await fetch(url, {
        method,
        headers: sent,
        body: json === undefined ? body : JSON.stringify(json),
        signal,
        keepalive,
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
      });
      this.onAnswer(true);
      if (answer.status === 401) this.onUnauthorized();
      return answer;
    } catch (error) {
      if (signal?.aborted) throw error;
      this.onAnswer(false);
      throw new Unreachable();
    }
  }

  /** Call, and return the answer's JSON. @param {string} method @param {string} path @param {Options} [options] @throws {Problem} if it is a failure. */
  async call(method, path, options = {}) {
    const answer = await this.#patiently(method, path, options);
    if (answer.status === 204) return null;
    return answer.json();
  }

  /** Read raw bytes. @param {string} path @param {Options} [options] */
  async bytes(path, options = {}) {
    const answer = await this.#patiently("GET", path, options);
    return answer.arrayBuffer();
  }

  /** Read one thing. @param {string} path @param {Options["query"]} [query] @param {Options} [options] */
  get(path, query, options = {}) {
    return this.call("GET", path, { query, ...options });
  }

  /**
   * Read one thing, with its ETag: what it has to be like still for it to be changed.
   *
   * @param {string} path
   * @returns {Promise<{body: any, etag: string}>}
   */
  async getTagged(path) {
    const answer = await this.#patiently("GET", path, {});
    return { body: await answer.json(), etag: answer.headers.get("ETag") ?? "" };
  }

  /** Read a list, page by page, to its end. @param {string} path @param {Options["query"]} [query] @param {Options} [options] */
  async all(path, query = {}, options = {}) {
    const items = [];
    let cursor = null;
    do {
      const page = await this.get(path, { limit: 500, ...query, cursor }, options);
      items.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor);
    return items;
  }

  /** @param {string} method @param {string} path @param {Options} options */
  async #patiently(method, path, options) {
    for (let tries = 1; ; tries += 1) {
      const answer = await this.fetch(method, path, options);
      if (answer.ok) return answer;
      const wait = Number(answer.headers.get("Retry-After") ?? 0);
      const problem = new Problem(answer.status, await answer.json().catch(() => ({})));
      const isLater = method === "GET" && (answer.status === 429 || answer.status === 503);
      if (!isLater || tries === TRIES) throw problem;
      await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(10, Math.max(1, wait))));
    }
  }
}
