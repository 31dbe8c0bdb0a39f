/**
 * Keeps what is shown up to date: by the broker's events, or where there are none by asking every few seconds.
 *
 * @import { Api } from "./api.js"
 * @import { State } from "./events.js"
 * @import { Pool } from "./pool.js"
 * @import { Message } from "./sse.js"
 */

import { announce, setText } from "./dom.js";
import { EventStream } from "./events.js";
import { clock } from "./format.js";

export const POLL_MS = 10_000;
const READINGS_MS = 15_000;
export const HIDDEN_MS = 30_000;

export class Connection {
  #state = "";
  #isReached = true;
  #reachedAt = new Date();
  #know = () => {};
  #hiding = 0;

  /** Fulfilled once it is known whether there are events: what is read after that, misses none. */
  known = new Promise((resolve) => {
    this.#know = () => resolve(undefined);
  });

  /** @param {Api} api @param {Pool} pool @param {HTMLElement} place Where it says how it is. */
  constructor(api, pool, place) {
    this.pool = pool;
    this.place = place;
    this.api = api;
    this.stream = this.#newStream("");
    api.onAnswer = (isReached) => this.#reached(isReached);
    this.timers = [
      setInterval(() => this.#poll(), POLL_MS),
      setInterval(() => this.#readings(), READINGS_MS),
    ];
    this.onVisibility = () => (document.hidden ? this.#hide() : this.#unhide());
    document.addEventListener("visibilitychange", this.onVisibility);
    this.onOnline = () => this.stream.hurry();
    addEventListener("online", this.onOnline);
    place.hidden = false;
    this.#show();
  }

  start() {
    return this.stream.run();
  }

  close() {
    this.stream.close();
    this.timers.forEach(clearInterval);
    clearTimeout(this.#hiding);
    document.removeEventListener("visibilitychange", this.onVisibility);
    removeEventListener("online", this.onOnline);
    this.place.hidden = true;
  }

  /** @param {string} lastId */
  #newStream(lastId) {
    return new EventStream(this.api, {
      onMessage: (message) => this.#apply(message),
      onState: (state, isResumed) => this.#changed(state, isResumed),
      lastId,
    });
  }

  /** Let go of the stream after a while: a browser has six connections to a broker, for all of its tabs. */
  #hide() {
    this.#hiding = setTimeout(() => this.stream.close(), HIDDEN_MS);
  }

  #unhide() {
    clearTimeout(this.#hiding);
    if (this.stream.isClosed) {
      this.stream = this.#newStream(this.stream.lastId);
      this.start();
    } else if (this.#state !== "live") {
      this.stream.hurry();
      this.pool.refresh();
    }
  }

  /** @param {Message} message */
  #apply(message) {
    this.#reachedAt = new Date();
    try {
      this.pool.apply({ kind: message.event, ...JSON.parse(message.data) });
    } catch {
      this.pool.refresh(); // not understood: all that is shown may be different
    }
  }

  /** @param {State} state @param {boolean} isResumed */
  #changed(state, isResumed) {
    this.#state = state;
    if (state === "live" && !isResumed) this.pool.refresh(); // what happened before, nobody told
    this.#show();
    this.#know();
  }

  /** @param {boolean} isReached */
  #reached(isReached) {
    const before = this.#isReached;
    this.#isReached = isReached;
    if (isReached) this.#reachedAt = new Date();
    if (isReached && !before) this.pool.refresh();
    if (isReached !== before) this.#show();
  }

  #poll() {
    if (!document.hidden && this.#state !== "live") this.pool.refresh();
  }

  #readings() {
    if (!document.hidden && this.#state === "live") this.pool.refreshReadings();
  }

  #show() {
    const isLost = !this.#isReached || this.#state === "lost";
    const kind = isLost ? "lost" : this.#state === "live" ? "live" : "polling";
    const words = {
      lost: `Not connected, as of ${clock(this.#reachedAt)}`,
      live: "Live",
      polling: `Every ${POLL_MS / 1000} s`,
    };
    const before = this.place.dataset.state;
    this.place.dataset.state = kind;
    setText(this.place, words[kind]);
    if (before !== undefined && before !== kind && (kind === "lost" || before === "lost"))
      announce(kind === "lost" ? words.lost : "Connected again");
  }
}
