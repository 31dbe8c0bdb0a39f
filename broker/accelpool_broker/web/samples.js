/**
 * Sample arguments for the kernels of the library: enough to see them work. What a kernel takes, the catalogue says; here are
 * sizes, and values where any would not do.
 *
 * @import { KernelEntry } from "./api.js"
 * @typedef {Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>} NumberArray
 * @typedef {{name: string, type: string, role: string, value?: number, shape: number[], content?: NumberArray}} Argument `content` is what a buffer
 *   is filled with; scalars have a `value` instead.
 */

/** @type {Record<string, Record<string, number>>} Scalars by kernel. */
const SCALARS = {
  vector_add: { n: 100_000 },
  saxpy: { n: 100_000, a: 2.5 },
  matmul: { m: 192, n: 256, k: 128 },
  reduce_sum: { n: 100_000 },
  inclusive_scan: { n: 5_000 },
  histogram256: { n: 100_000 },
  convolve_rows: { height: 240, width: 360, taps: 15 },
  convolve_columns: { height: 240, width: 360, taps: 15 },
  sobel: { height: 240, width: 360 },
  stencil5: { height: 240, width: 360, alpha: 0.2 },
  nbody_step: { n: 1024, dt: 0.01, softening: 0.05 },
  mandelbrot: { height: 240, width: 360, left: -2.2, top: 1.0, pixel_size: 1 / 120, max_iterations: 200 },
  black_scholes: { n: 10_000, rate: 0.03, volatility: 0.25 },
};
/** @type {Record<string, new (given: any) => NumberArray>} Arrays by the type of OpenCL C. */
const ARRAYS = { float: Float32Array, int: Int32Array, uint: Uint32Array, uchar: Uint8Array };

/**
 * Return a kernel's arguments, in its order.
 *
 * @param {KernelEntry} kernel
 * @returns {Argument[] | null} null if there is no sample.
 */
export function sampleOf(kernel) {
  const scalars = SCALARS[kernel.name];
  if (scalars === undefined) return null;
  return kernel.arguments
    .filter(({ role }) => role !== "local")
    .map(({ name, type, role, shape }) => {
      if (role === "scalar") return { name, type, role, value: scalars[name], shape: [] };
      const sizes = shape.map((size) => (typeof size === "number" ? size : scalars[size]));
      return { name, type, role, shape: sizes, content: contentOf(kernel.name, name, type, role, sizes) };
    });
}

/** Bytes as an array of a type of OpenCL C. @param {string} type @param {ArrayBuffer} buffer */
export function arrayOf(type, buffer) {
  return new ARRAYS[type](buffer);
}

/** @param {string} kernel @param {string} name @param {string} type @param {string} role @param {number[]} shape */
function contentOf(kernel, name, type, role, shape) {
  const length = shape.reduce((product, size) => product * size, 1);
  const array = new ARRAYS[type](length);
  if (role === "output" || name === "counts") return array;
  if (name === "weights") return array.fill(1 / length);
  const random = numbers(length);
  if (name === "image" || name === "u") return paint(array, shape, type);
  const make = MAKERS[name] ?? (type === "uchar" ? () => 256 * random() : () => random());
  for (let place = 0; place < length; place += 1) array[place] = make(random, place, length);
  return array;
}

/** @type {Record<string, (random: () => number, place: number, length: number) => number>} */
const MAKERS = {
  spot: (random) => 5 + 95 * random(),
  strike: (random) => 5 + 95 * random(),
  expiry: (random) => 0.05 + 5 * random(),
  positions: (random, place, length) =>
    place % 4 === 3 ? (4 * (0.1 + random())) / length : 2 * random() - 1,
};

/** A picture with edges and slopes: rings behind a disc. @param {NumberArray} array @param {number[]} number @param {string} type */
function paint(array, [height, width], type) {
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const [x, y] = [(column - width / 2) / height, (row - height / 2) / height];
      const distance = Math.hypot(x, y);
      const light = distance < 0.2 ? 0.95 : 0.5 + 0.4 * Math.cos(40 * distance);
      array[row * width + column] = type === "uchar" ? 255 * light : light;
    }
  }
  return array;
}

/** The same numbers from 0 to below 1 for the same seed (mulberry32). @param {number} seed */
function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
