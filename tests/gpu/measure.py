"""Times on a CUDA device through a worker on this machine, beside the same through PyCUDA alone."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from accelpool_wire import messages as m

from ..dialect import for_cuda
from ..integration.wire_client import Client
from ..integration.worker_rig import Worker, cuda_targets

SOURCE = "__kernel void nothing(__global int *a) { if (a == 0) a[0] = 1; }"
MIB = 1 << 20
COPIED = 256 * MIB


def best(do: Callable[[], None], times: int, rounds: int = 5) -> float:
    """Return the seconds that the quickest of some rounds took for one time."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(times):
            do()
        taken.append((time.perf_counter() - began) / times)
    return min(taken)


def pooled() -> dict[str, float]:
    """Return the times through a worker."""
    target = next(target for target in cuda_targets() if not target.fault)
    with Worker(target) as worker, worker.connect(4 * COPIED) as connection:
        client = Client(connection)
        context = client.context()
        queue, program = client.queue(context), client.program(context, SOURCE)
        client.build(program)
        kernel, buffer = client.kernel(program, "nothing"), client.buffer(context, COPIED)
        launch = m.EnqueueNDRangeKernel(queue, kernel, [32], [32], 0, [buffer])
        content = np.zeros(COPIED, np.uint8)

        def round_trip() -> None:
            client.post(launch)
            client.finish(queue)

        def write() -> None:
            client.post(m.EnqueueWriteBuffer(queue, buffer, 0), memoryview(content))
            client.finish(queue)

        def read() -> None:
            message = m.EnqueueReadBuffer(queue, buffer, 0, COPIED, is_blocking=True)
            connection.read(message, memoryview(content)).wait(30)

        for warm in (round_trip, write, read):
            warm()
        found = {"launch and finish, us": 1e6 * best(round_trip, 500)}
        began = time.perf_counter()
        for _ in range(20_000):
            client.post(launch)
        client.finish(queue)
        found["launches a second"] = 20_000 / (time.perf_counter() - began)
        found["write, GB/s"] = COPIED / best(write, 1) / 1e9
        found["read, GB/s"] = COPIED / best(read, 1) / 1e9
        return found


def alone() -> dict[str, float]:
    """Return the times through PyCUDA in this process."""
    import pycuda.driver as cuda
    from pycuda.compiler import SourceModule

    cuda.init()
    context = cuda.Device(0).retain_primary_context()
    context.push()
    try:
        function = SourceModule(for_cuda(SOURCE), no_extern_c=True).get_function("nothing")
        buffer, stream = cuda.mem_alloc(COPIED), cuda.Stream()
        pinned = cuda.pagelocked_empty(COPIED, np.uint8)

        def launch() -> None:
            function(buffer, block=(32, 1, 1), grid=(1, 1), stream=stream)

        def round_trip() -> None:
            launch()
            stream.synchronize()

        def write() -> None:
            cuda.memcpy_htod_async(buffer, pinned, stream)
            stream.synchronize()

        def read() -> None:
            cuda.memcpy_dtoh_async(pinned, buffer, stream)
            stream.synchronize()

        for warm in (round_trip, write, read):
            warm()
        found = {"launch and finish, us": 1e6 * best(round_trip, 500)}
        began = time.perf_counter()
        for _ in range(20_000):
            launch()
        stream.synchronize()
        found["launches a second"] = 20_000 / (time.perf_counter() - began)
        found["write, GB/s"] = COPIED / best(write, 1) / 1e9
        found["read, GB/s"] = COPIED / best(read, 1) / 1e9
        return found
    finally:
        context.pop()


def main() -> None:
    """Print both."""
    through, here = pooled(), alone()
    print(f"{'':24}{'through a worker':>18}{'PyCUDA alone':>18}")
    for name, value in through.items():
        print(f"{name:24}{value:>18,.1f}{here[name]:>18,.1f}")


if __name__ == "__main__":
    main()
