"""The demo's numerical part: Gaussian blur and Sobel on a leased device, and SciPy's word on the result.

Source: Gonzalez and Woods, "Digital Image Processing": a Gaussian is separable, so it is applied along the
rows, then along the columns; Sobel and Feldman's gradient operator. Outside the photograph its edge is
repeated.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import scipy.ndimage  # type: ignore[import-untyped]  # SciPy has no types
from numpy.typing import NDArray

import accelpool as cl
from accelpool.context import Context
from accelpool.queue import CommandQueue

Float32s = NDArray[np.float32]
UInt8s = NDArray[np.uint8]

SIGMA = 3.0
REACH = 4.0
GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)

BLUR_TOLERANCE = 1e-3
"""Grey levels. Each of the two passes adds 25 products in float32: at most 25 roundings of 255 * 6e-8."""

SOBEL_TOLERANCE = 0.0
"""The kernel is exact: see its source."""


@dataclass(frozen=True, kw_only=True)
class Filtered:
    """What came back from the device.

    Attributes:
        blurred: (height, width, 3) float32, C order, 0 to 255.
        edges: (height, width) uint8, C order.
        seconds: How long each step took, by its name.
    """

    blurred: Float32s
    edges: UInt8s
    seconds: dict[str, float] = field(default_factory=dict)


def gaussian(sigma: float = SIGMA) -> Float32s:
    """Return the weights of a Gaussian, cut off at four standard deviations; they sum to 1.

    Args:
        sigma: The standard deviation in pixels, > 0.

    Returns:
        (taps,) float32, taps odd.
    """
    reach = int(REACH * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    scaled: Float32s = (weights / weights.sum()).astype(np.float32)
    return scaled


def grey(photograph: Float32s) -> UInt8s:
    """Return the brightness of each pixel, after ITU-R BT.601.

    Args:
        photograph: (height, width, 3) float32, 0 to 255.

    Returns:
        (height, width) uint8, C order.
    """
    brightness: UInt8s = np.clip(np.rint(photograph @ GREY), 0, 255).astype(np.uint8)
    return brightness


def run(context: Context, photograph: UInt8s) -> Filtered:
    """Blur each colour of a photograph on a device, then find the edges of the blurred one.

    Args:
        context: On the device.
        photograph: (height, width, 3) uint8.

    Raises:
        Error: The device refused.
    """
    queue = CommandQueue(context)
    seconds: dict[str, float] = {}
    blurred = _blur(context, queue, photograph, seconds)
    return Filtered(blurred=blurred, edges=_sobel(context, queue, grey(blurred), seconds), seconds=seconds)


def _blur(context: Context, queue: CommandQueue, photograph: UInt8s, seconds: dict[str, float]) -> Float32s:
    height, width, colours = photograph.shape
    weights, taps = gaussian(), len(gaussian())
    flags = cl.mem_flags
    planes = np.ascontiguousarray(photograph.transpose(2, 0, 1), dtype=np.float32)
    with _timed(seconds, f"upload {planes.nbytes / 2**20:.1f} MiB"):
        filter = cl.Buffer(context, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=weights)
        images = [
            cl.Buffer(context, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=plane) for plane in planes
        ]
        targets = [cl.Buffer(context, flags.READ_WRITE, planes[0].nbytes) for _ in planes]
        rows = cl.Buffer(context, flags.READ_WRITE, planes[0].nbytes)
        queue.finish()

    def blur_all() -> None:
        for image, target in zip(images, targets, strict=True):
            context.kernels.convolve_rows(queue, height, width, taps, image, filter, rows)
            context.kernels.convolve_columns(queue, height, width, taps, rows, filter, target)
        queue.finish()

    with _timed(seconds, "Gaussian blur, first time: its kernels are built"):
        blur_all()
    with _timed(seconds, f"Gaussian blur, {taps} taps, {colours} colours"):
        blur_all()
    result = np.empty_like(planes)
    with _timed(seconds, f"download {result.nbytes / 2**20:.1f} MiB"):
        for plane, target in zip(result, targets, strict=True):
            cl.enqueue_copy(queue, plane, target)
    return np.ascontiguousarray(result.transpose(1, 2, 0))


def _sobel(context: Context, queue: CommandQueue, image: UInt8s, seconds: dict[str, float]) -> UInt8s:
    height, width = image.shape
    flags = cl.mem_flags
    edges = np.empty_like(image)
    with _timed(seconds, "Sobel, with its build, upload and download"):
        device_image = cl.Buffer(context, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=image)
        target = cl.Buffer(context, flags.WRITE_ONLY, edges.nbytes)
        context.kernels.sobel(queue, height, width, device_image, target)
        cl.enqueue_copy(queue, edges, target)
    return edges


def blur_error(photograph: UInt8s, blurred: Float32s) -> float:
    """Return the largest difference of a blurred photograph from SciPy's, in grey levels."""
    weights = gaussian().astype(np.float64)
    expected = photograph.astype(np.float64)
    for axis in (1, 0):
        expected = scipy.ndimage.convolve1d(expected, weights, axis=axis, mode="nearest")
    return float(np.max(np.abs(blurred - expected)))


def sobel_error(image: UInt8s, edges: UInt8s) -> float:
    """Return the largest difference of a photograph's edges from SciPy's, in grey levels."""
    across, down = (
        scipy.ndimage.sobel(image.astype(np.float64), axis=axis, mode="nearest") for axis in (1, 0)
    )
    expected = np.clip(np.rint(np.hypot(across, down)), 0, 255)
    return float(np.max(np.abs(edges - expected)))


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - begun
