/**
 * What a tenant used, from the hours that the broker tells to the bars of a chart.
 *
 * @import { Hour } from "./api.js"
 */

/**
 * The beginnings of the last so many steps, the present one included: whole hours or days in UTC, as milliseconds.
 *
 * @param {number} now Milliseconds since the Unix epoch.
 * @param {number} steps How many.
 * @param {number} stepS How long each is, in seconds.
 */
export function usageTimes(now, steps, stepS) {
  const last = Math.floor(now / (1000 * stepS)) * 1000 * stepS;
  return Array.from({ length: steps }, (_, place) => last - (steps - 1 - place) * 1000 * stepS);
}

/**
 * Add hours up to steps; those without any are zero.
 *
 * @param {Hour[]} items As `GET /usage` has them.
 * @param {number[]} times From `usageTimes`.
 * @param {number} stepS
 * @param {(hour: Hour) => number} pick What is counted of an hour.
 * @returns {{label: string, value: number}[]}
 */
export function usagePoints(items, times, stepS, pick) {
  const sums = new Map(times.map((time) => [time, 0]));
  for (const item of items) {
    const step = Math.floor(Date.parse(item.hour) / (1000 * stepS)) * 1000 * stepS;
    const before = sums.get(step);
    if (before !== undefined) sums.set(step, before + pick(item));
  }
  return [...sums].map(([time, value]) => ({ label: labelOf(new Date(time), stepS), value }));
}

/** @param {Date} at @param {number} stepS */
function labelOf(at, stepS) {
  if (stepS >= 86400) return at.toISOString().slice(5, 10);
  return `${String(at.getHours()).padStart(2, "0")}:00`;
}
