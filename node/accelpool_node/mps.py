"""NVIDIA's Multi-Process Service: sessions side by side on a GPU, each on a part of its multiprocessors.

The operator starts a daemon, `nvidia-cuda-mps-control -d`. CUDA looks for its socket in a directory as it
starts, and goes through it from then on. How many of a device's threads a context may have at once is read
from the environment when the context is made: a warm worker is told its session's part just in time. Of the
device's primary context it is read when CUDA starts (measured: driver 580), so that is not used.

Source: Multi-Process Service, "Appendix: environment variables". That the socket is one of packets is known
from a trace, NVIDIA/cuda-checkpoint#10.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Mapping
from enum import StrEnum

from accelpool_node.sandbox.policy import Mode
from accelpool_wire.errors import Invalid

DIRECTORY, DEFAULT_DIRECTORY = "CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"  # noqa: S108 - CUDA's own
PER_CONTEXT = "CUDA_MPS_ENABLE_PER_CTX_DEVICE_MULTIPROCESSOR_PARTITIONING"
PERCENTAGE = "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"
CONTROL = "control"
CONNECT_LIMIT_S = 2.0
ROUNDING = 1e-6
OPTION = "--compute-shares mps"
LACK = "its processes may connect to Unix sockets, as MPS's daemon has one"


class ComputeShares(StrEnum):
    """How the compute shares of CUDA devices are enforced."""

    TURNS = "turns"  # one session at a time
    MPS = "mps"  # side by side


def find_pipe(wanted: ComputeShares, environ: Mapping[str, str], sandbox: Mode, bubblewrap: str) -> str:
    """Return the directory of the daemon that shares out compute, "" where sessions take turns.

    Args:
        wanted: What the operator wants.
        environ: The agent's own variables.
        sandbox: How much of a sandbox there has to be.
        bubblewrap: What children are started in, "" if nothing.

    Raises:
        Invalid: No daemon answers, or children could not reach it.
    """
    if wanted is not ComputeShares.MPS:
        return ""
    if sandbox is Mode.REQUIRE:
        raise Invalid(f"{OPTION} and --sandbox require exclude each other: {LACK}")
    if bubblewrap:
        raise Invalid(f"{OPTION} and --bubblewrap exclude each other: the daemon has to see its clients")
    pipe = environ.get(DIRECTORY) or DEFAULT_DIRECTORY
    path = os.path.join(pipe, CONTROL)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.settimeout(CONNECT_LIMIT_S)
            connection.connect(path)
    except OSError as error:
        mend = f"start `nvidia-cuda-mps-control -d`, or set {DIRECTORY} as for it"
        raise Invalid(f"{OPTION}: no daemon answers at {path} ({error.strerror or error}): {mend}") from error
    return pipe


def variables(pipe: str) -> dict[str, str]:
    """Return what a child has in its environment to go through the daemon of a directory, "" for none."""
    return {DIRECTORY: pipe, PER_CONTEXT: "1"} if pipe else {}


def is_parted(environ: Mapping[str, str]) -> bool:
    """Return whether contexts have their parts of a device, by the environment of their process."""
    return environ.get(PER_CONTEXT) == "1"


def thread_percentage(compute: float) -> int:
    """Return a compute share as MPS takes it: so that shares of one device are never more than all of it."""
    return max(1, math.floor(100 * compute + ROUNDING))


def limit_threads(percentage: int) -> None:
    """Have contexts that are made from now on use so much of a device's threads, in percent."""
    os.environ[PERCENTAGE] = str(percentage)  # CUDA reads it from the process's environment
