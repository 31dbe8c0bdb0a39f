"""What CUDA over REST is to do, on null devices and on a GPU: the same requests as for OpenCL."""

from __future__ import annotations

from typing import Any

import numpy as np

from accelpool_kernels import Argument, Role, entry, samples

ADD = (
    'extern "C" __global__ void add(float *a, float by, int n) { if (threadIdx.x < n) a[threadIdx.x] += by; }'
)


def run_of_the_library(client: Any, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return what a kernel writes for its sample, by name, and the sample."""
    arguments = samples.sample(name, np.random.default_rng(1))
    program = client.make("/programs", {"kernel": name})
    assert [kernel["name"] for kernel in program["kernels"]] == [name]
    buffers = {
        a.name: client.buffer(arguments[a.name].tobytes()) for a in entry(name).parameters if a.role.is_buffer
    }
    args = [_arg(a, arguments, buffers) for a in entry(name).arguments]
    launch = client.make("/launches", {"program": program["id"], "kernel": name, "args": args})
    assert launch["status"] == "complete", launch
    written = {
        a.name: np.frombuffer(client.content(buffers[a.name]), arguments[a.name].dtype).reshape(
            arguments[a.name].shape
        )
        for a in entry(name).parameters
        if a.role.is_written
    }
    return written, arguments


def _arg(argument: Argument, arguments: dict[str, Any], buffers: dict[str, str]) -> dict[str, Any] | None:
    if argument.role is Role.LOCAL:
        return None
    if argument.role is Role.SCALAR:
        return {"value": arguments[argument.name].item()}
    return {"buffer": buffers[argument.name]}


def added(client: Any) -> np.ndarray:
    """Return three ones after 2.5 was added to the first two by a source of the client's own."""
    program = client.make("/programs", {"source": ADD})
    buffer = client.buffer(np.ones(3, np.float32).tobytes())
    launch = {
        "program": program["id"],
        "kernel": "add",
        "global_size": [32],
        "local_size": [32],
        "args": [{"buffer": buffer}, {"type": "float", "value": 2.5}, {"type": "int", "value": 2}],
    }
    assert client.make("/launches", launch)["status"] == "complete"
    return np.frombuffer(client.content(buffer), np.float32)
