"""The monitor child: says every few seconds what NVIDIA's GPUs measure, and how they are parted (MIG).

    python -m accelpool_node.monitor [--once] [--sandbox POLICY]

It prints JSON, one `gpus.Look` a line. One process does it for the whole node and keeps the library loaded: a
GPU that nobody has open may take seconds to wake. It loads no CUDA and no OpenCL.

Exit codes:
0   its look was `--once`
1   the library does not start, or fails; the last line on the standard error says why
3   there is no such library, or no driver
"""

from __future__ import annotations

import argparse
import os
import sys
import time

import msgspec

from accelpool_node.gpus import Look
from accelpool_node.sandbox.confine import confine
from accelpool_node.sandbox.policy import decode
from accelpool_wire.errors import Unavailable

EVERY_S = 5.0  # as often as an agent reports
FAILED, ABSENT = 1, 3


def main() -> int:
    """Look, and return the exit status."""
    parser = argparse.ArgumentParser(prog="accelpool_node.monitor", description=__doc__)
    parser.add_argument("--once", action="store_true", help="look once")
    parser.add_argument("--sandbox", type=decode, metavar="POLICY", help="what this process may do")
    options = parser.parse_args()
    if options.sandbox is not None:
        confine(options.sandbox, os.environ, keep=())
    try:
        from accelpool_node import nvml
    except ModuleNotFoundError:
        return ABSENT
    try:
        with nvml.library():
            while True:
                _say(Look(nvml.look()))
                if options.once:
                    return 0
                time.sleep(EVERY_S)
    except Unavailable:
        return ABSENT
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED


def _say(look: Look) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(look) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
