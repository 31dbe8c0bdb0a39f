"""The process that forks compilers: it has imported what they need, and loads no driver itself.

python -m accelpool_node.builder.nursery --channel-fd FD --backend opencl|null:COUNT --folder DIR

Starting Python and importing PyOpenCL takes longer than most builds; a fork takes a millisecond. It has one
thread and has never loaded a driver, because neither survives a fork. Each packet on its channel brings the
connection of one more compiler; the channel's end is its own.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import socket
import sys
from pathlib import Path

from accelpool_node.agent.child import die_with
from accelpool_node.builder import compiler


def main() -> None:
    """Fork a compiler for every connection that comes."""
    parser = argparse.ArgumentParser(prog="accelpool_node.builder.nursery")
    parser.add_argument("--channel-fd", type=int, required=True)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    channel = socket.socket(fileno=options.channel_fd)
    importlib.import_module(f"accelpool_node.backends.{options.backend.partition(':')[0]}")
    compiler.hide()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries compilers
    nursery = os.getpid()
    while True:
        packet, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        if not packet:
            return
        if os.fork() == 0:
            _become_compiler(channel, descriptors[0], nursery, options)
        for descriptor in descriptors:
            os.close(descriptor)


def _become_compiler(
    channel: socket.socket, descriptor: int, nursery: int, options: argparse.Namespace
) -> None:
    """Make one build in the process that was just forked; it ends here."""
    status = 1
    try:
        die_with(nursery)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # drivers wait for children of their own
        channel.close()
        compiler.serve(socket.socket(fileno=descriptor), options.backend, options.folder)
        status = 0
    except OSError:
        status = 2  # the builder is gone, or wants nothing any more
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
