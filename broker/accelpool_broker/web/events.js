/**
 * The broker's events, as they happen.
 *
 * state         what is known of the stream
 * "live"        it is open
 * "refused"     the broker has none for this token now: what is shown is asked for, every few seconds
 * "lost"        the broker does not answer; tried again after a while, each time a longer one
 *
 * @import { Api } from "./api.js"
 * @import { Message } from "./sse.js"
 * @typedef {"live" | "refused" | "lost"} State
 */

import { backoffMs } from "./backoff.js";
import { SseParser } from "./sse.js";

const SILENCE_MS = 60_000; // the broker says something more often, if only that it is there
const REFUSED_MS = 30_000;
const UNKNOWN = new Set([404, 409, 410, 422]); // what is answered to a last id that is of no use

export class EventStream {
  #abort = new AbortController();
  #wake = () => {};
  #failures = 0;

  /**
   * @param {Api} api
   * @param {{onMessage: (message: Message) => void, onState: (state: State, isResumed: boolean) => void, lastId?: string}} options
   *   After `lastId` it is resumed; "" begins with what comes next.
   */
  constructor(api, { onMessage, onState, lastId = "" }) {
    this.api = api;
    /** The last event's id, with which another stream goes on. */
    this.lastId = lastId;
    this.onMessage = onMessage;
    this.onState = onState;
  }

  /** Follow the events until `close`; connects again as often as it has to. */
  async run() {
    while (!this.#abort.signal.aborted) {
      const wait = await this.#once();
      if (!this.#abort.signal.aborted) await this.#pause(wait);
    }
  }

  /** Try at once, if it waits. */
  hurry() {
    this.#wake();
  }

  get isClosed() {
    return this.#abort.signal.aborted;
  }

  close() {
    this.#abort.abort();
    this.#wake();
  }

  /** Connect, follow, and return how long to wait before the next time, in milliseconds. */
  async #once() {
    const attempt = new AbortController();
    const end = () => attempt.abort();
    this.#abort.signal.addEventListener("abort", end);
    try {
      const answer = await this.api.fetch("GET", "/events", {
        headers: this.#headers(),
        signal: attempt.signal,
      });
      if (!answer.ok || answer.body === null) return this.#refused(answer);
      this.onState("live", this.lastId !== "");
      this.#failures = 0;
      await this.#follow(answer.body, attempt);
    } catch {
      // it ended, as streams do
    } finally {
      this.#abort.signal.removeEventListener("abort", end);
      attempt.abort();
    }
    if (!this.#abort.signal.aborted) this.onState("lost", false);
    this.#failures += 1;
    return backoffMs(this.#failures);
  }

  #headers() {
    return { Accept: "text/event-stream", ...(this.lastId && { "Last-Event-ID": this.lastId }) };
  }

  /** @param {Response} answer */
  #refused(answer) {
    if (this.lastId !== "" && UNKNOWN.has(answer.status)) {
      this.lastId = ""; // these events are gone, or were another database's: begin with what comes next
      return 0;
    }
    this.onState("refused", false);
    return Math.max(REFUSED_MS, 1000 * Number(answer.headers.get("Retry-After") ?? 0));
  }

  /** @param {ReadableStream<BufferSource>} body @param {AbortController} attempt */
  async #follow(body, attempt) {
    const parser = new SseParser();
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let watch = setTimeout(() => attempt.abort(), SILENCE_MS);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(watch);
        watch = setTimeout(() => attempt.abort(), SILENCE_MS);
        for (const message of parser.feed(value)) this.onMessage(message);
        this.lastId = parser.lastId || this.lastId;
      }
    } finally {
      clearTimeout(watch);
    }
  }

  /** @param {number} ms */
  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }
}
