/**
 * Runs something at most once in a while: at once if it has not run lately, else as soon as it may. What is asked for
 * while it runs or waits, is asked for once.
 *
 * @typedef {{now: () => number, setTimeout: (f: () => void, ms: number) => any, clearTimeout: (id: any) => void}} Timers
 */

/** @type {Timers} */
const REAL = {
  now: () => performance.now(),
  setTimeout: (f, ms) => setTimeout(f, ms),
  clearTimeout: (id) => clearTimeout(id),
};

export class Throttle {
  #timer = null;
  #isRunning = false;
  #isWanted = false;
  #startedAt = -Infinity;

  /**
   * @param {() => Promise<void>} run What is to be run; it handles its own errors.
   * @param {number} everyMs How much time is between two starts at least.
   * @param {Timers} [timers]
   */
  constructor(run, everyMs, timers = REAL) {
    this.run = run;
    this.everyMs = everyMs;
    this.timers = timers;
  }

  /** Have it run soon. */
  request() {
    this.#isWanted = true;
    if (this.#isRunning || this.#timer !== null) return;
    const wait = this.#startedAt + this.everyMs - this.timers.now();
    if (wait <= 0) this.#start();
    else this.#timer = this.timers.setTimeout(() => this.#start(), wait);
  }

  /** Forget what was asked for. */
  cancel() {
    this.#isWanted = false;
    if (this.#timer !== null) this.timers.clearTimeout(this.#timer);
    this.#timer = null;
  }

  async #start() {
    this.#timer = null;
    this.#isWanted = false;
    this.#isRunning = true;
    this.#startedAt = this.timers.now();
    try {
      await this.run();
    } finally {
      this.#isRunning = false;
      if (this.#isWanted) this.request();
    }
  }
}
