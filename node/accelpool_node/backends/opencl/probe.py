"""Whether a device computes what it should."""

from __future__ import annotations

import numpy as np
import pyopencl as cl

from accelpool_node.backends.base import Backend
from accelpool_node.backends.base.probing import PROBE_SIZE, fault_of
from accelpool_node.backends.base.types import BackendDevice

PROBE_SOURCE = """
__kernel void accelpool_probe(__global const float *x, __global float *y)
{ size_t i = get_global_id(0); y[i] = exp(-x[i]) + rsqrt(x[i]); }
"""


def probe(backend: Backend, device: BackendDevice) -> str:
    """Build and run a small kernel; drivers were seen whose wide vectors compute nonsense.

    Source: OpenCL C 3.0, relative error as ULPs: `exp` and `rsqrt` within 4 ulp, 5e-7.
    """
    return fault_of(lambda x, y: _compute_probe(backend, device, x, y))


def _compute_probe(backend: Backend, device: BackendDevice, x: np.ndarray, y: np.ndarray) -> None:
    context = backend.create_context([device])
    queue = backend.create_command_queue(context, device, 0)
    program = backend.create_program_with_source(context, PROBE_SOURCE)
    backend.build_program(program, [device], "")
    buffers = [backend.create_buffer(context, cl.mem_flags.READ_WRITE, x.nbytes, x.tobytes()) for _ in "xy"]
    kernel = backend.create_kernel(program, "accelpool_probe")
    for index, buffer in enumerate(buffers):
        backend.set_kernel_arg(kernel, index, buffer)
    backend.enqueue_nd_range_kernel(queue, kernel, [PROBE_SIZE], None, None, None)
    backend.wait(backend.enqueue_read_buffer(queue, buffers[1], y.data.cast("B"), 0, None))
