"""Which binary is loaded on each device of a session, for the agent to know.

An FPGA stays programmed with the last binary after the session's end. A device counts as loaded once a
program made from a binary is built for it; of devices that are no accelerators that tells what was built
last, and no more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from hashlib import sha256

from accelpool_node.backends.base import BackendDevice


def hashes_of(devices: Iterable[BackendDevice], binaries: Iterable[bytes]) -> dict[str, str]:
    """Return the SHA-256 of each device's binary in hexadecimal, by the device's name."""
    pairs = zip(devices, binaries, strict=True)
    return {device.name: sha256(binary).hexdigest() for device, binary in pairs}


class LoadedImages:
    """What is loaded on a session's devices: noted at every build, told as often as somebody asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._news: dict[str, str] = {}

    def note_build(self, devices: Iterable[BackendDevice], hashes: Mapping[str, str]) -> None:
        """Take note that a program was built for devices.

        Args:
            devices: Which; none stands for all of the program's.
            hashes: The program's, as `hashes_of` gives them; empty if it is made from source.
        """
        built = [device.name for device in devices] or hashes
        with self._lock:
            self._news.update({name: hashes[name] for name in built if name in hashes})

    def take_news(self) -> dict[str, str]:
        """Return the SHA-256 of what was loaded since the last call, by the device's name."""
        with self._lock:
            news, self._news = self._news, {}
        return news
