/**
 * What a kernel has computed, to look at: pictures of what is a picture, numbers of what is not.
 *
 * @import { Result } from "./compute.js"
 * @import { NumberArray } from "./samples.js"
 */

import { h } from "./dom.js";
import { number } from "./format.js";
import { arrayOf } from "./samples.js";

const SMALLEST_PICTURE = 64;
const SHOWN = 12;

/** Show an output. @param {Result["outputs"][0]} output */
export function showOutput(output) {
  const array = arrayOf(output.type, output.bytes);
  const [height, width] = output.shape;
  const isPicture = output.shape.length === 2 && height >= SMALLEST_PICTURE && width >= SMALLEST_PICTURE;
  const about = `${output.name}: ${output.shape.join(" × ")} ${output.type}`;
  return h(
    "figure",
    { class: "output" },
    h("figcaption", {}, about),
    isPicture ? picture(array, width, height, about) : numbers(array),
    h("p", { class: "dim" }, summary(array)),
  );
}

/** @param {NumberArray} array @param {number} width @param {number} height @param {string} about */
function picture(array, width, height, about) {
  const canvas = /** @type {HTMLCanvasElement} */ (
    h("canvas", { width, height, role: "img", "aria-label": `${about}, as a picture` })
  );
  const [low, high] = range(array);
  const isCounted = array instanceof Int32Array || array instanceof Uint32Array; // most counts are small: these are spread
  const pixels = new ImageData(width, height);
  for (let place = 0; place < array.length; place += 1) {
    const light = high > low ? (array[place] - low) / (high - low) : 0;
    pixels.data.set([...colour(isCounted ? Math.cbrt(light) : light), 255], 4 * place);
  }
  canvas.getContext("2d")?.putImageData(pixels, 0, 0);
  return canvas;
}

/** From dark blue by violet and orange to light: readable in any print, and by those who see no red. @param {number} light */
function colour(light) {
  const stops = [
    [12, 10, 40],
    [70, 50, 140],
    [190, 60, 110],
    [245, 150, 70],
    [252, 250, 215],
  ];
  const place = Math.min(stops.length - 2, Math.floor(light * (stops.length - 1)));
  const rest = light * (stops.length - 1) - place;
  return stops[place].map((from, channel) => from + (stops[place + 1][channel] - from) * rest);
}

/** @param {NumberArray} array */
function numbers(array) {
  const shown = [...array.slice(0, SHOWN)].map((value) => number(value, 4)).join("  ");
  return h("pre", { class: "numbers" }, shown + (array.length > SHOWN ? "  …" : ""));
}

/** @param {NumberArray} array */
function summary(array) {
  const [low, high] = range(array);
  let sum = 0;
  for (const value of array) sum += value;
  return `smallest ${number(low, 4)}, largest ${number(high, 4)}, mean ${number(sum / array.length, 4)}`;
}

/** @param {NumberArray} array */
function range(array) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of array) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
