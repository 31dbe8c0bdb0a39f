"""The kernels' NumPy twins: one function per kernel, with the kernel's name.

A twin takes the kernel's scalars, inputs and in-out buffers, in the catalogue's order and under its names,
and returns new arrays for what the kernel writes: one array, or a tuple in the catalogue's order. It changes
none of its arguments. Floats are computed in float64 and rounded once, so a twin's own error is half a unit
in the last place of float32, unless its docstring says otherwise. How far the kernel may be from it is the
entry's tolerance.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelpool_kernels.catalogue import entry
from accelpool_kernels.description import Role

Float32s = NDArray[np.float32]
Int32s = NDArray[np.int32]
UInt32s = NDArray[np.uint32]
UInt8s = NDArray[np.uint8]


def run(name: str, arguments: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Return what a kernel writes for these arguments, by argument name.

    Args:
        name: Of the kernel.
        arguments: The kernel's arguments by name; OUTPUT buffers are not needed.

    Raises:
        UnknownKernel: There is no such kernel.
    """
    kernel = entry(name)
    taken = [arguments[a.name] for a in kernel.parameters if a.role is not Role.OUTPUT]
    result = globals()[kernel.name](*taken)  # a name from the catalogue, not the caller's text
    arrays = result if isinstance(result, tuple) else (result,)
    written = [a.name for a in kernel.parameters if a.role.is_written]
    return dict(zip(written, arrays, strict=True))


def deviation(actual: NDArray[Any], expected: NDArray[Any]) -> float:
    """Return max |actual - expected| / max |expected|: what an entry's tolerance bounds.

    Returns:
        0.0 where both are equal, infinity where a value is not finite or all expected ones are zero.
    """
    if np.array_equal(actual, expected):
        return 0.0
    worst = float(np.max(np.abs(actual.astype(np.float64) - expected.astype(np.float64))))
    scale = float(np.max(np.abs(expected.astype(np.float64))))
    return worst / scale if math.isfinite(worst) and scale > 0.0 else math.inf


def vector_add(n: int, a: Float32s, b: Float32s) -> Float32s:
    """Return a + b, exact to the rounding.

    Args:
        n: Elements.
        a: (n,) float32.
        b: (n,) float32.

    Returns:
        c: (n,) float32.

    Source: definition of vector addition.
    """
    return a[:n] + b[:n]


def saxpy(n: int, a: float, x: Float32s, y: Float32s) -> Float32s:
    """Return a x + y.

    Args:
        n: Elements.
        a: Factor.
        x: (n,) float32.
        y: (n,) float32.

    Returns:
        y: (n,) float32.

    Source: BLAS level 1, SAXPY.
    """
    return (np.float64(a) * x[:n] + y[:n]).astype(np.float32)


def matmul(m: int, n: int, k: int, a: Float32s, b: Float32s) -> Float32s:
    """Return the product A B.

    Args:
        m: Rows of A.
        n: Columns of B.
        k: Columns of A, rows of B.
        a: (m, k) float32, C order.
        b: (k, n) float32, C order.

    Returns:
        c: (m, n) float32, C order.

    Source: BLAS level 3, SGEMM with alpha = 1, beta = 0.
    """
    product: NDArray[np.float64] = np.matmul(a.reshape(m, k), b.reshape(k, n), dtype=np.float64)
    return product.astype(np.float32)


def reduce_sum(n: int, values: Float32s) -> Float32s:
    """Return the sums of 64 interleaved parts of the values.

    Part g has the values whose index, taken modulo 64 * 256, lies from 256 g to 256 g + 255.

    Args:
        n: Elements.
        values: (n,) float32.

    Returns:
        sums: (64,) float32.

    Source: definition of the sum; the parts are those of the kernel's work-groups.
    """
    padded = np.zeros(math.ceil(n / (64 * 256)) * 64 * 256)
    padded[:n] = values[:n]
    sums: NDArray[np.float64] = padded.reshape(-1, 64, 256).sum(axis=(0, 2))
    return sums.astype(np.float32)


