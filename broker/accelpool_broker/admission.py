"""Admission control: no more connections are let in than there are descriptors for.

Granian counts connections once it serves them. Over TLS those in their handshakes come on top, which have
10 s each. When the last descriptor is gone it asks for the next connection again and again and looks after
nothing else, nor after handshakes that are over time: it would do so for ever. So before that the kernel is
told to drop whoever comes. TCP comes again by itself, after a second at first.
"""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import socket
import struct
import threading
from types import TracebackType

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.05
REFUSE_FROM = 1 / 2  # of all descriptors: the others are for the backlog, and for who comes between two looks
ADMIT_BELOW = 3 / 8

# linux/filter.h, asm-generic/socket.h
ATTACH_FILTER, DETACH_FILTER = 26, 27
DROP = struct.pack("=HBBI", 0x06, 0, 0, 0)  # BPF_RET | BPF_K: keep 0 bytes of a packet


class AdmissionControl:
    """That of a listening socket; a context manager in which a thread looks after it.

    Args:
        sock: Bound and listening.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._is_refusing = False
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="admission", daemon=True)

    def __enter__(self) -> AdmissionControl:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._has_ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._has_ended.wait(LOOK_EVERY_S):
            try:
                self.look()
            except OSError as error:
                log.error("admission control has ended: %s", error)  # noqa: TRY400 - no fault of the program
                return

    def look(self) -> None:
        """Refuse or admit who comes, by how many descriptors are in use now."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        in_use = self._descriptors()
        if in_use >= limit * REFUSE_FROM and not self._is_refusing:
            log.warning("%d of %d descriptors are in use: whoever comes has to wait", in_use, limit)
            self._refuse()
        elif in_use < limit * ADMIT_BELOW and self._is_refusing:
            log.warning("%d of %d descriptors are in use: whoever comes is let in again", in_use, limit)
            self._admit()

    def _descriptors(self) -> int:
        """Return how many descriptors are in use at least: those below the lowest that is free."""
        try:
            lowest = os.dup(self._sock.fileno())
        except OSError:  # there is none
            return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        os.close(lowest)
        return lowest

    def _refuse(self) -> None:
        program = ctypes.create_string_buffer(DROP, len(DROP))
        self._sock.setsockopt(
            socket.SOL_SOCKET, ATTACH_FILTER, struct.pack("@HP", 1, ctypes.addressof(program))
        )
        self._is_refusing = True

    def _admit(self) -> None:
        self._sock.setsockopt(socket.SOL_SOCKET, DETACH_FILTER, 0)
        self._is_refusing = False
