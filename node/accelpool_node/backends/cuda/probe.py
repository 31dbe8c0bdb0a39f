"""Whether a device computes what it should."""

from __future__ import annotations

import numpy as np

from accelpool_node.backends.base import Backend
from accelpool_node.backends.base.probing import PROBE_SIZE, fault_of
from accelpool_node.backends.base.types import BackendDevice
from accelpool_wire.errors import Error

PROBE_SOURCE = """
extern "C" __global__ void accelpool_probe(const float *x, float *y)
{ int i = blockIdx.x * blockDim.x + threadIdx.x; y[i] = expf(-x[i]) + rsqrtf(x[i]); }
"""
GROUP_SIZE = 32


def probe(backend: Backend, device: BackendDevice) -> str:
    """Build and run a small kernel.

    Source: CUDA C++ Programming Guide, accuracy of `expf` and `rsqrtf`: within 2 ulp, 3e-7.
    """
    return fault_of(lambda x, y: _compute_probe(backend, device, x, y))


def _compute_probe(backend: Backend, device: BackendDevice, x: np.ndarray, y: np.ndarray) -> None:
    context = backend.create_context([device])
    queue = backend.create_command_queue(context, device, 0)
    program = backend.create_program_with_source(context, PROBE_SOURCE)
    backend.build_program(program, [device], "")
    buffers = [backend.create_buffer(context, 1, x.nbytes, x.tobytes()) for _ in "xy"]
    kernel = backend.create_kernel(program, "accelpool_probe")
    for index, buffer in enumerate(buffers):
        backend.set_kernel_arg(kernel, index, buffer)
    backend.enqueue_nd_range_kernel(queue, kernel, [PROBE_SIZE], [GROUP_SIZE], None, None)
    event = backend.enqueue_read_buffer(queue, buffers[1], y.data.cast("B"), 0, None)
    if (status := backend.wait(event)) < 0:
        raise Error("clEnqueueReadBuffer", status, "the kernel failed")
