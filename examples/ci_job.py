"""What a CI job runs: acquire a device, test on it, give it back even when the test fails.

    python ci_job.py [--kind any] [--wait 600] [--tolerance 1e-5]

Exit codes: 0 the test passed, 1 it failed or the device refused, 2 no device was granted: none fits, none was
free in time, or the pool could not be reached or does not accept the token. (2 is also for wrong options.)

Three things give the device back: the end of the `with` block, on success and on an exception; a cancelled
job's SIGTERM, which becomes an exception here; and if the runner is killed outright, the lease ends with its
session, within seconds and without anybody's help.
"""

import argparse
import signal
import sys

import numpy as np

import accelpool as cl
from accelpool import errors
from accelpool_kernels import samples, twins


def test_on(ctx: cl.Context, tolerance: float) -> bool:
    """Run 100 steps of the heat equation on the device and compare them with NumPy's."""
    arguments = samples.sample("stencil5", np.random.default_rng(1), height=128, width=256)
    height, width, alpha, u = (arguments[name] for name in ("height", "width", "alpha", "u"))
    queue = cl.CommandQueue(ctx)
    here = cl.Buffer(ctx, cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR, hostbuf=u)
    there = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, u.nbytes)
    expected = u
    for _ in range(100):
        ctx.kernels.stencil5(queue, height, width, alpha, here, there)
        here, there = there, here
        expected = twins.stencil5(height, width, alpha, expected)
    result = np.empty_like(u)
    cl.enqueue_copy(queue, result, here)
    deviation = twins.deviation(result, expected)
    print(f"{ctx.devices[0].name}: deviation {deviation:.1e}, allowed {tolerance:.1e}")
    return deviation <= tolerance


def main() -> int:
    """Return the job's exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=("gpu", "cpu", "accelerator", "any"), default="any")
    parser.add_argument("--wait", type=float, default=600.0, help="seconds")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        ctx = cl.acquire(options.kind, wait=options.wait)
    except errors.AccelpoolError as error:
        print(f"no device: {error}", file=sys.stderr)
        return 2
    try:
        with ctx:
            return 0 if test_on(ctx, options.tolerance) else 1
    except errors.AccelpoolError as error:
        print(f"the test broke off: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
