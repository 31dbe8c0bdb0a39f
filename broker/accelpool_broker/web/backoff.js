/** How long to wait before trying again: twice as long each time, and never all at once. */

export const FIRST_MS = 500;
export const LONGEST_MS = 30_000;

/**
 * @param {number} failures How many tries have failed in a row, 1 or more.
 * @param {() => number} [random] From 0 to below 1.
 * @returns {number} Milliseconds, from half of the doubled time to all of it.
 */
export function backoffMs(failures, random = Math.random) {
  const most = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(20, failures - 1));
  return most / 2 + (most / 2) * random();
}