def inclusive_scan(n: int, values: Float32s) -> Float32s:
    """Return the running sums of the values.

    Args:
        n: Elements.
        values: (n,) float32.

    Returns:
        sums: (n,) float32, sums[i] = values[0] + ... + values[i].

    Source: definition of the inclusive scan.
    """
    return np.cumsum(values[:n], dtype=np.float64).astype(np.float32)


def histogram256(n: int, values: UInt8s, counts: UInt32s) -> UInt32s:
    """Return counts plus how often each byte occurs, exact (modulo 2^32).

    Args:
        n: Elements.
        values: (n,) uint8.
        counts: (256,) uint32.

    Returns:
        counts: (256,) uint32.

    Source: definition of a histogram.
    """
    return counts + np.bincount(values[:n], minlength=256).astype(np.uint32)


def convolve_rows(height: int, width: int, taps: int, image: Float32s, weights: Float32s) -> Float32s:
    """Return each row convolved with the weights, the image's edge repeated outside.

    Args:
        height: Rows.
        width: Columns.
        taps: Weights.
        image: (height, width) float32, C order.
        weights: (taps,) float32, centre at taps // 2.

    Returns:
        target: (height, width) float32, C order.

    Source: discrete convolution, target[y, x] = sum over j of weights[j] image[y, x + taps // 2 - j].
    """
    pixels = image.reshape(height, width).astype(np.float64)
    target = np.zeros_like(pixels)
    for j in range(taps):
        near = np.clip(np.arange(width) + taps // 2 - j, 0, width - 1)
        target += np.float64(weights[j]) * pixels[:, near]
    return target.astype(np.float32)


def convolve_columns(height: int, width: int, taps: int, image: Float32s, weights: Float32s) -> Float32s:
    """Return each column convolved with the weights, the image's edge repeated outside.

    Args:
        height: Rows.
        width: Columns.
        taps: Weights.
        image: (height, width) float32, C order.
        weights: (taps,) float32, centre at taps // 2.

    Returns:
        target: (height, width) float32, C order.

    Source: as `convolve_rows`, along the other axis.
    """
    turned = np.ascontiguousarray(image.reshape(height, width).T)
    return np.ascontiguousarray(convolve_rows(width, height, taps, turned, weights).T)


def sobel(height: int, width: int, image: UInt8s) -> UInt8s:
    """Return the gradient magnitude sqrt(gx^2 + gy^2), rounded and held at 255, exact.

    Args:
        height: Rows.
        width: Columns.
        image: (height, width) uint8, C order.

    Returns:
        target: (height, width) uint8, C order.

    Source: Duda and Hart, Pattern Classification and Scene Analysis, 1973.
    """
    p = np.pad(image.reshape(height, width).astype(np.int64), 1, mode="edge")
    smooth_rows = p[:-2, :] + 2 * p[1:-1, :] + p[2:, :]
    smooth_columns = p[:, :-2] + 2 * p[:, 1:-1] + p[:, 2:]
    gx = smooth_rows[:, 2:] - smooth_rows[:, :-2]
    gy = smooth_columns[2:, :] - smooth_columns[:-2, :]
    magnitude: NDArray[np.float64] = np.rint(np.sqrt(gx * gx + gy * gy))
    return np.minimum(magnitude, 255.0).astype(np.uint8)


def stencil5(height: int, width: int, alpha: float, u: Float32s) -> Float32s:
    """Return the grid one time step later; the edge keeps its values.

    Args:
        height: Rows.
        width: Columns.
        alpha: Diffusivity times dt / h^2, stable from 0 to 1/4.
        u: (height, width) float32, C order.

    Returns:
        u_next: (height, width) float32, C order.

    Source: LeVeque, Finite Difference Methods, 2007, chapter 9.
    """
    old = u.reshape(height, width).astype(np.float64)
    new = old.copy()
    neighbours = old[:-2, 1:-1] + old[2:, 1:-1] + old[1:-1, :-2] + old[1:-1, 2:]
    new[1:-1, 1:-1] += np.float64(alpha) * (neighbours - 4.0 * old[1:-1, 1:-1])
    return new.astype(np.float32)


def nbody_step(
    n: int, dt: float, softening: float, positions: Float32s, velocities: Float32s
) -> tuple[Float32s, Float32s]:
    """Return velocities and positions one time step later.

    Args:
        n: Bodies; memory grows with its square.
        dt: Time step.
        softening: Length, > 0.
        positions: (n, 4) float32: x, y, z, gravitational constant times mass.
        velocities: (n, 4) float32: x, y, z, a fourth value that is kept.

    Returns:
        velocities: (n, 4) float32.
        next_positions: (n, 4) float32.

    Source: Aarseth, Gravitational N-Body Simulations, 2003 (Plummer softening); Hairer, Lubich, Wanner,
    Geometric Numerical Integration, chapter I (symplectic Euler method).
    """
    new_positions, new_velocities = positions[:n].astype(np.float64), velocities[:n].astype(np.float64)
    place, mu = new_positions[:, :3].copy(), new_positions[:, 3]
    apart = [place[None, :, axis] - place[:, None, axis] for axis in range(3)]
    distance = np.sqrt(apart[0] ** 2 + apart[1] ** 2 + apart[2] ** 2 + np.float64(softening) ** 2)
    for axis in range(3):
        new_velocities[:, axis] += np.float64(dt) * (apart[axis] / distance**3 @ mu)
        new_positions[:, axis] += np.float64(dt) * new_velocities[:, axis]
    return new_velocities.astype(np.float32), new_positions.astype(np.float32)


def mandelbrot(
    height: int, width: int, left: float, top: float, pixel_size: float, max_iterations: int
) -> Int32s:
    """Return the iterations after which z <- z^2 + c leaves |z| <= 2, exact.

    In float32 and in the kernel's order of operations, since one rounding decides at the border of the set.

    Args:
        height: Rows.
        width: Columns.
        left: Real part of column 0.
        top: Imaginary part of row 0; rows go down.
        pixel_size: Distance of neighbouring pixels.
        max_iterations: Where to stop.

    Returns:
        counts: (height, width) int32, C order, 0 to max_iterations.

    Source: Peitgen and Richter, The Beauty of Fractals, 1986 (escape-time algorithm).
    """
    spacing = np.float32(pixel_size)
    c_re = np.float32(left) + np.arange(width, dtype=np.float32)[None, :] * spacing
    c_im = np.float32(top) - np.arange(height, dtype=np.float32)[:, None] * spacing
    re, im = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    counts = np.zeros((height, width), np.int32)
    for _ in range(max_iterations):
        inside = re * re + im * im <= np.float32(4.0)
        if not inside.any():
            break
        next_im = np.float32(2.0) * (re * im) + c_im
        next_re = (re * re - im * im) + c_re
        re, im = np.where(inside, next_re, re), np.where(inside, next_im, im)
        counts += inside
    return counts


def black_scholes(
    n: int, rate: float, volatility: float, spot: Float32s, strike: Float32s, expiry: Float32s
) -> tuple[Float32s, Float32s]:
    """Return the prices of European call and put options on a stock without dividends.

    Args:
        n: Options.
        rate: Continuously compounded, per year.
        volatility: Per square root of a year, > 0.
        spot: (n,) float32, money, > 0.
        strike: (n,) float32, money, > 0.
        expiry: (n,) float32, years, > 0.

    Returns:
        call: (n,) float32, money.
        put: (n,) float32, money.

    Source: Black and Scholes, Journal of Political Economy 81(3), 1973, equation (13); put-call parity.
    """
    s, k, t = spot[:n].astype(np.float64), strike[:n].astype(np.float64), expiry[:n].astype(np.float64)
    deviation_at_expiry = np.float64(volatility) * np.sqrt(t)
    d1 = (np.log(s / k) + np.float64(rate) * t) / deviation_at_expiry + deviation_at_expiry / 2
    d2 = d1 - deviation_at_expiry
    discounted = k * np.exp(-np.float64(rate) * t)
    call = s * _normal(d1) - discounted * _normal(d2)
    put = discounted * _normal(-d2) - s * _normal(-d1)
    return call.astype(np.float32), put.astype(np.float32)


def _normal(d: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard normal distribution function, element by element (NumPy has no erfc)."""
    return np.array([0.5 * math.erfc(-value / math.sqrt(2.0)) for value in d])
