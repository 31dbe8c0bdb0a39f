"""The process that forks compilers: so each is new, and none waits for Python and the driver to be loaded.

python -m accelpool_node.builder.nursery --channel-fd FD --backend KIND --folder DIR --device NAME
    --sandbox POLICY [--cold]

Each packet on its channel brings the connection of one more compiler, and the name of its folder; the
channel's end is its own. It reads nothing of a tenant's.

A driver that has built something before builds several times as fast as one that has not. So the nursery
loads the driver, builds a kernel of ours, and sees whether a fork of it can do the same. Threads do not
survive a fork, and some drivers not the loss of theirs: where it fails, and on devices that are not CPUs, the
nursery starts again and loads nothing (`--cold`), and each compiler loads the driver for itself.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

from accelpool_node.builder import compiler
from accelpool_node.builder import messages as b
from accelpool_node.sandbox.confine import confine
from accelpool_node.sandbox.policy import Policy, decode
from accelpool_node.sandbox.privileges import die_with
from accelpool_wire.errors import Error
from accelpool_wire.private_file import PRIVATE_DIR

MODULE = "accelpool_node.builder.nursery"
TRIAL_LIMIT_S = 20
IN_NURSERY, IN_FORK = 1, 2
MAX_NAME_BYTES = 64


def main() -> None:
    """Fork a compiler for every connection that comes."""
    options = _options()
    channel = socket.socket(fileno=options.channel_fd)
    confine(options.sandbox.of_parent(sys.executable), os.environ, keep=[options.channel_fd])
    own = options.folder / "nursery"
    own.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
    os.chdir(own)
    compiler.use_own_folder()
    driver = None
    if options.cold:
        importlib.import_module(f"accelpool_node.backends.{options.backend.partition(':')[0]}")
    else:
        driver = _warm(options)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries compilers
    nursery = os.getpid()
    while True:
        name, descriptors, _, _ = socket.recv_fds(channel, MAX_NAME_BYTES, 1)
        if not name:
            return
        if os.fork() == 0:
            folder = options.folder / name.decode()
            policy = options.sandbox.of_child(str(folder))
            _become_compiler(channel, descriptors[0], nursery, driver, options.backend, policy)
        for descriptor in descriptors:
            os.close(descriptor)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=MODULE)
    parser.add_argument("--channel-fd", type=int, required=True)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--sandbox", type=decode, required=True)
    parser.add_argument("--device", action="append", default=[])
    parser.add_argument("--cold", action="store_true")
    return parser.parse_args()


def _become_compiler(
    channel: socket.socket,
    descriptor: int,
    nursery: int,
    driver: compiler.Driver | None,
    backend: str,
    policy: Policy,
) -> NoReturn:
    """Make one build in the process that was just forked; it ends here."""
    status = 1
    try:
        die_with(nursery)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # drivers wait for children of their own
        channel.close()
        compiler.serve(socket.socket(fileno=descriptor), driver, backend, policy)
        status = 0
    except OSError:
        status = 2  # the builder is gone, or wants nothing any more
    finally:
        sys.stderr.flush()
        os._exit(status)


# ---- warm or cold ----------------------------------------------------------------------------------------


def _warm(options: argparse.Namespace) -> compiler.Driver:
    """Return the driver, loaded and warm; start the process again, cold, if its forks could not use it."""
    driver = compiler.Driver.load(options.backend)
    served = [device for device in driver.devices.values() if device.name in options.device]
    identified = [b.identify(device) for device in served]
    if any(device.kind != "cpu" for device in served) or not _can_be_forked(driver, identified):
        os.set_inheritable(options.channel_fd, True)
        os.execv(sys.executable, [sys.executable, "-P", "-m", MODULE, *sys.argv[1:], "--cold"])  # noqa: S606
    return driver


def _can_be_forked(driver: compiler.Driver, devices: list[b.DeviceId]) -> bool:
    """Whether the driver still builds in a fork, once it has built here."""
    try:
        for device in devices:
            compiler.make(driver, b.trial_of(device, IN_NURSERY))
    except Error:
        return False
    fork = os.fork()
    if fork == 0:
        _try_in_fork(driver, devices)
    return os.waitpid(fork, 0)[1] == 0


def _try_in_fork(driver: compiler.Driver, devices: list[b.DeviceId]) -> NoReturn:
    """Build once more, and end with the status 0 if that works in time."""
    status = 1
    try:
        die_with(os.getppid())
        signal.alarm(TRIAL_LIMIT_S)
        for device in devices:
            compiler.make(driver, b.trial_of(device, IN_FORK))
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
