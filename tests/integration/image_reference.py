"""Makes all calls on images on PyOpenCL's own objects, and prints what comes of each, pickled: DEVICE."""

from __future__ import annotations

import pickle
import sys
import warnings

import pyopencl

from .image_calls import KINDS, QUESTIONS, RESULTS, Bench, told
from .image_mistakes import ERRORS, failure


def outcomes(b):
    """Return what comes of every call, by its name."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = {run.__name__: run(b) for run in [*RESULTS, *QUESTIONS]}
    found |= {kind: told(b, KINDS[kind](b)) for kind in KINDS}
    return found | {name: failure(call, b) for name, call in ERRORS.items()}


def main():
    devices = [device for platform in pyopencl.get_platforms() for device in platform.get_devices()]
    device = next(device for device in devices if device.name.strip() == sys.argv[1])
    bench = Bench(pyopencl, pyopencl.Context([device]))
    sys.stdout.buffer.write(pickle.dumps(outcomes(bench)))


if __name__ == "__main__":
    main()
